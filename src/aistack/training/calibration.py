"""How far predictions of a training step miss: the interval that eight of ten measurements fell into."""

from __future__ import annotations

from collections.abc import Mapping

from aistack.catalog.fitted import Constant, constants, fitted


def interval(seconds: float, engine: str) -> tuple[float, float]:
    """Low and high end around a predicted step of a plan that is known whole.

    They are what was measured over what was predicted, its 10th and 90th percentile on sources that had no part in the
    fit, of the engine where it was measured often enough.
    """
    low, high = ends(constants("training"), engine, complete=True)
    return seconds * low, seconds * high


def ends(known: Mapping[str, Constant], engine: str, *, complete: bool) -> tuple[float, float]:
    """Measured over predicted of one in ten and of nine in ten, by the constants `known`.

    Plans that are known whole have ends of their own, apart from those in which something was assumed.
    """
    said = "complete" if complete else "assumed"
    low, high = (known[f"interval_{end}"].nearest(f"{engine}/{said}", said)[1] for end in ("low", "high"))
    return low, high


def sources() -> tuple[str, ...]:
    """What the constants of the planner were fitted on."""
    return tuple(f"{name}: {fitted(name).fitted_on}" for name in ("kernels", "network", "training", "reliability"))
