"""Where facts come from: every source with its address and a date, and which kind of date that is."""

from __future__ import annotations

import functools
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from aistack.catalog.reading import DATA, read_yaml
from aistack.errors import UnknownName

Date = Annotated[str, Field(pattern=r"^\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?$")]
"""A year, a month or a day: `2025`, `2025-03`, `2025-03-21`."""

Dated = Literal["published", "commit", "retrieved"]
"""What a source's date says: when it was published, when the file was last committed, or when it was read."""


class Source(BaseModel):
    """One place that facts were read from."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
    about: Annotated[str, Field(min_length=1)]
    """What it is and how far it can be trusted, in a few words."""
    url: Annotated[str, Field(pattern=r"^https?://\S+$")] | None = None
    path: str = ""
    """The file inside the repository that `url` names."""
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = None
    date: Date
    dated: Dated

    @property
    def name(self) -> str:
        """What it is, as lists show it."""
        return self.about

    @property
    def place(self) -> str:
        """Where it can be read: the address, with the file inside a repository where there is one."""
        if self.url is None:
            return "no address was recorded"
        if self.path and self.commit and self.url.startswith("https://github.com/") and "<" not in self.path:
            return f"{self.url}/blob/{self.commit}/{quote(self.path)}"
        return f"{self.url} {self.path}".rstrip()


@functools.cache
def sources() -> dict[str, Source]:
    """Every source by its key."""
    return {
        key: Source.model_validate({"id": key, **fields}) for key, fields in read_yaml(DATA / "sources.yaml").items()
    }


def source(key: str) -> Source:
    """The source with this key; raises `UnknownName`."""
    if key not in sources():
        raise UnknownName("source", key, sources())
    return sources()[key]
