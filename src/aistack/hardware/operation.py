"""What one operation takes on a machine: a matrix product, or a stream of bytes.

Symbols: a product multiplies an M x K by a K x N matrix.
"""

from __future__ import annotations

from aistack.errors import BadInput
from aistack.hardware.machine import Machine

ELEMENT_BYTES = {"float64": 8, "float32": 4, "tfloat32": 4, "bfloat16": 2, "float16": 2, "float8": 1, "int8": 1}
"""Bytes of one element of each number format."""


def matmul_flop(m: int, n: int, k: int) -> float:
    """Operations of an M x K by K x N product: a multiplication and an addition for each of M·N·K."""
    return 2.0 * m * n * k


def matmul_bytes(m: int, n: int, k: int, dtype: str) -> float:
    """Bytes of both operands and the result, each moved once."""
    return float(m * k + k * n + m * n) * ELEMENT_BYTES[dtype]


def estimate_matmul(machine: Machine, m: int, n: int, k: int, dtype: str) -> float:
    """Seconds of one M x K by K x N product in `dtype`, the result in the same format.

    In words: the launch, plus the operations at the sustained peak, plus the bytes of operands and result at the
    operand bandwidth (higher where one side is a vector, since nothing is repacked). Operands that no cache holds
    come from memory meanwhile, so the product takes at least as long as memory does (the roofline's two sides:
    Williams, Waterman and Patterson, CACM 52(4), 2009). A library's choice among kernels by shape is left out.

    Raises `UnknownName` for a `dtype` that the machine has no rate for, `BadInput` for a size below 1.
    """
    if min(m, n, k) < 1:
        raise BadInput(f"A matrix product of {m} x {k} by {k} x {n} has nothing to multiply.")
    rate = machine.rate(dtype)
    moved = matmul_bytes(m, n, k, dtype)
    bandwidth = rate.vector_bandwidth if min(m, n) == 1 else rate.operand_bandwidth
    work = matmul_flop(m, n, k) / rate.peak + moved / bandwidth
    if machine.caches and moved > machine.caches[-1].size:
        work = max(work, moved / machine.memory_bandwidth)
    return machine.launch_overhead + rate.overhead + work


def estimate_stream(machine: Machine, bytes_moved: float, working_set: float | None = None) -> float:
    """Seconds of one operation that does little but move `bytes_moved` (reads and writes together).

    `working_set`, in bytes, is what the operation and those that run in turn with it touch; without it the bytes
    moved are taken to be all there is. It decides how much the caches serve.
    """
    if bytes_moved < 0:
        raise BadInput(f"{bytes_moved} bytes cannot be moved.")
    return machine.launch_overhead + bytes_moved * seconds_per_byte(machine, working_set or bytes_moved)


def seconds_per_byte(machine: Machine, working_set: float) -> float:
    """The reciprocal of the bandwidth that a stream over `working_set` bytes, again and again, gets.

    In words: each level of cache keeps its size's worth of the working set and serves it at its own bandwidth; what
    no cache keeps comes from memory. The bandwidth so falls smoothly, as caches that replace at random make it do;
    with strict least-recently-used replacement it would fall at once.
    """
    seconds, held = 0.0, 0.0
    for cache in machine.caches:
        share = max(0.0, min(cache.size, working_set) - held)
        seconds += share / cache.bandwidth
        held += share
    seconds += max(0.0, working_set - held) / machine.memory_bandwidth
    return seconds / working_set if working_set else 0.0
