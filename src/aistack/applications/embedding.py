"""What it costs to turn text into vectors with a transformer encoder."""

from __future__ import annotations

from dataclasses import dataclass

from aistack.hardware.machine import Machine
from aistack.hardware.operation import estimate_matmul, estimate_stream


@dataclass(frozen=True)
class Shape:
    """An encoder's sizes."""

    layers: int
    width: int
    heads: int
    feed_forward: int


def estimate(machine: Machine, shape: Shape, batch: int, seq_len: int, dtype: str = "float32") -> float:
    """Seconds to encode `batch` texts of `seq_len` tokens each, padding included.

    Per layer, with T = batch x seq_len tokens: the weight products [T, W] x [W, 3W], [T, W] x [W, W],
    [T, W] x [W, F] and [T, F] x [F, W]; scores and their use, two products [T, W] x [W, seq_len]; and reading and
    writing once the scores for the softmax, the inner layer for GELU, and the width for two sums and two norms. Left
    out: the tokenizer, embedding rows, and that attention's products are many small ones.
    """
    tokens, width, inner = batch * seq_len, shape.width, shape.feed_forward
    element = 2 if dtype in {"bfloat16", "float16"} else 4
    products = ((3 * width, width), (width, width), (inner, width), (width, inner), (seq_len, width), (width, seq_len))
    streams = (batch * shape.heads * seq_len**2, tokens * inner, *(4 * [tokens * width]))
    return shape.layers * (
        sum(estimate_matmul(machine, tokens, n, k, dtype) for n, k in products)
        + sum(estimate_stream(machine, 2.0 * element * elements) for elements in streams)
    )
