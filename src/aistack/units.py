"""Quantities as people write them, turned into SI floats and back; used at the edges only.

Inside the product every quantity is a float in the SI unit that its name or docstring states: bytes, seconds,
FLOP, FLOP/s, watts, joules, kilograms, litres; US dollars. Decimal prefixes are powers of 1000 (GB is 10^9 bytes),
binary ones powers of 1024 (GiB is 2^30 bytes). A bit is an eighth of a byte.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aistack.errors import BadInput

_DECIMAL = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18, "Z": 1e21}
_SMALL = {"m": 1e-3, "u": 1e-6, "µ": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50}


@dataclass(frozen=True)
class _Base:
    canonical: str
    factor: float
    prefixes: tuple[dict[str, float], ...]


# symbol -> what it measures (its canonical SI symbol), how many of those it is, and the prefixes it takes
_BASES: dict[str, _Base] = {
    "B": _Base("B", 1.0, (_DECIMAL, _BINARY)),
    "b": _Base("B", 0.125, (_DECIMAL, _BINARY)),
    "bit": _Base("B", 0.125, (_DECIMAL, _BINARY)),
    "FLOP": _Base("FLOP", 1.0, (_DECIMAL,)),
    "FLOPS": _Base("FLOP/s", 1.0, (_DECIMAL,)),
    "OP": _Base("OP", 1.0, (_DECIMAL,)),
    "s": _Base("s", 1.0, (_DECIMAL, _SMALL)),
    "min": _Base("s", 60.0, ()),
    "h": _Base("s", 3600.0, ()),
    "hour": _Base("s", 3600.0, ()),
    "day": _Base("s", 86400.0, ()),
    "days": _Base("s", 86400.0, ()),
    "month": _Base("s", 86400.0 * 365.25 / 12, ()),
    "year": _Base("s", 86400.0 * 365.25, ()),
    "Hz": _Base("Hz", 1.0, (_DECIMAL,)),
    "W": _Base("W", 1.0, (_DECIMAL, _SMALL)),
    "J": _Base("J", 1.0, (_DECIMAL, _SMALL)),
    "Wh": _Base("J", 3600.0, (_DECIMAL,)),
    "g": _Base("kg", 1e-3, (_DECIMAL,)),
    "gCO2e": _Base("kg", 1e-3, (_DECIMAL,)),
    "tCO2e": _Base("kg", 1e3, (_DECIMAL,)),
    "gSbe": _Base("kgSbe", 1e-3, (_DECIMAL,)),
    "t": _Base("kg", 1e3, ()),
    "L": _Base("L", 1.0, ()),
    "m": _Base("m", 1.0, (_SMALL,)),
    "mm2": _Base("m2", 1e-6, ()),
    "um2": _Base("m2", 1e-12, ()),
    "USD": _Base("USD", 1.0, (_DECIMAL,)),
    "$": _Base("USD", 1.0, ()),
    "token": _Base("token", 1.0, (_DECIMAL,)),
    "tokens": _Base("token", 1.0, (_DECIMAL,)),
    "request": _Base("request", 1.0, (_DECIMAL,)),
    "requests": _Base("request", 1.0, (_DECIMAL,)),
    "tok": _Base("token", 1.0, (_DECIMAL,)),
    "op": _Base("OP", 1.0, (_DECIMAL,)),
    "SM": _Base("SM", 1.0, ()),
    "CU": _Base("CU", 1.0, ()),
    "core": _Base("core", 1.0, ()),
    "billion": _Base("1", 1e9, ()),
    "1": _Base("1", 1.0, ()),
    "%": _Base("1", 0.01, ()),
    "": _Base("1", 1.0, (_DECIMAL,)),
}

# For printing: the prefixes a canonical unit takes, largest first. Seconds, joules and dollars have their own words.
_BIG = tuple(sorted(((value, prefix) for prefix, value in _DECIMAL.items() if prefix != "K"), reverse=True))
_FINE = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"))
_TIMES = (
    (86400.0, "days"),
    (3600.0, "h"),
    (60.0, "min"),
    *((scale, f"{prefix}s") for scale, prefix in _FINE),
)
_ENERGIES = (
    (3.6e9, "MWh"),
    (3.6e6, "kWh"),
    (3.6e3, "Wh"),
    (1.0, "J"),
    (1e-3, "mJ"),
    (1e-6, "µJ"),
    (1e-9, "nJ"),
    (1e-12, "pJ"),
)
_MASSES = ((1e3, "t"), (1.0, "kg"), (1e-3, "g"), (1e-6, "mg"))
_AREAS = ((1.0, "m2"), (1e-6, "mm2"), (1e-12, "um2"))

_DOLLARS_FIRST = re.compile(r"\$\s*([\d.,_]+)(?:\s*(million|billion|trillion)\b)?")
_FORTUNES = ((1e12, "trillion", "e12"), (1e9, "billion", "e9"), (1e6, "million", "e6"))
_QUANTITY = re.compile(r"\s*([-+]?(?:\d[\d_,]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*")


def scale_of(unit: str) -> tuple[float, str]:
    """How many SI units one `unit` is, and which: `scale_of("GB/s") == (1e9, "B/s")`.

    Raises `BadInput` for an unknown unit.
    """
    numerator, *denominators = "".join(unit.split()).split("/")
    factor, canonical = _scale_of_symbol(numerator, unit)
    for part in denominators:
        below, canonical_below = _scale_of_symbol(part, unit)
        factor /= below
        canonical += f"/{canonical_below}"
    return factor, canonical


def parse(text: str | float, unit: str) -> float:
    """Read `text` as a quantity in the SI `unit`: `parse("3.35 TB/s", "B/s") == 3.35e12`.

    A bare number is taken to be in `unit` already. Raises `BadInput` where the text is no quantity or its unit
    measures something else.
    """
    if isinstance(text, int | float):
        return float(text)
    match = _QUANTITY.fullmatch(_DOLLARS_FIRST.sub(_dollars, text))
    if match is None:
        raise BadInput(f"{text!r} is not a quantity. Write a number and a unit, for example '10 {unit}'.")
    number = float(match[1].replace("_", "").replace(",", ""))
    if not match[2]:
        return number
    factor, canonical = scale_of(match[2])
    if canonical != unit:
        raise BadInput(f"{text!r} is in {canonical}, but {unit} is wanted here.")
    return number * factor


def text(value: float, unit: str, digits: int = 3) -> str:
    """Print a quantity given in the SI `unit` as people read it: `text(3.35e12, "B/s") == "3.35 TB/s"`."""
    above, _, below = unit.partition("/")
    per = f"/{below}" if below else ""
    if above == "1" or not above:
        return f"{_number(value, digits)}{per}"
    if unit == "s":
        return _with(value, _TIMES, digits)
    if unit == "J":
        return _with(value, _ENERGIES, digits)
    if above == "kg":
        return _with(value, _MASSES, digits, per)
    if above == "m2":
        return _with(value, _AREAS, digits, per)
    if above in {"SM", "CU", "core"}:
        return f"{_number(value, digits)} {above}{per}"
    if above == "USD":
        sign, size = "-" if value < 0 else "", abs(value)
        if 1e7 <= size < float("inf"):
            scale, word, _ = next(fortune for fortune in _FORTUNES if size >= fortune[0])
            return f"{sign}${_number(size / scale, digits)} {word}{per}"
        return f"{sign}${_number(size, digits)}{per}"
    if above in {"token", "request"}:
        scaled = _with(value, _BIG, digits) if abs(value) >= 1e4 else _number(value, digits)
        plural = above if value == 1 else f"{above}s"
        return f"{scaled.rstrip()} {plural}{per}"
    scales = _BIG if above in {"B", "FLOP", "OP"} else (*_BIG[:-1], *_FINE)
    table = tuple((scale, f"{prefix}{above}") for scale, prefix in scales)
    return _with(value, table, digits, per)


def count(value: float, digits: int = 3) -> str:
    """Print how many of something there are, in words from a million on: `count(8.03e9) == "8.03 billion"`."""
    for scale, word, _ in _FORTUNES:
        if abs(value) >= scale * (1 - 0.5 * 10**-digits):
            return f"{_number(value / scale, digits)} {word}"
    return f"{int(value):,}" if value == int(value) else _number(value, digits)


def span(low: float, high: float, unit: str, digits: int = 3) -> str:
    """Print a range, naming a unit that both ends share once: `span(1e-3, 2e-3, "s") == "1 to 2 ms"`."""
    first, second = text(low, unit, digits), text(high, unit, digits)
    (number, _, above), (_, _, below) = first.partition(" "), second.partition(" ")
    return f"{number if above == below else first} to {second}"


def _dollars(found: re.Match[str]) -> str:
    exponent = next((exponent for _, word, exponent in _FORTUNES if word == found[2]), "")
    return f"{found[1]}{exponent} USD"


def _scale_of_symbol(symbol: str, whole: str) -> tuple[float, str]:
    base = _BASES.get(symbol)
    if base is not None:
        return base.factor, base.canonical
    for length in (2, 1):
        prefix, rest = symbol[:length], symbol[length:]
        base = _BASES.get(rest)
        if base is None:
            continue
        for prefixes in base.prefixes:
            if prefix in prefixes:
                return prefixes[prefix] * base.factor, base.canonical
    raise BadInput(f"{whole!r} is not a unit known here. Examples: GB, TB/s, Gb/s, TFLOP/s, ms, kWh, USD, token/s.")


def _with(value: float, table: tuple[tuple[float, str], ...], digits: int, per: str = "") -> str:
    magnitude = abs(value)
    for scale, symbol in table:
        # 0.9995 rather than 1: 999.7 kB must not print as "1000 kB"
        if magnitude >= scale * 0.9995:
            return f"{_number(value / scale, digits)} {symbol}{per}"
    scale, symbol = table[-1]
    if value == 0:
        scale, symbol = next((pair for pair in table if pair[0] == 1.0), table[-1])
    return f"{_number(value / scale, digits)} {symbol}{per}"


def _number(value: float, digits: int) -> str:
    if value == 0:
        return "0"
    if value != value or abs(value) == float("inf"):
        return str(value)
    # what rounds up to one digit more has no decimals either
    if abs(value) >= 10**digits - 0.5:
        return f"{value:,.0f}" if abs(value) < 1e7 else f"{value:.{digits - 1}e}"
    return f"{value:.{digits}g}" if abs(value) >= 1e-4 else f"{value:.{digits - 1}e}"
