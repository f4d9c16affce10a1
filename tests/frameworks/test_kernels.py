"""What is assumed of eager PyTorch's elementwise kernels, against the kernels that it dispatches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aistack.frameworks.kernels import ACTIVATION, CROSS_ENTROPY, GATE, LAYER_NORM, NORM, RESIDUAL, ROTARY, Chain

torch = pytest.importorskip("torch")

T, D = 256, 128
_VIEWS = {"ones", "view", "_unsafe_view", "t", "transpose", "unsqueeze", "expand", "slice", "split", "detach", "alias"}
ONES = torch.ones(D)


def _dispatched(run: Callable[[], Any]) -> tuple[int, float, Any]:
    """Kernels that `run` starts, tensors of [T, D] that they read and write, and its result."""
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Counter(TorchDispatchMode):
        kernels, elements = 0, 0

        def __torch_dispatch__(self, operation: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
            result = operation(*arguments, **(keywords or {}))
            if operation.overloadpacket.__name__ not in _VIEWS:
                tensors = [
                    each for each in tree_leaves((arguments, keywords, result)) if isinstance(each, torch.Tensor)
                ]
                self.kernels += 1
                self.elements += sum(min(each.numel(), each.untyped_storage().nbytes() // 4) for each in tensors)
            return result

    with Counter() as counter:
        result = run()
    return counter.kernels, counter.elements / (T * D), result


def _norm(x: Any) -> Any:
    return torch.nn.functional.rms_norm(x, (D,), torch.ones(D, requires_grad=True), 1e-5)


def _layer_norm(x: Any) -> Any:
    return torch.nn.functional.layer_norm(x, (D,), ONES, ONES)


def _rotary(x: Any) -> Any:
    from aistack.frameworks.lab.transformer import _rotate

    heads = x.unflatten(-1, (16, 8)).transpose(0, 1)
    rotation = torch.ones(1, T, 8)
    return _rotate(heads, (rotation, rotation))


def _cross_entropy(x: Any) -> Any:
    return torch.nn.functional.cross_entropy(x, torch.zeros(T, dtype=torch.int64))


CHAINS: dict[str, tuple[Chain, Callable[[Any], Any]]] = {
    "norm": (NORM, _norm),
    "layer norm": (LAYER_NORM, _layer_norm),
    "rotary": (ROTARY, _rotary),
    "activation": (ACTIVATION, lambda x: torch.nn.functional.gelu(x)),
    "cross-entropy": (CROSS_ENTROPY, _cross_entropy),
}


@pytest.mark.parametrize("name", CHAINS)
def test_chain_is_what_eager_pytorch_runs(name: str) -> None:
    chain, run = CHAINS[name]
    x = torch.randn(T, D, requires_grad=True)
    kernels, passes, result = _dispatched(lambda: run(x))
    gradient = torch.ones_like(result)
    # a gradient of the input alone: accumulating into a leaf is the optimizer's affair
    back_kernels, back_passes, _ = _dispatched(lambda: torch.autograd.grad(result, x, gradient))
    assert kernels == pytest.approx(chain.kernels, abs=1)
    # the loss is handed all log-probabilities and reads one a row: a tensor that is not really moved
    assert passes == pytest.approx(chain.passes, abs=1.1)
    assert back_kernels == pytest.approx(chain.back_kernels, abs=3)
    assert back_passes == pytest.approx(chain.back_passes, abs=4)


@pytest.mark.parametrize(
    ("chain", "run"),
    [(GATE, lambda one, two: torch.nn.functional.silu(one) * two), (RESIDUAL, lambda one, two: one + two)],
    ids=["gate", "residual"],
)
def test_chain_of_two_operands_is_what_eager_pytorch_runs(chain: Chain, run: Callable[[Any, Any], Any]) -> None:
    one, two = (torch.randn(T, D, requires_grad=True) for _ in range(2))
    kernels, passes, result = _dispatched(lambda: run(one, two))
    assert (kernels, passes) == (chain.kernels, chain.passes)
    gradient = torch.ones(T, D)
    back_kernels, back_passes, _ = _dispatched(lambda: torch.autograd.grad(result, (one, two), gradient))
    # a sum passes its gradient on as it is; in a residual stream the two branches' gradients are added once
    assert 0 <= chain.back_kernels - back_kernels <= 1
    assert 0 <= chain.back_passes - back_passes <= 3
