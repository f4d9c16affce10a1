"""From a published row to the question that it answers: what served which requests how, and what was measured.

A row says some of this in cells, some in words, and leaves some blank. Here every blank that matters becomes either a
named assumption or the reason of a refusal; nothing is filled in silently. Three quantities may have been measured,
each where the row prints it: output tokens a second of all accelerators, time to first token, and time per output
token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from aistack import catalog
from aistack.catalog.architecture import ModelSpec
from aistack.errors import AistackError, BadInput
from aistack.evidence import serving_limits, serving_models, serving_plan, serving_recipes, serving_words
from aistack.evidence.serving_plan import Pool
from aistack.evidence.serving_rows import BrokenRow, ServingRow
from aistack.evidence.serving_words import Engine, Formats, Scenario
from aistack.serving import formats as formats_of

Metric = Literal["throughput", "ttft", "tpot"]
METRICS: tuple[Metric, ...] = ("throughput", "ttft", "tpot")

_PROMPTS = {
    "llama2-70b": 300.0,
    "llama3_1-70b": 300.0,
    "mixtral": 300.0,
    "llama3.1-8b": 800.0,
    "llama3_1-8b": 800.0,
    "llama3.1-405b": 9000.0,
    "llama3_1-405b": 9000.0,
    "deepseek-r1": 800.0,
}
"""Tokens of a prompt of MLPerf's benchmarks, roughly: questions of OpenOrca, news to summarise, long documents. Rows
that need them are not complete."""

_BUSY = 0.6
"""Share of the peak that no engine sustains: more asks whether all prompts were computed."""

_NEAR = 0.9
"""A server that answers this share of what arrives keeps up, and then its throughput is that of its clients."""


@dataclass(frozen=True)
class Measured:
    """One quantity of a row: output tokens/s of all accelerators, or seconds."""

    value: float
    statistic: str
    """"mean" or "median" over requests; "" where there is one value, as of a batch."""
    said: str
    """The cell that it comes from."""


@dataclass(frozen=True)
class Question:
    """What a row asks of a predictor."""

    row: ServingRow
    spec: ModelSpec
    accelerator: str
    """Its id in the catalog."""
    pool: Pool
    """The instances that answer; where others prefill, those that decode."""
    prefill: Pool | None
    engine: Engine
    formats: Formats
    scenario: Scenario
    prompt: float
    """Mean tokens of a prompt that are computed; 0: nothing is prefilled, and what is measured is decoding alone."""
    output: float
    """Mean tokens of an answer; 0: nothing is decoded, and what is measured is prefill alone."""
    held: float
    """Tokens that the KV cache holds of each sequence before that."""
    shortest: float
    """Lengths are even between this share of the longest and the longest; 1: all are equal."""
    concurrency: float | None
    """Requests at once of all instances together, or the sequences of a static batch; None: as many as fit."""
    rate: float | None
    """Requests a second that arrive at all instances together."""
    requests: float | None
    """Requests of the whole run, where the row counts them: more cannot be there at once."""
    speculation: str
    """"" for none, "draft model", "mtp", or "unknown"."""
    chunked_prefill: bool | None
    chunk: int | None
    """Tokens of a step, prompts' and answers' together; None: what the engine takes by itself."""
    measured: Mapping[Metric, Measured]
    assumptions: tuple[str, ...]
    complete: bool
    """The row, its source or its engine's defaults state all that moves the work, its division or the load by more than
    a few percent, one of our engines' profiles is the engine's own, and tokens are decoded one by one."""

    @property
    def chips(self) -> int:
        """All accelerators."""
        return self.pool.chips + (self.prefill.chips if self.prefill else 0)

    @property
    def trusted(self) -> bool:
        """Whether the row counts in the headline: complete, and of tier A or B."""
        return self.complete and self.row.tier in {"A", "B"}


@dataclass(frozen=True)
class Refusal:
    """A row that cannot be predicted, and why."""

    row: ServingRow | BrokenRow
    reason: str


def read(row: ServingRow | BrokenRow) -> Question | Refusal:
    """The question that a row asks, or why it asks none."""
    if isinstance(row, BrokenRow):
        return Refusal(row, row.reason)
    try:
        return _question(row)
    except AistackError as error:
        return Refusal(row, str(error))


def _question(row: ServingRow) -> Question:
    filled = serving_recipes.complete(row)
    row, shortest, notes = filled.row, filled.shortest, list(filled.said)
    scenario = serving_words.scenario(row)
    accelerator, said, variant_stated = serving_words.accelerator(row)
    notes += [said] if said else []
    engine = serving_words.engine(row)
    notes += [engine.assumption] if engine.assumption else []
    spec, assumed = serving_models.read(row)
    notes += assumed
    formats = serving_words.formats(row, accelerator, engine)
    notes += formats.assumptions
    plan = serving_plan.read(row, spec, accelerator, engine)
    notes += plan.assumptions
    _check_fits(spec, formats, accelerator, plan)
    prompt, output, held, assumed, lengths_stated = _lengths(row)
    notes += assumed
    concurrency, rate = _load(row, scenario)
    speculation = serving_words.speculation(row)
    if speculation == "unknown":
        notes.append("no multi-token prediction, which the row does not rule out")
    measured = _measured(row, plan.chips, prompt, output)
    if not measured:
        raise BadInput("the row measures nothing that is asked here: no throughput beyond the load, no TTFT, no TPOT")
    prompt, output = prompt * (1 + shortest) / 2, output * (1 + shortest) / 2
    busy = _check_limits(spec, formats, accelerator, plan, scenario, prompt, output, concurrency, measured)
    if busy > _BUSY:
        notes.append(f"prompts computed afresh, though the clients' cycle needs {busy:.0%} of the peak")
    return Question(
        row=row,
        spec=spec,
        accelerator=accelerator,
        pool=plan.pool,
        prefill=plan.prefill,
        engine=engine,
        formats=formats,
        scenario=scenario,
        prompt=prompt,
        output=output,
        held=held,
        shortest=shortest,
        concurrency=concurrency,
        rate=rate,
        requests=float(counted[1]) if (counted := re.match(r"(\d+) requests;", row.notes)) else None,
        speculation=speculation,
        chunked_prefill={"yes": True, "no": False}.get(row.chunked_prefill.lower()),
        chunk=filled.chunk,
        measured=measured,
        assumptions=tuple(dict.fromkeys(notes)),
        complete=variant_stated
        and not engine.assumption
        and formats.stated
        and plan.stated
        and lengths_stated
        and not speculation
        and busy <= _BUSY,
    )


def _check_fits(spec: ModelSpec, formats: Formats, accelerator: str, plan: serving_plan.Reading) -> None:
    """Raises `BadInput` where the weights need more than the memory: part of them then lay elsewhere."""
    fact = catalog.accelerator(accelerator).memory_capacity
    for pool in (plan.pool, plan.prefill):
        if fact is None or pool is None:
            continue
        chips = pool.chips // pool.instances
        needed = spec.parameters * formats_of.weights(formats.weights).bytes
        memory = chips * float(fact.si)
        if needed > memory:
            raise BadInput(
                f"{spec.name}'s weights in {formats.weights} are {needed / 1e9:.0f} GB, but {chips} x {accelerator} "
                f"have {memory / 1e9:.0f} GB: part of them lay elsewhere, or in a format that is not stated"
            )


def _check_limits(
    spec: ModelSpec,
    formats: Formats,
    accelerator: str,
    plan: serving_plan.Reading,
    scenario: Scenario,
    prompt: float,
    output: float,
    concurrency: float | None,
    measured: Mapping[Metric, Measured],
) -> float:
    """The share of the peak that a fixed number of clients makes necessary, 0 where that is not known.

    By Little's law they send a request every (TTFT + answer x TPOT) / clients seconds, and as many decode at once as
    spend that share of the time so. Raises `BadInput` where that needs more than the accelerators have.
    """
    if scenario != "closed" or concurrency is None or not {"ttft", "tpot"} <= set(measured) or plan.prefill:
        return 0.0
    decoding = max(output - 1, 1) * measured["tpot"].value
    cycle = measured["ttft"].value + decoding
    tokens = concurrency * (prompt + output) / cycle
    busy = serving_limits.arithmetic_share(spec, formats.weights, accelerator, plan.chips, tokens)
    sequences = max(concurrency / plan.pool.instances * decoding / cycle, 1.0)
    read = serving_limits.bandwidth_share(
        spec, formats.weights, accelerator, plan.pool, sequences, measured["tpot"].value
    )
    for share, what in ((busy, "arithmetic"), (read, "memory bandwidth")):
        if share > 1:
            raise BadInput(f"the row's TTFT, TPOT and concurrency together need {share:.0%} of the {what} there is")
    return busy


def _lengths(row: ServingRow) -> tuple[float, float, float, tuple[str, ...], bool]:
    """Tokens of a prompt, of an answer and held before, what was assumed, and whether the row states the lengths."""
    prompt, output = row.prompt, row.output
    if (found := re.search(r"at depth (\d+) \(existing KV tokens\)", row.notes)) is not None:
        return prompt or 0.0, 0.0, float(found[1]), (), True
    if "KV context tokens in input_len" in row.notes:
        return 0.0, output or 1.0, prompt or 0.0, (), True
    said: list[str] = []
    stated = True
    if (found := re.search(r"about (\d+) tokens were generated", row.notes)) is not None:
        output = float(found[1])
        said.append(f"{found[1]} tokens generated, which the latency makes")
    if 'prompt "what is the meaning of life?"' in row.notes.lower():
        prompt = 8.0
        said.append("a prompt of 8 tokens, which the quoted one has")
    if row.source.startswith("Intel Gaudi") and output is None:
        return prompt or 0.0, 0.0, 0.0, ("latency of the prompt alone",), False
    if prompt is None:
        prompt, stated = _usual_prompt(row), False
        said.append(f"prompts of {prompt:g} tokens")
    if output is None:
        output, stated = 128.0, False
        said.append("answers of 128 tokens")
    if prompt == 0 and output == 0:
        raise BadInput("the row states neither a prompt nor an answer")
    return prompt, output, 0.0, tuple(said), stated


def _usual_prompt(row: ServingRow) -> float:
    """Tokens of a prompt that the row does not state: about what the benchmark's questions have, else a short one."""
    found = re.search(r"benchmark ([^;]+)", row.notes)
    if found is None:
        return 128.0
    return next((tokens for name, tokens in _PROMPTS.items() if found[1].startswith(name)), 128.0)


def _load(row: ServingRow, scenario: Scenario) -> tuple[float | None, float | None]:
    """Requests at once, or a second. Raises `BadInput` where the scenario needs one that the row lacks."""
    if scenario == "offline":
        return row.concurrency, None
    if scenario == "rate":
        if row.rate is None:
            raise BadInput("requests came at a rate that the row does not state")
        return None, row.rate
    if row.concurrency is None:
        what = "sequences the batch had" if scenario == "static" else "requests ran at once"
        raise BadInput(f"the row does not say how many {what}")
    return row.concurrency, None


def _measured(row: ServingRow, chips: int, prompt: float, output: float) -> dict[Metric, Measured]:
    """The quantities that the row prints."""
    found: dict[Metric, Measured] = {}
    if (rate := _output_rate(row, chips, prompt, output)) is not None:
        found["throughput"] = rate
    if prompt and not output and row.token_rate is not None:
        # prefill alone: its rate is its time
        found["ttft"] = Measured(prompt * (row.concurrency or 1) / row.token_rate, "", "prompt tokens per second")
    for metric, mean, median in (
        ("ttft", row.ttft_mean, row.ttft_median),
        ("tpot", row.tpot_mean, row.tpot_median),
    ):
        if mean is not None:
            statistic = "" if row.scenario == "static batch" else "mean"
            found[metric] = Measured(mean, statistic, f"{metric.upper()}, mean")  # type: ignore[index]
        elif median is not None:
            found[metric] = Measured(median, "median", f"{metric.upper()}, median")  # type: ignore[index]
    return found


def _output_rate(row: ServingRow, chips: int, prompt: float, output: float) -> Measured | None:
    """Output tokens a second of all accelerators, unless the clients alone decided it."""
    if not output:
        return None
    if row.rate is not None and row.request_rate is not None and row.request_rate > _NEAR * row.rate:
        return None
    if row.rate is not None and row.request_rate is None and (row.output_rate or 0) > _NEAR * row.rate * output:
        return None
    if row.output_rate is not None:
        return Measured(row.output_rate, "", "output tokens per second")
    if row.accelerator_rate is not None:
        return Measured(row.accelerator_rate * chips, "", "output tokens per second per accelerator")
    if row.token_rate is not None and prompt:
        return Measured(row.token_rate * output / (prompt + output), "", "tokens per second, of prompts and outputs")
    return None
