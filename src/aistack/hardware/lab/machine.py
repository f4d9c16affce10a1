"""This machine's constants, measured: what makes it an entry beside the catalog's accelerators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aistack.hardware.lab import launch, matmul, stream
from aistack.hardware.lab.identity import Identity, identify
from aistack.hardware.lab.timing import Timing
from aistack.hardware.machine import Device, Machine
from aistack.hardware.matmul import Product
from aistack.hardware.matmul import fit as fit_matmul
from aistack.hardware.stream import fit as fit_stream

MiB = 2**20

# Activations by weights as layers multiply them: by a vector and by few rows (decode), and large (training, prefill).
# In units of `_SCALE`, so that a GPU gets products that fill it.
_VECTORS = ((1, 8, 8), (1, 16, 16), (1, 64, 8))
_SKINNY = ((4, 16, 8), (8, 32, 16), (16, 8, 8), (16, 32, 32), (32, 16, 4))
_SQUARES = (1, 2, 4, 8, 12)
_TALL = ((16, 4, 4), (16, 4, 16), (32, 16, 4))
_SCALE = {"cpu": 64, "cuda": 512}


@dataclass(frozen=True)
class Measurements:
    """A machine's constants and the measured times that they were fitted to."""

    identity: Identity
    machine: Machine
    products: Mapping[Product, Timing]
    streams: Mapping[int, Timing]
    """Working set in bytes -> seconds a byte."""
    launch: Timing


def measure(device: Device, dtypes: Sequence[str], budget: float) -> Measurements:
    """Measure and fit this machine in about `budget` seconds: a launch, streams, and products of each of `dtypes`.

    The fits take the best time of each operation, which interference touches least.
    """
    identity = identify(device)
    launched = launch.measure(device, 0.05 * budget)
    sizes = working_sets(identity, an_octave=2 if budget > 5 else 1)
    streamed = stream.measure(sizes, device, identity.threads, 0.3 * budget)
    caches, memory_bandwidth = fit_stream(identity.caches, {size: timing.best for size, timing in streamed.items()})
    multiplied: dict[Product, Timing] = {}
    rates = {}
    for dtype in dtypes:
        share = 0.65 * budget / len(dtypes)
        timings = matmul.measure(_affordable(products(device, dtype), device, share), device, share)
        rates[dtype] = fit_matmul({product: timing.best for product, timing in timings.items()}, launched.best)
        multiplied |= timings
    machine = Machine(
        name=identity.name,
        device=device,
        cores=identity.cores,
        memory=identity.memory,
        matmul=rates,
        memory_bandwidth=memory_bandwidth,
        launch_overhead=launched.best,
        caches=caches,
    )
    return Measurements(identity, machine, multiplied, streamed, launched)


def products(device: Device, dtype: str) -> list[Product]:
    """The matrix products that the constants of `dtype` are fitted to."""
    unit = _SCALE[device]
    squares = [Product(unit * size, unit * size, unit * size, dtype) for size in _SQUARES]
    tall = [Product(unit * m, unit * n, unit * k, dtype) for m, n, k in _TALL]
    # rows are a batch's sequences, whatever the machine; only the weights grow with it
    skinny = [Product(m, unit * n, unit * k, dtype) for m, n, k in (*_VECTORS, *_SKINNY)]
    return [*skinny, *squares, *tall]


def working_sets(identity: Identity, an_octave: int) -> list[int]:
    """Working sets to stream over, so many `an_octave`, from within the nearest cache to well beyond the last."""
    last = max(identity.caches.values(), default=32 * MiB)
    if identity.device == "cuda":
        least, most = 4 * MiB, min(16 * last, identity.memory / 16)
    else:
        least, most = 24 * 1024 * identity.threads, min(8 * last, 1024 * MiB, identity.memory / 16)
    sizes = []
    size = float(least)
    while size <= most:
        sizes.append(int(size) // 1024 * 1024)
        size *= 2 ** (1 / an_octave)
    return sizes


def _affordable(wanted: Sequence[Product], device: Device, budget: float) -> list[Product]:
    """Those of `wanted` that can be measured a few times within `budget` at the rate of one of them, of medium size.

    Formats that a processor only emulates run a thousand times slower, and their largest products would take minutes.
    """
    probe = next(product for product in wanted if product.m == product.n == 4 * _SCALE[device])
    rate = probe.flop / matmul.measure([probe], device, 0.0)[probe].best
    return [product for product in wanted if 5 * product.flop / rate < budget or product.flop <= probe.flop]
