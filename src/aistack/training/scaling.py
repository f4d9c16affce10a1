"""Scaling laws: the loss that a model of N parameters reaches after D tokens, and what to do with a budget.

The form is Hoffmann et al. 2022 (arXiv:2203.15556, equation 2): L(N, D) = E + A / N^alpha + B / D^beta, in nats a
token, N with embeddings, every run with its own decayed learning rate. E is what no model of this kind can predict,
the second term what a finite model misses, the third what a finite number of tokens leaves unlearnt.

N parameters, D training tokens, C training FLOP
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aistack.errors import BadInput

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ScalingLaw:
    """The five constants of a law and where they were published."""

    irreducible: float
    """E, nats a token."""
    size_scale: float
    """A."""
    size_exponent: float
    """alpha."""
    data_scale: float
    """B."""
    data_exponent: float
    """beta."""
    source: str

    def loss(self, parameters: float | Floats, tokens: float | Floats) -> Floats:
        """Nats a token after `tokens` tokens; arrays broadcast."""
        size, data = np.asarray(parameters, np.float64), np.asarray(tokens, np.float64)
        result: Floats = (
            self.irreducible
            + self.size_scale * size**-self.size_exponent
            + self.data_scale * data**-self.data_exponent
        )
        return result

    def optimum(self, flop: float) -> tuple[float, float]:
        """The N and D that reach the least loss with `flop` operations, of which each token of training costs 6 N.

        In words: along D = C / 6N the loss is least where both terms fall equally fast, N = G (C/6)^a with
        G = (alpha A / beta B)^(1 / (alpha + beta)) and a = beta / (alpha + beta) (Hoffmann et al., equation 4).
        """
        if not flop > 0:
            raise BadInput(f"A budget of {flop} FLOP trains nothing.")
        total = self.size_exponent + self.data_exponent
        ratio = (self.size_exponent * self.size_scale) / (self.data_exponent * self.data_scale)
        parameters = ratio ** (1 / total) * (flop / 6) ** (self.data_exponent / total)
        return parameters, flop / 6 / parameters


CHINCHILLA = ScalingLaw(
    1.6934,
    406.40,
    0.33917084,
    410.72,
    0.2849083,
    "Hoffmann et al. 2022, arXiv:2203.15556, appendix D.3 (approach 3), digits of the paper's source",
)
"""The paper prints 0.34 and 0.28; its own optimum (40 billion parameters for Gopher's compute) needs the digits that
Besiroglu et al. found in its TeX source."""
CHINCHILLA_REPLICATED = ScalingLaw(
    1.8172, 482.01, 0.3478, 2085.43, 0.3658, "Besiroglu et al. 2024, arXiv:2404.10102, a second fit to the same runs"
)
PUBLISHED = (CHINCHILLA, CHINCHILLA_REPLICATED)

MASSIVE_TEXT_BYTES_PER_TOKEN = 10.5e12 / (300e9 / 0.128)
"""UTF-8 bytes of one token of the text that the published laws were fitted on: MassiveText is 10.5 TB, of which 300
billion tokens are 12.8% (Rae et al. 2021, arXiv:2112.11446, section 3.1)."""

_REPEATS_WORTH = 15.387756
"""R_D*: passes over the same text, after the first, that are worth (1 - 1/e) of fresh ones (arXiv:2305.16264)."""


def effective_tokens(tokens: float | Floats, unique: float) -> Floats:
    """How many fresh tokens `tokens` are worth that were drawn, again and again, from `unique` different ones.

    In words: every further pass over the text teaches less than the one before, by an exponential decay with the
    constant R_D* (Muennighoff et al. 2023, arXiv:2305.16264, equation 5). Their correction of N is left out.
    """
    if not unique > 0:
        raise BadInput(f"A text of {unique} tokens teaches nothing.")
    seen = np.asarray(tokens, np.float64)
    repeats = np.maximum(seen / unique - 1, 0)
    worth: Floats = np.minimum(seen, unique) + unique * _REPEATS_WORTH * -np.expm1(-repeats / _REPEATS_WORTH)
    return worth


@dataclass(frozen=True)
class Pilot:
    """A finished training run: what it was and the validation loss it reached, in nats a token."""

    parameters: float
    tokens: float
    loss: float


@dataclass(frozen=True)
class Forecast:
    """A predicted loss with the interval that should hold nine in ten of the measured ones."""

    loss: float
    low: float
    high: float


_NINETY_PERCENT = 1.645
_PRIOR_SPREAD = 1.0
"""Before any pilot, E, A and B may be off by as much as themselves: the laws come from models a thousand times larger
and from other text."""
_PILOT_SPREAD = 0.02
"""Assumed: by how much of its loss one run differs from a law with the right constants (its seed, its learning rate,
and that the law's form is not quite true for so short a run)."""


@dataclass(frozen=True)
class Anchored:
    """A published law whose E, A and B were re-estimated from pilot runs on other text; the exponents are kept."""

    law: ScalingLaw
    covariance: Floats
    """[3, 3], of E, A and B."""

    def forecast(self, parameters: float, tokens: float) -> Forecast:
        """The loss of a new run and its 90% interval: what the constants leave open and one run's own spread."""
        terms = _terms(self.law, parameters, tokens)
        loss = float(self.law.loss(parameters, tokens))
        spread = float(terms @ self.covariance @ terms) + (_PILOT_SPREAD * loss) ** 2
        reach = _NINETY_PERCENT * spread**0.5
        return Forecast(loss, max(loss - reach, 0.0), loss + reach)


def anchor(law: ScalingLaw, pilots: Sequence[Pilot], bytes_per_token: float) -> Anchored:
    """Fit the law's E, A and B to `pilots`, starting from the published values; the exponents hold.

    For given exponents the law is linear in E, A and B, so this is Bayesian linear regression in closed form: the prior
    is the published constants, scaled by the bytes that a token stands for here (a law counts nats a token), each with
    a spread as wide as itself; each pilot is a measurement with a spread of 2% of its loss. A negative constant would
    say that more parameters or tokens hurt: it is held at nearly nothing and the others are fitted again.
    """
    if not bytes_per_token > 0:
        raise BadInput(f"A token of {bytes_per_token} bytes carries no text.")
    prior = np.array([law.irreducible, law.size_scale, law.data_scale]) * (
        bytes_per_token / MASSIVE_TEXT_BYTES_PER_TOKEN
    )
    precision = np.diag((_PRIOR_SPREAD * prior) ** -2.0)
    terms = np.array([_terms(law, pilot.parameters, pilot.tokens) for pilot in pilots]).reshape(-1, 3)
    losses = np.array([pilot.loss for pilot in pilots])
    weights = (_PILOT_SPREAD * losses) ** -2.0
    least = 1e-3 * prior
    held = np.zeros(3, bool)
    while True:
        free = ~held
        known = terms[:, held] @ least[held]
        inverse = precision[np.ix_(free, free)] + terms[:, free].T * weights @ terms[:, free]
        covariance = np.zeros((3, 3))
        covariance[np.ix_(free, free)] = np.linalg.inv(inverse)
        pull = precision[np.ix_(free, free)] @ prior[free] + terms[:, free].T * weights @ (losses - known)
        fitted = np.where(held, least, 0.0)
        fitted[free] = np.linalg.solve(inverse, pull)
        if (fitted >= least).all():
            break
        held |= fitted < least
    irreducible, size_scale, data_scale = (float(value) for value in fitted)
    source = f"{law.source}; E, A and B fitted to {len(pilots)} pilot runs"
    return Anchored(
        ScalingLaw(irreducible, size_scale, law.size_exponent, data_scale, law.data_exponent, source), covariance
    )


def forecast(anchored: Sequence[Anchored], parameters: float, tokens: float) -> Forecast:
    """What several laws say together: the mean of their losses, and the interval that spans all of theirs."""
    each = [one.forecast(parameters, tokens) for one in anchored]
    return Forecast(
        float(np.mean([one.loss for one in each])), min(one.low for one in each), max(one.high for one in each)
    )


def _terms(law: ScalingLaw, parameters: float, tokens: float) -> Floats:
    return np.array([1.0, parameters**-law.size_exponent, tokens**-law.data_exponent])
