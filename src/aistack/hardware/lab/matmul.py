"""How long matrix products take on this machine, by shape and number format."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from aistack.hardware.lab.timing import Timing
from aistack.hardware.lab.timing import measure as measure_in_turns
from aistack.hardware.matmul import ELEMENT_BYTES, Product

if TYPE_CHECKING:
    import torch

# Bytes of weights that the executions of one product go through in turn. In a model, a product finds its weights
# where all the others have pushed them, not in the nearest cache: these are about as many as a small model's that a
# CPU serves, and more than a GPU's cache holds.
_WEIGHTS = {"cpu": 16 * 2**20, "cuda": 256 * 2**20}


def measure(products: Collection[Product], device: str, budget: float) -> dict[Product, Timing]:
    """Time each product, as a linear layer computes it: activations (M x K) times the transpose of weights (N x K).

    One execution follows the other with other weights, as in a model. Takes about `budget` seconds.
    """
    import torch

    pools: dict[str, torch.Tensor] = {}
    for product in products:
        count = max(_WEIGHTS[device] // ELEMENT_BYTES[product.dtype], product.n * product.k)
        pool = pools.get(product.dtype)
        if pool is None or pool.numel() < count:
            pools[product.dtype] = torch.rand(count, device=device).sub_(0.5).to(getattr(torch, product.dtype))
    operations = {product: _operation(product, pools[product.dtype]) for product in products}
    return measure_in_turns(operations, budget, device)


def _operation(product: Product, pool: torch.Tensor) -> Callable[[], object]:
    import torch

    size = product.n * product.k
    copies = pool.numel() // size
    weights = [each.t() for each in pool[: copies * size].view(copies, product.n, product.k).unbind()]
    activations = torch.rand(product.m, product.k, device=pool.device).to(pool.dtype)
    result = torch.empty(product.m, product.n, dtype=pool.dtype, device=pool.device)
    turn = itertools.cycle(weights)
    return lambda: torch.mm(activations, next(turn), out=result)
