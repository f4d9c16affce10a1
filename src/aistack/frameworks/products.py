"""The kernels of matrix products that read one input: forward, backward, casts, adapters."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from aistack.frameworks.pieces import FORMATS, Kernel, Piece, Product, stream
from aistack.frameworks.sharding import Array

Pair = tuple[list[Kernel], list[Kernel]]
"""Kernels of the forward and of the backward pass."""


def joined(pieces: Iterable[Piece]) -> list[list[Product]]:
    """The products in order, those of one input together."""
    together: list[list[Product]] = []
    for piece in pieces:
        if piece.product is not None:
            if piece.product.joined:
                together[-1].append(piece.product)
            else:
                together.append([piece.product])
    return together


def kernels(products: list[Product], precision: str) -> Pair:
    """One product for all that read one input, as implementations make it, with the adapters beside them.

    Where the format is shorter than the activations', a cast reads an element and writes it twice, as it is and
    transposed, for the product and for the weight's gradient.
    """
    first, n = products[0], _width(products)
    m, k, groups = first.m, first.k, first.groups
    base, size = FORMATS[precision][0], FORMATS[FORMATS[precision][0]][1]
    precision = base if first.exact else precision
    name = " and ".join(each.name for each in products)
    ahead = [_gemm(name, m, n, k, groups, precision)]
    back = [_gemm(f"{name} backward input", m, k, n, groups, precision)]
    if first.trained:
        back.append(_gemm(f"{name} backward weight", k, n, m, groups, precision))
    if precision != base:
        cast = groups * m * (size + 2 * FORMATS[precision][1])
        ahead.append(stream("casts", cast * k, base))
        back.append(stream("casts backward", cast * n, base))
    for product in products:
        forward, backward = _adapter(product, base)
        ahead += forward
        back += backward
    return ahead, back


def words(name: str) -> str:
    """A product's name without its pass: "q_proj and k_proj backward weight" becomes "q, k projections"."""
    name = name.split(" backward")[0]
    matrices = [matrix.removesuffix("_proj").removeprefix("experts ") for matrix in name.split(" and ")]
    if not name.endswith("_proj"):
        return name.replace("_proj", " projection").replace("_", " ")
    kind = "projection" if len(matrices) == 1 else "projections"
    return f"{'experts ' * name.startswith('experts ')}{', '.join(matrices)} {kind}".replace("_", " ")


def working(products: list[Product], precision: str) -> Array:
    """Bytes of the products' backward pass: their input gathered again, the gradients of input and output."""
    first = products[0]
    held: Array = first.groups * first.m * (2 * first.k + _width(products)) * FORMATS[FORMATS[precision][0]][1]
    return held


def _adapter(product: Product, precision: str) -> Pair:
    """The two thin products of an adapter, and in the backward pass two more for each."""
    if not product.rank:
        return [], []
    m, n, k, rank, groups = product.m, product.n, product.k, np.asarray(float(product.rank)), product.groups
    name = f"{product.name} adapter"
    ahead = [
        _gemm(f"{name} down", m, rank, k, groups, precision),
        _gemm(f"{name} up", m, n, rank, groups, precision),
    ]
    back = [
        _gemm(f"{name} up input", m, rank, n, groups, precision),
        _gemm(f"{name} up gradient", rank, n, m, groups, precision),
        _gemm(f"{name} down input", m, k, rank, groups, precision),
        _gemm(f"{name} down gradient", k, rank, m, groups, precision),
    ]
    return ahead, back


def _gemm(name: str, m: Array, n: Array, k: Array, groups: Array, precision: str) -> Kernel:
    return Kernel(name, "gemm", {"m": m, "n": n, "k": k, "groups": groups}, precision)


def _width(products: list[Product]) -> Array:
    width: Array = sum((each.n for each in products[1:]), start=products[0].n)
    return width
