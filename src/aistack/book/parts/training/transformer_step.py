"""What "Where does a training step's time go?" computes: a model's parts, its work, its memory and its step."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from aistack import catalog
from aistack.book.demo import Control, Demo, Shown
from aistack.book.number import Number, name
from aistack.book.setting import Setting
from aistack.book.table import Table
from aistack.drawing import Figure
from aistack.frameworks import anatomy
from aistack.frameworks.figures import anatomy as anatomy_figure
from aistack.frameworks.operators import flops_per_token
from aistack.scenario import TrainingAnswer, answer, charts

CONTEXTS = (1024, 4096, 16384, 65536, 262144)
COMPARED = ("gpt-3-175b", "llama-3.1-8b", "llama-3.1-405b", "mixtral-8x7b", "deepseek-v3")
STATES = {
    "weights": (2.0, "bf16, used by every product"),
    "gradients": (4.0, "fp32, summed over micro-batches"),
    "master weights": (4.0, "fp32, what the optimizer really changes"),
    "first moment": (4.0, "fp32, Adam's running mean of gradients"),
    "second moment": (4.0, "fp32, Adam's running mean of their squares"),
}
"""Bytes a parameter of mixed-precision training with Adam."""

COUNTED = "Counted by aistack.frameworks from the model's published configuration"
PLANNED = "Predicted by aistack.training"
MIXED = "Mixed-precision training with Adam (arXiv:1710.03740, arXiv:1412.6980)"


@functools.lru_cache(maxsize=32)
def planned(setting: Setting) -> TrainingAnswer:
    """The setting's training plan, predicted."""
    return answer(setting.training())


@functools.lru_cache(maxsize=8)
def drawn(setting: Setting) -> Mapping[str, Figure]:
    """The charts of its answer."""
    return charts.draw(planned(setting))


def numbers(setting: Setting) -> dict[str, Number]:
    """Of the setting's model, and of training it as the setting says."""
    spec, seq = setting.spec, setting.sequence
    organs = {organ.name: organ for organ in anatomy.estimate(spec, seq)}
    forward = sum(organ.flop for organ in organs.values())
    mixing = organs["mixing"].flop if "mixing" in organs else 0.0
    feed = organs["feed-forward"]
    trained = flops_per_token(spec, seq, "causal")
    active, parameters = spec.active_parameters, spec.parameters
    step = planned(setting)
    peak = float(setting.chip.rate(step.scenario.precision)) * setting.count
    at_peak = setting.tokens * 6 * active / peak
    state = sum(each for each, _ in STATES.values())
    room = step.capacity
    # mixing grows with the context, all else does not: where both are equal
    level = seq * (forward - mixing) / mixing if mixing else float("inf")
    values = {
        "parameters": Number(parameters, "parameters", "derived", COUNTED),
        "active": Number(active, "parameters", "derived", COUNTED, basis="met by one token"),
        "layers": Number(spec.layers, "layers", "stated", f"configuration of {spec.name}"),
        "width": Number(spec.hidden, "", "stated", f"configuration of {spec.name}"),
        "vocab": Number(spec.vocab, "", "stated", f"configuration of {spec.name}"),
        "feed_share": Number(feed.parameters / parameters, "%", "derived", COUNTED, digits=2),
        "mixing_share": Number(mixing / forward, "%", "derived", COUNTED, digits=2),
        "forward": Number(forward, "FLOP", "derived", COUNTED, basis="a token, causal attention"),
        "trained": Number(trained, "FLOP", "derived", COUNTED, formula="3 × forward", basis="a token"),
        "rule": Number(6.0 * active, "FLOP", "derived", COUNTED, formula="6 × active parameters", basis="a token"),
        "rule_off": Number(trained / (6.0 * active) - 1, "%", "derived", COUNTED, digits=2),
        "level": Number(level, "tokens", "derived", COUNTED, formula="context × other FLOP / mixing FLOP", digits=2),
        "tokens": Number(setting.tokens, "token", "assumed", "the scenario"),
        "context": Number(seq, "token", "assumed", "the scenario"),
        "run": Number(6.0 * active * setting.tokens, "FLOP", "derived", COUNTED, formula="6 × parameters × tokens"),
        "at_peak": Number(at_peak / 86400, "days", "derived", "peak from the catalog", formula="run / (chips × peak)"),
        "state": Number(state, "B", "derived", MIXED, formula="2 + 4 + 4 + 4 + 4", basis="a parameter"),
        "state_bytes": Number(state * parameters, "B", "derived", MIXED, formula="bytes a parameter × parameters"),
        "room": Number(room, "B", "stated", f"catalog: {setting.facts.name}"),
        "least": Number(-(-state * parameters // room), "accelerators", "derived", MIXED, formula="state / memory, up"),
        "step": Number(
            step.step_seconds,
            "s",
            "derived",
            PLANNED,
            low=step.interval.low,
            high=step.interval.high,
            basis=str(step.plan),
        ),
        "mfu": Number(step.mfu["causal"], "%", "derived", PLANNED, formula="model FLOP / (step × peak)"),
        "hfu": Number(step.hfu, "%", "derived", PLANNED, formula="all FLOP, repeated ones too / (step × peak)"),
        "needed": Number(step.memory_total, "B", "derived", PLANNED, basis="the accelerator that holds most"),
        "step_tokens": Number(step.tokens_per_step, "token", "assumed", "the scenario", basis="a step"),
        "batches": Number(step.micro_batches, "micro-batches", "derived", PLANNED, basis="a step, one replica"),
    }
    if step.run:
        values["days"] = Number(
            float(step.run.seconds) / 86400, "days", "derived", PLANNED, formula="steps × step / goodput"
        )
        values["cost"] = Number(float(step.run.cost), "USD", "derived", PLANNED, formula="accelerator-hours × price")
    return values


def words(setting: Setting) -> dict[str, object]:
    """Names, and what the text asks about."""
    spec, step = setting.spec, planned(setting)
    return {
        "model": name(setting.model),
        "chip": setting.facts.name,
        "experts": spec.active_parameters < spec.parameters,
        "fits": step.fits,
        "pipeline": "schedule" in drawn(setting),
        "plan": str(step.plan),
        "bound": step.bound,
        "largest": max(step.waterfall[1:], key=lambda share: share.seconds).name,
        "priced": bool(step.run),
    }


def figures(setting: Setting) -> Mapping[str, Callable[[], Figure]]:
    """The model's anatomy, and the charts of the setting's plan."""
    spec, seq = setting.spec, setting.sequence
    of_plan = {each: functools.partial(drawn(setting).__getitem__, each) for each in drawn(setting)}
    return {
        "anatomy": lambda: anatomy_figure.draw(anatomy.estimate(spec, seq), spec, seq, name(setting.model)),
        **of_plan,
    }


def tables(setting: Setting) -> Mapping[str, Callable[[], Table]]:
    """Well-known models beside the setting's own, and what a parameter carries through training."""
    names = dict.fromkeys((setting.model, *COMPARED))
    return {
        "models": lambda: Table(
            "Six FLOP a parameter and token hold from the smallest to the largest",
            COUNTED,
            [_row(each, setting.sequence) for each in names],
        ),
        "states": lambda: Table(
            "A parameter carries nine times its own weight through training",
            MIXED,
            [
                {"what": what, "a parameter": Number(each, "B", "stated", MIXED), "why": why}
                for what, (each, why) in STATES.items()
            ],
        ),
    }


def _row(model: str, seq: int) -> dict[str, Number | str]:
    spec = catalog.model(model).spec
    trained = flops_per_token(spec, seq, "causal")
    return {
        "model": name(model),
        "parameters": Number(spec.parameters, "", "derived", COUNTED),
        "met by a token": Number(spec.active_parameters, "", "derived", COUNTED),
        "training on a token": Number(trained, "FLOP", "derived", COUNTED, formula="3 × forward, causal attention"),
        "of it 6 × parameters": Number(6 * spec.active_parameters / trained, "%", "derived", COUNTED, digits=2),
    }


def demos(setting: Setting) -> Mapping[str, Demo]:
    """The context grows: the work of a token, and the share that mixing takes."""
    spec, peak = setting.spec, setting.chip.rate(planned(setting).scenario.precision)

    def run(context: int) -> Shown:
        organs = anatomy.estimate(spec, context)
        forward = sum(organ.flop for organ in organs)
        mixing = sum(organ.flop for organ in organs if organ.name == "mixing")
        return Shown(
            {
                "training on a token": Number(3 * forward, "FLOP", "derived", COUNTED, formula="3 × forward"),
                "of it between tokens": Number(mixing / forward, "%", "derived", COUNTED, digits=2),
                "at best, on one chip": Number(
                    peak / (3 * forward), "token/s", "derived", COUNTED, formula="peak / FLOP a token"
                ),
            },
            anatomy_figure.draw(organs, spec, context, name(setting.model)),
        )

    return {
        "context": Demo("A longer context costs more a token", (Control("context", "Tokens", CONTEXTS, 4096),), run)
    }
