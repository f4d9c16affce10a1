"""The training compute of leading models by date, its trend, and where the trend points."""

from __future__ import annotations

import math
from collections.abc import Sequence

from aistack.catalog.training_compute import Run
from aistack.drawing import HUES, Figure, labels
from aistack.drawing.axes import log_axis
from aistack.drawing.theme import INK, MUTED, PAPER
from aistack.hardware.trend import Trend, estimate

_WIDE, _TALL = 580, 340
_LAST = 2029.0
"""The year up to which the trend is drawn."""
_NAMED = ("AlexNet", "Seq2Seq LSTM", "AlphaGo Lee", "GNMT", "AlphaStar", "GPT-3 175B (davinci)", "PaLM (540B)",
          "GPT-4 (Mar 2023)", "Gemini 1.0 Ultra", "Llama 3.1-405B", "GPT-4.5", "Grok 4")  # fmt: skip


def draw(runs: Sequence[Run]) -> Figure:
    """A dot a model, rings for those whose compute is a guess; the exponential nearest to all, solid where there is
    data and dashed beyond, and between the ends of its interval a fan.

    `runs` are `aistack.catalog.training_compute.leading()`.
    """
    import altair

    trend = estimate([run.year for run in runs], [run.flop for run in runs])
    first, end = math.floor(min(run.year for run in runs)), max(run.year for run in runs)
    low, high = 1e17, 10.0 ** math.ceil(math.log10(_at(trend, trend.high, _LAST)))
    across = altair.X(
        "year:Q",
        scale=altair.Scale(domain=[first, _LAST], nice=False),
        axis=altair.Axis(title=None, format="d", tickMinStep=1),
    )
    powers = range(int(math.log10(low)), int(math.log10(high)) + 1)
    up = altair.Y(
        "flop:Q",
        scale=altair.Scale(type="log", domain=[low, high], nice=False),
        axis=log_axis("training compute, FLOP", [(10.0**p, f"1e{p}") for p in powers if p % 2 == 0], grid=True),
    )

    def place(year: float, flop: float) -> tuple[float, float]:
        return (
            (year - first) / (_LAST - first) * _WIDE,
            math.log(high / flop) / math.log(high / low) * _TALL,
        )

    shown = sorted(runs, key=lambda run: run.model not in _NAMED)
    points = [place(run.year, run.flop) for run in shown]
    names = [_short(run.model) if run.model in _NAMED else "" for run in shown]
    steps = [first + (_LAST - first) * step / 60 for step in range(61)]
    taken = [place(year, trend.at(year)) for year in steps]
    placed = labels.place(points, names, (_WIDE, _TALL), radius=4, size=10, taken=taken)
    fan = [
        {"year": year, "flop": _at(trend, trend.low, year), "most": _at(trend, trend.high, year)}
        for year in steps
        if year >= trend.middle
    ]
    line = [
        {"year": year, "flop": trend.at(year), "part": part}
        for part, years in (("seen", (first, end)), ("beyond", (end, _LAST)))
        for year in years
    ]

    def lines(part: str, dash: list[int]) -> altair.Chart:
        own = [row for row in line if row["part"] == part]
        chart: altair.Chart = (
            altair.Chart(altair.Data(values=own)).mark_line(color=INK, strokeDash=dash).encode(x=across, y=up)
        )
        return chart

    def dots(guessed: bool) -> altair.Chart:
        own = [{"year": run.year, "flop": run.flop} for run in runs if (run.confidence == "speculative") == guessed]
        look = {"stroke": HUES["applications"], "fill": PAPER, "strokeWidth": 1.5} if guessed else {
            "fill": HUES["applications"], "stroke": HUES["applications"]}  # fmt: skip
        chart: altair.Chart = (
            altair.Chart(altair.Data(values=own)).mark_point(size=36, opacity=1, **look).encode(x=across, y=up)
        )
        return chart

    layers = [
        altair.Chart(altair.Data(values=fan)).mark_area(color=MUTED, opacity=0.25).encode(x=across, y=up, y2="most:Q"),
        lines("seen", [1, 0]),
        lines("beyond", [5, 4]),
        dots(guessed=False),
        dots(guessed=True),
        *labels.layers(points, names, placed, [INK] * len(points), size=10),
    ]
    guesses = sum(run.confidence == "speculative" for run in runs)
    return Figure(
        layer="applications",
        title=f"Training compute of leading models grew {trend.growth:.1f} times a year "
        f"({trend.low:.1f} to {trend.high:.1f})",
        subtitle=f"{len(runs)} models that were among the three largest when they appeared, {first} to {int(end)}; "
        f"rings are {guesses} estimates that their source calls speculative. Solid: the exponential nearest to them; "
        "dashed: its continuation, not a forecast; grey: slopes within the interval",
        source="Epoch AI, Data on AI Models, CC BY 4.0, accessed 2026-01-26; selection and trend ours (least squares "
        "of logarithms, interval of nine tenths for independent scatter).",
        alt=f"{len(runs)} dots rising in a nearly straight line on a logarithmic axis, from {runs[0].model} with "
        f"{runs[0].flop:.1e} FLOP in {runs[0].date.year} to {runs[-1].model} with {runs[-1].flop:.1e} FLOP in "
        f"{runs[-1].date.year}. The trend is a factor of {trend.growth:.2f} a year.",
        chart=altair.layer(*layers).properties(width=_WIDE, height=_TALL),
        table=[
            {
                "model": run.model,
                "organisation": run.organisation,
                "date": run.date.isoformat(),
                "FLOP": f"{run.flop:.2e}",
                "confidence": run.confidence,
            }
            for run in runs
        ],
    )


def _at(trend: Trend, growth: float, year: float) -> float:
    """Where a trend of another growth through the same middle stands."""
    return float(trend.level * growth ** (year - trend.middle))


def _short(model: str) -> str:
    return model.partition(" (")[0].removesuffix(" 175B")
