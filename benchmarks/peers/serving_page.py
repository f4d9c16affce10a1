"""The page's part on serving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from page_words import efficiency, percent, refused, table

QUANTITIES = {
    "throughput": "output tokens a second",
    "ttft": "time to first token",
    "tpot": "time per output token",
}
HEADER = ("planner", "efficiency", "groups", "median", "mean of sources", "90th percentile", "predicted / published",
          "ours on these: median", "mean of sources")  # fmt: skip

CLOSER = ("peer", "efficiency", "quantity", "source", "groups", "peer's median", "ours")

ABOUT = """\
## Serving

Run on {date}. The [evidence](evidence.md) has {configurations[all]:,} trusted served configurations: tier A and B,
everything stated that moves the work, no speculation, a chip whose peak a data sheet states. Two sources have most of
them, so at most {configurations[most]} of each of the {sources} were drawn, at random with a fixed seed:
{configurations[drawn]}, with {groups[throughput]} groups of throughput, {groups[ttft]} of time to first token and
{groups[tpot]} of time per output token. All planners have these.

- This planner's constants were fitted on rows like these. Its first line predicts each source with constants that were
  fitted without that source, and so does every "ours on these", on exactly the groups that the line's planner answers.
- "Mean of sources" is the mean of the medians of sources with five groups or more, as in the evidence's headline.
- aiconfigurator ships the InferenceX measurements that are among these rows (`silicon_sample.csv`). Its kernels were
  measured apart from them; how far it was adjusted to them is not known.
- llm-analysis, mlsysim, GenZ and the roofline know a batch and no engine around it. They are put into one loop, the
  same for all of them ([`serving_loop.py`](../benchmarks/peers/serving_loop.py)): prompts one by one between steps.
- "Data sheets alone" is no planner: bytes over bandwidth or FLOPs over peak, whichever takes longer.

{tables}
### Where a peer is closer

Quantities of sources with five groups or more on which a peer's median is below ours with that source left out,
{counted} in all. The fitted efficiencies have seen these rows.

{closer}

### What they were given, what they cannot say

- aiconfigurator was given the model, chip, engine, formats of weights and cache, all sizes of parallelism, lengths,
  requests at once and disaggregated instances. It cannot say: chips whose kernels NVIDIA did not measure (other
  makers', consumer cards, the A100 with 40 GB), llama.cpp, rates of arrivals, decoding alone, experts and layers
  outside its list.
- GenZ was given the model's shape, the chip, tensor parallelism and links, prompts, contexts and the batch. It cannot
  say: a format of the cache beside the weights', the experts that a batch touches (it reads one token's), expert
  parallelism among tensor ranks, latent attention, layers without attention, engines.
- llm-analysis was given the same and the bits of weights and cache. It cannot say: the FLOPs of gated layers and of
  experts, the experts that a batch touches (it reads all), latent attention, layers without attention, engines.
- mlsysim was given the weights' number and bits, layers and heads, an instance's chips as one, prompts, contexts and
  the batch. It cannot say: tensor parallelism's traffic, a format of the cache beside the weights', the experts that
  a batch touches (it reads all), engines.

### Requests a second

One core, {machine}, the processor's time: the median of {rounds} rounds in turns, the least and the most. The load is
Poisson arrivals of 1,024 + 256 tokens at Llama 3 8B on one H100, without metrics or files. vidur's prices of steps need
profiles of chips that its package lacks: its steps have one price each, which costs it nothing, so that its time is of
its schedule alone. This planner's steps are priced.

{speed}

### What was refused, and who is not here

Of the {configurations[drawn]} configurations, and how often, numbers in the reasons left out:

{refusals}

Not here: llm-optimizer and inference-sim on the index are other packages or none, llm-viewer and LLMCompass are not on
it. vidur is, without the profiles of chips that its predictions are made from: it is here for its speed alone.
"""


def part(results: Mapping[str, Any]) -> str:
    """From the heading on."""
    entries = results["entries"]
    near = [words for each in entries if not our(each) for words in closer(each)]
    return ABOUT.format(
        date=results["date"],
        configurations=results["configurations"],
        groups=results["groups"],
        sources=results["sources"],
        tables="\n".join(errors(metric, entries) for metric in QUANTITIES),
        counted=len(near),
        closer=table(CLOSER, near),
        machine=results["machine"],
        rounds=results["rounds"],
        speed=table(("planner", "load", "median", "least", "most"), speeds(results["speed"])),
        refusals="\n".join(refused(each) for each in entries if each["efficiency"][0] != "fitted"),
    )


def our(entry: Mapping[str, Any]) -> bool:
    """Whether a line is of this planner."""
    return entry["efficiency"][0] == "not an input" or entry["planner"].startswith("AI Stack")


def errors(metric: str, entries: list[Mapping[str, Any]]) -> str:
    """The table of one quantity."""
    lines = [line(each, each["scores"][metric]) for each in entries if each["scores"][metric]["peer"]]
    return f"### {QUANTITIES[metric].capitalize()}\n\n{table(HEADER, lines)}\n"


def line(entry: Mapping[str, Any], of: Mapping[str, Any]) -> list[str]:
    """One planner in the table of a quantity, and this one on the same groups."""
    peer, ours = of["peer"], of["ours"]
    same = ["", ""] if our(entry) else [percent(ours["median"]), percent(ours["mean_of_sources"])]
    return [
        entry["planner"], efficiency(entry), str(peer["groups"]), percent(peer["median"]),
        percent(peer["mean_of_sources"]), percent(peer["percentile_90"]), f"{peer['ratio']:.2f}", *same,
    ]  # fmt: skip


def closer(entry: Mapping[str, Any]) -> list[list[str]]:
    """Sources on which a planner is closer than this one."""
    return [
        [entry["planner"], efficiency(entry), QUANTITIES[metric], each["source"], str(each["groups"]),
         percent(each["peer"]), percent(each["ours"])]
        for metric, of in entry["scores"].items()
        for each in of["by_source"]
        if each["peer"] < each["ours"]
    ]  # fmt: skip


def speeds(of: Mapping[str, Any]) -> list[list[str]]:
    """Requests a second of each planner at each load."""
    return [
        [planner, f"{load}, {each['rate']:g}/s", *(f"{rate[key]:,.0f}" for key in ("median", "least", "most"))]
        for load, each in of.items()
        for planner, rate in each["planners"].items()
    ]
