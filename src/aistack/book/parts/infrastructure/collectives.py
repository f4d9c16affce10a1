"""What "How do thousands of chips add up one sum?" computes: rings, levels of a cluster, and the price of talking."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from aistack.book.demo import Control, Demo, Shown
from aistack.book.number import Number, name
from aistack.book.setting import Setting
from aistack.book.table import Table
from aistack.drawing import Figure
from aistack.infrastructure import placed
from aistack.infrastructure.cluster import Cluster, cluster
from aistack.infrastructure.collective import OPERATIONS, work
from aistack.infrastructure.figures import message_size, ring_rounds, topology

LEAST = 8
"""Accelerators below which the page speaks of this many, since fewer have little to say to each other."""
SIZES = (2**10, 2**16, 2**20, 2**24, 2**28, 2**32)
RANKS = (2, 8, 64, 512, 4096)

FORMULAS = "Counted by aistack.infrastructure.collective (Thakur et al. 2005)"
PREDICTED = "Predicted by aistack.infrastructure.placed"
FITTED = "Settled by published measurements of collectives: aistack.infrastructure.links"

MEANS = {
    "point-to-point": "one sends, one receives",
    "broadcast": "one has it, all get it",
    "all-gather": "each has a part, all get the whole",
    "reduce-scatter": "all have the whole, each gets a part of the sum",
    "all-reduce": "all have the whole, all get the sum",
    "all-to-all": "each has a part for each",
}


@functools.lru_cache(maxsize=16)
def joined(setting: Setting) -> Cluster:
    """The setting's accelerators, at least a few of them."""
    return cluster(max(setting.count, LEAST), setting.accelerator)


def numbers(setting: Setting) -> dict[str, Number]:
    """Of the setting's cluster, and of the gradients of its model."""
    system = joined(setting)
    inner, outer = system.levels[0], system.levels[-1]
    ranks = system.chips
    gradients = 2.0 * setting.spec.parameters
    seconds = float(placed.estimate(system, "all-reduce", gradients, ranks))
    tiny = float(placed.estimate(system, "all-reduce", 8.0, ranks))
    volume = work("all-reduce", ranks).volume
    half = float(placed.estimate(system, "reduce-scatter", gradients, ranks))
    return {
        "ranks": Number(ranks, "accelerators", "assumed", "the scenario"),
        "inside": Number(inner.size, "accelerators", "derived", "catalog: the accelerator's usual node"),
        "inner": Number(inner.bandwidth, "B/s", "measured", FITTED, basis="a chip, one way"),
        "outer": Number(outer.bandwidth, "B/s", "measured", FITTED, basis="a chip, one way"),
        "ratio": Number(inner.bandwidth / outer.bandwidth, "×", "derived", FITTED, digits=2),
        "inner_latency": Number(inner.latency, "s", "measured", FITTED, basis="a step"),
        "outer_latency": Number(outer.latency, "s", "measured", FITTED, basis="a step"),
        "gradients": Number(gradients, "B", "derived", "configuration of the model", formula="2 × parameters"),
        "volume": Number(volume, "×", "derived", FORMULAS, formula="2 (n - 1) / n"),
        "sent": Number(
            volume * gradients, "B", "derived", FORMULAS, formula="2 (n - 1) / n × gradients", basis="a chip"
        ),
        "steps": Number(work("all-reduce", ranks).steps, "", "derived", FORMULAS, formula="2 (n - 1)"),
        "seconds": Number(seconds, "s", "derived", PREDICTED, basis="all-reduce of the gradients, nothing hidden"),
        "scattered": Number(half, "s", "derived", PREDICTED, basis="reduce-scatter of the gradients"),
        "tiny": Number(tiny, "s", "derived", PREDICTED, basis="all-reduce of eight bytes"),
        "simple": Number(volume * gradients / outer.bandwidth, "s", "derived", FORMULAS, formula="sent / bandwidth"),
        "ring_wait": Number(
            work("all-reduce", ranks).steps * outer.latency, "s", "derived", FORMULAS, formula="2 (n - 1) × latency"
        ),
    }


def words(setting: Setting) -> dict[str, object]:
    """Names, and what the text asks about."""
    system = joined(setting)
    return {
        "model": name(setting.model),
        "chip": setting.facts.name,
        "levels": len(system.levels),
        "inner_link": system.levels[0].link,
        "outer_link": system.levels[-1].link,
        "enlarged": system.chips > setting.count,
    }


def figures(setting: Setting) -> Mapping[str, Callable[[], Figure]]:
    """A ring in motion, the setting's cluster, and what messages of each size get of its links."""
    system = joined(setting)
    groups = sorted({min(system.levels[0].size, system.chips), system.chips} - {1}) or [system.chips]
    about = f"{system.chips:,} × {setting.facts.name}"
    return {
        "ring": lambda: ring_rounds.draw(4),
        "cluster": lambda: topology.draw(system),
        "sizes": lambda: message_size.draw(system, "all-reduce", groups, about, 2.0 * setting.spec.parameters),
    }


def tables(setting: Setting) -> Mapping[str, Callable[[], Table]]:
    """What each collective asks of a link."""
    ranks = joined(setting).chips
    return {
        "collectives": lambda: Table(
            "Six patterns carry almost all that accelerators say to each other",
            FORMULAS,
            [
                {
                    "collective": operation,
                    "what happens": MEANS[operation],
                    "a chip sends": Number(
                        work(operation, ranks).volume,
                        "×",
                        "derived",
                        FORMULAS,
                        basis=f"of the data, {ranks:,} ranks, ring",
                    ),
                    "steps in a ring": Number(work(operation, ranks).steps, "", "derived", FORMULAS),
                    "steps in a tree": Number(work(operation, ranks, "tree").steps, "", "derived", FORMULAS),
                }
                for operation in OPERATIONS
            ],
        )
    }


def demos(setting: Setting) -> Mapping[str, Demo]:
    """Sizes and ranks: how long an all-reduce takes, and what the links make of it."""
    system = cluster(max(RANKS), setting.accelerator)

    def run(size: int, ranks: int) -> Shown:
        seconds = float(placed.estimate(system, "all-reduce", float(size), ranks))
        asked = work("all-reduce", ranks)
        return Shown(
            {
                "it takes": Number(seconds, "s", "derived", PREDICTED),
                "each link moves": Number(
                    asked.volume * size / seconds, "B/s", "derived", PREDICTED, basis="bus bandwidth"
                ),
                "a chip sends": Number(asked.volume * size, "B", "derived", FORMULAS, formula="2 (n - 1) / n × size"),
            }
        )

    controls = (
        Control("size", "Bytes that each holds", SIZES, 2**20),
        Control("ranks", "Ranks", RANKS, 8),
    )
    return {"allreduce": Demo("Small messages wait, large ones flow", controls, run)}
