"""What operations and moves cost in joules, on one logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from aistack import catalog
from aistack.catalog.records import Record
from aistack.drawing import Figure
from aistack.drawing.diagram import Diagram, Scale, Shape, circle, line, text

_LEFT, _RIGHT, _ROW, _TOP = 262.0, 640.0, 25.0, 26.0
_BYTES = 8


@dataclass(frozen=True)
class _Rung:
    words: str
    low: float
    high: float
    moves: bool


_OPERATIONS: Mapping[str, str] = {
    "int8-multiply": "multiply INT8",
    "bf16-multiply": "multiply BF16",
    "fp16-multiply": "multiply FP16",
    "fp32-add": "add FP32",
    "fp32-multiply": "multiply FP32",
}
_ACCESSES: Mapping[str, str] = {
    "sram-read-8-kb-64-bit": "read from SRAM of 8 KB",
    "sram-read-1-mb-64-bit": "read from SRAM of 1 MB",
}
_MOVES: tuple[tuple[str, str, str], ...] = (
    ("technology", "wire-on-chip", "1 mm of wire on the die (30 nm)"),
    ("link-energy", "ucie-advanced-package-3-nm", "die to die in a package (UCIe)"),
    ("link-energy", "nvlink", "to the next GPU (NVLink 4)"),
    ("link-energy", "pcie-gen5", "to the host (PCIe 5)"),
    ("memory-energy", "hbm2-access-energy", "read from HBM2, the device alone"),
    ("memory-energy", "a100-hbm-total", "read from HBM, A100 board measured"),
    ("memory-energy", "ddr3-4-access", "read from DDR4"),
    ("link-energy", "co-packaged-optics", "through optics beside the switch"),
    ("link-energy", "pluggable-optics", "through pluggable optics"),
)


def draw(reference: str = "fp16-multiply") -> Figure:
    """One operation, or a move of 64 bits, a row, cheapest first; `reference` is the operation they are compared with.

    `reference` is one of the catalog's operations at 7 nm: int8-multiply, bf16-multiply, fp16-multiply, fp32-add,
    fp32-multiply. `KeyError` for another.
    """
    rungs = sorted(_rungs(), key=lambda rung: rung.low * rung.high)
    unit = next(rung.low for rung in rungs if rung.words == _OPERATIONS[reference])
    place = Scale(10.0 ** math.floor(math.log10(rungs[0].low)), 2e-9, _LEFT, _RIGHT, log=True)
    bottom = _TOP + len(rungs) * _ROW
    shapes: list[Shape] = []
    for power in range(round(math.log10(place.low)), -8):
        x = place(10.0**power)
        shapes += [
            line(x, _TOP - 4, x, bottom, "grid"),
            text(x, 14, _joules(10.0**power), "muted", size=11, anchor="middle"),
        ]
    shapes.append(text(_RIGHT + 66, 14, "times " + _OPERATIONS[reference].split()[-1], "muted", size=11, anchor="end"))
    for row, rung in enumerate(rungs):
        y = _TOP + (row + 0.5) * _ROW
        middle = math.sqrt(rung.low * rung.high)
        shapes.append(text(_LEFT - 14, y + 4, rung.words, "ink" if rung.moves else "hardware", anchor="end"))
        shapes.append(line(_LEFT, y, place(rung.low), y, "grid", thick=1.5))
        if rung.high > rung.low:
            shapes.append(line(place(rung.low), y, place(rung.high), y, "ink", thick=4))
        shapes.append(circle(place(middle), y, 4.5, "ink" if rung.moves else "hardware"))
        shapes.append(text(_RIGHT + 66, y + 4, _times(middle / unit), anchor="end", bold=rung.moves))
    hbm = next(rung for rung in rungs if "A100" in rung.words)
    return Figure(
        layer="hardware",
        title=f"Fetching 64 bits from memory costs as much as {hbm.low / unit:,.0f} multiplications",
        subtitle="Energy of one operation (in the layer's hue) or of moving 64 bits (black), logarithmic; bars are "
        "stated ranges. Arithmetic and SRAM at 7 nm",
        source="Catalog: energies of operations, memories and links, each with its source (Jouppi et al., ISCA 2021; "
        "O'Connor et al., MICRO 2017; makers; measured boards).",
        alt="From cheapest to dearest: " + ", ".join(f"{rung.words} {_range(rung)}" for rung in rungs) + ".",
        chart=Diagram(_RIGHT + 72, bottom + 6, tuple(shapes)),
        table=[
            {
                "what": rung.words,
                "energy": _range(rung),
                "times " + _OPERATIONS[reference]: _times(math.sqrt(rung.low * rung.high) / unit),
            }
            for rung in rungs
        ],
    )


def _rungs() -> list[_Rung]:
    table = {name: catalog.record("operation-energy", name).values["7nm"].si for name in (*_OPERATIONS, *_ACCESSES)}
    rungs = [_Rung(words, table[name], table[name], False) for name, words in _OPERATIONS.items()]
    rungs += [_Rung(words, table[name], table[name], True) for name, words in _ACCESSES.items()]
    for kind, name, words in _MOVES:
        low, high = _ends(catalog.record(kind, name))
        # J/B, and for wires J/B/m over one millimetre
        length = 1e-3 if kind == "technology" else 1.0
        rungs.append(_Rung(words, low * _BYTES * length, high * _BYTES * length, True))
    return rungs


def _ends(record: Record) -> tuple[float, float]:
    values = record.values
    if "low" in values:
        return values["low"].si, values["high"].si
    return record.value.si, record.value.si


def _range(rung: _Rung) -> str:
    return _joules(rung.low) if rung.low == rung.high else f"{_joules(rung.low)} to {_joules(rung.high)}"


def _joules(value: float) -> str:
    return f"{value * 1e9:.3g} nJ" if value >= 0.9995e-9 else f"{value * 1e12:.3g} pJ"


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}"
