"""A gated feed-forward layer, the greater part of a language model's work, priced as the sum of its operations.

Symbols: T tokens, D width, F feed-forward width.
"""

from __future__ import annotations

from aistack.hardware.machine import Machine
from aistack.hardware.matmul import ELEMENT_BYTES
from aistack.hardware.operation import estimate_matmul, estimate_stream


def estimate(machine: Machine, tokens: int, width: int, hidden: int, dtype: str) -> float:
    """Seconds of one forward pass of down(silu(gate(x)) · up(x)) over T tokens (SwiGLU: Shazeer, arXiv:2002.05202).

    In words: two products from D to F and one back, and two operations element by element over T x F values, the
    activation (one read, one write) and the multiplication (two reads, one write). What the exponential in the
    activation costs beyond moving its bytes is left out.
    """
    values = tokens * hidden * ELEMENT_BYTES[dtype]
    return (
        2 * estimate_matmul(machine, tokens, hidden, width, dtype)
        + estimate_matmul(machine, tokens, width, hidden, dtype)
        + estimate_stream(machine, 2 * values)
        + estimate_stream(machine, 3 * values)
    )
