"""The answer of pools that read prompts and decode apart, in the terminal: 80 columns wide, plain when piped."""

from __future__ import annotations

from rich.console import Console

from aistack import catalog
from aistack.cli import serve_text
from aistack.cli.plan_text import cells, listed, pairs, table, wrapped
from aistack.scenario.pools_answer import PoolAnswer, PoolsAnswer
from aistack.scenario.pools_remedies import HALVES
from aistack.units import span, text

NAMES = ("prefill", "decode")


def show(answer: PoolsAnswer, out: Console) -> None:
    """Print an answer: headline, goals, where the two times go, both memories, operation, cost, what limits it."""
    _headline(answer, out)
    serve_text.goals(answer, out)
    serve_text.waterfall("where the time to first token goes", answer.ttft_waterfall, answer.ttft.mean, out)
    serve_text.waterfall("where a token's time goes", answer.tpot_waterfall, answer.tpot.mean, out)
    for name, each in zip(NAMES, answer.halves, strict=True):
        _memory(name, each, out)
    _operation(answer, out)
    serve_text.costs(answer, out)
    serve_text.offers(answer, out)
    serve_text.elasticity(answer, out)
    listed("Assumed", dict.fromkeys(answer.assumptions), out)
    listed("Fitted or measured elsewhere", answer.sources, out)


def subject(answer: PoolsAnswer) -> str:
    """What is served on what, in a few words."""
    count = sum(each.replicas * each.accelerators_per_replica for each in answer.halves)
    return f"{answer.scenario.spec.name} on {count:,} x {catalog.accelerator(answer.prefill.cluster.chip).name}"


def _headline(answer: PoolsAnswer, out: Console) -> None:
    asked = answer.scenario
    wrapped(f"{subject(answer)}, prompts and answers apart", out, style="bold")
    shared = f", {asked.cached:.0%} of them cached" if asked.cached else ""
    wrapped(f"prompts of {asked.prompt:,} tokens{shared}, answers of {asked.output:,}; {serve_text.load(answer)}", out)
    through, moved = answer.throughput_interval, answer.transfer
    pairs(
        [
            *((name, _pool(each)) for name, each in zip(NAMES, answer.halves, strict=True)),
            ("first token", f"{serve_text.latency(answer, answer.ttft)}; {moved.share:.1%} of it handing on keys and "
                            "values"),
            ("each token", f"{serve_text.latency(answer, answer.tpot)}; {text(1 / answer.tpot.mean, 'token/s')} for a "
                           "user"),
            ("answer", serve_text.latency(answer, answer.latency)),
            ("throughput", f"{text(answer.tokens_per_second, 'token/s')} out "
                           f"({span(through.low, through.high, 'token/s')} when full), "
                           f"{text(answer.tokens_per_second_per_accelerator, 'token/s')} an accelerator, "
                           f"{text(answer.prompt_tokens_per_second, 'token/s')} in"),
            ("carried", f"{text(answer.most, 'request/s')} within the goals, {answer.headroom:.0%} of it left; "
                        f"{HALVES[answer.binding_half]} keeps it from more"),
            ("handed on", f"{text(moved.bytes, 'B')} from an accelerator to another for each request in "
                          f"{text(moved.seconds, 's')}, at {text(moved.bandwidth, 'B/s')} over {moved.link}; busy "
                          f"{moved.utilisation:.1%} of the time"),
            ("instead", _together(answer)),
            ("limited by", answer.bound),
        ],
        out,
    )  # fmt: skip
    wrapped("intervals: eight of ten such predictions measured within them", out, style="dim")


def _pool(each: PoolAnswer) -> str:
    spares = f" and {each.standing.spares:,} spare" if each.standing.spares else ""
    return (
        f"{each.replicas:,} x {each.deployment}{spares}; busy {each.utilisation:.0%}, {each.batch:.1f} requests side "
        f"by side in a replica"
    )


def _together(answer: PoolsAnswer) -> str:
    found = answer.together
    if found is None:
        return "no replica that does everything fits on the same accelerators"
    sizes, *_ = str(found.deployment).split(", ")
    return (
        f"the same accelerators as {found.replicas:,} x {sizes} that do everything carry "
        f"{text(found.rate, 'request/s')}{' within the goals' if answer.scenario.goals else ''}"
    )


def _memory(name: str, each: PoolAnswer, out: Console) -> None:
    rows = table((f"memory of an accelerator, {name}", "left"), ("size", "right"), ("share", "right"), ("", "left"))
    for part in each.memory:
        if part.bytes > 0:
            rows.add_row(part.name, *cells(part.bytes, each.capacity, "B"))
    rows.add_row("there is", text(each.capacity, "B"), "", "", style="bold")
    out.print()
    out.print(rows)


def _operation(answer: PoolsAnswer, out: Console) -> None:
    lines = []
    for name, each in zip(NAMES, answer.halves, strict=True):
        day = (
            f"; {min(each.day.replicas):,} to {max(each.day.replicas):,} replicas by the hour"
            if answer.scenario.peak_to_mean > 1
            else ""
        )
        standing = each.standing
        lines.append((name, f"up {standing.availability:.4%} of the time with {standing.spares:,} spare; "
                            f"{standing.failures_per_year:.2g} failures a year{day}"))  # fmt: skip
    out.print()
    out.print("in operation", style="dim")
    pairs(lines, out)
