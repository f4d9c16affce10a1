"""Choosing the next token of each sequence of a batch.

B sequences, V vocabulary
"""

from __future__ import annotations

from collections.abc import Sequence as Many

import torch
from torch import Tensor

from aistack.serving.lab.sequence import Sequence


def sample(logits: Tensor, sequences: Many[Sequence]) -> list[int]:
    """The next token of each of B `sequences` from its `logits` [B,V].

    Temperature 0 takes the likeliest. Otherwise the probabilities at that temperature are sorted, cut to `top_k`
    tokens and to the fewest that reach `top_p` (nucleus sampling, arXiv:1904.09751), and the sequence's own source of
    chance picks by inverse transform: one random number a token, whatever else is in the batch.
    """
    chosen: list[int] = logits.argmax(dim=-1).tolist()
    rows = [row for row, sequence in enumerate(sequences) if sequence.sampling.temperature > 0]
    if not rows:
        return chosen
    ways = [sequences[row].sampling for row in rows]

    def column(values: list[float]) -> Tensor:
        return torch.tensor(values, device=logits.device)[:, None]

    # double precision: at a temperature near 0 single precision overflows
    scaled = logits[rows].double() / column([way.temperature for way in ways])
    probabilities, tokens = scaled.softmax(dim=-1).sort(dim=-1, descending=True, stable=True)
    reached = probabilities.cumsum(dim=-1)
    ranks = torch.arange(logits.shape[-1], device=logits.device)
    cut = (reached - probabilities >= column([way.top_p for way in ways])) | (
        ranks >= column([way.top_k or logits.shape[-1] for way in ways])
    )
    cut[:, 0] = False
    reached = probabilities.masked_fill(cut, 0.0).cumsum(dim=-1)
    chance = column([sequences[row].random.random() for row in rows]) * reached[:, -1:]
    picked = torch.searchsorted(reached, chance, right=True).clamp_max_(logits.shape[-1] - 1)
    for row, token in zip(rows, tokens.gather(1, picked)[:, 0].tolist(), strict=True):
        chosen[row] = token
    return chosen
