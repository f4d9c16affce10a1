"""How likely near-duplicates are to be noticed: MinHash signatures in bands.

A signature has b bands of r values. Each value agrees between two documents with a probability that is their Jaccard
similarity s (Broder, "On the resemblance and containment of documents", 1997), and a pair is looked at if at least one
band agrees whole: 1 - (1 - s^r)^b (Leskovec, Rajaraman and Ullman, "Mining of massive datasets", section 3.4).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aistack.errors import BadInput

Array = npt.NDArray[np.float64]


def estimate(similarity: npt.ArrayLike, rows: npt.ArrayLike, bands: npt.ArrayLike) -> Array:
    """Probability that a pair of that Jaccard similarity, 0 to 1, is looked at; the arrays broadcast."""
    s, r, b = (np.asarray(each, dtype=float) for each in (similarity, rows, bands))
    if np.any((s < 0) | (s > 1)) or np.any(r < 1) or np.any(b < 1):
        raise BadInput("A similarity lies between 0 and 1, and signatures have at least one band of one row.")
    return np.asarray(1 - (1 - s**r) ** b)


def threshold(rows: int, bands: int) -> float:
    """The similarity at which about half of all pairs are looked at, exactly."""
    return float((1 - 0.5 ** (1 / bands)) ** (1 / rows))
