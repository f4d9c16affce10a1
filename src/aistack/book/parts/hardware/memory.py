"""What "Why does memory come in levels?" computes: a chip's memories, and what a product moves between them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping

import numpy as np

from aistack import catalog
from aistack.book.demo import Control, Demo, Shown
from aistack.book.number import Number, fact
from aistack.book.setting import Setting
from aistack.book.table import Cell, Table
from aistack.catalog.records import Technology
from aistack.drawing import Figure
from aistack.drawing.axes import binary_size
from aistack.hardware import blocking, energy, memory_levels
from aistack.hardware.chip import ELEMENT_BYTES
from aistack.hardware.figures import hbm_stack, reuse
from aistack.hardware.figures import memory_levels as levels_figure

SIZE = 8192
"""Rows and columns of the product that this chapter follows."""
TILES, SIZES = (1, 8, 32, 128, 512, 1024), (1024, 8192, 32768)
FAST = tuple(2.0**power for power in (14, 16, 18, 20, 22, 24))
"""Bytes of the fast memories that are compared."""
USUAL_FAST = 128 * 1024.0
"""Bytes of fast memory where the catalog knows of none beside the main memory."""
LATENCY = 500e-9

LEVELS = "aistack.hardware.memory_levels, from the catalog"
BLOCKING = "aistack.hardware.blocking"
ENERGY = "aistack.hardware.energy, 7 nm silicon (Jouppi et al., ISCA 2021) and an A100's board"


@functools.lru_cache(maxsize=64)
def _fast(accelerator: str) -> tuple[float, str, bool]:
    """Bytes of fast memory that one tile may fill, where it lies, and whether the catalog says so."""
    entry = catalog.accelerator(accelerator)
    on_chip = entry.on_chip
    if on_chip.l1:
        return on_chip.l1.si, "the memory beside one core", True
    if entry.memory_capacity:
        for each, words in ((on_chip.scratchpad, "the on-chip memory"), (on_chip.l2, "the L2 cache")):
            if each:
                return each.si, words, True
    return USUAL_FAST, "a fast memory", False


def _binary(size: float, source: str) -> Number:
    """Bytes as makers count memories on the die; assumed where there is no source."""
    scale, unit = (2**20, "MiB") if size >= 2**20 else (2**10, "KiB")
    return Number(size / scale, unit, "stated" if source else "assumed", source or "a usual size")


def _worst(form: str) -> float:
    """By how much the largest square tile exceeds the lower bound at most, over `FAST`."""
    held = np.array(FAST) / ELEMENT_BYTES[form]
    tile = np.minimum(blocking.largest_tile(held), SIZE)
    moved = blocking.estimate(SIZE, SIZE, SIZE, tile, tile)
    return float(np.max(moved / blocking.least(SIZE, SIZE, SIZE, held) - 1))


def numbers(setting: Setting) -> dict[str, Number]:
    """The chip's memories, and a product in tiles that fill its fast memory."""
    chip, element = setting.chip, ELEMENT_BYTES[setting.matrix_format]
    peak, bandwidth = setting.peak.value, setting.bandwidth.value
    ridge = peak / bandwidth
    fast, _, known = _fast(setting.accelerator)
    held = fast / element
    tile = min(float(blocking.largest_tile(held)), SIZE)
    moved = element * float(blocking.estimate(SIZE, SIZE, SIZE, tile, tile))
    alone = element * float(blocking.estimate(SIZE, SIZE, SIZE, 1, 1))
    least = element * float(blocking.least(SIZE, SIZE, SIZE, held))
    flop = 2.0 * SIZE**3
    enough = float(math.ceil(ridge * element))
    costs = energy.per_byte()
    pin = catalog.record("technology", "hbm4").values["pin"].si
    cell = catalog.record("technology", "sram-n5").values["area"].si
    return {
        "capacity": Number(chip.memory, "B", "stated", f"catalog: {setting.facts.name}"),
        "bandwidth": setting.bandwidth,
        "reading": Number(chip.memory / bandwidth, "s", "derived", LEVELS, "capacity / bandwidth"),
        "sustained": Number(
            chip.kernels.bandwidth, "%", "derived", "fitted to measured kernels of its family", digits=2
        ),
        "ridge": Number(ridge, "FLOP/B", "derived", "aistack.hardware.roofline", "peak / memory bandwidth"),
        "element": Number(element, "B", "stated", f"the format {setting.matrix_format}"),
        "size": Number(SIZE, "", "assumed", "chosen for this chapter"),
        "operations": Number(flop, "FLOP", "derived", BLOCKING, "2 × rows × columns × depth"),
        "alone": Number(alone, "B", "derived", BLOCKING, "without tiles"),
        "alone_time": Number(alone / bandwidth, "s", "derived", BLOCKING, "bytes / memory bandwidth"),
        "computing": Number(flop / peak, "s", "derived", BLOCKING, "FLOP / peak"),
        "fast": _binary(fast, f"catalog: {setting.facts.name}" if known else ""),
        "tile": Number(tile, "", "derived", BLOCKING, "side of the largest tile that fits"),
        "moved": Number(moved, "B", "derived", BLOCKING, "operands once for each tile, result once"),
        "moved_time": Number(moved / bandwidth, "s", "derived", BLOCKING, "bytes / memory bandwidth"),
        "fewer": Number(alone / moved, "×", "derived", BLOCKING, "bytes without tiles / bytes with"),
        "least": Number(least, "B", "derived", BLOCKING, "2 M N K / √S − 2 S elements (arXiv:1702.02017)"),
        "over": Number(moved / least - 1, "%", "derived", BLOCKING, "moved / least − 1", digits=2),
        "enough": Number(enough, "", "derived", BLOCKING, "ridge × bytes of an element, up"),
        "room": Number(
            (enough**2 + 2 * enough) * element, "B", "derived", BLOCKING, "(T² + 2 T) × bytes of an element"
        ),
        "sram": Number(cell * 8e12, "µm²", "derived", "TSMC N5, WikiChip from IEDM 2022", "8 × the area of a cell"),
        "hbm_energy": Number(costs["HBM"], "J/B", "measured", ENERGY),
        "times_energy": Number(
            costs["HBM"] / costs["shared memory"], "×", "derived", ENERGY, "HBM / shared memory", digits=2
        ),
        "wires": fact("hbm4", "values.width"),
        "wire_rate": Number(8 * pin, "b/s", "stated", fact("hbm4", "values.pin").source),
        "stack": fact("hbm4", "values.bandwidth"),
        "first_stack": fact("hbm", "values.bandwidth"),
        "latency": Number(LATENCY, "s", "assumed", "the order of what is measured on GPUs"),
        "in_flight": Number(LATENCY * bandwidth, "B", "derived", "Little's law", "latency × memory bandwidth"),
    }


def words(setting: Setting) -> dict[str, object]:
    """Names, and what the text asks about."""
    kind = setting.facts.memory_type
    return {
        "chip": setting.facts.name,
        "form": setting.matrix_format,
        "fast_place": _fast(setting.accelerator)[1],
        "known": _fast(setting.accelerator)[2],
        "stacked": bool(kind and "HBM" in str(kind.value)),
        "on_die": setting.facts.memory_capacity is None,
    }


def figures(setting: Setting) -> Mapping[str, Callable[[], Figure]]:
    """The chip's memories to scale, a stack of HBM, and how much fast memory a product needs."""
    fast, place, known = _fast(setting.accelerator)
    marks = {place: fast} if known else {}
    recorded = (catalog.record("technology", name) for name in catalog.names("technology"))
    hbm = [each for each in recorded if isinstance(each, Technology) and each.group == "hbm"]
    return {
        "levels": lambda: levels_figure.draw(memory_levels.estimate(setting.accelerator), setting.facts.name),
        "stack": lambda: hbm_stack.draw(hbm),
        "reuse": lambda: reuse.draw(setting.chip, marks, setting.matrix_format, SIZE),
    }


def tables(setting: Setting) -> Mapping[str, Callable[[], Table]]:
    """What a byte costs from each level; how well tiles of fast memories of several sizes do."""
    costs, operation = energy.per_byte(), energy.per_flop("bf16")
    element, flop = ELEMENT_BYTES[setting.matrix_format], 2.0 * SIZE**3
    equal = costs["HBM"] / operation

    def bounded(memory: float) -> dict[str, Cell]:
        held = memory / element
        tile = min(float(blocking.largest_tile(held)), SIZE)
        moved = element * float(blocking.estimate(SIZE, SIZE, SIZE, tile, tile))
        bound = element * float(blocking.least(SIZE, SIZE, SIZE, held))
        return {
            "fast memory": binary_size(memory),
            "side of a tile": Number(tile, "", "derived", BLOCKING, "largest T with T² + 2 T elements"),
            "bytes moved": Number(moved, "B", "derived", BLOCKING),
            "least possible": Number(bound, "B", "derived", BLOCKING, "arXiv:1702.02017"),
            "intensity": Number(flop / moved, "FLOP/B", "derived", BLOCKING, "FLOP / bytes moved"),
        }

    return {
        "energy": lambda: Table(
            f"In the energy of one byte from HBM a chip could do {equal:.0f} operations",
            ENERGY,
            [
                {
                    "read from": level,
                    "energy a byte": Number(cost, "J/B", "measured" if level == "HBM" else "stated", ENERGY),
                    "bf16 operations for it": Number(cost / operation, "", "derived", ENERGY, "J/B / (J/FLOP)"),
                }
                for level, cost in costs.items()
            ],
        ),
        "bounds": lambda: Table(
            f"Square tiles move at most {_worst(setting.matrix_format):.0%} more than the least possible",
            f"aistack.hardware.blocking; a product of {SIZE:,} × {SIZE:,} matrices in {setting.matrix_format}",
            [bounded(memory) for memory in FAST],
        ),
    }


def demos(setting: Setting) -> Mapping[str, Demo]:
    """What the side of a tile does to bytes and time."""
    element = ELEMENT_BYTES[setting.matrix_format]
    peak, bandwidth = setting.peak.value, setting.bandwidth.value

    def run(tile: int, size: int) -> Shown:
        flop = 2.0 * size**3
        moved = element * float(blocking.estimate(size, size, size, tile, tile))
        room = float(tile**2 + 2 * tile)
        moving, computing = moved / bandwidth, flop / peak
        return Shown(
            {
                "fast memory needed": Number(room * element, "B", "derived", BLOCKING, "T² + 2 T elements"),
                "bytes moved": Number(moved, "B", "derived", BLOCKING),
                "intensity": Number(flop / moved, "FLOP/B", "derived", BLOCKING, "FLOP / bytes moved"),
                "moving takes": Number(moving, "s", "derived", BLOCKING, "bytes / memory bandwidth"),
                "computing takes": Number(computing, "s", "derived", BLOCKING, "FLOP / peak"),
                "arithmetic in use, at most": Number(
                    min(1.0, computing / moving), "%", "derived", BLOCKING, "computing / the longer of both", digits=2
                ),
            }
        )

    controls = (
        Control("tile", "Side of a tile", TILES, 1),
        Control("size", "Rows and columns", SIZES, SIZE),
    )
    return {"tile": Demo("A larger tile moves fewer bytes", controls, run)}
