import numpy as np
import pytest

from aistack import catalog
from aistack.hardware.lab import quantisation

LARGEST = catalog.record("quantisation-error", "minilm-largest")
ROWS = {
    name: catalog.record("quantisation-error", name)
    for name in catalog.names("quantisation-error")
    if name != LARGEST.id
}


@pytest.mark.slow
def test_the_shipped_errors_are_those_of_the_weights() -> None:
    parts = quantisation.weights()
    # 6 layers of 4 attention and 2 feed-forward matrices, and the embedding of 30,522 words
    assert {part: len(matrices) for part, matrices in parts.items()} == {
        "embeddings": 1, "attention": 24, "feed_forward": 12,
    }  # fmt: skip
    assert parts["embeddings"][0].shape == (30522, 384)
    for part, deviations in quantisation.largest(parts).items():
        assert LARGEST.values[part].si == pytest.approx(deviations, rel=1e-3)
    for row in ROWS.values():
        own = catalog.number_format(row.group).block_size is not None
        block = None if own else int(row.values["block"].si) or None
        found = quantisation.measure(parts, row.group, block)
        for part, ratio in found.items():
            assert row.values[part].si == pytest.approx(ratio, rel=1e-4), (row.id, part)


def test_what_theory_says_of_the_shipped_errors() -> None:
    decibels = {
        name.removeprefix("minilm-"): {
            part: 10 * np.log10(fact.si) for part, fact in row.values.items() if part not in {"bits", "block"}
        }
        for name, row in ROWS.items()
    }
    # rounding to M mantissa bits errs evenly within half a step, wherever a number lies in its octave: with weights
    # spread evenly over octaves, noise is 2^-2M (2 ln 2) / 36 of the signal; three bits more are 18 dB more
    assert decibels["fp16"]["all"] - decibels["bf16"]["all"] == pytest.approx(6.02 * 3, abs=0.5)
    assert decibels["fp8_e4m3fn"]["all"] - decibels["fp8_e5m2"]["all"] == pytest.approx(6.02, abs=0.3)
    assert decibels["bf16"]["all"] == pytest.approx(10 * np.log10(36 / (2 * np.log(2)) * 2.0**14), abs=0.7)
    # outliers cost integers their resolution and floating point next to nothing
    assert decibels["int8"]["attention"] - decibels["int8"]["feed_forward"] > 12
    worst = max(("embeddings", "attention", "feed_forward"), key=lambda part: LARGEST.values[part].si)
    assert decibels["int8"][worst] == min(decibels["int8"].values())
    assert abs(decibels["fp8_e4m3fn"]["attention"] - decibels["fp8_e4m3fn"]["feed_forward"]) < 0.5
    assert decibels["int8-by-384"]["all"] > decibels["int8"]["all"] + 15
    assert decibels["fp4_e2m1"]["all"] < decibels["mxfp4_e2m1"]["all"] < decibels["nvfp4"]["all"]
