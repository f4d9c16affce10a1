"""The odds of noticing near-duplicates against signatures that are really made and compared."""

import numpy as np
import pytest

from aistack.errors import BadInput
from aistack.frameworks import minhash
from aistack.frameworks.figures import duplicate_odds


@pytest.mark.parametrize(("shared", "rows", "bands"), [(30, 4, 8), (45, 4, 8), (20, 2, 6)])
def test_made_signatures_agree_as_often(shared: int, rows: int, bands: int) -> None:
    # two sets of 50 with `shared` elements in common, hashed by random permutations of their union
    union = 100 - shared
    similarity = shared / union
    rng = np.random.default_rng(7)
    trials = 3000
    order = rng.permuted(np.tile(np.arange(union), (trials * rows * bands, 1)), axis=1)
    one, other = order[:, :50].min(axis=1), order[:, 50 - shared :].min(axis=1)
    agree = (one == other).reshape(trials, bands, rows).all(axis=2).any(axis=1)
    expected = float(minhash.estimate(similarity, rows, bands))
    assert agree.mean() == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / trials) + 1e-3)


def test_limits() -> None:
    assert float(minhash.estimate(0, 4, 32)) == 0
    assert float(minhash.estimate(1, 4, 32)) == 1
    assert float(minhash.estimate(minhash.threshold(4, 32), 4, 32)) == pytest.approx(0.5)
    # the pipeline's own: pairs of three quarters are proposed with more than 0.9999
    assert float(minhash.estimate(0.75, 4, 32)) > 0.9999
    with pytest.raises(BadInput):
        minhash.estimate(1.2, 4, 32)


def test_the_figure_says_what_it_finds() -> None:
    figure = duplicate_odds.draw([(32, 4), (16, 8)], 0.75)
    assert figure.title.startswith("32 bands of 4 miss one copy in 200,000 and look at 47%")
