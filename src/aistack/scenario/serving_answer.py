"""What the stack answers to a serving scenario: plain frozen values in SI units, ready to print, draw or send."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aistack.infrastructure.cluster import Cluster
from aistack.scenario.answer import Interval, MemoryPart, Share
from aistack.scenario.serving import ServingScenario
from aistack.serving.deployment import Deployment


@dataclass(frozen=True)
class Latency:
    """Of a request, seconds."""

    mean: float
    high: float
    """At the scenario's percentile."""
    interval: Interval
    """Of the mean."""


@dataclass(frozen=True)
class Goal:
    """Something asked for, and what is reached."""

    name: str
    """"ttft", "tpot", "latency" or "rate"."""
    asked: float
    reached: float
    """At the scenario's percentile; of a rate, the most within the other goals."""
    met: bool
    nearest: float
    """The best of this plan: of a time that of a nearly idle replica, of a rate that within the other goals."""

    @property
    def used(self) -> float:
        """How much of what it allows is used up; above 1 it is missed."""
        if self.name != "rate":
            return self.reached / self.asked
        return self.asked / self.reached if self.reached else math.inf


def binding(goals: Sequence[Goal]) -> Goal | None:
    """Of the goals that are missed, one that the plan cannot meet at all, else the rate, else the one missed by most;
    where all are met, the one that is nearest to its limit; None without goals."""
    missed = [goal for goal in goals if not goal.met]
    beyond = [goal for goal in missed if goal.name != "rate" and goal.nearest > goal.asked]
    rates = [goal for goal in missed if goal.name == "rate"]
    return max(beyond or rates or missed or goals, key=lambda goal: goal.used, default=None)


def bound(goal: Goal | None, elasticity: Mapping[str, Mapping[str, float]]) -> str:
    """The resource that holds back most what binds: the goal that does, for a rate the throughput, else "tpot", or
    "ttft" where answers have one token."""
    what = "tpot" if goal is None else {"rate": "throughput", "latency": "tpot"}.get(goal.name, goal.name)
    among = elasticity[what if any(elasticity[what].values()) else "ttft"]
    return max(among, key=lambda name: among[name])


@dataclass(frozen=True)
class Day:
    """Replicas that follow the rate through a day."""

    hours: tuple[float, ...]
    """Requests a second in each hour."""
    replicas: tuple[int, ...]
    """Replicas kept up in each hour, spares not counted."""
    mean_replicas: float
    saved: float
    """Share of the replica-hours that following the rate saves over keeping the most all day."""


@dataclass(frozen=True)
class Standing:
    """Replicas that fail and come back."""

    replica_availability: float
    """Share of the time that one replica is up."""
    availability: float
    """Share of the time that at least the needed replicas are up."""
    spares: int
    """Replicas beyond the needed ones that are kept for it."""
    failures_per_year: float
    """Of all replicas."""


@dataclass(frozen=True)
class Offer:
    """What a market takes for the same requests."""

    provider: str
    listed: str
    """What the provider calls the model."""
    date: str
    usd_per_million_input: float
    usd_per_million_output: float
    usd_per_request: float
    break_even_rate: float
    """Requests a second, around the clock, from which on the planned machines are cheaper; infinite: never."""
    source: str


@dataclass(frozen=True)
class Cost:
    """What the deployment costs with its spares, at the scenario's load over its day. NaN where not known."""

    accelerators: float
    """Kept on average over the day."""
    usd_per_hour: float
    usd_per_request: float
    usd_per_million_input: float
    usd_per_million_output: float
    usd_per_million: float
    joules_per_request: float
    kilograms_per_request: float
    litres_per_request: float
    owned_usd_per_hour: float
    """The same accelerators bought and written off instead of rented; NaN where no purchase price is known."""
    payback: float
    """Seconds after which buying has cost no more than renting."""
    offers: tuple[Offer, ...]
    """Of the market for the same model, cheapest first."""


@dataclass(frozen=True)
class ServingAnswer:
    """A deployment, predicted."""

    scenario: ServingScenario
    deployment: Deployment
    """Of one replica."""
    cluster: Cluster
    """One replica's."""
    accelerators_per_replica: int
    replicas: int
    """That serve the load: as many as `scenario.replicas` says, else as many as it needs within the goals."""
    available: int
    """Replicas that the scenario's accelerators make."""
    needed: int
    """Replicas that the load needs within the goals; 0 where no number of them does."""
    rate: float
    """Requests a second that are served."""
    most: float
    """Requests a second that `replicas` carry within the goals."""
    concurrency: float
    """Requests in the system, all replicas together."""
    ttft: Latency
    tpot: Latency
    latency: Latency
    tokens_per_second: float
    """Output tokens of all replicas."""
    throughput_interval: Interval
    """Of `tokens_per_second`, when the replicas are saturated."""
    prompt_tokens_per_second: float
    tokens_per_second_per_accelerator: float
    batch: float
    """Requests that one replica decodes side by side, on average."""
    utilisation: float
    """Share of the time in which a replica has something to do."""
    kv_occupancy: float
    """Share of the cache that is held, on average."""
    kv_capacity: float
    """Tokens that one replica's cache holds."""
    ttft_waterfall: tuple[Share, ...]
    """From the prompt's useful arithmetic at peak to the mean time to the first token; seconds sum to `ttft.mean`."""
    tpot_waterfall: tuple[Share, ...]
    """From reading what a decode step must at full bandwidth to the mean; seconds sum to `tpot.mean`."""
    memory: tuple[MemoryPart, ...]
    """Of the accelerator that holds most."""
    capacity: float
    """Bytes that one accelerator has."""
    goals: tuple[Goal, ...]
    elasticity: Mapping[str, Mapping[str, float]]
    """For "ttft", "tpot" and "throughput": percent that it gets better for one percent more of each resource."""
    day: Day
    standing: Standing
    cost: Cost
    assumptions: tuple[str, ...]
    sources: tuple[str, ...]

    @property
    def accelerators(self) -> int:
        """That serve, spares included."""
        return (self.replicas + self.standing.spares) * self.accelerators_per_replica

    @property
    def headroom(self) -> float:
        """Share of what the replicas carry within the goals that is left."""
        return 1 - self.rate / self.most if self.most > 0 else 0.0

    @property
    def memory_total(self) -> float:
        """Bytes needed on the accelerator that holds most."""
        return sum(part.bytes for part in self.memory)

    @property
    def fits(self) -> bool:
        """Whether the weights and the cache of at least one request are there."""
        # what is left over is one of the parts, so that they sum to the capacity but for rounding
        return self.memory_total <= self.capacity * (1 + 1e-9)

    @property
    def binding(self) -> Goal | None:
        """See `binding`."""
        return binding(self.goals)

    @property
    def bound(self) -> str:
        """See `bound`."""
        return bound(self.binding, self.elasticity)

    @property
    def meets(self) -> bool:
        """Whether it fits and meets every goal."""
        return self.fits and all(goal.met for goal in self.goals)
