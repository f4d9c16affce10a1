"""What the assistant reads: the documents of a dive, and the book."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import aistack
from aistack.applications.passages import Document
from aistack.errors import BadInput

_PACKAGE = Path(aistack.__file__).parent


def read(path: Path) -> tuple[list[Document], set[str]]:
    """The documents of a `documents.jsonl`, and the ids of those that were held back from training.

    Raises `BadInput` that names the file and line where it is missing, empty or not as the frameworks stage writes it.
    """
    documents: list[Document] = []
    held_back: set[str] = set()
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    record = json.loads(line)
                    document = Document(*(str(record[key]) for key in ("id", "text", "source", "licence")))
                    split = record["split"]
                except (ValueError, TypeError, KeyError) as error:
                    raise BadInput(
                        f"Line {number} of {path} is no document ({error!r}). Run the frameworks stage again."
                    ) from None
                documents.append(document)
                if split == "validation":
                    held_back.add(document.id)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"The documents cannot be read from {path} ({error}). Run the frameworks stage again.") from None
    if not documents:
        raise BadInput(f"{path} holds no documents. Run the frameworks stage again.")
    return documents, held_back


def book() -> list[Document]:
    """The pages of the book and of the project: `book/`, `docs/` and the README of the source checkout or, where the
    package was installed without one, the `book/` it carries and the README in its metadata.
    """
    checkout = _PACKAGE.parent.parent
    root = checkout if (checkout / "pyproject.toml").is_file() else _PACKAGE
    paths = [*sorted(root.glob("book/**/*.md")), *sorted(root.glob("docs/**/*.md")), root / "README.md"]
    pages = [_page(str(path.relative_to(root)), path.read_text(encoding="utf-8")) for path in paths if path.is_file()]
    if root == _PACKAGE:
        readme = metadata.metadata("aistack").json.get("description")
        pages += [_page("README.md", readme)] if isinstance(readme, str) else []
    return [page for page in pages if page.text.strip()]


def _page(name: str, text: str) -> Document:
    licence = "CC-BY-4.0" if name.startswith("book/") else "Apache-2.0"
    return Document(f"book/{name.removeprefix('book/')}", text, f"book: {name}", licence)
