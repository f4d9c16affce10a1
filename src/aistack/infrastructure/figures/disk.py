"""A checkpoint's way to disk and back: time by size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aistack.drawing import Figure
from aistack.drawing.axes import binary_size, decade_ticks, log_axis
from aistack.infrastructure.channel import estimate as estimate_channel
from aistack.infrastructure.figures._panel import panel
from aistack.infrastructure.storage import Disk, estimate
from aistack.units import text

_WORDS = {"write": "Write, to memory", "sync": "fsync, to the device", "read": "Read back"}
_STEPS = 40


def draw(disk: Disk, files: Sequence[Mapping[str, Any]], remark: str = "") -> Figure:
    """One panel a phase: measured points over the fitted line.

    `files` has rows of phase, size (B), best, median (s) and fitted.
    """
    import altair

    low, high = (pick(float(row["size"]) for row in files) for pick in (min, max))
    channels = {"write": disk.write, "sync": disk.sync, "read": disk.read}
    grid = [low * (high / low) ** (step / _STEPS) for step in range(_STEPS + 1)]
    lines = {
        phase: [{"size": size, "seconds": estimate_channel(channel, size)} for size in grid]
        for phase, channel in channels.items()
    }
    seconds = [row["best"] for row in files] + [point["seconds"] for line in lines.values() for point in line]
    least, most = 0.7 * min(seconds), 1.5 * max(seconds)
    x = altair.X(
        "size:Q",
        scale=altair.Scale(type="log", base=2, domain=[low / 1.6, high * 1.6], nice=False),
        axis=log_axis("file", [(row, binary_size(row)) for row in sorted({r["size"] for r in files if r["fitted"]})]),
    )
    panels = []
    for number, (phase, channel) in enumerate(channels.items()):
        y = altair.Y(
            "seconds:Q",
            scale=altair.Scale(type="log", domain=[least, most], nice=False),
            axis=log_axis("" if number else "time", decade_ticks(least, most, "s"), grid=True),
        )
        own = [
            {"size": row["size"], "seconds": row["best"], "fitted": row["fitted"]}
            for row in files
            if row["phase"] == phase
        ]
        subtitle = f"{text(channel.latency, 's', 2)} + {text(channel.bandwidth, 'B/s', 2)}"
        panels.append(panel(lines[phase], (), own, x, y, height=180, title=_WORDS[phase], subtitle=subtitle))
    largest = estimate(disk, high)
    share = largest.sync / largest.save
    return Figure(
        layer="infrastructure",
        title=f"Waiting for the device takes {share:.0%} of saving {binary_size(high)} safely",
        subtitle="Time by file size. Dots: best of the repeats; rings: a size that the fit did not see; line: latency "
        "and bandwidth as fitted. Read after the system was asked to forget the file; the device may still remember it",
        source=f"Measured on this machine, in the folder of this run{remark and f'; {remark}'}.",
        alt=f"Three panels of time against file size from {binary_size(low)} to {binary_size(high)}, both logarithmic: "
        + "; ".join(
            f"{phase} at {text(channel.bandwidth, 'B/s', 2)} after {text(channel.latency, 's', 2)}"
            for phase, channel in channels.items()
        )
        + ".",
        chart=altair.hconcat(*panels, spacing=18),
        table=[
            {
                "phase": row["phase"],
                "file": binary_size(row["size"]),
                "best, ms": row["best"] * 1e3,
                "median, ms": row["median"] * 1e3,
                "model, ms": 1e3 * estimate_channel(channels[row["phase"]], row["size"]),
                "use": "fitted" if row["fitted"] else "held back",
            }
            for row in files
        ],
    )
