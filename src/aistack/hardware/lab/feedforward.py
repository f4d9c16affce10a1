"""How long a gated feed-forward layer takes on this machine."""

from __future__ import annotations

from aistack.hardware.lab.timing import Timing
from aistack.hardware.lab.timing import measure as measure_in_turns


def measure(tokens: int, width: int, hidden: int, dtype: str, device: str, budget: float) -> Timing:
    """Time down(silu(gate(x)) · up(x)) over `tokens` rows of `width`, run eagerly, for about `budget` seconds."""
    import torch
    from torch.nn.functional import linear, silu

    kind = getattr(torch, dtype)
    x = torch.randn(tokens, width, device=device).to(kind)
    gate, up = (torch.randn(hidden, width, device=device).to(kind) / width**0.5 for _ in range(2))
    down = torch.randn(width, hidden, device=device).to(kind) / hidden**0.5
    return measure_in_turns(
        {"layer": lambda: linear(silu(linear(x, gate)) * linear(x, up), down)}, budget, device, rounds=5
    )["layer"]
