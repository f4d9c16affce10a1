"""Accelerators: GPUs, TPUs, other matrix engines, and the CPUs that stand in for them. One file each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from aistack.catalog.entry import Entry, Part
from aistack.catalog.facts import Count, Fact, Word, measures
from aistack.catalog.kinds import in_folder
from aistack.errors import BadInput

Format = Literal[
    "fp64", "fp64_matrix", "fp32", "fp32_matrix", "tf32", "bf16", "fp16", "fp8", "fp6", "fp4", "int8", "int4"
]
"""Operand formats of a peak rate; `_matrix` is the matrix engine where it and the vector units both take a format."""

PER_ONE = ("scope",)

Peak = Annotated[Fact, measures("FLOP/s", "OP/s", low=1e9, high=1e18, basis=("sparsity", "scope"))]
Memory = Annotated[Fact, measures("B", low=1e9, high=1e13, basis=PER_ONE)]
Cache = Annotated[Fact, measures("B", low=1e4, high=1e12, basis=PER_ONE)]
MemoryBandwidth = Annotated[Fact, measures("B/s", low=1e9, high=1e14, basis=PER_ONE)]
OnChipBandwidth = Annotated[Fact, measures("B/s", low=1e12, high=1e17, basis=PER_ONE)]
OneWay = Annotated[Fact, measures("B/s", low=1e9, high=1e15, basis=("direction", "scope"))]
Power = Annotated[Fact, measures("W", low=1.0, high=5e4, basis=PER_ONE)]
Clock = Annotated[Fact, measures("Hz", low=1e8, high=1e10)]


class OnChip(Part):
    """Memories on the die, nearest the arithmetic first."""

    l1: Cache | None = None
    """First-level cache and shared memory together, of one multiprocessor."""
    scratchpad: Cache | None = None
    """Memory that software fills itself: VMEM, SBUF, SRAM."""
    bandwidth: OnChipBandwidth | None = None
    """Of the scratchpad, all of it together."""
    l2: Cache | None = None
    l3: Cache | None = None
    last_level: Cache | None = None
    """A cache beside the main memory, after the L2: Infinity Cache and relatives."""


class ScaleUp(Part):
    """The fast fabric among the accelerators of one server, rack or pod."""

    type: Word | None = None
    bandwidth: OneWay | None = None
    """What one accelerator sends to all its peers together, one way."""
    both_directions: OneWay | None = None
    """The same, sent and received added up, as vendors like to print it."""
    link: OneWay | None = None
    """One link, one way."""
    ports: Count | None = None
    domain: Annotated[Fact, measures("1", low=2, high=1e6)] | None = None
    """How many accelerators the fabric joins at most."""


class Accelerator(Entry):
    """One accelerator as it is bought and scheduled: a package, unless a fact's basis says otherwise."""

    vendor: Annotated[str, Field(min_length=1)]
    architecture: Annotated[str, Field(min_length=1)]
    year: Annotated[int, Field(ge=2010, le=2040)]
    status: Literal["shipping", "announced"]
    type: Literal["gpu", "tpu", "npu", "wafer", "soc", "cpu"]

    memory_type: Word | None = None
    memory_capacity: Memory | None = None
    memory_bandwidth: MemoryBandwidth | None = None
    peaks: Annotated[dict[Format, Peak], Field(default_factory=dict)]
    """Dense peak rates by operand format; fp16, bf16 and fp8 sum in fp32 unless the basis says otherwise."""
    tdp: Power | None = None
    """The power it is designed to draw at most for long."""
    boost_clock: Clock | None = None
    compute_units: Annotated[Fact, measures("SM", "CU", "core", low=1, high=1e7, basis=PER_ONE)] | None = None
    """Streaming multiprocessors (SM), compute units (CU) or cores that are enabled."""
    matrix_unit: Word | None = None
    on_chip: Annotated[OnChip, Field(default_factory=OnChip)]
    scale_up: Annotated[ScaleUp, Field(default_factory=ScaleUp)]
    host_link: Word | None = None
    host_link_bandwidth: OneWay | None = None
    """To the host processor, where it is coherent and faster than PCIe."""
    transistors: Annotated[Fact, measures("1", low=1e8, high=1e14, basis=PER_ONE)] | None = None
    die_area: Annotated[Fact, measures("m2", low=1e-5, high=0.1, basis=PER_ONE)] | None = None
    dies: Fact | None = None
    process_node: Word | None = None
    more: Annotated[dict[str, Fact], Field(default_factory=dict)]
    """What is known of few: other values that are quoted, engines beside the main one."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Its names, with and without the vendor."""
        return (*super().labels, f"{self.vendor} {self.name}")

    def peak(self, format: str) -> float:
        """Dense peak in FLOP/s (or OP/s for integers) of one package. Raises `BadInput` naming the formats it has."""
        if format not in self.peaks:
            has = ", ".join(self.peaks) or "none"
            raise BadInput(f"No dense {format} peak is known of {self.id}. Known: {has}.")
        return self.peaks[format].si


KIND = in_folder(
    Accelerator,
    name="accelerator",
    about="GPUs, TPUs and other accelerators",
    home="accelerators",
    headline=("memory_capacity", "memory_bandwidth", "peaks.bf16", "tdp"),
)
