"""Stage 1: measure this machine, fit its constants, and predict what was not measured."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from aistack.dive.stage import Context, Outputs
from aistack.drawing import Figure
from aistack.files import write_text
from aistack.hardware import feedforward
from aistack.hardware.fit import interval
from aistack.hardware.lab import feedforward as feedforward_lab
from aistack.hardware.lab import matmul, stream
from aistack.hardware.lab.entry import describe
from aistack.hardware.lab.machine import Measurements, measure
from aistack.hardware.lab.others import watch
from aistack.hardware.lab.timing import Timing
from aistack.hardware.machine import Device, Machine
from aistack.hardware.matmul import Product
from aistack.hardware.operation import estimate_matmul
from aistack.hardware.stream import bandwidth


@dataclass(frozen=True)
class _HeldBack:
    """What is predicted from the fitted constants and only then measured."""

    products: Mapping[str, Product]
    working_sets: Mapping[str, int]
    layer: tuple[int, int, int, str]
    """Tokens, width, feed-forward width, number format."""


def run(context: Context) -> Outputs:
    """Measure and fit in about two thirds of the budget, then predict and measure what was held back."""
    device = cast(Device, context.device)
    dtypes = ("float32", "bfloat16") if device == "cpu" else ("float32", "bfloat16", "float16")
    with context.progress.task("Measuring launches, streams and matrix products"), watch() as fitting:
        found = measure(device, dtypes, 0.6 * context.budget)
    held_back = _held_back(found)
    _predict(context, found, held_back)
    with context.progress.task("Measuring what was predicted"), watch() as testing:
        products, streams, layer = _measure(context, found, held_back, 0.25 * context.budget)
    others = max(fitting, testing, key=lambda each: each.cores)
    remark = others.words(found.identity.cores)
    if remark:
        context.progress.say(f"  {remark.capitalize()}.")
    entry = context.folder / "this-machine.yaml"
    write_text(entry, describe(found, datetime.date.today()))
    return {
        "machine": found.machine.to_json(),
        "identity": found.identity.to_json(),
        "entry": str(entry.relative_to(context.root)),
        "others": others.cores,
        "remark": remark,
        "launch": {"best": found.launch.best, "median": found.launch.median},
        "products": [
            *(_product_row(product, timing, fitted=True) for product, timing in found.products.items()),
            *(_product_row(product, timing, fitted=False) for product, timing in products.items()),
        ],
        "streams": [
            *(_stream_row(size, timing, fitted=True) for size, timing in found.streams.items()),
            *(_stream_row(size, timing, fitted=False) for size, timing in streams.items()),
        ],
        "feedforward": {"best": layer.best, "median": layer.median},
    }


def figures(outputs: Outputs) -> list[Figure]:
    """The memory hierarchy and the matrix products of this machine."""
    from aistack.hardware.figures import bandwidth as bandwidth_figure
    from aistack.hardware.figures import roofline as roofline_figure

    machine = Machine.from_json(outputs["machine"])
    sizes = outputs["identity"]["caches"]
    return [
        bandwidth_figure.draw(machine, outputs["streams"], sizes, outputs["remark"]),
        roofline_figure.draw(machine, outputs["products"], outputs["remark"]),
    ]


def _held_back(found: Measurements) -> _HeldBack:
    """Shapes and sizes between those that were fitted, and one beyond them, in the fastest number format."""
    unit = 1 if found.machine.device == "cpu" else 8
    dtype = max(found.machine.matmul, key=lambda each: found.machine.rate(each).peak)
    *_, third, second, largest = sorted(p.m for p in found.products if p.dtype == dtype and p.m == p.n == p.k)
    between, beyond = (third + second) // 2, 4 * largest // 3
    products = {
        "Square product, float32": Product(between, between, between, "float32"),
        f"Square product beyond the fit, {dtype}": Product(beyond, beyond, beyond, dtype),
        "Vector by matrix, float32": Product(1, 2048 * unit, 768 * unit, "float32"),
        f"Six rows by matrix, {dtype}": Product(6, 1536 * unit, 768 * unit, dtype),
    }
    caches = [cache.size for cache in found.machine.caches]
    measured = sorted(found.streams)
    working_sets = {"Stream from memory": int(measured[-2] * 1.2)}
    if caches:
        before = caches[-2] if len(caches) > 1 else measured[0]
        working_sets["Stream from the last cache"] = int((before * caches[-1]) ** 0.5 * 1.1)
    return _HeldBack(products, working_sets, (512 * unit, 384 * unit, 1024 * unit, dtype))


def _predict(context: Context, found: Measurements, held_back: _HeldBack) -> None:
    machine = found.machine
    ratios: dict[str, list[float]] = {}
    for product, timing in found.products.items():
        ratios.setdefault(product.dtype, []).append(timing.best / _estimate(machine, product))
    for quantity, product in held_back.products.items():
        predicted = _estimate(machine, product)
        how = f"{product}: launch, FLOP and bytes at the fitted rates"
        context.ledger.predict(quantity, predicted, "s", how, interval(predicted, ratios[product.dtype]))
    scatter = [1 / (timing.best * _bandwidth(machine, size)) for size, timing in found.streams.items()]
    for quantity, size in held_back.working_sets.items():
        predicted = _bandwidth(machine, size)
        how = f"{size / 2**20:.3g} MiB, each cache's share at the cache's fitted bandwidth"
        context.ledger.predict(quantity, predicted, "B/s", how, interval(predicted, scatter))
    tokens, width, hidden, dtype = held_back.layer
    predicted = feedforward.estimate(machine, tokens, width, hidden, dtype)
    how = f"{tokens} tokens, width {width}, {hidden} hidden: the sum of three products and two streams"
    context.ledger.predict(f"Feed-forward layer, {dtype}", predicted, "s", how, interval(predicted, ratios[dtype]))


def _measure(
    context: Context, found: Measurements, held_back: _HeldBack, budget: float
) -> tuple[dict[Product, Timing], dict[int, Timing], Timing]:
    """Measure what was predicted; the ledger gets the best time, as the constants were fitted to best times."""
    products = matmul.measure(held_back.products.values(), context.device, 0.4 * budget)
    for quantity, product in held_back.products.items():
        context.ledger.measure(quantity, products[product].best, products[product].seconds)
    sizes = list(held_back.working_sets.values())
    streams = stream.measure(sizes, context.device, found.identity.threads, 0.3 * budget)
    for quantity, size in held_back.working_sets.items():
        rates = [1 / seconds for seconds in streams[size].seconds]
        context.ledger.measure(quantity, max(rates), rates)
    layer = feedforward_lab.measure(*held_back.layer, context.device, 0.3 * budget)
    context.ledger.measure(f"Feed-forward layer, {held_back.layer[3]}", layer.best, layer.seconds)
    return products, streams, layer


def _estimate(machine: Machine, product: Product) -> float:
    return estimate_matmul(machine, product.m, product.n, product.k, product.dtype)


def _bandwidth(machine: Machine, working_set: int) -> float:
    return bandwidth(machine.caches, machine.memory_bandwidth, working_set)


def _product_row(product: Product, timing: Timing, fitted: bool) -> dict[str, Any]:
    return {
        "m": product.m,
        "n": product.n,
        "k": product.k,
        "dtype": product.dtype,
        "best": timing.best,
        "median": timing.median,
        "fitted": fitted,
    }


def _stream_row(working_set: int, timing: Timing, fitted: bool) -> dict[str, Any]:
    """Rates rather than seconds: the best time is the highest rate."""
    return {
        "working_set": working_set,
        "best": 1 / timing.best,
        "median": 1 / timing.median,
        "fitted": fitted,
    }
