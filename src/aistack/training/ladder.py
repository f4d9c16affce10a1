"""Model shapes to choose from: Llama-style, each rung about one and a half times to twice the one below."""

from __future__ import annotations

from aistack.catalog.architecture import ModelSpec, llama

RUNGS = (
    (64, 2),
    (96, 2),
    (128, 2),
    (128, 4),
    (192, 4),
    (256, 4),
    (256, 6),
    (320, 6),
    (384, 6),
    (448, 8),
    (512, 8),
    (576, 10),
    (640, 12),
    (768, 12),
    (896, 14),
    (1024, 16),
)
"""(width, layers), smallest first; from 0.1 to 190 million parameters without the token table."""


def shape(hidden: int, layers: int, vocab: int, context: int) -> ModelSpec:
    """A Llama-style model: heads 64 wide (32 in the smallest), two of them to a key-value head, tied embeddings.

    The feed-forward width is 8/3 of the model's, which costs what an ungated part of four times the width does
    (Shazeer 2020, arXiv:2002.05202), rounded up to a multiple of 64.
    """
    heads = hidden // (64 if hidden % 64 == 0 and hidden > 64 else 32)
    return llama(
        f"llama-{hidden}x{layers}",
        hidden=hidden,
        layers=layers,
        heads=heads,
        kv_heads=heads // 2 if heads % 2 == 0 else heads,
        feed_forward=-(-8 * hidden // 3 // 64) * 64,
        vocab=vocab,
        max_context=context,
    )


def ladder(vocab: int, context: int) -> tuple[ModelSpec, ...]:
    """All rungs for one vocabulary and context."""
    return tuple(shape(hidden, layers, vocab, context) for hidden, layers in RUNGS)


def below(spec: ModelSpec, rungs: int) -> ModelSpec:
    """A model for trials: as wide as the rung `rungs` below `spec`'s (the lowest at least) and of an odd depth.

    No rung has an odd depth, so what is measured on a trial model never is a measurement of a model to choose from.
    """
    index = max(0, RUNGS.index((spec.hidden, spec.layers)) - rungs)
    hidden, layers = RUNGS[index]
    return shape(hidden, layers - 1, spec.vocab, spec.max_context)
