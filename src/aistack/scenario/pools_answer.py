"""What the stack answers to a plan of pools that read prompts and decode apart: plain frozen values in SI units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aistack.infrastructure.cluster import Cluster
from aistack.scenario.answer import Interval, MemoryPart, Share
from aistack.scenario.serving import ServingScenario
from aistack.scenario.serving_answer import Cost, Day, Goal, Latency, Standing, binding, bound
from aistack.serving.deployment import Deployment
from aistack.serving.pool_capacity import Half


@dataclass(frozen=True)
class PoolAnswer:
    """One of the two pools."""

    scenario: ServingScenario
    """Of this pool alone: its sizes, and of those that read prompts answers of one token."""
    deployment: Deployment
    """Of one replica."""
    cluster: Cluster
    """One replica's."""
    accelerators_per_replica: int
    replicas: int
    rate: float
    """Requests a second of the whole pool, within the goals; in the closed form, as is the next."""
    most: float
    """The same without goals."""
    utilisation: float
    """Share of `most` that is asked of it."""
    batch: float
    """Requests that one replica works on side by side, on average."""
    kv_occupancy: float
    kv_capacity: float
    """Tokens that one replica's cache holds."""
    memory: tuple[MemoryPart, ...]
    """Of the accelerator that holds most."""
    capacity: float
    """Bytes that one accelerator has."""
    day: Day
    standing: Standing

    @property
    def accelerators(self) -> int:
        """Of the pool, spares included."""
        return (self.replicas + self.standing.spares) * self.accelerators_per_replica


@dataclass(frozen=True)
class Transfer:
    """Keys and values on their way from one pool to the other."""

    link: str
    """What carries them, in words."""
    bandwidth: float
    """B/s of one accelerator."""
    bytes: float
    """Of one request, on the accelerator that sends or receives most."""
    seconds: float
    """Of one request."""
    share: float
    """Of the mean time to the first token."""
    utilisation: float
    """Share of the time in which an accelerator that reads prompts sends."""


@dataclass(frozen=True)
class Together:
    """The same accelerators as replicas that do everything."""

    deployment: Deployment
    replicas: int
    rate: float
    """Requests a second that they carry within the goals."""


@dataclass(frozen=True)
class PoolsAnswer:
    """Two pools, predicted. Fields that a `ServingAnswer` has too mean the same."""

    scenario: ServingScenario
    prefill: PoolAnswer
    decode: PoolAnswer
    transfer: Transfer
    rate: float
    """Requests a second that are served."""
    most: float
    """Requests a second that the pools carry within the goals."""
    concurrency: float
    ttft: Latency
    """Keys and values are there by then."""
    tpot: Latency
    """Of decoding alone."""
    latency: Latency
    tokens_per_second: float
    throughput_interval: Interval
    """Of `tokens_per_second`, when the pools are saturated."""
    prompt_tokens_per_second: float
    tokens_per_second_per_accelerator: float
    ttft_waterfall: tuple[Share, ...]
    tpot_waterfall: tuple[Share, ...]
    goals: tuple[Goal, ...]
    binding_half: Half
    """What keeps the pools from carrying more: reading prompts, decoding, or the way between."""
    elasticity: Mapping[str, Mapping[str, float]]
    cost: Cost
    together: Together | None
    """What the same accelerators carry that way; None where no such replica fits."""
    assumptions: tuple[str, ...]
    sources: tuple[str, ...]

    @property
    def halves(self) -> tuple[PoolAnswer, PoolAnswer]:
        """Both pools."""
        return self.prefill, self.decode

    @property
    def accelerators(self) -> int:
        """That serve, spares included."""
        return sum(each.accelerators for each in self.halves)

    @property
    def headroom(self) -> float:
        """Share of what the pools carry within the goals that is left."""
        return 1 - self.rate / self.most if self.most > 0 else 0.0

    @property
    def binding(self) -> Goal | None:
        """See `serving_answer.binding`."""
        return binding(self.goals)

    @property
    def bound(self) -> str:
        """See `serving_answer.bound`."""
        return bound(self.binding, self.elasticity)

    @property
    def meets(self) -> bool:
        """Whether every goal is met."""
        return all(goal.met for goal in self.goals)
