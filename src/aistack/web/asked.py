"""What a request asks: its scenario and what else its query says, both bounded and strict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlencode

from starlette.requests import Request

from aistack.book.setting import Setting
from aistack.errors import BadInput

SETTING = frozenset({"preset", *Setting.model_fields})
"""The keys of a query that make the scenario."""


@dataclass(frozen=True)
class Asked:
    """A request, read."""

    setting: Setting
    own: dict[str, str]
    """The page's own keys."""
    many: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Those among them that may be given several times."""

    @property
    def query(self) -> str:
        """The query that says the same with as few words."""
        return "&".join(filter(None, [urlencode(self.own), urlencode(self.many, doseq=True), self.setting.query()]))


def read(request: Request, own: Iterable[str] = (), many: Iterable[str] = ()) -> Asked:
    """The scenario in the query, and the values of the keys that are the page's `own`; those in `many` may be given
    several times.

    A form's empty fields count as not given. Raises `BadInput` for other keys and for keys given twice, and what
    `Setting.from_query` raises.
    """
    pairs = [(key, value) for key, value in request.query_params.multi_items() if value.strip()]
    several = {key: tuple(dict.fromkeys(value for name, value in pairs if name == key)) for key in many}
    pairs = [(key, value) for key, value in pairs if key not in several]
    if twice := sorted({key for key, _ in pairs if [each for each, _ in pairs].count(key) > 1}):
        raise BadInput(f"The query gives {', '.join(twice)} more than once.")
    given = dict(pairs)
    mine = {key: given.pop(key) for key in own if key in given}
    return Asked(Setting.from_query(given), mine, {key: found for key, found in several.items() if found})
