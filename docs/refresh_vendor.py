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
    "katex": ("0.19.1", ("dist/katex.min.js", "dist/katex.min.css", "dist/fonts/*.woff2")),
}
"""Package -> version, and the files that are kept."""


def main() -> None:
    """Replace the folder of every package."""
    for name, (version, patterns) in PACKAGES.items():
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(
                ["npm", "pack", f"{name}@{version}", "--silent"], cwd=folder, check=True, stdout=subprocess.PIPE
            )
            (archive,) = Path(folder).glob("*.tgz")
            with tarfile.open(archive) as packed:
                packed.extractall(folder, filter="data")
            keep(Path(folder) / "package", VENDOR / name, patterns)
        print(f"{name} {version}")


def keep(package: Path, target: Path, patterns: tuple[str, ...]) -> None:
    """Copy the files of `package` that match, with its licence and version, to `target`."""
    shutil.rmtree(target, ignore_errors=True)
    for path in (each for pattern in patterns for each in sorted(package.glob(pattern))):
        copy = target / path.relative_to(package / "dist")
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
