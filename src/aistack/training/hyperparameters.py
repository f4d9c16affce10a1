"""Learning rate and batch size to start from: DeepSeek's rules, fitted to many small runs.

C compute of a run in FLOP, M FLOP a token (non-embedding, forward and backward), D training tokens, C = M D
"""

from __future__ import annotations

from aistack.catalog.architecture import GroupedQueryAttention, ModelSpec

SOURCE = "DeepSeek LLM, arXiv:2401.02954, equation 1"
ENOUGH_STEPS = 2000
LEAST_BATCH = 4
"""Both assumed, from a few runs of a minute or two on two cores: in equal time 8 sequences a step came half a nat lower
than 32, and fewer than 4 leave the cores idle."""


def learning_rate(flop: float) -> float:
    """The peak learning rate that is near the best for a run of `flop` operations: 0.3118 C^-0.1250.

    Fitted by DeepSeek (arXiv:2401.02954, equation 1) to runs of 1e17 to 2e19 FLOP. Runs of the dive are smaller, so
    that the rule centres a search and carries its result from one size of run to another.
    """
    return float(0.3118 * flop**-0.1250)


def batch_tokens(flop: float) -> float:
    """Tokens of a batch that is near the best for a run of `flop` operations: 0.2920 C^0.3271 (the same equation)."""
    return float(0.2920 * flop**0.3271)


def rate_over_root(flop: float) -> float:
    """DeepSeek's learning rate over the square root of DeepSeek's batch in tokens.

    A run with another batch takes this times the root of its own: with Adam the best rate grows as the square root of
    the batch (Malladi et al. 2022, arXiv:2205.10287).
    """
    return float(learning_rate(flop) / batch_tokens(flop) ** 0.5)


def batch_sequences(flop: float, tokens: float, seq_len: int) -> int:
    """Sequences in a batch of a run of `flop` operations over `tokens`: DeepSeek's, or fewer for the sake of steps.

    The power of two nearest in ratio, at least `LEAST_BATCH`. A run of less than `ENOUGH_STEPS` steps learns by its
    steps and not by its tokens, so that a short run takes smaller batches.
    """
    sequences = min(batch_tokens(flop), tokens / ENOUGH_STEPS) / seq_len
    size = LEAST_BATCH
    while size * 2**0.5 < sequences:
        size *= 2
    return size


def run_flop(spec: ModelSpec, seq_len: int, tokens: float) -> float:
    """C of a run: M = 6 times the parameters of the layers, plus 12 times layers, attention width and length."""
    attention = sum(
        12.0 * block.mixer.heads * block.mixer.head_dim * seq_len
        for block in spec.each_layer()
        if isinstance(block.mixer, GroupedQueryAttention)
    )
    tables = spec.vocab * spec.hidden * (1 if spec.tied_embeddings else 2)
    return (6.0 * (spec.parameters - tables) + attention) * tokens
