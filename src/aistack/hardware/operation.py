"""What one operation takes on a machine: a matrix product, or a stream of bytes."""

from __future__ import annotations

from aistack.errors import BadInput
from aistack.hardware.machine import Machine
from aistack.hardware.matmul import Product
from aistack.hardware.stream import bandwidth


def estimate_matmul(machine: Machine, m: int, n: int, k: int, dtype: str) -> float:
    """Seconds of one M x K by K x N product in `dtype`, the result in the same format.

    In words: the launch, plus the operations at the sustained peak, plus the bytes of operands and result at the
    operand bandwidth (higher where one side is a vector, since nothing is repacked). Operands that no cache holds
    come from memory meanwhile, so the product takes at least as long as memory does (the roofline's two sides:
    Williams, Waterman and Patterson, CACM 52(4), 2009). A library's choice among kernels by shape is left out.

    Raises `UnknownName` for a `dtype` that the machine has no rate for, `BadInput` for a size below 1.
    """
    rate = machine.rate(dtype)
    product = Product(m, n, k, dtype)
    moving = product.bytes / (rate.vector_bandwidth if product.by_vector else rate.operand_bandwidth)
    work = product.flop / rate.peak + moving
    if machine.caches and product.bytes > machine.caches[-1].size:
        work = max(work, product.bytes / machine.memory_bandwidth)
    return machine.launch_overhead + rate.overhead + work


def estimate_stream(machine: Machine, bytes_moved: float, working_set: float | None = None) -> float:
    """Seconds of one operation that does little but move `bytes_moved` (reads and writes together).

    `working_set`, in bytes, is what the operation and those that run in turn with it touch; it decides how much the
    caches serve. Without it the bytes moved are taken to be all there is.
    """
    if bytes_moved < 0:
        raise BadInput(f"{bytes_moved} bytes cannot be moved.")
    if bytes_moved == 0:
        return machine.launch_overhead
    rate = bandwidth(machine.caches, machine.memory_bandwidth, bytes_moved if working_set is None else working_set)
    return machine.launch_overhead + bytes_moved / rate
