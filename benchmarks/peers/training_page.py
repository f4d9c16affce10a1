"""The page's part on training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from page_words import efficiency, percent, refused, table

HEADER = ("planner", "efficiency", "predicted", "refused", "median", "mean", "90th percentile", "within 10%",
          "pairs in order", "regret", "says that they fit")  # fmt: skip

ABOUT = """\
## Training

Run on {date}. {rows[complete]} rows of the [evidence](evidence.md) state a complete configuration: the model's shape,
sequence length, global batch, micro-batch, tensor, pipeline and data parallelism, and a step time or tokens per second;
they make {groups[complete]} groups. Errors are of the step time. Read them with these in mind:

- This planner's constants were fitted on rows like these. Its first line predicts each source with constants that were
  fitted without that source; its second has the constants that ship.
- All plans here ran, so a planner that says that one does not fit is wrong, unless what was assumed for blank cells is.
  Most sources do not state recomputation: then all planners are given the least with which this one says that the plan
  fits.
- Pairs are plans for one job: same model, batch, sequence length, chips and precision, from one source, whose step
  times differ by more than 2% and more than their own re-measurements. Guessing gets half.
  Regret is how much longer a step takes in the plan that the planner would have picked than in the best measured one,
  on average over jobs.
- "One utilisation for all" is no planner: model FLOPs over peak times one fitted number.

### Complete rows

Each planner on those of the {groups[complete]} that it predicts.

{complete}

The {groups[by_all]} that all of them predict:

{by_all}

### One search of plans

BigScience's search for BLOOM's plan on up to 48 nodes of eight A100s, all of its {rows[search]} rows
({groups[search]} groups), some with assumptions for blank cells.

{search}

### Plans a second

One core, {machine}, the rows above one after another in each planner, time and memory: the median of {rounds} rounds
that take the planners in turn, the least and the most. This planner is built to evaluate the plans of one job in one
call, memory first and time only of what fits: that is the last line, over all legal plans of {space}.

{speed}

### What was refused, and who is not here

How often, numbers in the reasons left out:

{refusals}

Not here: SimuMax, Calculon and llm-cluster-simulator are not on the package indexes of Python or Node (Python's
"calculon" is another package). hetu-galvatron's cost model needs the model and the cluster to be profiled first, and
fm-training-estimator learns from its user's own runs.
"""


def line(entry: Mapping[str, Any], of: Mapping[str, Any]) -> list[str]:
    """One planner in a table of errors."""
    return [
        entry["planner"], efficiency(entry), str(of["predicted"]), str(of["refused"]), percent(of["median"]),
        percent(of["mean"]), percent(of["percentile_90"]), percent(of["within_10_percent"], 0),
        f"{percent(of['right'], 0)} of {of['pairs']}" if of["pairs"] else "–", percent(of["regret"]),
        percent(of["fits"], 0),
    ]  # fmt: skip


def part(results: Mapping[str, Any]) -> str:
    """From the heading on."""
    tables = {
        name: table(HEADER, (line(each, each["scores"][name]) for each in results["entries"]))
        for name in results["groups"]
    }
    speed = [
        [name, *(f"{rate[key]:,.0f}" for key in ("median", "least", "most"))] for name, rate in results["speed"].items()
    ]
    return ABOUT.format(
        date=results["date"],
        rows=results["rows"],
        groups=results["groups"],
        **tables,
        machine=results["machine"],
        space=results["space"],
        rounds=results["rounds"],
        speed=table(("planner", "median", "least", "most"), speed),
        refusals="\n".join(refused(each) for each in results["entries"] if each["efficiency"][0] != "fitted"),
    )
