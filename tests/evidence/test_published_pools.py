"""Pools that read prompts and decode apart, against what Mooncake's documentation measured of them."""

import numpy as np

from aistack.evidence import serving_predictor, serving_reading, serving_rows
from aistack.evidence.serving_reading import Question


def test_first_tokens_of_mooncakes_pools() -> None:
    """One request at a time, prompts from 128 to 32,768 tokens: reading, and the keys' and values' way."""
    read = (serving_reading.read(row) for row in serving_rows.shipped() if row.source.startswith("Mooncake"))
    asked = [each for each in read if isinstance(each, Question) and each.prefill and each.concurrency == 1]
    assert len(asked) >= 9
    ratios = np.empty(len(asked))
    for group in serving_predictor.ask(asked):
        predicted = group.predict()["ttft"]
        for place, value in zip(group.places, predicted, strict=True):
            ratios[place] = value / asked[place].measured["ttft"].value
    assert np.median(np.abs(ratios - 1)) < 0.2
    assert np.all((ratios > 0.6) & (ratios < 1.6))
