"""What "How few bits does a number need?" computes: rounding, the noise it leaves, and what fewer bits buy."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from aistack import catalog
from aistack.book.demo import Control, Demo, Shown
from aistack.book.number import Number, fact
from aistack.book.setting import Setting
from aistack.book.table import Cell, Table
from aistack.drawing import Figure
from aistack.hardware import number_format
from aistack.hardware.figures import format_layouts, format_rounding, format_values, quantisation_error

DRAWN = ("fp32", "tf32", "fp16", "bf16", "fp8_e4m3fn", "fp8_e5m2", "mxfp6_e2m3", "int8", "mxfp4_e2m1", "nvfp4")
ON_A_LINE = ("int8", "fp8_e4m3fn", "fp8_e5m2", "fp6_e2m3", "fp4_e2m1", "int4")
ROUNDED = ("fp32", "fp16", "bf16", "fp8_e4m3fn", "fp8_e5m2", "fp6_e2m3", "fp4_e2m1")
EIGHT = (("FP8", "fp8_e4m3fn", "fp8"), ("INT8", "int8", "int8"))
"""Name, the catalog's format, and what a chip's peaks are known by."""
NUMBERS = (0.1, 3.14159, 300, 70000, 0.00001)
NEAR = 0.01
BLOCKS = (65536, 256, 32, 16)
SCALE_BITS = 16.0
"""Of one scale in the demo, whatever the format."""
EVEN, ODD = "bell-shaped", "with one far out"
OUT = 60.0
"""Standard deviations at which the far weight lies."""

HERE = "aistack.hardware.number_format"
MINILM = "weights of all-MiniLM-L6-v2, measured by aistack.hardware.lab.quantisation"
NVFP4 = "Pretraining large language models with NVFP4 (arXiv:2509.25149), abstract"
DEEPSEEK = "DeepSeek-V3 technical report (arXiv:2412.19437), section 3.3"
GPTQ = "GPTQ (arXiv:2210.17323), abstract"


def numbers(setting: Setting) -> dict[str, Number]:
    """Of formats, of measured weights, and of the setting's model in four bits."""
    spec = setting.spec
    form = catalog.number_format("nvfp4")
    bits = 8 * form.bytes_per_element
    small, wide = form.bytes_per_element * spec.parameters, 2.0 * spec.parameters
    values = {
        "fp16_most": fact("fp16", "max_finite", 5),
        "e4m3_most": fact("fp8_e4m3fn", "max_finite"),
        "e5m2_most": fact("fp8_e5m2", "max_finite", 5),
        "e4m3_other": fact("fp8_e4m3fnuz", "max_finite"),
        "farthest": Number(_record("largest", 0), "standard deviations", "measured", MINILM),
        "scale_bits": Number(SCALE_BITS, "bits", "assumed", "the demo"),
        "nvfp4_bits": Number(bits, "bits", "derived", "catalog: NVFP4", "4 + 8 / 16"),
        "mx_bits": Number(4 + 8 / 32, "bits", "derived", "catalog: MXFP4", "4 + 8 / 32"),
        "parameters": Number(spec.parameters, "parameters", "derived", "the model's configuration"),
        "wide": Number(wide, "B", "derived", "the model's configuration", "2 × parameters"),
        "small": Number(small, "B", "derived", "the model's configuration", "4.5 / 8 × parameters"),
        "room": Number(setting.chip.memory, "B", "stated", f"catalog: {setting.facts.name}"),
        "trained": Number(10e12, "token", "stated", NVFP4),
        "nvfp4_score": Number(0.6258, "%", "stated", NVFP4, basis="MMLU-Pro", digits=4),
        "fp8_score": Number(0.6262, "%", "stated", NVFP4, basis="MMLU-Pro", digits=4),
        "deepseek_loss": Number(0.0025, "%", "stated", DEEPSEEK, basis="of the loss"),
        "gptq_hours": Number(4, "GPU-hours", "stated", GPTQ, basis="a model of 175 billion parameters"),
        "gap": Number(0.5, "", "derived", HERE, "2^(2 - 3)"),
    }
    for name, group, block in (
        ("bf16", "bf16", 0),
        ("e4m3", "fp8_e4m3fn", 0),
        ("e5m2", "fp8_e5m2", 0),
        ("int8", "int8", 0),
        ("int8_rows", "int8", 384),
        ("int4", "int4", 0),
        ("int4_blocks", "int4", 32),
        ("fp4", "fp4_e2m1", 0),
        ("mxfp4", "mxfp4_e2m1", 32),
        ("nvfp4", "nvfp4", 16),
    ):
        values[f"{name}_noise"] = Number(
            10 * math.log10(_record(group, block)), "dB", "measured", MINILM, "10 log10 of signal / noise", digits=2
        )
    for operation in ("fp32", "bf16", "int8"):
        values[f"{operation}_multiply"] = Number(
            catalog.record("operation-energy", f"{operation}-multiply").values["7nm"].si,
            "J",
            "stated",
            "Jouppi et al., ISCA 2021, table 2 (7 nm)",
        )
    return values


@functools.cache
def _errors() -> tuple[catalog.Record, ...]:
    return tuple(catalog.record("quantisation-error", name) for name in catalog.names("quantisation-error"))


def _record(group: str, block: int) -> float:
    """Of all matrices: signal over noise, and of the group `largest` its distance."""
    found = (
        each
        for each in _errors()
        if each.group == group and ("block" not in each.values or each.values["block"].si == block)
    )
    return next(found).values["all"].si


def words(setting: Setting) -> dict[str, object]:
    """Names, and in which of the formats the chip multiplies."""
    peaks = setting.chip.peak
    known = [name for name, _, peak in _served(setting) if peak in peaks]
    return {
        "chip": setting.facts.name,
        "model": catalog.model(setting.model).name,
        "four": "nvfp4" in peaks,
        "eight": "fp8" in peaks or "int8" in peaks,
        "engines": " and ".join(filter(None, (", ".join(known[:-1]), known[-1]))),
        "fits_wide": 2.0 * setting.spec.parameters <= setting.chip.memory,
        "fits_small": catalog.number_format("nvfp4").bytes_per_element * setting.spec.parameters <= setting.chip.memory,
    }


def figures(_: Setting) -> Mapping[str, Callable[[], Figure]]:
    """Bits of formats, their values on a line, and what they make of real weights."""
    return {
        "layouts": lambda: format_layouts.draw([catalog.number_format(name) for name in DRAWN]),
        "values": lambda: format_values.draw(ON_A_LINE),
        "errors": lambda: quantisation_error.draw(_errors()),
    }


def tables(setting: Setting) -> Mapping[str, Callable[[], Table]]:
    """The setting's model on its chip, format by format."""
    return {
        "bought": lambda: Table(
            "Memory and reading fall with the bits; arithmetic gains only where the chip has the engine",
            f"Parameters of {catalog.model(setting.model).name} and bits of a weight, block scales included; peaks and "
            f"bandwidth of {setting.facts.name} from the catalog, dense.",
            [_bought(setting, *row) for row in _served(setting)],
        )
    }


def _served(setting: Setting) -> tuple[tuple[str, str, str], ...]:
    """The formats side by side, widest first; of the 16-bit ones that which the chip multiplies in."""
    half = "bf16" if "bf16" in setting.chip.peak or "fp16" not in setting.chip.peak else "fp16"
    return ("FP32", "fp32", "fp32"), (half.upper(), half, half), *EIGHT, ("NVFP4", "nvfp4", "nvfp4")


def _bought(setting: Setting, shown: str, form: str, peak: str) -> dict[str, Cell]:
    each = catalog.number_format(form).bytes_per_element
    active = each * setting.spec.active_parameters
    known = setting.chip.peak.get(peak)
    return {
        "format": shown,
        "bits a weight": f"{8 * each:g}",
        "all weights": Number(each * setting.spec.parameters, "B", "derived", HERE, "bytes a weight × parameters"),
        "tokens for one reader, at most": Number(
            setting.bandwidth.value / active, "token/s", "derived", HERE, "memory bandwidth / weights a token needs"
        ),
        "peak": Number(known, "FLOP/s", "stated", f"catalog: {setting.facts.name}", basis="dense") if known else "none",
    }


def demos(_: Setting) -> Mapping[str, Demo]:
    """One number in each format; many weights in a format of few bits, in blocks."""
    return {
        "round": Demo("One number in every format", (Control("number", "Number", NUMBERS, 0.1),), _round),
        "blocks": Demo(
            "65,536 weights and their scales",
            (
                Control("form", "Format", ("int8", "int4", "fp8_e4m3fn", "fp4_e2m1"), "int8"),
                Control("block", "Weights that share a scale", BLOCKS, BLOCKS[0]),
                Control("weights", "Weights", (EVEN, ODD), ODD),
            ),
            _blocks,
        ),
    }


def _round(number: float) -> Shown:
    kept = [float(number_format.rounded(name, number)) for name in ROUNDED]
    near = sum(abs(each - number) <= NEAR * number for each in kept)
    return Shown(
        {"formats within a hundredth of it": Number(near, f"of {len(kept)}", "derived", HERE)},
        format_rounding.draw(number, ROUNDED),
    )


@functools.cache
def _weights(kind: str) -> npt.NDArray[np.float64]:
    drawn = np.random.default_rng(0).normal(size=BLOCKS[0])
    if kind == ODD:
        drawn[1000] = OUT
    return drawn


def _blocks(form: str, block: int, weights: str) -> Shown:
    own = 8 * catalog.number_format(form).bytes_per_element
    ratio = number_format.estimate(form, _weights(weights), block)
    return Shown(
        {
            "signal over noise": Number(10 * math.log10(ratio), "dB", "derived", HERE, "10 log10 of signal / noise"),
            "bits a weight": Number(
                own + SCALE_BITS / block, "bits", "derived", HERE, "element + 16 / block", digits=4
            ),
            "error of a usual weight, in standard deviations": Number(
                ratio**-0.5 * float(np.sqrt(np.mean(_weights(weights) ** 2))),
                "",
                "derived",
                HERE,
                "root of the mean square",
                digits=2,
            ),
        }
    )
