"""How long matrix products take on this machine, by shape and number format."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aistack.hardware.lab.timing import Timing
from aistack.hardware.lab.timing import measure as measure_in_turns
from aistack.hardware.matmul import Product


def measure(products: Iterable[Product], device: str, budget: float) -> dict[Product, Timing]:
    """Time each product, as a linear layer computes it: activations (M x K) times the transpose of weights (N x K).

    Operands stay where the caches put them from one execution to the next. Takes about `budget` seconds.
    """
    return measure_in_turns({product: _operation(product, device) for product in products}, budget, device)


def _operation(product: Product, device: str) -> Callable[[], object]:
    import torch

    dtype = getattr(torch, product.dtype)
    activations = torch.randn(product.m, product.k, device=device).to(dtype)
    weights = torch.randn(product.n, product.k, device=device).to(dtype).t()
    result = torch.empty(product.m, product.n, dtype=dtype, device=device)
    return lambda: torch.mm(activations, weights, out=result)
