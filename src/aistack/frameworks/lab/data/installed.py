"""The default text: the documentation that the standard library and the installed packages carry.

Source files are parsed, never imported. Only packages under a permissive licence are read; tests and code that a
package carries from elsewhere (under another licence, perhaps) are left out.
"""

from __future__ import annotations

import platform
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path, PurePath

from aistack.frameworks.funnel import Step
from aistack.frameworks.lab.data.licences import UNKNOWN, licence_of, permissive
from aistack.frameworks.lab.data.piece import Piece

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
    packages, pieces = [standard], _standard_library(standard, files)
    seen = {"aistack"}
    for distribution in sorted(distributions(), key=_name):
        name = _name(distribution)
        if name in seen:
            continue
        seen.add(name)
        licence = licence_of(distribution.metadata)
        package = Package(name, distribution.version, licence, permissive(licence))
        packages.append(package)
        pieces.extend(_files(distribution, package, files))
    return packages, pieces, files


def _name(distribution: Distribution) -> str:
    return str(distribution.metadata["Name"] or "").lower().replace("_", "-")


def _standard_library(package: Package, files: Step) -> list[Piece]:
    root = Path(sysconfig.get_paths()["stdlib"])
    found = (path for path in sorted(root.rglob("*.py")) if "site-packages" not in path.parts)
    return [piece for path in found for piece in _consider(path, path.relative_to(root), package, "python/", files)]


def _files(distribution: Distribution, package: Package, files: Step) -> Iterator[Piece]:
    readme = next((path for path in distribution.files or () if path.name == "METADATA"), None)
    if readme is not None:
        path = Path(str(distribution.locate_file(readme)))
        yield from _consider(path, PurePath(package.name, "README"), package, "", files)
    for entry in sorted(distribution.files or (), key=str):
        if entry.suffix == ".py" and ".." not in entry.parts:
            yield from _consider(Path(str(distribution.locate_file(entry))), PurePath(entry), package, "", files)


def _consider(path: Path, name: PurePath, package: Package, prefix: str, files: Step) -> Iterator[Piece]:
    try:
        size = path.stat().st_size
    except OSError:
        files.drop("listed but not there", 0)
        return
    if not package.used:
        reason = "no licence stated" if package.licence == UNKNOWN else f"licence asks for more: {package.licence}"
        files.drop(reason, size)
    elif _TESTS & set(name.parts[:-1]) or name.name.startswith("test_") or name.name == "conftest.py":
        files.drop("tests", size)
    elif _VENDORED & set(name.parts[:-1]):
        files.drop("code of others inside a package", size)
    elif size == 0:
        files.drop("empty", 0)
    else:
        files.keep(size)
        kind = "python" if name.suffix == ".py" else "readme"
        yield Piece(path, kind, f"{prefix}{name}", package.name, package.licence, 0, size, size)
