"""How long layers with int8 weights take on this machine, by shape: what the model's rates are fitted to."""

from __future__ import annotations

from collections.abc import Callable

import torch

from aistack.hardware.lab.timing import measure as measure_in_turns
from aistack.serving.lab.int8 import Int8Linear, rounded

Shape = tuple[int, int, int]

SHAPES: tuple[Shape, ...] = (
    *((m, 192, 320) for m in (1, 4, 16, 64, 192)),
    *((m, 1280, 320) for m in (1, 6, 24, 96)),
    *((m, 640, 1600) for m in (1, 3, 12, 48)),
    *((m, 3072, 1024) for m in (1, 8, 32)),
)
"""(rows, output width, input width): none of them a shape of the dive's models."""


def measure(threads: int, budget: float, device: str) -> dict[Shape, float]:
    """Best seconds of each of `SHAPES` on `device`, with so many threads on a CPU, in about `budget` seconds."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            timings = measure_in_turns({shape: _layer(shape, device) for shape in SHAPES}, budget, device)
    finally:
        torch.set_num_threads(before)
    return {shape: timing.best for shape, timing in timings.items()}


def _layer(shape: Shape, device: str) -> Callable[[], object]:
    rows, width, depth = shape
    layer, x = Int8Linear(*rounded(torch.randn(width, depth))).to(device), torch.randn(rows, depth, device=device)
    return lambda: layer(x)
