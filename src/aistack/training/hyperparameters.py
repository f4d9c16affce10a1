"""Learning rate and batch size to start from: DeepSeek's rules, fitted to many small runs.

C compute of a run in FLOP, M FLOP a token (non-embedding, forward and backward), D training tokens, C = M D
"""

from __future__ import annotations

from aistack.catalog.architecture import GroupedQueryAttention, ModelSpec

SOURCE = "DeepSeek LLM, arXiv:2401.02954, equation 1"


def learning_rate(flop: float) -> float:
    """The peak learning rate that is near the best for a run of `flop` operations: 0.3118 C^-0.1250.

    Fitted by DeepSeek (arXiv:2401.02954, equation 1) to runs of 1e17 to 2e19 FLOP. Runs of the dive are smaller, so
    that the rule centres a search and carries its result from one size of run to another.
    """
    return float(0.3118 * flop**-0.1250)


def batch_tokens(flop: float) -> float:
    """Tokens of a batch that is near the best for a run of `flop` operations: 0.2920 C^0.3271 (the same equation)."""
    return float(0.2920 * flop**0.3271)


def batch_sequences(flop: float, seq_len: int) -> int:
    """The same in sequences: the power of two nearest in ratio to the rule, at least one."""
    sequences = batch_tokens(flop) / seq_len
    size = 1
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
