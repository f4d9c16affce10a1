"""What one training step takes: its operations, each priced by the hardware, and one constant for all the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from aistack.catalog.architecture import ModelSpec
from aistack.errors import BadInput
from aistack.frameworks.memory import Precision
from aistack.frameworks.operators import Kind, Operator, forward, training_step
from aistack.hardware.machine import Machine
from aistack.hardware.matmul import ELEMENT_BYTES
from aistack.hardware.operation import estimate_matmul, estimate_stream


@dataclass(frozen=True)
class StepTime:
    """One step's time, by what it goes to."""

    tokens: int
    seconds: float
    by_kind: Mapping[Kind, float]
    """Seconds of each kind of operation; they sum up to `seconds`."""
    flop_utilization: float
    """Model FLOP/s over the sustained peak of the machine's matrix products, 0 to 1."""

    @property
    def tokens_per_second(self) -> float:
        """Training throughput."""
        return self.tokens / self.seconds


def precision(machine: Machine) -> Precision:
    """The number format to train in: bfloat16 where its matrix products are faster than float32's."""
    mixed = machine.matmul.get("bfloat16")
    return "bfloat16" if mixed and mixed.peak > machine.rate("float32").peak else "float32"


def estimate(
    machine: Machine,
    spec: ModelSpec,
    batch: int,
    seq_len: int,
    dtype: str,
    eager_factors: Mapping[Kind, float] = MappingProxyType({}),
) -> StepTime:
    """Seconds of one step (forward, backward, AdamW) over `batch` sequences, operation after operation.

    In words: a matrix product costs what the hardware layer says for its shape; attention its operations at the peak
    of matrix products and its bytes at their bandwidth; all else streams its bytes, mostly from memory, since a step
    touches far more than a cache holds; and each pays a launch. Each kind is multiplied by its factor of
    `eager_factors` (1 where it has none), which stands for what operations one by one do not show (PyTorch's
    bookkeeping, temporary tensors, kernels below their bandwidth) and is measured on a model of another size. Input,
    evaluation and checkpoints are left out.
    """
    if batch < 1 or seq_len < 1:
        raise BadInput(f"A step over {batch} sequences of {seq_len} tokens has nothing to do.")
    element_bytes = float(ELEMENT_BYTES[dtype])
    operators = training_step(spec, batch, seq_len, element_bytes)
    touched = sum(operator.total_bytes for operator in operators)
    by_kind: dict[Kind, float] = {}
    for operator in operators:
        seconds = operator.count * _price(machine, operator, dtype, touched)
        by_kind[operator.kind] = by_kind.get(operator.kind, 0.0) + eager_factors.get(operator.kind, 1.0) * seconds
    total = sum(by_kind.values())
    utilization = model_flop(spec, batch, seq_len) / total / machine.rate(dtype).peak
    return StepTime(batch * seq_len, total, by_kind, utilization)


def model_flop(spec: ModelSpec, batch: int, seq_len: int) -> float:
    """FLOP of a step that the model asks for: three times the forward pass's products and attention scores.

    This is the numerator of model FLOP utilization (Chowdhery et al. 2022, arXiv:2204.02311, appendix B); what is
    computed again in the backward pass does not count.
    """
    ahead = forward(spec, batch, seq_len)
    return 3 * sum(operator.total_flop for operator in ahead if operator.kind in {"matmul", "attention"})


def _price(machine: Machine, operator: Operator, dtype: str, touched: float) -> float:
    if operator.shape is not None:
        return estimate_matmul(machine, *operator.shape, dtype)
    if operator.kind == "attention":
        rate = machine.rate(dtype)
        return machine.launch_overhead + operator.flop / rate.peak + operator.bytes / rate.operand_bandwidth
    return estimate_stream(machine, operator.bytes, touched)
