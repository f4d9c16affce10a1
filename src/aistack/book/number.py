"""A number as the book shows it: value and unit, with what a reader needs to judge it on hover and focus."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from aistack import units
from aistack.errors import BadInput, UnknownName

if TYPE_CHECKING:
    from aistack.catalog import Fact

Mark = Literal["measured", "derived", "assumed", "stated"]
"""How a number came about: somebody measured it; arithmetic or a model on other numbers; chosen for an argument; its
maker, seller or a paper says so."""

_MARKS: dict[str, Mark] = {
    "vendor": "stated",
    "paper": "stated",
    "measured": "measured",
    "derived": "derived",
    "assumed": "assumed",
}

_WORDS = {"million": 1e6, "billion": 1e9, "trillion": 1e12}
"""The words of `units.count`."""


@dataclass(frozen=True)
class Number:
    """One value with its unit and where it comes from."""

    value: float | int
    unit: str
    """SI as `aistack.units` writes it ("B/s", "FLOP/B", "s", "USD"); "%" of a share, "×" of a ratio; "" of a bare
    number; else the noun of what is counted ("layers")."""
    mark: Mark
    source: str
    """Where it comes from, in words: a publication, a datasheet, or the model that computed it."""
    formula: str = ""
    """How it was computed, in words or plain symbols."""
    basis: str = ""
    """Of what, counted how: "dense, per package"."""
    digits: int = 3
    low: float | None = None
    """The interval's lower end, where the number is a prediction."""
    high: float | None = None

    def __post_init__(self) -> None:
        if not self.source.strip():
            raise ValueError("A number needs its source.")
        if (self.low is None) != (self.high is None):
            raise ValueError("An interval has two ends.")

    @property
    def plain(self) -> str:
        """Value and unit as text: "295 FLOP/B"."""
        return _text(self.value, self.unit, self.digits)

    @property
    def range(self) -> str:
        """The interval as text: "280 to 310 FLOP/B"; empty where there is none."""
        if self.low is None or self.high is None:
            return ""
        low, high = _text(self.low, self.unit, self.digits), _text(self.high, self.unit, self.digits)
        (first, _, unit), (_, _, other) = low.partition(" "), high.partition(" ")
        return f"{first if unit == other else low} to {high}"

    @property
    def typed(self) -> tuple[float, str]:
        """The value unrounded, in the unit that it is printed in, as a reader would type it: (295.2, "FLOP/B")."""
        if self.unit == "%":
            return 100 * self.value, self.unit
        if self.unit.startswith("USD"):
            return self.value, self.unit
        printed = self.plain.partition(" ")[2]
        try:
            scale = _WORDS.get(printed.partition(" ")[0]) or units.scale_of(printed)[0]
        except BadInput:
            scale = 1.0
        return self.value / scale, printed

    @property
    def tex(self) -> str:
        """Value and unit for use inside maths."""
        number, _, unit = self.plain.replace("%", r"\%").replace("$", r"\$").replace("µ", r"$\mu$").partition(" ")
        number = number.replace(",", "{,}").replace("×", r"\times ")
        mantissa, exponent, power = number.partition("e")
        if exponent and power.lstrip("+-").isdigit():
            number = rf"{mantissa}\times 10^{{{int(power)}}}"
        return rf"{number}\ \text{{{unit}}}" if unit else number

    def html(self, name: str = "") -> str:
        """The number as an element that tells all about itself; `name` is what the page's module calls it."""
        about = {
            "name": name,
            "value": self.plain,
            "unit": self.unit,
            "basis": self.basis,
            "source": self.source,
            "formula": self.formula,
            "range": self.range,
        }
        data = "".join(f' data-{key}="{html.escape(value, quote=True)}"' for key, value in about.items() if value)
        shown = html.escape(self.plain).replace(" ", "\u00a0")
        if self.range:
            shown += f' <span class="range">({html.escape(self.range)})</span>'
        return f'<span class="n n-{self.mark}" tabindex="0" role="button"{data}>{shown}</span>'

    def __str__(self) -> str:
        return self.html()


def fact(entry: str, field: str, digits: int = 4) -> Number:
    """A quantity of the catalog: `fact("h100-sxm5", "peaks.bf16")`. Raises `UnknownName`, and `BadInput` for words."""
    found, named = _fact(entry, field)
    if not found.is_number:
        raise BadInput(f'{entry} {field} is the word {found.text!r}, not a number; print it with word("{entry}", ...).')
    from aistack.catalog import source

    origin = source(found.source)
    said = f"{named}: {origin.about} ({origin.date})"
    return Number(found.si, found.si_unit, _MARKS[found.kind], said, found.note, found.basis, digits)


def word(entry: str, field: str) -> str:
    """A word of the catalog: `word("h100-sxm5", "memory_type")`. Raises `UnknownName`."""
    return _fact(entry, field)[0].text


def name(entry: str) -> str:
    """What the catalog calls an entry: `name("h100-sxm5")`. Raises `UnknownName`."""
    from aistack import catalog

    return str(catalog.find(entry)[1].name)


def _fact(entry: str, field: str) -> tuple[Fact, str]:
    from aistack import catalog

    kind, found = catalog.find(entry)
    facts = dict(kind.facts(found))
    if field not in facts:
        raise UnknownName(f"value of {entry}", field, facts)
    return facts[field], found.name


def _text(value: float, unit: str, digits: int) -> str:
    if unit == "%":
        return f"{units.text(100 * value, '', digits)}%"
    if unit == "×":
        return f"{units.text(value, '', digits)}×"
    unit = {"tokens": "token", "requests": "request", "1": ""}.get(unit, unit)
    try:
        units.scale_of(unit)
    except BadInput:
        return f"{units.count(value, digits)} {unit}"
    return units.text(value, unit, digits) if unit else units.count(value, digits)
