"""Stage 2: processes that exchange messages, and a checkpoint's way to disk and back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from aistack.dive.stage import Context, Outputs
from aistack.drawing import Figure
from aistack.hardware.fit import interval
from aistack.hardware.lab.others import watch
from aistack.hardware.lab.timing import Timing
from aistack.infrastructure import channel, collective, storage
from aistack.infrastructure.channel import Channel
from aistack.infrastructure.collective import Operation
from aistack.infrastructure.lab import disk as disk_lab
from aistack.infrastructure.lab.collectives import MEASURED, Message, together
from aistack.infrastructure.lab.disk import Phases
from aistack.infrastructure.storage import Disk

KiB, MiB = 2**10, 2**20

_FITTED = (1 * KiB, 16 * KiB, 64 * KiB, 256 * KiB, 1 * MiB, 4 * MiB)
_HELD_BACK: Mapping[str, Message] = {
    "Point-to-point, 6 KiB": ("point-to-point", 6 * KiB),
    "Point-to-point, 2 MiB": ("point-to-point", 2 * MiB),
    "All-gather, 512 KiB": ("all-gather", 512 * KiB),
    "All-reduce, 2 MiB": ("all-reduce", 2 * MiB),
    "All-reduce beyond the fit, 16 MiB": ("all-reduce", 16 * MiB),
}
_FILES = (1 * MiB, 4 * MiB, 16 * MiB)
_FILES_OF_A_LONG_DIVE = (*_FILES, 64 * MiB)
_PHASES = ("write", "sync", "read")


def run(context: Context) -> Outputs:
    """Fit links and disk in about half of the budget, then predict and measure the sizes that were held back."""
    with watch() as others:
        links, ranks, backend, messages = _links(context, 0.35 * context.budget)
        disk, files = _disk(context, 0.25 * context.budget)
    remark = others.words(os.cpu_count() or 1)
    if remark:
        context.progress.say(f"  {remark.capitalize()}.")
    return {
        "links": {operation: link.to_json() for operation, link in links.items()},
        "ranks": ranks,
        "backend": backend,
        "messages": messages,
        "disk": disk.to_json(),
        "files": files,
        "others": others.cores,
        "remark": remark,
    }


def figures(outputs: Outputs) -> list[Figure]:
    """Collectives by message size, and the disk by file size."""
    from aistack.infrastructure.figures import collectives, disk

    links = {operation: Channel.from_json(link) for operation, link in outputs["links"].items()}
    return [
        collectives.draw(links, outputs["ranks"], outputs["backend"], outputs["messages"], outputs["remark"]),
        disk.draw(Disk.from_json(outputs["disk"]), outputs["files"], outputs["remark"]),
    ]


def _links(context: Context, budget: float) -> tuple[dict[Operation, Channel], int, str, list[dict[str, Any]]]:
    ledger = context.ledger
    with context.progress.task("Exchanging messages between processes"), together(context.device) as group:
        fitted = group.measure([(operation, size) for size in _FITTED for operation in MEASURED], 0.6 * budget)
        links = {operation: _link(operation, fitted, group.ranks) for operation in MEASURED}
        for quantity, (operation, size) in _HELD_BACK.items():
            predicted = collective.estimate(operation, size, group.ranks, links[operation])
            ratios = [
                timing.best / collective.estimate(operation, each, group.ranks, links[operation])
                for (name, each), timing in fitted.items()
                if name == operation
            ]
            how = f"{group.ranks} ranks, {group.backend}: latency a step and ring volume over bandwidth, as fitted"
            ledger.predict(quantity, predicted, "s", how, interval(predicted, ratios))
        held_back = group.measure(list(_HELD_BACK.values()), 0.4 * budget)
        for quantity, message in _HELD_BACK.items():
            ledger.measure(quantity, held_back[message].best, held_back[message].seconds)
        rows = [*_message_rows(fitted, True), *_message_rows(held_back, False)]
        return links, group.ranks, group.backend, rows


def _link(operation: Operation, fitted: Mapping[Message, Timing], ranks: int) -> Channel:
    work = collective.work(operation, ranks)
    return channel.fit(
        [(work.steps, work.volume * size, timing.best) for (name, size), timing in fitted.items() if name == operation]
    )


def _disk(context: Context, budget: float) -> tuple[Disk, list[dict[str, Any]]]:
    ledger = context.ledger
    sizes = _FILES if context.options.quick else _FILES_OF_A_LONG_DIVE
    held_back = int(0.6 * sizes[-1])
    with context.progress.task("Writing, syncing and reading checkpoints"):
        fitted = disk_lab.measure(context.folder, sizes, 0.7 * budget)
        disk = Disk(**{phase: _phase(phase, fitted) for phase in _PHASES})
        predicted = storage.estimate(disk, held_back)
        how = f"{held_back / MiB:.3g} MiB: latency and bandwidth as fitted, each phase its own"
        saves = [files.save.best / storage.estimate(disk, size).save for size, files in fitted.items()]
        reads = [files.read.best / storage.estimate(disk, size).read for size, files in fitted.items()]
        ledger.predict("Checkpoint saved (write, fsync)", predicted.save, "s", how, interval(predicted.save, saves))
        ledger.predict("Checkpoint read", predicted.read, "s", how, interval(predicted.read, reads))
        files = disk_lab.measure(context.folder, [held_back], 0.3 * budget)[held_back]
        ledger.measure("Checkpoint saved (write, fsync)", files.save.best, files.save.seconds)
        ledger.measure("Checkpoint read", files.read.best, files.read.seconds)
    return disk, [*_file_rows(fitted, True), *_file_rows({held_back: files}, False)]


def _phase(phase: str, fitted: Mapping[int, Phases]) -> Channel:
    return channel.fit([(1, size, getattr(files, phase).best) for size, files in fitted.items()])


def _message_rows(timings: Mapping[Message, Timing], fitted: bool) -> list[dict[str, Any]]:
    return [
        {"operation": operation, "size": size, "best": timing.best, "median": timing.median, "fitted": fitted}
        for (operation, size), timing in timings.items()
    ]


def _file_rows(files: Mapping[int, Phases], fitted: bool) -> list[dict[str, Any]]:
    return [
        {
            "phase": phase,
            "size": size,
            "best": getattr(phases, phase).best,
            "median": getattr(phases, phase).median,
            "fitted": fitted,
        }
        for size, phases in files.items()
        for phase in _PHASES
    ]
