"""What an eager PyTorch operation costs before it does anything."""

from __future__ import annotations

from aistack.hardware.lab.timing import Timing
from aistack.hardware.lab.timing import measure as measure_in_turns


def measure(device: str, budget: float) -> Timing:
    """Time an addition of two single numbers, result allocated, as eager code does; about `budget` seconds.

    On "cuda" the operations are queued one behind the other, so this is the rate at which launches can be issued.
    """
    import torch

    one = torch.ones(1, device=device)
    return measure_in_turns({"add": lambda: one + one}, budget, device, rounds=5)["add"]
