"""The works that the book cites: one file, strictly read."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aistack.book.listing import read
from aistack.book.page import PARTS
from aistack.errors import UnknownName

FILE = PARTS / "bibliography.yaml"


class Work(BaseModel):
    """One publication."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    authors: Annotated[tuple[str, ...], Field(min_length=1)]
    """ "Williams, Samuel", or the one name of an organisation."""
    title: Annotated[str, Field(min_length=1)]
    year: Annotated[int, Field(ge=1600, le=2100)]
    venue: str = ""
    doi: Annotated[str, Field(pattern=r"^10\.\d{4,}/\S+$")] | None = None
    arxiv: Annotated[str, Field(pattern=r"^(\d{4}\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?/\d{7})$")] | None = None
    url: Annotated[str, Field(pattern=r"^https://\S+$")] | None = None

    @model_validator(mode="after")
    def _can_be_found(self) -> Self:
        if not (self.doi or self.arxiv or self.url):
            raise ValueError("a work needs a doi, an arxiv number or a url")
        return self

    @property
    def link(self) -> str:
        """Where it can be read."""
        if self.doi:
            return f"https://doi.org/{self.doi}"
        return f"https://arxiv.org/abs/{self.arxiv}" if self.arxiv else str(self.url)

    @property
    def place(self) -> str:
        """The link as a reader sees it: "doi:10.1145/1498765.1498785"."""
        if self.doi:
            return f"doi:{self.doi}"
        return f"arXiv:{self.arxiv}" if self.arxiv else str(self.url).removeprefix("https://")

    @property
    def names(self) -> str:
        """The authors as a citation names them: "Williams et al."."""
        last = [author.partition(",")[0] for author in self.authors]
        if len(last) > 2:
            return f"{last[0]} et al."
        return " and ".join(last)


@functools.cache
def works() -> Mapping[str, Work]:
    """Every work by its key. Raises `BadInput` for a file that cannot be used."""
    return read(FILE, Work)


@functools.cache
def _years() -> Mapping[str, str]:
    """The year of each work, with a letter where the same names have several in it."""
    alike = Counter((work.names, work.year) for work in works().values())
    seen: Counter[tuple[str, int]] = Counter()
    years = {}
    for key, work in works().items():
        which = (work.names, work.year)
        years[key] = f"{work.year}{chr(ord('a') + seen[which])}" if alike[which] > 1 else str(work.year)
        seen[which] += 1
    return MappingProxyType(years)


def work(key: str) -> Work:
    """The work with this key. Raises `UnknownName`."""
    if key not in works():
        raise UnknownName("work in bibliography.yaml", key, works())
    return works()[key]


def year(key: str) -> str:
    """The year that tells a work from others of the same names: "2024b". Raises `UnknownName`."""
    work(key)
    return _years()[key]
