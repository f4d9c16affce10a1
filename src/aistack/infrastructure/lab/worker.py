"""One rank of a measured process group; `collectives` starts it and speaks to it in lines of JSON.

Started as `python -m aistack.infrastructure.lab.worker BACKEND RANK RANKS STORE SECONDS`: which backend, which rank
of how many, the file that the ranks meet at, and after how long a peer that does not answer is given up.
Each line of standard input asks for messages to be timed; rank 0 answers each with one line.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

_BURST = 2e-3
"""Seconds that a burst of one kind of message aims at: short, so that some fall between two disturbances."""


def main(backend: str, rank: int, ranks: int, store: str, seconds: float) -> None:
    """Join the group, then serve requests until standard input ends."""
    torch.set_num_threads(1)
    device = torch.device("cuda", rank) if backend == "nccl" else torch.device("cpu")
    if backend == "nccl":
        torch.cuda.set_device(device)
    timeout = timedelta(seconds=seconds)
    dist.init_process_group(backend, f"file://{store}", timeout, ranks, rank)
    try:
        for line in sys.stdin:
            request = json.loads(line)
            answer = _serve(request, rank, ranks, device)
            if rank == 0:
                print(json.dumps(answer), flush=True)
    finally:
        dist.destroy_process_group()


def _serve(request: dict[str, Any], rank: int, ranks: int, device: torch.device) -> list[list[float]]:
    """Seconds of each repeat of each asked message, all ranks' slowest; in turns until the budget is used."""
    started = time.perf_counter()
    operations = [_operation(name, size, rank, ranks, device) for name, size in request["messages"]]
    for operation in operations:
        operation()
    once = [min(_burst(operation, 4, device) for _ in range(3)) for operation in operations]
    counts = [max(1, min(100, int(_BURST / seconds))) for seconds in once]
    times: list[list[float]] = [[] for _ in operations]
    rounds = 0
    while _agreed(rounds < request["rounds"] or time.perf_counter() - started < request["budget"], device):
        for each, operation, count, (name, _) in zip(times, operations, counts, request["messages"], strict=True):
            # a message goes there and back; one way is half of it
            each.append(_burst(operation, count, device) / (2 if name == "point-to-point" else 1))
        rounds += 1
    return times


def _burst(operation: Callable[[], None], count: int, device: torch.device) -> float:
    """Seconds of one execution, averaged over `count` in a row that all ranks begin together, on the slowest rank."""
    dist.barrier()
    _finish(device)
    started = time.perf_counter()
    for _ in range(count):
        operation()
    _finish(device)
    taken = torch.tensor([(time.perf_counter() - started) / count], dtype=torch.float64, device=device)
    dist.all_reduce(taken, op=dist.ReduceOp.MAX)
    return float(taken.item())


def _agreed(wish: bool, device: torch.device) -> bool:
    """What rank 0 wants, known to all."""
    flag = torch.tensor([float(wish)], device=device)
    dist.broadcast(flag, src=0)
    return bool(flag.item())


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _operation(name: str, size: int, rank: int, ranks: int, device: torch.device) -> Callable[[], None]:
    """The operation on `size` bytes, as `aistack.infrastructure.collective` counts them."""
    whole = torch.zeros(max(1, size // 4), dtype=torch.float32, device=device)
    if name == "all-reduce":
        return lambda: _done(dist.all_reduce(whole))
    if name == "all-gather":
        part = torch.zeros(max(1, whole.numel() // ranks), dtype=torch.float32, device=device)
        gathered = torch.zeros(part.numel() * ranks, dtype=torch.float32, device=device)
        return lambda: _done(dist.all_gather_into_tensor(gathered, part))
    if name == "point-to-point":
        return lambda: _ping(whole, rank)
    raise ValueError(f"no operation {name!r}")


def _done(_work: object) -> None:
    """Collectives without `async_op` have finished, or are queued on the device, when they return."""


def _ping(message: torch.Tensor, rank: int) -> None:
    """There and back between ranks 0 and 1; others wait."""
    if rank == 0:
        dist.send(message, dst=1)
        dist.recv(message, src=1)
    elif rank == 1:
        dist.recv(message, src=0)
        dist.send(message, dst=0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], float(sys.argv[5]))
