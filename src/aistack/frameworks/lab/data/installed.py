"""The default text: the documentation that the standard library and the installed packages carry.

Source files are parsed, never imported. Only packages under a permissive licence are read; tests and code that a
package carries from elsewhere (under another licence, perhaps) are left out.
"""

from __future__ import annotations

import csv
import os
import platform
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from aistack.frameworks.funnel import Step
from aistack.frameworks.lab.data.licences import UNKNOWN, licence_of, permissive
from aistack.frameworks.lab.data.piece import Kind, Piece

_TESTS = {"test", "tests", "idle_test"}
_VENDORED = {"_vendor", "_vendored", "vendored", "third_party", "externals", "_bundled"}


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package, as its metadata describes it."""

    name: str
    version: str
    licence: str
    used: bool
    """Whether its licence lets it be used here."""


def installed() -> tuple[list[Package], list[Piece], Step]:
    """The packages found, the pieces of those to read, and the account of their files."""
    files = Step("find files")
    standard = Package("python", platform.python_version(), "PSF-2.0", True)
    packages, pieces = [standard], list(_standard_library(standard, files))
    # of two of a name the first on the import path counts; our own documentation is not what a model is to learn
    found = dict(reversed([*map(_named, distributions())]))
    found.pop("aistack", None)
    for name, distribution in sorted(found.items()):
        licence = licence_of(distribution.metadata)
        package = Package(name, distribution.version, licence, permissive(licence))
        packages.append(package)
        pieces.extend(_files(distribution, package, files))
    return packages, pieces, files


def _named(distribution: Distribution) -> tuple[str, Distribution]:
    return str(distribution.metadata["Name"] or "").lower().replace("_", "-"), distribution


def _standard_library(package: Package, files: Step) -> Iterator[Piece]:
    root = sysconfig.get_paths()["stdlib"]
    for folder, inside, names in os.walk(root):
        inside[:] = sorted(name for name in inside if name not in {"site-packages", "dist-packages", "__pycache__"})
        for name in sorted(names):
            if name.endswith(".py"):
                path = os.path.join(folder, name)  # noqa: PTH118
                inner = os.path.relpath(path, root)
                yield from _consider(path, f"python/{inner}", os.stat(path).st_size, package, files)  # noqa: PTH116


def _files(distribution: Distribution, package: Package, files: Step) -> Iterator[Piece]:
    """Files as the distribution's RECORD lists them, with their sizes: one read instead of a look at each file."""
    root = str(distribution.locate_file(""))
    for name, _, size in sorted(csv.reader((distribution.read_text("RECORD") or "").splitlines())):
        readme = name.endswith(".dist-info/METADATA") and name.count("/") == 1
        if (readme or name.endswith(".py")) and not name.startswith(("..", "/")):
            path = os.path.join(root, name)  # noqa: PTH118
            identity = f"{package.name}/README" if readme else name
            yield from _consider(path, identity, int(size or 0), package, files)


def _consider(path: str, identity: str, size: int, package: Package, files: Step) -> Iterator[Piece]:
    *folders, name = identity.split("/")
    if not package.used:
        reason = "no licence stated" if package.licence == UNKNOWN else f"licence asks for more: {package.licence}"
        files.drop(reason, size)
    elif not _TESTS.isdisjoint(folders) or name.startswith("test_") or name == "conftest.py":
        files.drop("tests", size)
    elif not _VENDORED.isdisjoint(folders):
        files.drop("code of others inside a package", size)
    elif size == 0:
        files.drop("empty", 0)
    else:
        files.keep(size)
        kind: Kind = "python" if name.endswith(".py") else "readme"
        yield Piece(Path(path), kind, identity, package.name, package.licence, 0, size, size)
