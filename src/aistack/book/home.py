"""The home page: the stack itself, six floors in one cross-section, each with what it contributes to the scenario."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from aistack.book.number import Number, fact
from aistack.book.setting import Setting
from aistack.book.shell import document
from aistack.drawing import LAYERS, Layer
from aistack.errors import AistackError, BadInput
from aistack.frameworks.operators import cache_bytes_per_token, flops_per_token
from aistack.scenario import Share, TrainingAnswer, answer, answer_serving
from aistack.serving.formats import cache_bytes

ASKS: Mapping[Layer, str] = {
    "applications": "What do people get, and what does it cost?",
    "serving": "How fast does it answer, and how many at once?",
    "training": "How is the work divided, and what is lost?",
    "frameworks": "What does the model ask of the machine?",
    "infrastructure": "How do the machines work as one?",
    "hardware": "What can one accelerator do?",
}
"""The question that each layer answers."""

_RESOURCES: Mapping[str, Layer] = {
    "compute": "hardware",
    "memory bandwidth": "hardware",
    "scale-up link": "infrastructure",
    "scale-out link": "infrastructure",
    "latency and launches": "frameworks",
}
_PER_FLOOR = 2
_CHIPS_OF_A_REPLICA = (1, 2, 4, 8)

Row = tuple[str, Number]


@dataclass(frozen=True)
class Storey:
    """One floor."""

    layer: Layer
    asks: str
    numbers: tuple[Row, ...]
    """Its headline numbers, by what they are called."""
    binds: str
    """What holds the final figure back on this floor, in words."""
    weight: Number | None
    """The part of the final figure that this floor decides: one percent less time here makes it this many percent
    shorter. None where it has no part in it."""


@dataclass(frozen=True)
class Home:
    """The stack for one scenario."""

    setting: Setting
    final: str
    """What the weights are weights of: "the run's time"."""
    roof: tuple[Row, ...]
    """What comes out on top."""
    storeys: tuple[Storey, ...]
    """The ground floor first."""
    caveat: str
    """Why the figures do not hold as they stand; empty where they do."""


def home(setting: Setting) -> Home:
    """What each floor contributes to the setting's job. Raises what scenarios raise for systems that cannot be."""
    made = _served(setting) if setting.job == "serve" else _trained(setting)
    return replace(made, storeys=tuple(sorted(made.storeys, key=lambda storey: LAYERS.index(storey.layer))))


def home_html(setting: Setting, *, live: bool = False, bar: str = "") -> str:
    """The home page's HTML document. Where nothing can be computed for the setting it says why."""
    from markupsafe import Markup

    from aistack import catalog

    try:
        made, trouble = home(setting), ""
    except AistackError as error:
        made, trouble = None, str(error)
    names = {"model": catalog.model(setting.model).name, "accelerator": setting.facts.name}
    return document(
        "home.html.jinja",
        "index.html",
        "AI Stack DeepDive",
        live=live,
        bar=bar,
        look="home",
        about="The whole AI stack in six layers, each number computed for one scenario.",
        home=made,
        trouble=trouble,
        setting=setting,
        names=names,
        asks=ASKS,
        shown=lambda number, name="": Markup(number.html(name)),
    )


def _trained(setting: Setting) -> Home:
    told = answer(setting.training())
    run = told.run
    if run is None:
        raise BadInput("The scenario does not say how many tokens the run takes.")
    useful, failures = float(run.goodput.useful), float(run.failures)
    weights = {layer: useful * share for layer, share in _shares(told.waterfall).items()}
    # what does not go into steps goes into failures and what guards against them
    weights["infrastructure"] = weights.get("infrastructure", 0.0) + 1 - useful
    seconds, spread = float(run.seconds), float(run.seconds) / told.step_seconds
    source = "this library's answer to the scenario"
    low, high = told.interval.low * spread, told.interval.high * spread
    took = Number(seconds, "s", "derived", source, "steps times their time, over goodput", "on the clock", 3, low, high)
    mfu = Number(
        told.mfu["causal"], "%", "derived", source, "model FLOP / (seconds x dense peak)", "causal attention counted"
    )
    cost = Number(
        float(run.cost), "USD", "derived", source, "accelerator-hours x their price", "rented, spares included"
    )
    billions = float(run.steps) * told.tokens_per_step / 1e9
    per_billion = Number(
        float(run.cost) / billions, "USD", "derived", source, "the run's cost / its tokens", cost.basis
    )
    energy = Number(float(run.footprint.energy), "J", "derived", source, "power x time x PUE", "at the meter")
    carbon = Number(
        float(run.footprint.carbon),
        "kg",
        "derived",
        source,
        "energy x the grid's carbon intensity",
        "of operation, CO2e",
    )
    rate = Number(
        told.tokens_per_second, "token/s", "derived", source, "tokens of a step / its seconds", "all accelerators"
    )
    storeys = [
        _hardware(setting, told.scenario.precision, told.waterfall, told.elasticity, weights),
        _storey(
            "infrastructure",
            [
                ("Accelerators", Number(told.cluster.chips, "", "assumed", "the scenario")),
                (
                    "Interruptions in the run",
                    Number(failures, "", "derived", source, "failures per accelerator and second x all of them x time"),
                ),
            ],
            f"{100 * (1 - useful):.2g}% of the time goes to failures and checkpoints. "
            f"{_more(told.elasticity, 'infrastructure')}",
            weights,
        ),
        _frameworks(setting, training=True, binds=_largest(told.waterfall, "frameworks"), weights=weights),
        _storey(
            "training",
            [("Model FLOP utilisation", mfu), ("Tokens", rate)],
            f"Plan: {told.plan}. {_largest(told.waterfall, 'training')}",
            weights,
        ),
        _storey("serving", *_after(setting), {}),
        _storey(
            "applications",
            [("A billion tokens cost", per_billion), ("Operation emits", carbon)],
            "Here the run's time becomes money: one percent cheaper accelerator-hours make it one percent cheaper.",
            {},
        ),
    ]
    caveat = "" if told.fits else _too_large(told)
    roof = [("The run takes", took), ("It costs", cost), ("Energy", energy)]
    return Home(setting, "the run’s time", _known(roof), tuple(storeys), caveat)


def _served(setting: Setting) -> Home:
    told = answer_serving(setting.serving())
    weights = _shares(told.tpot_waterfall)
    source = "this library's answer to the scenario"
    tpot, ttft = (
        Number(
            each.mean,
            "s",
            "derived",
            source,
            "the steps of a batch, prompts between them",
            "mean",
            3,
            each.interval.low,
            each.interval.high,
        )
        for each in (told.tpot, told.ttft)
    )
    elasticity = told.elasticity["tpot"]
    per_million = Number(
        told.cost.usd_per_million_output,
        "USD",
        "derived",
        source,
        "accelerators' price / tokens",
        "a million output tokens",
    )
    energy = Number(told.cost.joules_per_request, "J", "derived", source, "power x time / requests", "at the meter")
    rate = Number(told.rate, "request/s", "derived", source, "replicas x what each carries within the goals")
    storeys = [
        _hardware(setting, setting.precision, told.tpot_waterfall, elasticity, weights),
        _storey(
            "infrastructure",
            [
                ("Accelerators of a replica", Number(told.accelerators_per_replica, "", "derived", source)),
                ("Replicas", Number(told.replicas, "", "derived", source, "as many as the load needs and there are")),
            ],
            _more(elasticity, "infrastructure"),
            weights,
        ),
        _frameworks(setting, training=False, binds=_largest(told.tpot_waterfall, "frameworks"), weights=weights),
        _storey("training", *_before(setting), {}),
        _storey(
            "serving",
            [
                ("Time per output token", tpot),
                ("Requests decoded together", Number(told.batch, "", "derived", source, "", "mean, one replica")),
            ],
            f"{told.bound.capitalize()} holds back most. {_largest(told.tpot_waterfall, 'serving')}",
            weights,
        ),
        _storey(
            "applications",
            [("A million output tokens cost", per_million), ("Energy of a request", energy)],
            "Here time becomes money: what halves the time per token of a full replica halves the price.",
            {},
        ),
    ]
    caveat = "" if told.meets else "Not every goal is met: the serving planner says which, and what would meet it."
    roof = [("Requests within the goals", rate), ("First token after", ttft), ("Each further token", tpot)]
    roof.append(("A million output tokens", per_million))
    return Home(setting, "the time per output token", _known(roof), tuple(storeys), caveat)


def _hardware(
    setting: Setting,
    precision: str,
    waterfall: Iterable[Share],
    elasticity: Mapping[str, float],
    weights: Mapping[str, float],
) -> Storey:
    chip = setting.chip
    computed = precision if precision in chip.peak else "bf16" if "bf16" in chip.peak else next(iter(chip.peak))
    peak = Number(
        chip.rate(computed), "FLOP/s", "stated", f"the catalog's {setting.facts.name}", "", f"dense, {computed}"
    )
    rows = [(f"Peak, {computed}", peak), ("Memory bandwidth", fact(setting.accelerator, "memory_bandwidth", 3))]
    return _storey("hardware", rows, f"{_largest(waterfall, 'hardware')} {_more(elasticity, 'hardware')}", weights)


def _frameworks(setting: Setting, *, training: bool, binds: str, weights: Mapping[str, float]) -> Storey:
    spec, source = setting.spec, f"the architecture of {setting.model}"
    scale, word = (1e9, "billion") if spec.parameters >= 1e9 else (1e6, "million")
    rows = [("Parameters", Number(spec.parameters / scale, word, "derived", source, "the sum of all weights"))]
    if training:
        flop = flops_per_token(spec, setting.sequence, "causal")
        rows.append(
            ("Work of a token", Number(flop, "FLOP", "derived", source, "forward and backward", "causal attention"))
        )
    else:
        held = cache_bytes_per_token(spec, cache_bytes("bf16"))
        rows.append(("Keys and values of a token", Number(held, "B", "derived", source, "", "16 bits an element")))
    return _storey("frameworks", rows, binds, weights)


def _after(setting: Setting) -> tuple[list[Row], str]:
    """The trained model, served on as few of the same accelerators as hold it, weights no narrower than they must."""
    formats = dict.fromkeys((setting.precision, "fp8", "int4"))
    for precision, chips in itertools.product(formats, _CHIPS_OF_A_REPLICA):
        try:
            told = answer_serving(
                setting.model_copy(update={"count": chips, "rate": None, "precision": precision}).serving()
            )
        except AistackError:
            continue
        source, basis = "this library's answer", f"on {chips} of the same accelerators, {precision} weights"
        each = told.tokens_per_second_per_accelerator
        rows = [
            ("Then each token takes", Number(told.tpot.mean, "s", "derived", source, "", f"mean, {basis}")),
            ("An accelerator gives", Number(each, "token/s", "derived", source, "", basis)),
        ]
        return rows, f"Comes after, so it has no part in the run’s time. Served {basis}."
    return (
        [],
        "Comes after, so it has no part in the run’s time. No replica of up to eight accelerators holds the model.",
    )


def _before(setting: Setting) -> tuple[list[Row], str]:
    """What was spent on the weights before the first request."""
    source = f"the architecture of {setting.model}"
    flop = flops_per_token(setting.spec, setting.sequence, "causal")
    rows = [
        (
            "Work of a trained token",
            Number(flop, "FLOP", "derived", source, "forward and backward", "causal attention"),
        ),
        (
            "To train on the scenario’s tokens",
            Number(flop * setting.tokens, "FLOP", "derived", source, "that, times tokens"),
        ),
    ]
    return rows, "Spent before the first request: has no part in the time per token."


def _storey(layer: Layer, rows: Iterable[Row], binds: str, weights: Mapping[str, float]) -> Storey:
    weight = weights.get(layer)
    share = None
    if weight is not None:
        formula = "share of the final figure’s time that is spent on this floor"
        share = Number(weight, "%", "derived", "the waterfall of the scenario's answer", formula)
    return Storey(layer, ASKS[layer], _known(rows)[:_PER_FLOOR], binds.strip(), share)


def _known(rows: Iterable[Row]) -> tuple[Row, ...]:
    return tuple((name, number) for name, number in rows if math.isfinite(number.value))


def _shares(waterfall: Iterable[Share]) -> dict[str, float]:
    """Each layer's share of the waterfall's seconds; they sum to one."""
    seconds: dict[str, float] = {}
    for share in waterfall:
        seconds[share.layer] = seconds.get(share.layer, 0.0) + share.seconds
    total = sum(seconds.values())
    return {layer: each / total for layer, each in seconds.items()}


def _largest(waterfall: Iterable[Share], layer: Layer) -> str:
    """The largest share of a layer, in words."""
    shares = tuple(waterfall)
    own = max((share for share in shares if share.layer == layer), key=lambda share: share.seconds, default=None)
    part = own.seconds / sum(share.seconds for share in shares) if own else 0.0
    if own is None or part < 0.001:
        return ""
    return f"Most here: {own.name}, {part:.2g} of the whole.".replace(f"{part:.2g}", f"{100 * part:.2g}%")


def _more(elasticity: Mapping[str, float], layer: Layer) -> str:
    """What one percent more of a layer's resources would bring, in words."""
    said = [
        f"{name} {value:.2g}%" for name, value in elasticity.items() if _RESOURCES[name] == layer and value >= 0.005
    ]
    return f"One percent more brings: {', '.join(said)}." if said else ""


def _too_large(told: TrainingAnswer) -> str:
    from aistack import units

    needed, there = units.text(told.memory_total, "B"), units.text(told.capacity, "B")
    return f"The plan does not fit: an accelerator needs {needed} and has {there}. The figures are what it would take."
