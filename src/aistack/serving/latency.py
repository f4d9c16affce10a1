"""What clients see of a server: times to the first token and between tokens, and tokens a second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean


@dataclass(frozen=True)
class Served:
    """One request as its client saw it; seconds since the load began."""

    client: int
    prompt_tokens: int
    output_tokens: int
    sent: float
    tokens_at: tuple[float, ...]
    """When each token arrived; several may share an instant."""

    @property
    def time_to_first_token(self) -> float:
        """Seconds from sending to the first token."""
        return self.tokens_at[0] - self.sent

    @property
    def time_per_output_token(self) -> float:
        """Mean seconds from one token to the next."""
        return (self.tokens_at[-1] - self.tokens_at[0]) / max(1, len(self.tokens_at) - 1)

    @property
    def latency(self) -> float:
        """Seconds from sending to the last token."""
        return self.tokens_at[-1] - self.sent


@dataclass(frozen=True)
class Load:
    """All requests of a closed loop: `clients` that each send the next request when the last is answered."""

    clients: int
    seconds: float
    """How long clients began new requests."""
    requests: tuple[Served, ...]

    @property
    def throughput(self) -> float:
        """Output tokens a second, all clients together, while new requests began."""
        return sum(at <= self.seconds for each in self.requests for at in each.tokens_at) / self.seconds

    @property
    def times_to_first_token(self) -> list[float]:
        """Of each request, seconds."""
        return [each.time_to_first_token for each in self.requests]

    @property
    def times_per_output_token(self) -> list[float]:
        """Of each request with two tokens or more, seconds."""
        return [each.time_per_output_token for each in self.requests if len(each.tokens_at) > 1]

    @property
    def time_to_first_token(self) -> float:
        """Mean over the requests, seconds."""
        return fmean(self.times_to_first_token)

    @property
    def time_per_output_token(self) -> float:
        """Mean over the requests, seconds."""
        return fmean(self.times_per_output_token)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of `values` do not exceed, linear between neighbours."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
