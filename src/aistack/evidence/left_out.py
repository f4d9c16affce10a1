"""Constants as they came out of a fit that did not see something: a source, or an accelerator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from aistack.catalog.fitted import Constant, constants, replaced


def known(name: str, parameters: Sequence[str], kept: Mapping[str, Any]) -> Mapping[str, Constant]:
    """The constants of the file `name` with what is `kept` of one such fit.

    Those are the values of the `parameters` ("constant key"), in their order, and the ends of its intervals, which take
    the place of all shipped ones.
    """
    keys = [tuple(parameter.split(" ", 1)) for parameter in parameters]
    fitted = {(constant, key): value for (constant, key), value in zip(keys, kept["values"], strict=True)}
    changed = dict(replaced(constants(name), fitted))
    for end, place in (("interval_low", 0), ("interval_high", 1)):
        ends = {key: pair[place] for key, pair in kept["intervals"].items()}
        changed[end] = changed[end].model_copy(update={"values": ends})
    return MappingProxyType(changed)
