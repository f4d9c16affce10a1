"""What "What separates a fast kernel from a slow one?" computes: tiles, waves, fused attention, and measurements."""

from __future__ import annotations

import functools
import math
from collections import defaultdict
from collections.abc import Callable, Mapping

import numpy as np

from aistack import catalog
from aistack.book.demo import Control, Demo, Shown
from aistack.book.number import Number
from aistack.book.setting import Setting
from aistack.book.table import Cell, Table
from aistack.drawing import Figure
from aistack.evidence import kernels as evidence
from aistack.hardware import blocking, flash_attention, gemm, online_softmax
from aistack.hardware.chip import ELEMENT_BYTES
from aistack.hardware.figures import flash_attention_steps, tiled_matmul

SIZE = 4096
TILE = (128, 256)
HEADS, WIDTH, BLOCK = 32, 128, 128
"""Of the attention layer that the chapter follows; blocks of queries as usual kernels have."""
ROWS = (1, 16, 64, 256, 1024, 4096, 16384)
MEASURED = "h100-sxm5"
"""Whose measurements stand in where nobody has published any of the reader's chip."""

BLOCKING = "aistack.hardware.blocking"
GEMM = "aistack.hardware.gemm"
FLASH = "aistack.hardware.flash_attention"
SOFTMAX = "aistack.hardware.online_softmax, arXiv:2205.14135"

PUBLISHED: tuple[tuple[str, str, str, float, str, int], ...] = (
    ("FlashAttention-2", "a100-sxm4-80gb", "fp16", 0.73, "arXiv:2307.08691, abstract: up to 73% of the peak", 2023),
    ("FlashAttention-3", "h100-sxm5", "fp16", 0.75, "arXiv:2407.08608, abstract: up to 740 TFLOP/s", 2024),
    ("FlashAttention-4", "b200-sxm", "bf16", 0.71, "arXiv:2603.05451, abstract: up to 1,613 TFLOP/s", 2026),
)
"""Kernel, accelerator, format, best share of the peak that its authors state, where, and when."""


@functools.lru_cache(maxsize=32)
def _measurements(accelerator: str) -> tuple[str, tuple[evidence.Prediction, ...]]:
    """The accelerator whose 16-bit products were published, and one weight matrix by rows, predicted and measured."""
    for name in (accelerator, MEASURED):
        found = defaultdict(list)
        for row in evidence.rows("gemm"):
            if row.accelerator == name and row.dtype in ("bf16", "fp16") and row.seconds:
                found[row.source.title, row.op, row.n, row.k].append(row)
        if not found:
            continue
        # most different numbers of rows, then the largest matrix
        best = max(found.values(), key=lambda rows: (len({row.m for row in rows}), (rows[0].n or 0) * (rows[0].k or 0)))
        by_rows = {row.m: row for row in best}
        if len(by_rows) >= 5:
            chosen = [by_rows[each] for each in sorted(by_rows, key=lambda rows: rows or 0)]
            step = max(1, math.ceil(len(chosen) / 9))
            return name, evidence.predict(chosen[::step])
    raise AssertionError("The evidence has no products of the accelerator that stands in.")


@functools.lru_cache(maxsize=32)
def _errors(accelerator: str) -> tuple[evidence.ErrorLine, int]:
    rows = [row for row in evidence.rows("gemm") if row.accelerator == accelerator]
    predictions = evidence.predict(rows)
    return evidence.summary(accelerator, predictions), len(predictions)


def numbers(setting: Setting) -> dict[str, Number]:
    """A product step by step, attention fused and not, and how far predictions of kernels lie from measurements."""
    chip, form, length = setting.chip, setting.matrix_format, setting.sequence
    element, peak, bandwidth = ELEMENT_BYTES[form], setting.peak.value, setting.bandwidth.value
    flop = 2.0 * SIZE**3
    careless = 2 * float(SIZE) ** 3 * element
    tiled = element * float(blocking.estimate(SIZE, SIZE, SIZE, *TILE))
    tiles = math.ceil(SIZE / TILE[0]) * math.ceil(SIZE / TILE[1])
    waves = math.ceil(tiles / chip.units)
    predicted = float(gemm.estimate(chip, SIZE, SIZE, SIZE, form))
    scores = HEADS * float(length) ** 2
    once = HEADS * float(online_softmax.traffic(length, length, WIDTH, length)) * 2
    blocked = HEADS * float(online_softmax.traffic(length, length, WIDTH, BLOCK)) * 2
    written = 4 * scores * 2
    fused = float(
        flash_attention.estimate(
            chip, batch=1, heads=HEADS, kv_heads=HEADS, queries=length, keys=length, head_dim=WIDTH, precision=form,
            causal=False,
        )
    )  # fmt: skip
    attention_flop = 4 * scores * WIDTH
    measured, _ = _measurements(setting.accelerator)
    errors, count = _errors(measured)
    kernels = chip.kernels
    return {
        "size": Number(SIZE, "", "assumed", "chosen for this chapter"),
        "operations": Number(flop, "FLOP", "derived", GEMM, "2 × rows × columns × depth"),
        "careless": Number(careless, "B", "derived", BLOCKING, "2 elements for each multiplication"),
        "careless_time": Number(careless / bandwidth, "s", "derived", BLOCKING, "bytes / memory bandwidth"),
        "computing": Number(flop / peak, "s", "derived", GEMM, "FLOP / peak"),
        "slower": Number(careless / bandwidth / (flop / peak), "×", "derived", BLOCKING, "moving / computing"),
        "tiled": Number(tiled, "B", "derived", BLOCKING, f"tiles of {TILE[0]} × {TILE[1]}"),
        "tiled_time": Number(tiled / bandwidth, "s", "derived", BLOCKING, "bytes / memory bandwidth"),
        "tiles": Number(tiles, "tiles", "derived", GEMM, "rows / 128 × columns / 256"),
        "units": Number(chip.units, "", "stated", f"catalog: {setting.facts.name}"),
        "deep": Number(9 * kernels.fill, "", "derived", "fitted to measured kernels", "9 × filling", digits=2),
        "filled": Number(tiles / (waves * chip.units), "%", "derived", GEMM, "tiles / (waves × compute units)"),
        "fill": Number(kernels.fill, "", "derived", "fitted to measured kernels", basis="elements of depth", digits=2),
        "launch": Number(kernels.launch, "s", "derived", "fitted to measured kernels", digits=2),
        "sustained": Number(kernels.matmul[form], "%", "derived", "fitted to measured kernels", digits=2),
        "predicted": Number(predicted, "s", "derived", GEMM),
        "reached": Number(flop / predicted / peak, "%", "derived", GEMM, "FLOP / time / peak", digits=2),
        "length": Number(length, "token", "assumed", "the scenario"),
        "scores": Number(scores * 2, "B", "derived", SOFTMAX, "heads × queries × keys × 2 bytes"),
        "written": Number(written + once, "B", "derived", SOFTMAX, "scores and weights written and read, else once"),
        "written_time": Number((written + once) / bandwidth, "s", "derived", SOFTMAX, "bytes / memory bandwidth"),
        "once": Number(once, "B", "derived", SOFTMAX, "queries, keys, values and outputs once"),
        "blocked": Number(blocked, "B", "derived", SOFTMAX, "keys and values once for each block of queries"),
        "attention_flop": Number(attention_flop, "FLOP", "derived", FLASH, "4 × heads × queries × keys × width"),
        "attention_computing": Number(attention_flop / peak, "s", "derived", FLASH, "FLOP / peak"),
        "fused": Number(fused, "s", "derived", FLASH),
        "fused_share": Number(attention_flop / fused / peak, "%", "derived", FLASH, "FLOP / time / peak", digits=2),
        "saved": Number((written + once) / once, "×", "derived", SOFTMAX, "bytes written out / bytes at least"),
        "error": Number(errors.median, "%", "measured", "aistack evidence kernels", digits=2),
        "ninetieth": Number(errors.ninetieth, "%", "measured", "aistack evidence kernels", digits=2),
        "count": Number(count, "products", "measured", "aistack evidence kernels"),
    }  # fmt: skip


def words(setting: Setting) -> dict[str, object]:
    """Names, and what the text asks about."""
    measured, _ = _measurements(setting.accelerator)
    return {
        "chip": setting.facts.name,
        "form": setting.matrix_format,
        "own": measured == setting.accelerator,
        "measured_chip": catalog.accelerator(measured).name,
        "assumed": " ".join(setting.chip.assumptions),
        "tile_shape": f"{TILE[0]} × {TILE[1]}",
        "heads": HEADS,
        "width": WIDTH,
    }


def figures(setting: Setting) -> Mapping[str, Callable[[], Figure]]:
    """A product tile by tile, and attention block by block."""
    rng = np.random.default_rng(3)
    queries, keys, values = (rng.normal(size=(rows, 4)) for rows in (4, 6, 6))
    return {
        "tiles": lambda: tiled_matmul.draw(),
        "steps": lambda: flash_attention_steps.draw(queries, keys, values, (2, 2), setting.sequence, WIDTH),
    }


def tables(setting: Setting) -> Mapping[str, Callable[[], Table]]:
    """What each step of the derivation moves, measured products beside predicted ones, and attention's generations."""
    element, peak, bandwidth = ELEMENT_BYTES[setting.matrix_format], setting.peak.value, setting.bandwidth.value
    flop = 2.0 * SIZE**3
    ways = {
        "one row and one column a result": float(blocking.estimate(SIZE, SIZE, SIZE, 1, 1)),
        "tiles of 32 × 32": float(blocking.estimate(SIZE, SIZE, SIZE, 32, 32)),
        "tiles of 128 × 256": float(blocking.estimate(SIZE, SIZE, SIZE, *TILE)),
        "everything once": float(blocking.estimate(SIZE, SIZE, SIZE, SIZE, SIZE)),
    }

    def step(words: str, elements: float) -> dict[str, Cell]:
        moved = elements * element
        share = min(1.0, (flop / peak) / (moved / bandwidth))
        return {
            "how": words,
            "from main memory": Number(moved, "B", "derived", BLOCKING),
            "FLOP a byte": Number(flop / moved, "FLOP/B", "derived", BLOCKING, "FLOP / bytes"),
            "of the peak, at most": Number(share, "%", "derived", BLOCKING, "moving against computing", digits=2),
        }

    measured, predictions = _measurements(setting.accelerator)
    source = predictions[0].row.source.title
    shape = predictions[0].row
    return {
        "steps": lambda: Table(
            "The same multiplications, another order",
            f"aistack.hardware.blocking on {setting.facts.name}; {SIZE:,} × {SIZE:,} matrices, no further cache",
            [step(words, elements) for words, elements in ways.items()],
        ),
        "measured": lambda: Table(
            f"Published and predicted times of one weight matrix on {catalog.accelerator(measured).name}",
            f"{source}; weights of {shape.k:,} × {shape.n:,} in {shape.dtype}; predicted by "
            "aistack.hardware.gemm, whose constants are fitted to such measurements",
            [_row(each) for each in predictions],
        ),
        "generations": lambda: Table(
            "Each generation of chips needed attention to be written anew",
            "The authors' best figures, and aistack.hardware.flash_attention for 16,384 queries and keys, heads of 128",
            [_generation(*each) for each in PUBLISHED],
        ),
    }


def _row(each: evidence.Prediction) -> dict[str, Cell]:
    row = each.row
    flop = 2.0 * (row.m or 0) * (row.n or 0) * (row.k or 0)
    return {
        "rows": row.m,
        "published": Number(each.measured, "s", "measured", row.source.title),
        "predicted": Number(each.predicted, "s", "derived", GEMM),
        "off by": Number(each.error, "%", "derived", GEMM, "predicted / published − 1", digits=2),
        "arithmetic, published": Number(flop / each.measured, "FLOP/s", "measured", row.source.title, "FLOP / time"),
    }


def _generation(kernel: str, accelerator: str, form: str, share: float, where: str, year: int) -> dict[str, Cell]:
    one = Setting(accelerator=accelerator)
    length = 16384
    seconds = float(
        flash_attention.estimate(
            one.chip, batch=1, heads=16, kv_heads=16, queries=length, keys=length, head_dim=WIDTH, precision=form,
            causal=False,
        )
    )  # fmt: skip
    predicted = 4.0 * 16 * length**2 * WIDTH / seconds / one.peak.value
    return {
        "kernel": f"{kernel}, {year}",
        "accelerator": one.facts.name,
        "best, as published": Number(share, "%", "stated", where, basis="of the dense peak", digits=2),
        "predicted": Number(predicted, "%", "derived", FLASH, "FLOP / time / peak", digits=2),
    }


def demos(setting: Setting) -> Mapping[str, Demo]:
    """What rows, columns and depth make of a product on the reader's chip."""
    chip, form = setting.chip, setting.matrix_format
    element = ELEMENT_BYTES[form]

    def run(rows: int, columns: int, depth: int) -> Shown:
        seconds = float(gemm.estimate(chip, rows, columns, depth, form))
        computing, moving = (float(each) for each in gemm.sides(chip, rows, columns, depth, form))
        flop = 2.0 * rows * columns * depth
        moved = element * (rows * depth + depth * columns + rows * columns)
        roof = max(flop / setting.peak.value, moved / setting.bandwidth.value)
        return Shown(
            {
                "predicted": Number(seconds, "s", "derived", GEMM),
                "the roofline's time": Number(roof, "s", "derived", "aistack.hardware.roofline", "the slower of both"),
                "computing, tiles and waves": Number(computing, "s", "derived", GEMM),
                "moving, as streams do": Number(moving, "s", "derived", GEMM),
                "launch": Number(chip.kernels.launch, "s", "derived", GEMM),
                "of the peak": Number(flop / seconds / setting.peak.value, "%", "derived", GEMM, digits=2),
            }
        )

    controls = (
        Control("rows", "Rows", ROWS, 4096),
        Control("columns", "Columns", (1024, 4096, 4224, 16384), 4096),
        Control("depth", "Depth", (64, 512, 4096), 4096),
    )
    return {"product": Demo("Shape decides how much of a peak is left", controls, run)}
