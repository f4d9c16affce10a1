"""What the learning notes of layer 1 compute: the misreadings in numbers, and the exercises."""

from __future__ import annotations

import functools
import math

from aistack.book.number import Number, fact
from aistack.book.setting import Setting
from aistack.hardware import atlas, roofline, trend

STANDS_IN = "h100-sxm5"
"""For a chip whose maker does not say what an exercise asks about."""

BLOCK, BITS, SCALE = 16, 4, 8
"""NVFP4: elements that share a scale, bits of an element, bits of the scale."""

GROWTH = 10
SENT = 4e9
"""Bytes that two packages send each other."""

ROOF = "aistack.hardware.roofline"
HERE = "this exercise"


def numbers(setting: Setting) -> dict[str, Number]:
    """Of the setting's chip and model; where the catalog does not know the chip's power or link, of another's."""
    linked, powered = _linked(setting), _powered(setting)
    peak, bandwidth = setting.peak, setting.bandwidth
    parameters = setting.spec.parameters
    both = fact(linked, "scale_up.both_directions", 3)
    tdp = fact(powered, "tdp", 3)
    fast = Setting(accelerator=powered).peak
    shipped = [(place.year, place.peak) for place in atlas.estimate() if not place.announced]
    grown = trend.estimate([year for year, _ in shipped], [value for _, value in shipped])
    stored = (BITS + SCALE / BLOCK) / 8
    ridge = roofline.ridge(peak.value, bandwidth.value)
    capacity = fact(STANDS_IN, "memory_capacity", 3)
    return {
        "peak": peak,
        "bandwidth": bandwidth,
        "printed": Number(4 * peak.value, "FLOP/s", "assumed", HERE, f"4 × the dense peak in {setting.matrix_format}"),
        "dense": Number(peak.value, "FLOP/s", "stated", peak.source, "printed / 2 / 2"),
        "both": both,
        "one_way": Number(both.value / 2, "B/s", "derived", "catalog", "both directions / 2"),
        "sent": Number(SENT, "B", "assumed", HERE, basis="in each direction"),
        "exchange": Number(SENT / (both.value / 2), "s", "derived", "catalog", "bytes / one direction"),
        "tdp": tdp,
        "fast": fast,
        "joules": Number(tdp.value / fast.value, "J/FLOP", "derived", "catalog", "design power / peak", digits=2),
        "parameters": Number(parameters, "parameters", "derived", "aistack.frameworks, from the configuration"),
        "bits": Number(8 * stored, "bits", "derived", HERE, "4 + 8 / 16", "of a stored weight"),
        "stored": Number(stored * parameters, "B", "derived", HERE, "bits of a weight / 8 × parameters"),
        "rows": Number(ridge * stored / 2, "rows", "derived", ROOF, "ridge × bytes of a stored weight / 2"),
        "ridge": Number(ridge, "FLOP/B", "derived", ROOF, "peak / memory bandwidth"),
        "stored_weight": Number(stored, "B", "derived", HERE, "bits of a weight / 8"),
        "growth": Number(grown.growth, "×", "derived", "accelerators of the catalog, aistack.hardware.trend"),
        "years": Number(
            math.log(GROWTH) / math.log(grown.growth), "years", "derived", HERE, "ln 10 / ln growth", digits=2
        ),
        "dense_h100": fact(STANDS_IN, "peaks.bf16", 3),
        "sparse_h100": Number(
            2 * fact(STANDS_IN, "peaks.bf16").value, "FLOP/s", "stated", "NVIDIA's data sheet", "2 × dense", "sparse"
        ),
        "both_h100": fact(STANDS_IN, "scale_up.both_directions", 3),
        "one_way_h100": fact(STANDS_IN, "scale_up.bandwidth", 3),
        "gpu": fact("gb200", "peaks.bf16", 3),
        "superchip": Number(
            2 * fact("gb200", "peaks.bf16").value, "FLOP/s", "derived", "catalog", "2 × one GPU", "dense, superchip"
        ),
        "binary": Number(capacity.value, "B", "stated", capacity.source, "80 × 1024³", "what nvidia-smi confirms", 3),
        "decimal": Number(80e9, "B", "assumed", HERE, "80 × 1000³"),
    }


def words(setting: Setting) -> dict[str, object]:
    """The chips that the exercises are about."""
    linked, powered = _linked(setting), _powered(setting)
    return {
        "chip": setting.facts.name,
        "form": setting.matrix_format,
        "linked": Setting(accelerator=linked).facts.name,
        "powered": Setting(accelerator=powered).facts.name,
        "powered_form": Setting(accelerator=powered).matrix_format,
    }


@functools.lru_cache(maxsize=64)
def _linked(setting: Setting) -> str:
    return setting.accelerator if setting.facts.scale_up.both_directions is not None else STANDS_IN


@functools.lru_cache(maxsize=64)
def _powered(setting: Setting) -> str:
    return setting.accelerator if setting.facts.tdp is not None else STANDS_IN
