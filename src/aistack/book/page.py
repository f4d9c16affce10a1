"""A page: its source, its front matter, its place in the book and the module that computes what it says."""

from __future__ import annotations

import datetime
import functools
import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aistack.book.demo import Demo
from aistack.book.number import Number
from aistack.book.setting import Setting
from aistack.book.table import Table
from aistack.catalog import problems
from aistack.catalog.reading import read_yaml
from aistack.drawing import LAYERS, Figure, Layer
from aistack.errors import BadInput, UnknownName

PARTS = Path(__file__).parent / "parts"

Kind = Literal["opening", "chapter", "research", "challenges", "vision", "notes"]
Reader = Literal["engineer", "data-scientist", "leader"]
REQUIRED: tuple[Kind, ...] = ("opening", "chapter", "research", "challenges", "vision", "notes")
"""The kinds of pages that a complete part has."""


class Planned(BaseModel):
    """A chapter to come."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Annotated[str, Field(min_length=1)]
    answers: Annotated[str, Field(min_length=1)]


class FrontMatter(BaseModel):
    """What stands between the dashes on top of a page."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Annotated[str, Field(min_length=1)]
    """A claim or a question."""
    order: Annotated[int, Field(ge=0)]
    """Its place within the part; the opening is 0."""
    kind: Kind
    lead: Annotated[str, Field(min_length=1)]
    """One sentence for those who read only that."""
    readers: tuple[Reader, ...] = ("engineer", "data-scientist", "leader")
    verified: datetime.date
    """When each fact was last held against its source."""
    planned: tuple[Planned, ...] = ()


@dataclass(frozen=True)
class Page:
    """One page of the book, not yet rendered."""

    id: str
    """"hardware/memory"; a part's opening has the layer's name alone."""
    layer: Layer
    path: Path
    front: FrontMatter
    body: str
    """The Markdown below the front matter."""
    first_line: int
    """The line of the file on which the body begins, from 1."""

    @property
    def part(self) -> int:
        """1 for hardware to 6 for applications."""
        return LAYERS.index(self.layer) + 1

    @property
    def number(self) -> str:
        """Part and chapter, "1.3"; of the opening the part alone, "1"."""
        return f"{self.part}.{self.front.order}" if self.front.order else str(self.part)

    @property
    def file(self) -> str:
        """Where it lies in the site: "hardware/memory.html"."""
        return f"{self.id}.html" if "/" in self.id else f"{self.id}/index.html"

    @property
    def module_path(self) -> Path:
        """The file of its module, which need not exist."""
        return self.path.with_name(self.path.stem.replace("-", "_") + ".py")

    def numbers(self, setting: Setting) -> Mapping[str, Number]:
        """What the page's module computes, by name."""
        return self._of("numbers", setting)

    def words(self, setting: Setting) -> Mapping[str, Any]:
        """What its text asks about beside numbers: words, and what is true or false, by name."""
        return self._of("words", setting)

    def figures(self, setting: Setting) -> Mapping[str, Callable[[], Figure]]:
        """What draws its figures, by name."""
        return self._of("figures", setting)

    def tables(self, setting: Setting) -> Mapping[str, Callable[[], Table]]:
        """What makes its tables, by name."""
        return self._of("tables", setting)

    def demos(self, setting: Setting) -> Mapping[str, Demo]:
        """Its demos, by name."""
        return self._of("demos", setting)

    def _of(self, what: str, setting: Setting) -> Mapping[str, Any]:
        if not self.module_path.exists():
            return {}
        name = f"aistack.book.parts.{self.layer}.{self.module_path.stem}"
        function = getattr(importlib.import_module(name), what, None)
        return function(setting) if function else {}

    def at(self, line: int) -> str:
        """A line of the file, for messages: "parts/hardware/memory.md:12"."""
        home = PARTS.parent
        return f"{self.path.relative_to(home) if self.path.is_relative_to(home) else self.path}:{line}"


@functools.cache
def pages() -> Mapping[str, Page]:
    """All pages by id, in reading order. Raises `BadInput` for front matter that cannot be used."""
    found = [read(path, layer) for layer in LAYERS for path in sorted((PARTS / layer).glob("*.md"))]
    found.sort(key=lambda page: (page.part, page.front.order, page.id))
    return MappingProxyType({page.id: page for page in found})


def page(page_id: str) -> Page:
    """The page with this id. Raises `UnknownName`."""
    if page_id not in pages():
        raise UnknownName("page", page_id, pages())
    return pages()[page_id]


def neighbours(page_id: str) -> tuple[Page | None, Page | None]:
    """The pages before and after this one in reading order."""
    ids = list(pages())
    here = ids.index(page_id)
    before = pages()[ids[here - 1]] if here else None
    return before, pages()[ids[here + 1]] if here + 1 < len(ids) else None


def read(path: Path, layer: Layer) -> Page:
    """The page in `path`. Raises `BadInput` naming file, line and cause."""
    text = path.read_text(encoding="utf-8")
    if found := re.search("[\ue000-\ue004]", text):
        line = text[: found.start()].count("\n") + 1
        raise BadInput(f"{path}:{line}: there is a character of Unicode's private use here, which stands for nothing.")
    begin, _, rest = text.partition("\n")
    head, fence, body = rest.partition("\n---\n")
    if begin != "---" or not fence:
        raise BadInput(f"{path}:1: a page begins with its front matter, between two lines of three dashes.")
    try:
        front = FrontMatter.model_validate(read_yaml(head))
    except yaml.YAMLError as error:
        raise BadInput(f"{path}:1: the front matter is not YAML: {error}") from None
    except ValidationError as error:
        lines = [line for each in error.errors() for line in problems.message(FrontMatter, each)]
        raise BadInput(
            "\n".join([f"{path}:1: the front matter cannot be used:", *(f"  {line}" for line in lines)])
        ) from None
    page_id = layer if path.stem == "index" else f"{layer}/{path.stem}"
    if (path.stem == "index") != (front.kind == "opening") or (front.kind == "opening") != (front.order == 0):
        raise BadInput(f"{path}:1: index.md, and it alone, is the part's opening, of kind `opening` and order 0.")
    return Page(page_id, layer, path, front, body, first_line=head.count("\n") + 4)
