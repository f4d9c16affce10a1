"""A fact: one value with its unit, basis, source, date, kind and confidence. A value without a source does not load."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo, field_validator, model_validator

from aistack import units
from aistack.catalog.sources import Date, Dated, source, sources
from aistack.errors import BadInput, nearest

FactKind = Literal["vendor", "measured", "paper", "derived", "assumed"]
"""Where the value came into the world: its maker, seller, operator or standard says so; somebody measured it; a
published study; arithmetic on other values; chosen by somebody for a model."""

Confidence = Literal["datasheet", "docs", "secondary", "derived"]
"""How directly we hold it: the maker's own page, document or code; a third party that cites the maker, or the study
itself; a database, press or wiki; arithmetic on values that are held."""

BASES: dict[str, dict[str, str]] = {
    "sparsity": {
        "dense": "every operand counts",
        "sparse": "with structured sparsity: half or more of the counted operations are skipped",
    },
    "accumulate": {
        "fp16 accumulate": "sums are kept in 16 bits, at up to twice the rate of 32",
        "fp32 accumulate": "sums are kept in 32 bits",
    },
    "direction": {
        "per direction": "one way",
        "both directions": "the two ways added together",
    },
    "scope": {
        "per core": "of one core or multiprocessor",
        "per die": "of one die of a package that has several",
        "per package": "of one accelerator as it is bought and scheduled",
        "per board": "of one card with several packages",
        "per superchip": "of a module of host processor and accelerators",
        "per host": "of one host machine of a larger system",
        "per node": "of one server",
        "per rack": "of one rack",
        "per pod": "of the whole system that shares one fast fabric",
        "per system": "of one complete product as sold",
        "per link": "of one link",
        "per port": "of one port",
        "per switch": "of one switch",
        "per hop": "of one hop",
        "per endpoint": "of one thing attached to a network",
        "per bisection": "across the cut that halves the system",
        "per facility": "of a whole data centre or fleet of them",
    },
    "bound": {
        "at least": "a lower bound",
        "at most": "an upper bound",
        "target": "aimed at, not achieved",
    },
    "statistic": {
        "mean": "an average",
        "minimum": "the least observed",
        "maximum": "the most observed or allowed",
        "median": "half of the observations lie below",
        "idle": "while nothing runs",
    },
    "path": {
        "round trip": "there and back",
        "one way": "there only",
    },
    "carbon": {
        "lifecycle": "emissions of building and fuelling included",
        "consumption mix": "of what is consumed, imports included",
        "generation": "of what is generated there",
    },
    "algorithm": {
        "bus bandwidth": "as nccl-tests defines it: comparable with the link's rate",
    },
}
"""The words a basis is made of, by what they settle; a basis takes at most one word from each group."""

_GROUP_OF = {word: group for group, words in BASES.items() for word in words}


class Check(BaseModel):
    """A second look at a fact: where, when, and what came out."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    source: str
    date: Date
    result: Literal["confirmed", "corrected", "contradicted", "not found"]
    note: str = ""

    @field_validator("source")
    @classmethod
    def _source_is_known(cls, key: str, info: ValidationInfo) -> str:
        return _known_source(key, info)


class Fact(BaseModel):
    """One value and everything needed to judge it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    value: bool | int | float | str
    """A number with a unit, or a word (a memory type, a topology) without one."""
    unit: str | None = None
    """As the source states it; `1` for a count or a ratio."""
    basis: str = ""
    """Of what, counted how: words of `BASES`, separated by commas."""
    source: str
    """A key of `data/sources.yaml`."""
    kind: FactKind
    confidence: Confidence
    date: Date | None = None
    """When it held; None: the source's own date."""
    quote: str = ""
    """A few words of the source, or where in it the value stands."""
    note: str = ""
    checked: Check | None = None

    @field_validator("value")
    @classmethod
    def _fits_a_float(cls, value: bool | int | float | str) -> bool | int | float | str:
        if isinstance(value, int) and abs(value) > 10**300:
            raise ValueError("the number is too large")
        return value

    @field_validator("unit", mode="before")
    @classmethod
    def _one_is_a_unit(cls, unit: object) -> object:
        # `unit: 1` is what a file says without quotes
        return "1" if unit == 1 else unit

    @field_validator("unit")
    @classmethod
    def _unit_is_known(cls, unit: str | None) -> str | None:
        if unit is not None:
            try:
                units.scale_of(unit)
            except BadInput as error:
                raise ValueError(str(error)) from None
        return unit

    @field_validator("basis")
    @classmethod
    def _basis_is_known(cls, basis: str) -> str:
        groups = [_group_of(word) for word in _words(basis)]
        if len(set(groups)) < len(groups):
            raise ValueError(f"{basis!r} says two things about the same matter")
        return basis

    @field_validator("source")
    @classmethod
    def _source_is_known(cls, key: str, info: ValidationInfo) -> str:
        return _known_source(key, info)

    @model_validator(mode="after")
    def _numbers_have_units(self) -> Fact:
        if self.is_number and self.unit is None:
            raise ValueError("a number needs a unit ('1' for a count or a ratio)")
        if not self.is_number and self.unit is not None:
            raise ValueError(f"{self.value!r} is no number, so it has no unit (a number must not stand in quotes)")
        return self

    @property
    def is_number(self) -> bool:
        """Whether the value is a quantity rather than a word or a yes or no."""
        return isinstance(self.value, int | float) and not isinstance(self.value, bool)

    @property
    def si(self) -> float:
        """The value in SI units (`si_unit` says which). Raises `TypeError` for a fact that is no number."""
        if isinstance(self.value, bool | str) or self.unit is None:
            raise TypeError(f"{self.value!r} is not a quantity")
        return self.value * units.scale_of(self.unit)[0]

    @property
    def si_unit(self) -> str:
        """The SI unit of `si`; empty for a fact that is no number."""
        return units.scale_of(self.unit)[1] if self.unit is not None else ""

    @property
    def bases(self) -> frozenset[str]:
        """The words of the basis; two values are comparable only where these are equal."""
        return frozenset(_words(self.basis))

    @property
    def dated(self) -> tuple[str, Dated | Literal["stated"]]:
        """The date it holds for and what that date is: `stated` with the value, or the kind of its source's date."""
        if self.date is not None:
            return self.date, "stated"
        origin = source(self.source)
        return origin.date, origin.dated

    @property
    def text(self) -> str:
        """The value as its source states it, with the unit: `3,350 GB/s`."""
        if isinstance(self.value, bool):
            return "yes" if self.value else "no"
        if isinstance(self.value, str):
            return self.value
        plain = isinstance(self.value, int) or 1e-4 <= abs(self.value) < 1e12 or self.value == 0
        number = f"{self.value:,}" if plain and abs(self.value) < 1e15 else f"{self.value:g}"
        number = number.removesuffix(".0")
        return number if self.unit == "1" else f"{number} {self.unit}".replace(" %", "%")


def measures(
    *si_units: str, low: float = 0.0, high: float = float("inf"), basis: tuple[str, ...] = ()
) -> AfterValidator:
    """What a field demands of its fact: one of `si_units`, a sane range in it, the groups its basis must settle."""

    def check(fact: Fact) -> Fact:
        problems = []
        if not fact.is_number:
            problems.append(f"{fact.value!r} is no number, but a quantity in {' or '.join(si_units)} belongs here")
        elif fact.si_unit not in si_units:
            problems.append(f"{fact.text!r} is in {fact.si_unit}, but this field is in {' or '.join(si_units)}")
        elif not low <= fact.si <= high:
            sane = f"{units.text(low, fact.si_unit)} to {units.text(high, fact.si_unit)}"
            problems.append(f"{fact.text!r} is out of the sane range of this field ({sane}): is the unit right?")
        settled = {_GROUP_OF[word] for word in fact.bases}
        problems += [f"the basis must say one of: {', '.join(BASES[group])}" for group in basis if group not in settled]
        if problems:
            raise ValueError("; ".join(problems))
        return fact

    return AfterValidator(check)


def _is_word(fact: Fact) -> Fact:
    if not isinstance(fact.value, str):
        raise ValueError(f"{fact.value!r} is not text")
    return fact


def _is_yes_or_no(fact: Fact) -> Fact:
    if not isinstance(fact.value, bool):
        raise ValueError(f"{fact.value!r} is not true or false")
    return fact


Word = Annotated[Fact, AfterValidator(_is_word)]
"""A fact that is a name or a description rather than a quantity."""
YesNo = Annotated[Fact, AfterValidator(_is_yes_or_no)]
"""A fact that is true or false."""
Count = Annotated[Fact, measures("1", high=1e12)]
"""A fact that is a count."""


def _words(basis: str) -> list[str]:
    return [word.strip() for word in basis.split(",")] if basis else []


def _group_of(word: str) -> str:
    if word not in _GROUP_OF:
        near = nearest(word, _GROUP_OF)
        hint = f" Nearest: {', '.join(near)}." if near else f" Known: {', '.join(_GROUP_OF)}."
        raise ValueError(f"the basis {word!r} is not known.{hint}")
    return _GROUP_OF[word]


def _known_source(key: str, info: ValidationInfo) -> str:
    contributed: frozenset[str] = (info.context or {}).get("sources", frozenset())
    if key not in sources() and key not in contributed:
        near = nearest(key, sources())
        hint = f" Nearest: {', '.join(near)}." if near else ""
        raise ValueError(
            f"there is no source {key!r} in sources.yaml.{hint} A new one is an entry of its own: `entry: source`"
        )
    return key
