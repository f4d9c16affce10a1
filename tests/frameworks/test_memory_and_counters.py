"""Predicted operations and memory against PyTorch's counters on the real transformer."""

from __future__ import annotations

import pytest

from aistack.catalog.architecture import ModelSpec, llama
from aistack.catalog.models import spec
from aistack.errors import BadInput
from aistack.frameworks import memory
from aistack.frameworks.memory import Precision
from aistack.frameworks.operators import counted_flop, forward, training_step

torch = pytest.importorskip("torch")

SHAPES = [
    # hidden, layers, heads, key-value heads, feed-forward, vocabulary, tied, batch, sequence
    (64, 1, 4, 4, 96, 100, True, 1, 16),
    (256, 3, 8, 2, 640, 1000, False, 4, 96),
    (256, 4, 8, 8, 704, 4096, True, 2, 128),
    (96, 2, 6, 1, 64, 333, False, 3, 37),
    (128, 5, 2, 2, 512, 64, True, 5, 1),
]


def _spec(shape: tuple[int, ...]) -> tuple[ModelSpec, int, int]:
    hidden, layers, heads, kv_heads, feed_forward, vocab, tied, batch, seq_len = shape
    model = llama(
        "it",
        hidden=hidden,
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        feed_forward=feed_forward,
        vocab=vocab,
        max_context=512,
        tied_embeddings=bool(tied),
    )
    return model, batch, seq_len


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("shape", SHAPES)
def test_prediction_is_what_pytorch_counts(shape: tuple[int, ...], dtype: Precision) -> None:
    from aistack.frameworks.lab.counters import measure

    model, batch, seq_len = _spec(shape)
    counted = measure(model, batch, seq_len, dtype)
    predicted = memory.estimate(model, batch, seq_len, dtype)
    assert counted.parameters == model.parameters
    assert counted.parameter_bytes == predicted.weights
    assert counted.forward_flop == counted_flop(forward(model, batch, seq_len))
    assert counted.training_flop == counted_flop(training_step(model, batch, seq_len))
    assert counted.activation_bytes == pytest.approx(predicted.activations, rel=0.01)


def test_optimizer_holds_two_moments_of_every_parameter() -> None:
    from aistack.frameworks.lab.transformer import Transformer

    model, batch, seq_len = _spec(SHAPES[1])
    transformer = Transformer(model)
    optimizer = torch.optim.AdamW(transformer.parameters())
    transformer(torch.zeros((1, 4), dtype=torch.int64)).sum().backward()
    optimizer.step()
    held = sum(
        tensor.numel() * tensor.element_size()
        for state in optimizer.state.values()
        for name, tensor in state.items()
        if name != "step"
    )
    predicted = memory.estimate(model, batch, seq_len)
    assert predicted.optimizer == held
    gradients = sum(
        parameter.grad.numel() * parameter.grad.element_size()
        for parameter in transformer.parameters()
        if parameter.grad is not None
    )
    assert predicted.gradients == gradients


def test_total_is_the_sum_and_grows_with_the_batch() -> None:
    model, batch, seq_len = _spec(SHAPES[1])
    one, two = (memory.estimate(model, size, seq_len) for size in (batch, 2 * batch))
    assert one.total == one.weights + one.gradients + one.optimizer + one.activations + one.logits
    assert (two.weights, two.optimizer) == (one.weights, one.optimizer)
    assert two.activations == pytest.approx(2 * one.activations, rel=1e-3)


def test_other_models_are_refused() -> None:
    with pytest.raises(BadInput, match="not a dense Llama-style"):
        memory.estimate(spec("mixtral-8x7b"), 1, 128)
    with pytest.raises(BadInput, match="not a dense Llama-style"):
        memory.estimate(spec("gpt2"), 1, 128)
