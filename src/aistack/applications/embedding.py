"""What it costs to turn text into vectors with a transformer encoder."""

from __future__ import annotations

from aistack.hardware.machine import Machine
from aistack.hardware.operation import estimate_matmul


def estimate(
    machine: Machine, tokens: int, layers: int, width: int, feed_forward: int, dtype: str = "float32"
) -> float:
    """Seconds to encode one batch of `tokens` tokens, padding included.

    The sum over the layers of the four weight multiplications: queries, keys and values [T, W] x [W, 3W], the output
    [T, W] x [W, W], and the feed-forward pair [T, W] x [W, F], [T, F] x [F, W]. Left out: attention over a sequence,
    which for sequences shorter than the width is a small part, norms, and the tokenizer.
    """
    shapes = ((3 * width, width), (width, width), (feed_forward, width), (width, feed_forward))
    return layers * sum(estimate_matmul(machine, tokens, n, k, dtype) for n, k in shapes)
