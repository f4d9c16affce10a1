"""What "Why is reading fast and writing slow?" computes: prompts read, answers written, and the cache between them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import numpy as np

from aistack import catalog
from aistack.book.demo import Control, Demo, Shown
from aistack.book.number import Number, name
from aistack.book.setting import Setting
from aistack.book.table import Table
from aistack.drawing import Figure
from aistack.errors import DoesNotFit
from aistack.frameworks.operators import cache_bytes_per_token
from aistack.hardware.roofline import ridge
from aistack.scenario import ServingAnswer, answer_serving, serving_charts
from aistack.scenario.serving_deployment import priced
from aistack.serving.figures import paged_cache
from aistack.serving.formats import cache_bytes
from aistack.serving.formats import weights as stored

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
CACHED = ("llama-2-7b", "llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b", "deepseek-v3", "gpt-oss-120b")
REQUESTS = ((5, 9), (9, 4), (3, 8), (7, 6), (4, 10), (2, 6))
"""Prompt and answer of the requests that the paged cache is shown with."""
BLOCKS, BLOCK = 12, 4

COUNTED = "Counted by aistack.frameworks from the model's published configuration"
PREDICTED = "Predicted by aistack.serving"


MOST = 1024
"""Accelerators up to which a larger system is looked for where the setting's cannot hold the model."""
LARGEST = {"accelerator": "b300-sxm", "count": 8, "precision": "fp8"}
"""What is taken where no number of them can, since the fast links of one node reach too few."""


@functools.lru_cache(maxsize=32)
def planned(setting: Setting) -> ServingAnswer:
    """The setting's deployment, predicted; where it cannot hold the model, that of the next larger system that can."""
    try:
        return answer_serving(setting.serving())
    except DoesNotFit:
        if setting.changed.items() >= LARGEST.items():
            raise
        larger = {"count": 2 * setting.count} if setting.count < MOST else LARGEST
        return planned(setting.model_copy(update=larger))


@functools.lru_cache(maxsize=8)
def drawn(setting: Setting) -> Mapping[str, Figure]:
    """The charts of its answer."""
    return serving_charts.draw(planned(setting))


def numbers(setting: Setting) -> dict[str, Number]:
    """Of one replica of the setting's model, and of a request of the setting's length."""
    spec, found = setting.spec, planned(setting)
    server = priced(found.scenario, found.deployment)
    chips = found.accelerators_per_replica
    parts = {part.name: part.bytes for part in found.memory}
    weights = parts["weights"] * chips
    bandwidth = server.chip.memory_bandwidth * chips
    peak = float(server.chip.rate(stored(found.scenario.precision).precision(server.chip))) * chips
    context = setting.prompt + setting.output / 2
    per_token = cache_bytes_per_token(spec, cache_bytes(found.scenario.kv_precision or "bf16"))
    prompt_flop = 2.0 * spec.active_parameters * setting.prompt
    floor = weights / bandwidth
    corner = ridge(peak, bandwidth)
    alone = float(np.asarray(server.decode(1, context)).item())
    many = max(round(found.batch), 1)
    together = float(np.asarray(server.decode(many, many * context)).item())
    ttft, tpot = found.ttft, found.tpot
    return {
        "prompt": Number(setting.prompt, "token", "assumed", "the scenario"),
        "output": Number(setting.output, "token", "assumed", "the scenario"),
        "weights": Number(weights, "B", "derived", PREDICTED, basis=f"{found.deployment}, of one replica"),
        "bandwidth": Number(bandwidth, "B/s", "stated", f"catalog: {name(found.cluster.chip)}", basis="of one replica"),
        "peak": Number(peak, "FLOP/s", "stated", f"catalog: {name(found.cluster.chip)}", basis="of one replica, dense"),
        "prompt_flop": Number(prompt_flop, "FLOP", "derived", COUNTED, formula="2 × active parameters × prompt"),
        "prompt_floor": Number(prompt_flop / peak, "s", "derived", COUNTED, formula="FLOP / peak"),
        "token_flop": Number(2.0 * spec.active_parameters, "FLOP", "derived", COUNTED, formula="2 × active parameters"),
        "token_compute": Number(2.0 * spec.active_parameters / peak, "s", "derived", COUNTED, formula="FLOP / peak"),
        "floor": Number(floor, "s", "derived", COUNTED, formula="weights / memory bandwidth"),
        "floor_rate": Number(1 / floor, "token/s", "derived", COUNTED, formula="memory bandwidth / weights"),
        "ridge": Number(corner, "FLOP/B", "derived", "peak and bandwidth from the catalog", formula="peak / bandwidth"),
        "alone": Number(alone, "s", "derived", PREDICTED, basis="a decode step with one sequence"),
        "together": Number(together, "s", "derived", PREDICTED, basis="a decode step at the plan's batch"),
        "batch": Number(many, "sequences", "derived", PREDICTED, basis="decoding at once, one replica"),
        "gain": Number(
            many * alone / together, "×", "derived", PREDICTED, formula="batch × step alone / step together"
        ),
        "slower": Number(together / alone, "×", "derived", PREDICTED, formula="step together / step alone"),
        "cache_token": Number(per_token, "B", "derived", COUNTED, basis="keys and values of all layers, 16 bits"),
        "cache_request": Number(
            per_token * (setting.prompt + setting.output),
            "B",
            "derived",
            COUNTED,
            formula="prompt and answer × a token",
        ),
        "held": Number(found.kv_capacity, "token", "derived", PREDICTED, basis="the cache of one replica"),
        "most": Number(
            found.kv_capacity // (setting.prompt + setting.output),
            "requests",
            "derived",
            PREDICTED,
            basis="of this length",
        ),
        "ttft": Number(ttft.mean, "s", "derived", PREDICTED, low=ttft.interval.low, high=ttft.interval.high),
        "tpot": Number(tpot.mean, "s", "derived", PREDICTED, low=tpot.interval.low, high=tpot.interval.high),
        "rate": Number(found.rate, "1/s", "derived", PREDICTED, basis="requests, all replicas"),
        "tokens": Number(found.tokens_per_second, "token/s", "derived", PREDICTED, basis="output, all replicas"),
        "ttft_goal": Number(setting.ttft, "s", "assumed", "the scenario"),
        "tpot_goal": Number(setting.tpot, "s", "assumed", "the scenario"),
    }


def words(setting: Setting) -> dict[str, object]:
    """Names, and what the text asks about."""
    found = planned(setting)
    spec = setting.spec
    return {
        "model": name(setting.model),
        "chip": name(found.cluster.chip),
        "chips": found.accelerators_per_replica,
        "replicas": found.replicas,
        "plan": str(found.deployment),
        "enlarged": found.scenario.system != (setting.count, setting.accelerator),
        "count": found.scenario.system[0],
        "first": setting.facts.name,
        "cached": "batch" in drawn(setting),
        "experts": spec.active_parameters < spec.parameters,
        "priced": found.cost.usd_per_million == found.cost.usd_per_million,
    }


def figures(setting: Setting) -> Mapping[str, Callable[[], Figure]]:
    """The cache in motion, and the charts of the setting's deployment."""
    of_plan = {each: functools.partial(drawn(setting).__getitem__, each) for each in drawn(setting)}
    return {"paging": lambda: paged_cache.draw(REQUESTS, BLOCKS, BLOCK), **of_plan}


def tables(setting: Setting) -> Mapping[str, Callable[[], Table]]:
    """What well-known models hold of each token."""
    models = dict.fromkeys((setting.model, *CACHED))
    return {
        "caches": lambda: Table(
            "A model's size says little about what its tokens leave behind",
            COUNTED,
            [_row(each) for each in models],
        )
    }


def _row(model: str) -> dict[str, Number | str]:
    spec = catalog.model(model).spec
    per_token = cache_bytes_per_token(spec)
    weights = spec.parameters * stored("bf16").bytes
    return {
        "model": name(model),
        "parameters": Number(spec.parameters, "", "derived", COUNTED),
        "cache of a token": Number(per_token, "B", "derived", COUNTED, basis="16 bits"),
        "as much as the weights": Number(
            weights / per_token, "token", "derived", COUNTED, formula="bytes of weights / bytes a token"
        ),
    }


def demos(setting: Setting) -> Mapping[str, Demo]:
    """More sequences at once: what each waits, and what all get."""
    found = planned(setting)
    server = priced(found.scenario, found.deployment)
    context = setting.prompt + setting.output / 2

    def run(batch: int) -> Shown:
        step = float(np.asarray(server.decode(batch, batch * context)).item())
        first = float(np.asarray(server.decode(1, context)).item())
        return Shown(
            {
                "each waits, a token": Number(step, "s", "derived", PREDICTED),
                "each reads": Number(1 / step, "token/s", "derived", PREDICTED),
                "all together get": Number(batch / step, "token/s", "derived", PREDICTED),
                "as many as alone": Number(batch * first / step, "×", "derived", PREDICTED),
                "cache": Number(
                    batch * (setting.prompt + setting.output) * cache_bytes_per_token(setting.spec),
                    "B",
                    "derived",
                    COUNTED,
                    basis="of all sequences, whole",
                ),
            }
        )

    control = Control("batch", "Sequences at once", BATCHES, 1)
    return {"batch": Demo("More readers for the same weights", (control,), run)}
