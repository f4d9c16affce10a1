"""What is asked of a server: when requests arrive, how long their prompts and answers are.

Open loops send whatever happens: at random moments (Poisson), in bursts (gamma), or as a trace says. A closed loop has
a number of clients, each of which sends its next request when the last is answered.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aistack.errors import BadInput

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Requests:
    """Requests in order of arrival, one an element. Raises `BadInput` for times or tokens that cannot be."""

    arrival: Floats
    """Seconds, not falling; of a closed loop's requests, those after the first `clients` come when others end."""
    prompt: Ints
    """Tokens, at least 1."""
    output: Ints
    """Tokens to generate, at least 1."""
    cached: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    """Tokens that the prompt begins with and a prefix cache holds, fewer than the prompt has; none by default."""
    clients: int = 0
    """Of a closed loop; 0: an open one."""
    blocks: tuple[tuple[int, ...], ...] = ()
    """Names of each prompt's whole blocks, each for itself and all before it; what an engine's cache holds of them
    is up to the simulation. Empty: `cached` says it."""
    block: int = 0
    """Tokens of a block."""

    def __post_init__(self) -> None:
        if not len(self.cached):
            object.__setattr__(self, "cached", np.zeros(len(self.prompt), np.int64))
        count = len(self.arrival)
        if not count:
            raise BadInput("There is no request to serve.")
        for name in ("prompt", "output", "cached"):
            if len(getattr(self, name)) != count:
                raise BadInput(f"{count} requests arrive, but there are {len(getattr(self, name))} values of {name}.")
        if self.clients < 0:
            raise BadInput(f"clients is {self.clients}; it must be 1 or more, or 0 for an open loop.")
        late = np.diff(self.arrival)
        self._refuse(~np.isfinite(self.arrival) | (self.arrival < 0), "arrival", "a time from 0 s on")
        self._refuse(np.concatenate(([False], late < 0)), "arrival", "no earlier than the request's before it")
        self._refuse(self.prompt < 1, "prompt", "1 token or more")
        self._refuse(self.output < 1, "output", "1 token or more")
        self._refuse((self.cached < 0) | (self.cached >= self.prompt), "cached", "from 0 to the prompt's tokens less 1")
        if self.blocks:
            self._check_blocks()

    def _check_blocks(self) -> None:
        if len(self.blocks) != len(self) or self.block < 1 or self.cached.any():
            raise BadInput(
                "Names of blocks are one tuple a request, of blocks of one token or more; what is cached they say."
            )
        named = self.block * np.array([len(names) for names in self.blocks])
        self._refuse(named > self.prompt, "prompt", "as long as its blocks")

    def _refuse(self, wrong: NDArray[np.bool_], name: str, right: str) -> None:
        if wrong.any():
            at = int(np.argmax(wrong))
            raise BadInput(f"Request {at + 1}: {name} is {getattr(self, name)[at]}; it must be {right}.")

    def __len__(self) -> int:
        return len(self.arrival)

    @property
    def rate(self) -> float:
        """Requests a second from the first arrival to the last; infinite where all come at once."""
        span = float(self.arrival[-1] - self.arrival[0])
        return (len(self) - 1) / span if span else float("inf")

    def take(self, which: NDArray[np.bool_] | Ints) -> Requests:
        """The requests at the places `which`, or where it is true."""
        places = np.flatnonzero(which) if which.dtype == bool else which
        return replace(
            self,
            arrival=self.arrival[which],
            prompt=self.prompt[which],
            output=self.output[which],
            cached=self.cached[which],
            blocks=tuple(self.blocks[place] for place in places.tolist()) if self.blocks else (),
        )

    def at_rate(self, rate: float) -> Requests:
        """The same requests in the same pattern, faster or slower, so that `rate` come a second on average."""
        if not rate > 0 or not np.isfinite(rate):
            raise BadInput(f"The rate is {rate:g}; it must be above 0 requests/s.")
        if not np.isfinite(self.rate):
            raise BadInput("All requests arrive at once, so no rate can be given to them.")
        return replace(self, arrival=(self.arrival - self.arrival[0]) * (self.rate / rate))


PARTS = 16
"""In which a cache keeps what prompts share; engines' pages are smaller still."""


def lengths(mean: float, count: int, *, spread: float = 0.0, most: int | None = None, seed: int = 0) -> Ints:
    """`count` numbers of tokens about `mean`: all equal, or lognormal with a standard deviation of `spread` means.

    A lognormal is what prompts and answers of public traces look like. Values are at least 1 and at most `most`.
    """
    if mean < 1 or spread < 0 or count < 1:
        raise BadInput("Lengths need a mean of 1 token or more, a spread from 0 on and a count of 1 or more.")
    if not spread:
        return np.full(count, round(mean), np.int64)
    variance = np.log1p(spread**2)
    drawn = np.random.default_rng(seed).lognormal(np.log(mean) - variance / 2, np.sqrt(variance), count)
    return np.clip(np.rint(drawn), 1, most).astype(np.int64)


def poisson(rate: float, prompt: ArrayLike, output: ArrayLike, count: int = 0, *, seed: int = 0) -> Requests:
    """Requests that come independently of one another, `rate` a second on average.

    `prompt` and `output` are tokens: a number for all requests (then `count` says how many) or one for each.
    """
    return gamma(rate, 1.0, prompt, output, count, seed=seed)


def gamma(
    rate: float, shape: float, prompt: ArrayLike, output: ArrayLike, count: int = 0, *, seed: int = 0
) -> Requests:
    """Requests with gamma-distributed gaps: in bursts where `shape` is below 1, evenly where it is above.

    The gaps' coefficient of variation is 1 / sqrt(shape); shape 1 is Poisson. BurstGPT (arXiv:2401.17644) finds
    gamma gaps with shapes below 1 in a public service's traffic.
    """
    if not rate > 0 or not np.isfinite(rate):
        raise BadInput(f"The rate is {rate:g}; it must be above 0 requests/s.")
    if not shape > 0 or not np.isfinite(shape):
        raise BadInput(f"The shape of gaps is {shape:g}; it must be above 0 (1 is Poisson, below 1 comes in bursts).")
    prompts, outputs = _columns(prompt, output, count)
    gaps = np.random.default_rng(seed).gamma(shape, 1 / (shape * rate), len(prompts))
    return Requests(np.cumsum(gaps), prompts, outputs)


def closed_loop(clients: int, prompt: ArrayLike, output: ArrayLike, count: int = 0) -> Requests:
    """`clients` that each send their next request as soon as the last is answered, until all requests are sent."""
    if clients < 1:
        raise BadInput(f"A closed loop of {clients} clients asks nothing; there must be 1 or more.")
    prompts, outputs = _columns(prompt, output, count)
    return Requests(np.zeros(len(prompts)), prompts, outputs, clients=clients)


def sharing(asked: Requests, prefixes: int, tokens: int, *, seed: int = 0) -> Requests:
    """`asked`, each of whose prompts begins with one of so many `prefixes` of so many `tokens` (system prompts,
    documents), chosen evenly. A shorter prompt is a prefix's beginning. What is shared is kept in 16 parts."""
    if prefixes < 1 or tokens < 1:
        raise BadInput("Prompts share one prefix or more, each of one token or more.")
    block = max(1, tokens // PARTS)
    chosen = np.random.default_rng(seed).integers(0, prefixes, len(asked)).tolist()
    most = np.minimum(asked.prompt, tokens) // block
    whole = tokens // block
    blocks = tuple(
        tuple(range(each * whole, each * whole + many)) for each, many in zip(chosen, most.tolist(), strict=True)
    )
    return replace(asked, cached=np.zeros(len(asked), np.int64), blocks=blocks, block=block)


def _columns(prompt: ArrayLike, output: ArrayLike, count: int) -> tuple[Ints, Ints]:
    prompts, outputs = np.atleast_1d(np.asarray(prompt, np.int64)), np.atleast_1d(np.asarray(output, np.int64))
    size = max(len(prompts), len(outputs), count)
    for name, values in (("prompt", prompts), ("output", outputs)):
        if len(values) not in (1, size):
            raise BadInput(f"{name} has {len(values)} values for {size} requests; give one value, or one a request.")
    return np.broadcast_to(prompts, size).copy(), np.broadcast_to(outputs, size).copy()
