"""What "How does one instruction do thousands of multiplications?" computes: reuse, cycles, tiles and waves."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from aistack import catalog
from aistack.book.demo import Control, Demo, Shown
from aistack.book.number import Number
from aistack.book.setting import Setting
from aistack.book.table import Cell, Table
from aistack.drawing import Figure
from aistack.hardware import gemm, systolic
from aistack.hardware.chip import Chip, chip
from aistack.hardware.energy import BLOCK_TILE
from aistack.hardware.figures import systolic_motion, systolic_utilisation, tensor_core_tile, waves

ACTIVATIONS = ((1, 2, 3), (4, 5, 6), (7, 8, 9), (2, 4, 1))
WEIGHTS = ((2, 0, 1), (1, 3, 2), (4, 1, 5))
INSTRUCTION = (16, 8, 16)
"""Rows, columns and depth of a warp's matrix instruction since Ampere."""
WITH_INSTRUCTION = ("ampere", "ada", "hopper", "blackwell", "blackwell-rtx", "geforce")
EXAMPLE = "h100-sxm5"
"""The chip that stands in where the setting's has no such instruction, or no waves."""
SIDE = 128
"""Rows and columns of the usual systolic array, in TPUs up to the fifth generation and in Trainium."""
SIDES = (32, 128, 256)
ROWS = (1, 8, 64, 128, 256, 1024, 4096)
ENGINES = (
    "v100-sxm2-32gb",
    "a100-sxm4-80gb",
    "h100-sxm5",
    "mi300x",
    "mi355x",
    "gaudi3",
    "tpu-v5p",
    "tpu-v6e",
    "trainium2",
    "xeon-8592plus",
)
ORDERS = (
    ("one half-precision multiply-add", 20.0),
    ("a dot product of a few numbers", 5.0),
    ("a half-precision matrix product", 0.2),
    ("an integer matrix product", 0.16),
)
EDGE = 4096
FEW_UNITS, MANY_UNITS = 8, 2000
"""Between these, waves of tiles matter: with fewer units the last wave hardly counts, with more there is only one."""

ARRAY = "aistack.hardware.systolic"
DALLY = "Bill Dally's keynote at the Design Automation Conference 2021, as Semiconductor Engineering reports it"
COUNTED = "Tiles and waves counted by aistack.hardware.gemm"


def numbers(setting: Setting) -> dict[str, Number]:
    """Of one instruction, of a systolic array on the setting's matrices, and of tiles on its chip."""
    spec, waving = setting.spec, _with_waves(setting)
    units = waving.units
    m, n, k = INSTRUCTION
    width, out = spec.hidden, 4 * spec.hidden
    one, prompt = (systolic.estimate(rows, out, width, SIDE, SIDE) for rows in (1, setting.prompt))
    tile = systolic.estimate(SIDE, SIDE, SIDE, SIDE, SIDE)
    tiles = int(np.ceil(EDGE / BLOCK_TILE[0]) * np.ceil(EDGE / BLOCK_TILE[1]))
    worst = max(range(512, 8192, 64), key=lambda side: _filled(side, units) - _filled(side + 64, units))
    return {
        "instruction": Number(m * n * k, "multiply-adds", "derived", "PTX manual: mma.m16n8k16", "16 × 8 × 16"),
        "operands": Number(m * k + k * n, "numbers", "derived", "PTX manual: mma.m16n8k16", "16 × 16 + 16 × 8"),
        "reuse": Number(m * n / (m + n), "times", "derived", "PTX manual: mma.m16n8k16", "16 × 8 / (16 + 8)"),
        "alone": Number(20, "×", "stated", DALLY, basis="energy of the order / energy of the arithmetic"),
        "together": Number(0.2, "%", "stated", DALLY, basis="energy of the order / energy of the arithmetic"),
        "width": Number(width, "", "stated", f"configuration of {spec.name}"),
        "out": Number(out, "", "derived", f"configuration of {spec.name}", "4 × width"),
        "side": Number(SIDE, "", "assumed", "a common array"),
        "cells": Number(SIDE**2, "cells", "derived", ARRAY, "128 × 128"),
        "busy_one": Number(float(one.utilisation), "%", "derived", ARRAY, "multiply-adds / (cycles × cells)", digits=2),
        "busy_prompt": Number(
            float(prompt.utilisation), "%", "derived", ARRAY, "multiply-adds / (cycles × cells)", digits=2
        ),
        "prompt": Number(setting.prompt, "token", "assumed", "the scenario"),
        "tile_cycles": Number(float(tile.total), "cycles", "derived", ARRAY, "128 + 2 × 128 + 128 - 2"),
        "tile_busy": Number(float(tile.utilisation), "%", "derived", ARRAY, "128 / cycles", digits=2),
        "lone_cycles": Number(1 + 3 * SIDE - 2, "cycles", "derived", ARRAY, "1 + 2 × 128 + 128 - 2"),
        "lone_busy": Number(1 / (1 + 3 * SIDE - 2), "%", "derived", ARRAY, "1 / cycles", digits=2),
        "units": Number(units, "compute units", "stated", f"catalog: {waving.name}"),
        "edge": Number(EDGE, "", "assumed", "an example"),
        "tiles": Number(tiles, "tiles", "derived", COUNTED, "(4,096 / 128) × (4,096 / 256)"),
        "waves": Number(-(-tiles // units), "waves", "derived", COUNTED, "tiles / units, rounded up"),
        "used": Number(_filled(EDGE, units), "%", "derived", COUNTED, "tiles / (waves × units)"),
        "good": Number(worst, "", "derived", COUNTED, "side before the deepest fall"),
        "bad": Number(worst + 64, "", "derived", COUNTED, "side after the deepest fall"),
        "good_used": Number(_filled(worst, units), "%", "derived", COUNTED, "elements / places", digits=2),
        "bad_used": Number(_filled(worst + 64, units), "%", "derived", COUNTED, "elements / places", digits=2),
        "sustained": Number(
            setting.chip.kernels.matmul[setting.matrix_format],
            "%",
            "derived",
            "fitted to measured kernels by aistack.evidence.fit_kernels",
            basis=f"of the dense peak in {setting.matrix_format}, large products",
            digits=2,
        ),
    }


def _filled(side: int, units: int) -> float:
    return float(gemm.filled(side, side, units, BLOCK_TILE))


def words(setting: Setting) -> dict[str, object]:
    """Names, and whether waves of tiles matter on the chip."""
    return {
        "chip": setting.facts.name,
        "model": catalog.model(setting.model).name,
        "waves_matter": _with_waves(setting) == setting.chip,
        "wave_chip": catalog.accelerator(_with_waves(setting).name).name,
        "tile_chip": catalog.accelerator(_with_instruction(setting).name).name,
        "own_instruction": _with_instruction(setting) == setting.chip,
        "rows_tile": BLOCK_TILE[0],
        "columns_tile": BLOCK_TILE[1],
    }


def _with_instruction(setting: Setting) -> Chip:
    """The setting's chip where it has the instruction and a known clock; else one that has."""
    known = setting.chip.family in WITH_INSTRUCTION and setting.facts.boost_clock and "bf16" in setting.chip.peak
    return setting.chip if known else chip(EXAMPLE)


def _with_waves(setting: Setting) -> Chip:
    """The setting's chip where waves of tiles matter on it; else one on which they do."""
    return setting.chip if FEW_UNITS <= setting.chip.units <= MANY_UNITS else chip(EXAMPLE)


def figures(setting: Setting) -> Mapping[str, Callable[[], Figure]]:
    """A product in tiles, an array in motion, how busy arrays are, and what sizes cost on the chip."""
    tiled = _with_instruction(setting)
    clock = catalog.accelerator(tiled.name).boost_clock
    waving = _with_waves(setting)
    return {
        "tile": lambda: tensor_core_tile.draw(tiled, clock=clock.si if clock else None),
        "motion": lambda: systolic_motion.draw(np.array(ACTIVATIONS, dtype=float), np.array(WEIGHTS, dtype=float)),
        "busy": lambda: systolic_utilisation.draw(SIDES, highlight=SIDE),
        "waves": lambda: waves.draw(waving, "bf16" if "bf16" in waving.peak else setting.matrix_format),
    }


def tables(setting: Setting) -> Mapping[str, Callable[[], Table]]:
    """What an order costs beside its arithmetic; the engines of well-known chips."""
    known = [name for name in dict.fromkeys((setting.accelerator, *ENGINES)) if catalog.accelerator(name).matrix_unit]
    return {
        "orders": lambda: Table(
            "The more one order does, the less it costs to give",
            DALLY,
            [
                {"one order": what, "energy of the order, beside its arithmetic": Number(share, "%", "stated", DALLY)}
                for what, share in ORDERS
            ],
        ),
        "engines": lambda: Table(
            "Every maker builds the same thing in other sizes",
            "Catalog: makers' documents. Multiply-adds a clock: dense 16-bit peak / (2 × clock), where both are known.",
            [_engine(name) for name in known],
        ),
    }


def _engine(name: str) -> dict[str, Cell]:
    entry = catalog.accelerator(name)
    peak = entry.peaks.get("bf16") or entry.peaks.get("fp16")
    clock = entry.boost_clock
    return {
        "chip": entry.name,
        "year": str(entry.year),
        "engine": entry.matrix_unit.text if entry.matrix_unit else None,
        "multiply-adds a clock": Number(
            peak.si / (2 * clock.si), "", "derived", f"catalog: {entry.name}", "peak / (2 × clock)"
        )
        if peak and clock
        else None,
    }


def demos(_: Setting) -> Mapping[str, Demo]:
    """A small array clock by clock; cycles of a large product on a square array, and where they go."""

    def run(rows: int, side: int, registers: str) -> Shown:
        found = systolic.estimate(rows, EDGE, EDGE, side, side, double_buffered=registers == "two")
        parts: list[dict[str, Cell]] = [
            {
                "cycles": what,
                "how many": Number(float(spent), "", "derived", ARRAY),
                "of all": Number(float(spent / found.total), "%", "derived", ARRAY, digits=2),
            }
            for what, spent in (
                ("only weights enter", found.load),
                ("numbers enter", found.stream),
                ("the last sums leave", found.drain),
            )
        ]
        return Shown(
            {
                "cells busy": Number(
                    float(found.utilisation), "%", "derived", ARRAY, "multiply-adds / (cycles × cells)"
                ),
                "cycles": Number(float(found.total), "", "derived", ARRAY, "load + stream + drain"),
                "cycles a row": Number(float(found.total) / rows, "", "derived", ARRAY, "cycles / rows"),
            },
            rows=parts,
        )

    return {
        "march": Demo(
            "A small array, clock by clock",
            (Control("rows", "Rows at once", (1, 2, 4, 6), 1), Control("side", "Side of the array", (2, 3, 4), 2)),
            _march,
        ),
        "array": Demo(
            "A 4,096 by 4,096 weight matrix on a square array",
            (
                Control("rows", "Rows at once", ROWS, 1),
                Control("side", "Side of the array", SIDES, SIDE),
                Control("registers", "Weights a cell can hold", ("one", "two"), "two"),
            ),
            run,
        ),
    }


def _march(rows: int, side: int) -> Shown:
    random = np.random.default_rng(0)
    numbers, weights = (random.integers(0, 6, shape).astype(float) for shape in ((rows, side), (side, side)))
    run = systolic.simulate(numbers, weights, side, side)
    closed = systolic.estimate(rows, side, side, side, side)
    return Shown(
        {
            "clocks, counted": Number(run.cycles, "", "derived", ARRAY, basis="of the simulation"),
            "clocks, by the formula": Number(float(closed.total), "", "derived", ARRAY, "rows + 3 × side - 2"),
            "cells busy": Number(run.utilisation, "%", "derived", ARRAY, "multiply-adds / (clocks × cells)"),
        },
        systolic_motion.draw(numbers, weights),
    )
