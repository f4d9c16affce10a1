"""What "What does moving a number cost?" computes: joules of operations and journeys, heat, and what is being tried."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping

from aistack import catalog
from aistack.book.demo import Control, Demo, Shown
from aistack.book.number import Number, fact, name
from aistack.book.setting import Setting
from aistack.book.table import Cell, Table
from aistack.catalog import processors as history
from aistack.catalog.records import Technology
from aistack.drawing import Figure
from aistack.hardware import atlas, energy
from aistack.hardware.figures import atlas_trend, energy_ladder, energy_shares, scaling
from aistack.hardware.figures import processors as processors_figure

ROWS, SIZE = (1, 8, 64, 512, 4096), 8192

ENERGY = "aistack.hardware.energy, 7 nm silicon (Jouppi et al., ISCA 2021) and an A100's board"
MELODY = "Liu et al., ASPLOS 2025: four CXL devices measured"
PHOTONIC = "Ahmed et al., Nature 2025"
ANALOG = "Ambrogio et al., Nature 2023"
ALBERT = "Chen et al., Nature Communications 2025"
DARK = "Esmaeilzadeh et al., ISCA 2011: a model's projection"
OPTICS = "NVIDIA, as reported by Notebookcheck, 2025"


def _form(setting: Setting) -> str:
    """The format whose energies are known that is nearest to the chip's."""
    return setting.matrix_format if setting.matrix_format in energy.OPERATIONS else "bf16"


@functools.cache
def _link(kind: str, record: str) -> float:
    return catalog.record(kind, record).value.si


def _cell(record: str) -> Number:
    known = fact(record, "values.area")
    return Number(known.value * 1e12, "µm²", known.mark, known.source)


def numbers(setting: Setting) -> dict[str, Number]:
    """Joules of operations, of bytes, of a token, and watts of the chip; numbers that others published."""
    form, facts = _form(setting), setting.facts
    flop, moved = energy.per_flop(form), energy.per_byte()
    element = float(energy.OPERATIONS[form][2])
    near = moved["HBM"] if facts.memory_capacity else moved["shared memory"]
    weights = element * setting.spec.active_parameters
    operations = 2.0 * setting.spec.active_parameters * flop
    fetching = weights * moved["HBM"]
    rungs = {rung.name: rung for rung in energy.ladder()}
    multiply, read = rungs["multiply FP16"], rungs["read from HBM, A100 board measured"]
    wire = catalog.record("technology", "wire-on-chip").values
    cells = {each: catalog.record("technology", each).values["area"] for each in ("sram-n5", "sram-n3e", "sram-n2")}
    tdp = facts.tdp.si if facts.tdp and "per package" in facts.tdp.bases else float("nan")
    h100, photonic = catalog.accelerator("h100-sxm5"), 65.5e12 / 78
    assert h100.tdp
    found = {
        "multiply": Number(multiply.middle, "J", "stated", ENERGY),
        "read": Number(read.middle, "J", "measured", ENERGY, basis="64 bits"),
        "times": Number(read.middle / 4 / multiply.middle, "×", "derived", ENERGY, "read / 4 / multiply", digits=2),
        "wire_low": Number(wire["low"].si * 8e-3, "J", "stated", "Keckler, 30 nm", "64 bits, 1 mm"),
        "wire_high": Number(wire["high"].si * 8e-3, "J", "stated", "Keckler, 30 nm", "64 bits, 1 mm"),
        "device": Number(_link("memory-energy", "hbm2-access-energy"), "J/B", "stated", "O'Connor et al., MICRO 2017"),
        "board": Number(moved["HBM"], "J/B", "measured", "Energy models of four GPUs, SC25"),
        "near": Number(near, "J/B", "measured" if facts.memory_capacity else "stated", ENERGY),
        "newer": Number(_link("memory-energy", "gh200-hbm-total"), "J/B", "measured", "Energy models of GPUs, SC25"),
        "flop": Number(flop, "J/FLOP", "derived", ENERGY, f"({form} multiply + FP32 add) / 2"),
        "equal": Number(
            math.ceil(element * moved["HBM"] / (2 * flop)), "rows", "derived", ENERGY, "J a weight / J of two FLOP, up"
        ),
        "fetching": Number(fetching, "J", "derived", ENERGY, "active parameters × bytes × J/B"),
        "operations": Number(operations, "J", "derived", ENERGY, "2 × active parameters × J/FLOP"),
        "token_share": Number(fetching / (fetching + operations), "%", "derived", ENERGY),
        "memory_power": Number(setting.bandwidth.value * near, "W", "derived", ENERGY, "bandwidth × J/B"),
        "compute_power": Number(setting.peak.value * flop, "W", "derived", ENERGY, "peak × J/FLOP of 7 nm"),
        "both": Number(
            setting.bandwidth.value * near + setting.peak.value * flop,
            "W",
            "derived",
            ENERGY,
            "memory + multipliers",
        ),
        "bandwidth": setting.bandwidth,
        "peak": setting.peak,
        "dark_22": Number(0.21, "%", "stated", DARK, basis="of the area, 22 nm"),
        "dark_8": Number(0.5, "%", "stated", DARK, basis="of the area, 8 nm"),
        "n5": _cell("sram-n5"),
        "n3": _cell("sram-n3e"),
        "n2": _cell("sram-n2"),
        "shrunk": Number(
            1 - cells["sram-n2"].si / cells["sram-n5"].si, "%", "derived", "catalog: technologies", "1 − N2 / N5"
        ),
        "ucie": Number(_link("link-energy", "ucie-advanced-package-3-nm"), "J/B", "measured", "JSSC 2026, 3 nm"),
        "nvlink": Number(_link("link-energy", "nvlink"), "J/B", "stated", "NVIDIA, fourth generation"),
        "cxl_low": Number(140e-9, "s", "measured", MELODY),
        "cxl_high": Number(410e-9, "s", "measured", MELODY),
        "plugged": Number(30, "W", "stated", OPTICS, basis="one interface, pluggable"),
        "beside": Number(9, "W", "stated", OPTICS, basis="one interface, beside the switch"),
        "light": Number(photonic, "FLOP/J", "derived", PHOTONIC, "65.5 trillion operations a second / 78 W"),
        "h100_light": Number(
            h100.peak("bf16") / h100.tdp.si, "FLOP/J", "derived", "catalog: H100 SXM5", "peak / design power"
        ),
        "analog": Number(12.4e12, "FLOP/J", "stated", ANALOG, basis="whole chip, sustained"),
        "analog_weights": Number(7.1e6, "weights", "stated", ALBERT),
        "analog_loss": Number(0.018, "%", "stated", ALBERT, basis="of average accuracy"),
        "wafer_memory": fact("cerebras-wse3", "on_chip.scratchpad"),
        "wafer_bandwidth": fact("cerebras-wse3", "on_chip.bandwidth"),
    }
    if tdp == tdp:
        found["tdp"] = Number(tdp, "W", "stated", f"catalog: {facts.name}")
        found["memory_share"] = Number(found["memory_power"].value / tdp, "%", "derived", ENERGY, digits=2)
        if facts.die_area and not (facts.dies and facts.dies.value != 1):
            # hardly a number that people think of in W/m²
            found["heat"] = Number(tdp / facts.die_area.si / 1e6, "W/mm²", "derived", "catalog", "power / die area")
    return found


def words(setting: Setting) -> dict[str, object]:
    """Names, and what the catalog knows of the chip."""
    facts = setting.facts
    kind = str(facts.memory_type.value) if facts.memory_type else ""
    return {
        "chip": facts.name,
        "model": name(setting.model),
        "form": _form(setting),
        "stacked": "HBM" in kind,
        "on_die": facts.memory_capacity is None,
        "powered": bool(facts.tdp and "per package" in facts.tdp.bases),
        "hot": "heat" in numbers(setting),
    }


def figures(setting: Setting) -> Mapping[str, Callable[[], Figure]]:
    """The ladder of energies, shares of a product, fifty years of processors, what scaled, and heat by year."""
    recorded = (catalog.record("technology", each) for each in catalog.names("technology"))
    technologies = [each for each in recorded if isinstance(each, Technology)]
    own = setting.accelerator
    return {
        "ladder": lambda: energy_ladder.draw(energy.ladder()),
        "shares": lambda: energy_shares.draw(SIZE, SIZE, format=_form(setting)),
        "processors": lambda: processors_figure.draw(history.history()),
        "scaling": lambda: scaling.draw(atlas.estimate(), technologies),
        "heat": lambda: atlas_trend.draw(atlas.estimate(first=own), "heat", own),
    }


def tables(setting: Setting) -> Mapping[str, Callable[[], Table]]:
    """Memory's joules, measured; and five attempts with a number each."""
    found = numbers(setting)
    measured = {
        "HBM2, the device alone": ("hbm2-access-energy", "a model of the DRAM"),
        "A100, whole": ("a100-hbm-total", "board, controllers and wires included"),
        "GH200, whole": ("gh200-hbm-total", "the same method"),
        "MI250X, whole": ("mi250x-gcd-hbm-total", "the same method"),
        "MI300A, whole": ("mi300a-hbm-total", "the same method"),
    }

    def memory(words: str, record: str, what: str) -> dict[str, Cell]:
        joules = _link("memory-energy", record)
        alone = record == "hbm2-access-energy"
        source = "O'Connor et al., MICRO 2017" if alone else "Energy models of four GPUs, SC25"
        return {
            "memory": words,
            "a byte": Number(joules, "J/B", "stated" if alone else "measured", source),
            "a bit": Number(joules / 8e-12, "pJ/bit", "stated" if alone else "measured", source),
            "counted": what,
        }

    def tried(idea: str, what: str, new: Number, today: Number, state: str) -> dict[str, Cell]:
        return {"idea": idea, "compared": what, "this": new, "with": today, "state in 2026": state}

    return {
        "memory": lambda: Table(
            "A byte of stacked memory costs a board about three to four times what the memory alone takes",
            "Catalog: energies of memories, each with its source",
            [memory(words, *rest) for words, rest in measured.items()],
        ),
        "tried": lambda: Table(
            "Ways around the wires, and how far each has come",
            "Sources in the text; comparisons computed here",
            [
                tried(
                    "chiplets",
                    "energy to the next die, to the next GPU",
                    found["ucie"],
                    found["nvlink"],
                    "in most new accelerators",
                ),
                tried(
                    "memory over CXL",
                    "time to answer, slowest and quickest device",
                    found["cxl_high"],
                    found["cxl_low"],
                    "in servers, for capacity",
                ),
                tried(
                    "light between chips",
                    "an interface beside the switch, plugged in",
                    found["beside"],
                    found["plugged"],
                    "in switches",
                ),
                tried(
                    "light that computes",
                    "operations a joule, against an H100",
                    found["light"],
                    found["h100_light"],
                    "one demonstrator",
                ),
                tried(
                    "memory that computes",
                    "operations a joule, against an H100",
                    found["analog"],
                    found["h100_light"],
                    "research chips",
                ),
                tried(
                    "a whole wafer",
                    f"memory bandwidth, against {setting.facts.name}",
                    found["wafer_bandwidth"],
                    found["bandwidth"],
                    "sold, by one maker",
                ),
            ],
        ),
    }


def demos(setting: Setting) -> Mapping[str, Demo]:
    """Rows, format and the distance of the weights: joules of a product."""
    forms = tuple(dict.fromkeys((_form(setting), "fp32", "bf16", "int8")))

    def run(rows: int, form: str) -> Shown:
        parts = {each: float(joules) for each, joules in energy.estimate(rows, SIZE, SIZE, form).items()}
        total, flop = sum(parts.values()), 2.0 * rows * SIZE**2
        return Shown(
            {
                "energy": Number(total, "J", "derived", ENERGY),
                "energy a row": Number(total / rows, "J", "derived", ENERGY, "energy / rows"),
                "in memory's journeys": Number(
                    1 - parts["arithmetic"] / total, "%", "derived", ENERGY, "1 − arithmetic / all", digits=2
                ),
                "of it HBM": Number(parts["HBM"] / total, "%", "derived", ENERGY, digits=2),
                "operations a joule": Number(flop / total, "FLOP/J", "derived", ENERGY, "FLOP / energy"),
            }
        )

    controls = (Control("rows", "Rows at once", ROWS, 1), Control("form", "Format", forms, _form(setting)))
    return {"joules": Demo("The journey costs more than the work", controls, run)}
