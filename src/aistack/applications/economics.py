"""What tokens cost on a machine that is paid for by the hour or by its electricity."""

from __future__ import annotations


def estimate(throughput: float, usd_per_second: float) -> float:
    """US dollars for a million tokens: 10^6 tokens over `throughput` (token/s), times `usd_per_second`.

    Left out: the hours in which nobody asks. Raises `ValueError` for a throughput that is not above zero.
    """
    if not throughput > 0:
        raise ValueError(f"A throughput of {throughput} tokens/s makes no tokens.")
    return 1e6 / throughput * usd_per_second
