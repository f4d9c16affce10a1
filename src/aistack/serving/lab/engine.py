"""The engine: requests in, text out, one batched step at a time.

It knows nothing of threads, sockets or clocks; `worker` runs it in a thread of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from tokenizers import Tokenizer

from aistack.errors import BadInput
from aistack.frameworks.lab.transformer import Transformer
from aistack.serving.lab.blocks import BlockManager
from aistack.serving.lab.detokeniser import Detokeniser
from aistack.serving.lab.paged import PagedCache
from aistack.serving.lab.sampler import sample
from aistack.serving.lab.scheduler import Scheduler
from aistack.serving.lab.sequence import FinishReason, Sampling, Sequence

BLOCK_SIZE = 16
"""Tokens of a cache block."""


@dataclass(frozen=True)
class Limits:
    """How much the engine takes on at once."""

    max_batch: int = 16
    """Sequences in a step."""
    token_budget: int = 256
    """Tokens in a step, decoded and of prompts together."""
    queue: int = 64
    """Requests that wait; more are turned away."""
    blocks: int | None = None
    """Blocks of the KV cache; None is enough for a full batch of the longest sequences."""


@dataclass(frozen=True)
class Piece:
    """What one step added to one request."""

    id: str
    text: str
    tokens: int
    """Generated so far."""
    finished: FinishReason | None


class Engine:
    """Generates with continuous batching over a paged KV cache."""

    def __init__(
        self, model: Transformer, tokenizer: Tokenizer, end_of_text: frozenset[int], limits: Limits = Limits()
    ) -> None:
        """Raises `BadInput` for limits under which the longest sequence could never run."""
        self.model, self.tokenizer, self.end_of_text, self.limits = model.eval(), tokenizer, end_of_text, limits
        self.max_context = model.spec.max_context
        each = -(-self.max_context // BLOCK_SIZE)
        count = limits.max_batch * each if limits.blocks is None else limits.blocks
        if count < each:
            raise BadInput(f"A cache of {count} blocks is too small: one sequence of {self.max_context} needs {each}.")
        if limits.token_budget < limits.max_batch:
            raise BadInput(f"{limits.token_budget} tokens a step are too few for {limits.max_batch} sequences.")
        self.blocks = BlockManager(count, BLOCK_SIZE)
        self.cache = PagedCache(model.spec, count, BLOCK_SIZE, model.model.norm.weight.device)
        self.scheduler = Scheduler(self.blocks, limits.max_batch, limits.token_budget)
        self._sequences: dict[str, Sequence] = {}

    @property
    def busy(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._sequences)

    def add(self, id: str, prompt: list[int], sampling: Sampling) -> Sequence:
        """Take on a request. The prompt is not empty, and with `max_tokens` it fits the model's context."""
        assert prompt and len(prompt) + sampling.max_tokens <= self.max_context
        assert id not in self._sequences
        detokeniser = Detokeniser(self.tokenizer, sampling.stop)
        sequence = Sequence(id, list(prompt), len(prompt), sampling, detokeniser)
        self._sequences[id] = sequence
        self.scheduler.add(sequence)
        return sequence

    def abort(self, id: str) -> None:
        """Forget a request and free its blocks; one that is unknown or done is let be."""
        sequence = self._sequences.pop(id, None)
        if sequence is not None:
            self.scheduler.remove(sequence)

    @torch.inference_mode()
    def step(self) -> list[Piece]:
        """Compute one step: the pieces of all sequences that got a token."""
        chunks = self.scheduler.schedule()
        if not chunks:
            return []
        batch = self.cache.batch(chunks)
        hidden = self.model.hidden(batch.tokens, batch.positions, batch.attend)[0]
        for chunk in batch.chunks:
            chunk.sequence.computed = chunk.end
        sampling = [index for index, chunk in enumerate(batch.chunks) if chunk.samples]
        if not sampling:
            return []
        logits = self.model.lm_head(hidden[batch.ends[sampling]]).float()
        sequences = [batch.chunks[index].sequence for index in sampling]
        chosen = sample(logits, sequences)
        return [self._take(sequence, token) for sequence, token in zip(sequences, chosen, strict=True)]

    def _take(self, sequence: Sequence, token: int) -> Piece:
        sequence.tokens.append(token)
        ended = token in self.end_of_text and not sequence.sampling.ignore_eos
        text = "" if ended else sequence.detokeniser.push(token)
        finished: FinishReason | None = None
        if ended or sequence.detokeniser.stopped:
            finished = "stop"
        elif sequence.generated >= sequence.sampling.max_tokens:
            finished = "length"
        if finished:
            text += sequence.detokeniser.finish()
            if sequence.detokeniser.stopped:
                finished = "stop"
            self.abort(sequence.id)
        return Piece(sequence.id, text, sequence.generated, finished)
