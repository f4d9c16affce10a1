"""Fetch what browsers need of others from npm into the theme's vendor folder: python docs/refresh_vendor.py

Each package keeps its licence and says its version. A version changes here and nowhere else.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

VENDOR = Path(__file__).parent.parent / "src/aistack/book/theme/vendor"

PACKAGES = {
    "katex": ("0.19.1", "dist", ("katex.min.js", "katex.min.css", "fonts/*.woff2")),
    "minisearch": ("7.2.0", "dist/umd", ("index.js",)),
    "@fontsource/source-serif-4": (
        "5.3.1",
        "files",
        tuple(f"source-serif-4-latin-{style}.woff2" for style in ("400-normal", "400-italic", "600-normal")),
    ),
}
"""Package -> version, the folder in it that matters, and the files of that which are kept."""


def main() -> None:
    """Replace the folder of every package."""
    for name, (version, within, patterns) in PACKAGES.items():
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(
                ["npm", "pack", f"{name}@{version}", "--silent"], cwd=folder, check=True, stdout=subprocess.PIPE
            )
            (archive,) = Path(folder).glob("*.tgz")
            with tarfile.open(archive) as packed:
                packed.extractall(folder, filter="data")
            keep(Path(folder) / "package", within, VENDOR / name.rpartition("/")[2], patterns)
        print(f"{name} {version}")


def keep(package: Path, within: str, target: Path, patterns: tuple[str, ...]) -> None:
    """Copy the files of a folder of `package` that match, with its licence and version, to `target`."""
    shutil.rmtree(target, ignore_errors=True)
    for path in (each for pattern in patterns for each in sorted((package / within).glob(pattern))):
        copy = target / path.relative_to(package / within)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    # every browser of the last years reads woff2: the other fonts are not kept, so nothing may name them
    for sheet in target.glob("*.css"):
        sheet.write_text(re.sub(r",url\([^)]*\.(?:woff|ttf)\) format\(\"\w+\"\)", "", sheet.read_text()))
    (licence,) = (each for each in package.iterdir() if each.name.upper().startswith("LICENSE"))
    shutil.copyfile(licence, target / "LICENSE")
    about = json.loads((package / "package.json").read_text())
    (target / "VERSION").write_text(f"{about['name']} {about['version']} ({about['license']})\n")


if __name__ == "__main__":
    main()
