"""What every figure of the first part promises: it draws, in the theme's colours, small, with words and a table."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import numpy as np
import pytest

from aistack import catalog
from aistack.catalog.processors import history
from aistack.catalog.records import technologies
from aistack.drawing import Figure
from aistack.drawing.diagram import Diagram
from aistack.drawing.theme import ROLES
from aistack.errors import BadInput, UnknownName
from aistack.hardware import atlas as places
from aistack.hardware import memory_levels as levels
from aistack.hardware.chip import chip
from aistack.hardware.energy import ladder
from aistack.hardware.figures import (
    atlas,
    atlas_trend,
    bets,
    die_sizes,
    energy_ladder,
    energy_shares,
    flash_attention_steps,
    format_layouts,
    format_rounding,
    format_values,
    hbm_stack,
    memory_levels,
    processors,
    quantisation_error,
    reuse,
    scaling,
    systolic_motion,
    systolic_utilisation,
    tensor_core_tile,
    tiled_matmul,
    waves,
)

ACTIVATIONS = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9], [2, 4, 1]], dtype=float)
WEIGHTS = np.array([[2, 0, 1], [1, 3, 2], [4, 1, 5]], dtype=float)
NARROW = ("int8", "fp8_e4m3fn", "fp8_e5m2", "fp6_e2m3", "fp6_e3m2", "fp4_e2m1", "int4")


def _errors() -> list[catalog.Record]:
    return [catalog.record("quantisation-error", name) for name in catalog.names("quantisation-error")]


def _attention() -> Figure:
    random = np.random.default_rng(5)
    q, k, v = (random.normal(size=(rows, 4)) * 1.5 for rows in (4, 6, 6))
    return flash_attention_steps.draw(q, k, v, (2, 2))


FIGURES: dict[str, Callable[[], Figure]] = {
    "atlas": lambda: atlas.draw(places.estimate(), "h100-sxm5"),
    **{
        f"atlas_trend {quantity}": lambda quantity=quantity: atlas_trend.draw(places.estimate(), quantity, "h100-sxm5")
        for quantity in ("peak", "bandwidth", "intensity", "efficiency", "memory", "heat")
    },
    "bets": lambda: bets.draw(places.estimate(["h100-sxm5", "mi300x", "tpu-v5p", "cerebras-wse3"]), "h100-sxm5"),
    "die_sizes": lambda: die_sizes.draw([catalog.accelerator(each) for each in ("cerebras-wse3", "h100-sxm5", "t4")]),
    "energy_ladder": lambda: energy_ladder.draw(ladder()),
    "energy_shares": energy_shares.draw,
    "flash_attention_steps": _attention,
    "format_layouts": lambda: format_layouts.draw([catalog.number_format(each) for each in ("fp32", "tf32", "nvfp4")]),
    "format_rounding": lambda: format_rounding.draw(0.1, ("fp32", "bf16", "fp16", "fp8_e4m3fn", "fp4_e2m1", "int8")),
    "format_values": lambda: format_values.draw(NARROW),
    "hbm_stack": lambda: hbm_stack.draw(technologies("hbm")),
    "memory_levels h100": lambda: memory_levels.draw(levels.estimate("h100-sxm5"), "H100"),
    "memory_levels groq": lambda: memory_levels.draw(levels.estimate("groq-lpu-v1"), "LPU"),
    "memory_levels mi300x": lambda: memory_levels.draw(levels.estimate("mi300x"), "MI300X"),
    "processors": lambda: processors.draw(history()),
    "reuse": lambda: reuse.draw(chip("h100-sxm5"), {"shared memory of one SM": 233472, "L2 cache": 52428800}),
    "quantisation_error": lambda: quantisation_error.draw(_errors()),
    "scaling": lambda: scaling.draw(places.estimate(), technologies("hbm") + technologies("sram-cell")),
    "systolic_motion": lambda: systolic_motion.draw(ACTIVATIONS, WEIGHTS),
    "systolic_utilisation": systolic_utilisation.draw,
    "tensor_core_tile": lambda: tensor_core_tile.draw(chip("h100-sxm5"), clock=1.83e9),
    "tiled_matmul": tiled_matmul.draw,
    "waves": lambda: waves.draw(chip("h100-sxm5"), "bf16"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_keeps_its_promises(name: str) -> None:
    figure = FIGURES[name]()
    ElementTree.fromstring(figure.svg)
    assert len(figure.svg) < 60_000
    known = {colour for colours in ROLES.values() for colour in colours}
    assert set(re.findall(r'"(#[0-9a-fA-F]{6})"', figure.svg)) <= known
    assert figure.layer == "hardware" and figure.table
    assert len({tuple(row) for row in figure.table}) == 1, "every row has the same columns"
    assert "nan" not in f"{figure.title} {figure.alt} {figure.table}".lower().split()
    if isinstance(figure.chart, Diagram):
        assert figure.svg == FIGURES[name]().svg, "the same numbers give the same drawing"
        for x, y in _corners(figure.svg):
            assert -2 <= x <= figure.chart.width + 2 and -2 <= y <= figure.chart.height + 2, "drawn off the canvas"


def _corners(svg: str) -> list[tuple[float, float]]:
    """Top left and bottom right of every rectangle that no group moves."""
    tree = ElementTree.fromstring(svg)
    found = []
    for parent in (tree, *(each for each in tree if each.get("class") == "frame")):
        for each in parent:
            if each.tag.endswith("rect"):
                x, y, wide, high = (float(each.get(key, "0")) for key in ("x", "y", "width", "height"))
                found += [(x, y), (x + wide, y + high)]
    return found


def test_areas_and_lengths_are_to_scale() -> None:
    chips = [catalog.accelerator(name) for name in ("cerebras-wse3", "h100-sxm5", "t4")]
    sides = [wide for wide, high in _sizes(die_sizes.draw(chips)) if wide == pytest.approx(high)]
    wafer, hopper, turing = sorted(sides, reverse=True)
    assert (wafer / hopper) ** 2 == pytest.approx(46225 / 814, rel=0.01)
    assert (hopper / turing) ** 2 == pytest.approx(814 / 545, rel=0.01)
    squares = [wide for wide, high in _sizes(FIGURES["memory_levels h100"]()) if wide == pytest.approx(high)]
    assert (max(squares) / min(squares)) ** 2 == pytest.approx(80 * 1024 / 33, rel=0.02)
    bars = [wide for wide, high in _sizes(FIGURES["hbm_stack"]()) if high == 18 and wide <= 180]
    assert max(bars) / min(bars) == pytest.approx(2000 / 128, rel=0.01)


def _sizes(figure: Figure) -> list[tuple[float, float]]:
    tree = ElementTree.fromstring(figure.svg)
    return [
        (float(each.get("width", "0")), float(each.get("height", "0")))
        for each in tree.iter()
        if each.tag.endswith("rect")
    ]


def test_the_array_in_motion_shows_the_product() -> None:
    figure = systolic_motion.draw(ACTIVATIONS, WEIGHTS)
    assert isinstance(figure.chart, Diagram)
    # 2 R + C + M - 2 cycles
    assert len(figure.chart.frames) == 2 * 3 + 3 + 4 - 2
    last = [shape.words for shape in figure.chart.frames[-1].shapes if shape.words]
    for value in (ACTIVATIONS @ WEIGHTS).ravel():
        assert f"{value:.0f}" in last


def test_figures_say_what_their_numbers_say() -> None:
    # 128 of 8,192 rows; values by hand from the E2M1 and E5M2 code tables
    assert FIGURES["format_values"]().title.startswith("89% of FP8 E5M2's values")
    # 1 / 256 of a 256 x 256 array multiplies for one row
    assert "0.39%" in systolic_utilisation.draw().title
    # 2 x 384³ FLOP over (3 + 3 + 1) x 384² elements of 2 bytes
    assert f"{384 / 7:.0f} FLOP a byte" in " ".join(tiled_matmul.draw().chart.words)
    # a whole number has nothing near a tenth; 0.1 in bf16 is 0x3DCD
    rounding = FIGURES["format_rounding"]()
    assert rounding.title.startswith("0.1 becomes 0 in") and rounding.title.endswith("100% off")
    assert format_rounding.draw(1.5, ["fp32", "fp4_e2m1"]).title == "All these formats hold 1.5 exactly"
    assert next(row["value"] for row in rounding.table if row["format"] == "BF16") == "0.100097656"
    assert "2,048 multiply-adds" in FIGURES["tensor_core_tile"]().title


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(BadInput, match="die area"):
        die_sizes.draw([catalog.accelerator("mi300x")])
    with pytest.raises(BadInput, match="must be one to 4"):
        tiled_matmul.draw(size=1024, tile=128)
    with pytest.raises(BadInput):
        systolic_motion.draw(ACTIVATIONS, WEIGHTS.T[:2])
    with pytest.raises(UnknownName, match="multiply"):
        energy_ladder.draw(ladder(), "multiply FP61")
    with pytest.raises(ValueError, match="zero exactly"):
        format_rounding.draw(0, ["bf16"])
    with pytest.raises(UnknownName, match="sram-cell"):
        technologies("sram")
    with pytest.raises(BadInput, match="no memory"):
        levels.estimate("apple-m4-max")


def test_the_atlas_holds_each_chip_once() -> None:
    every = places.estimate()
    assert len({place.id for place in every}) == len(every) > 50
    h100 = next(place for place in every if place.id == "h100-sxm5")
    assert h100.intensity == pytest.approx(295, abs=1)
    assert h100.efficiency == pytest.approx(989e12 / 700)
    # the same die at the same peak, bandwidth and power is drawn once
    assert sum(place.name == "V100 SXM2" for place in every) == 1
    assert any(place.id == "v100-sxm2-32gb" for place in places.estimate(first="v100-sxm2-32gb"))
    assert len(places.estimate(first="v100-sxm2-32gb")) == len(every)
    with pytest.raises(BadInput):
        places.estimate(["h1000"])


@pytest.mark.parametrize("name", catalog.names("accelerator"))
def test_any_accelerator_can_be_the_readers(name: str) -> None:
    try:
        known = levels.estimate(name)
    except BadInput:
        return
    figure = memory_levels.draw(known, name)
    ElementTree.fromstring(figure.svg)
    assert "nan" not in figure.title and "inf" not in figure.title
