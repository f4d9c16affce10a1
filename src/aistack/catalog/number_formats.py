"""Number formats: from fp64 to nvfp4, their ranges, precisions and block scales."""

from __future__ import annotations

from typing import Annotated

from aistack.catalog.entry import Entry
from aistack.catalog.facts import Count, Fact, Word, YesNo, measures
from aistack.catalog.kinds import in_file

Bits = Annotated[Fact, measures("B", low=0.0, high=8.0)]
Magnitude = Annotated[Fact, measures("1")]


class NumberFormat(Entry):
    """How numbers are written in bits. Bit counts are facts in `bit`; magnitudes are plain numbers."""

    storage_bits: Bits
    """Of one element in memory, block scales not counted."""
    sign_bits: Bits | None = None
    exponent_bits: Bits | None = None
    mantissa_bits: Bits | None = None
    bias: Magnitude | None = None
    max_finite: Magnitude
    min_normal: Magnitude
    """The smallest positive normal number; for fixed-point and table formats the smallest positive step."""
    min_subnormal: Magnitude | None = None
    epsilon: Magnitude | None = None
    """The gap between 1 and the next larger number."""
    has_inf: YesNo
    has_nan: YesNo
    distinct_finite_values: Magnitude | None = None
    block_size: Count | None = None
    """Elements that share a scale."""
    block_scale: Word | None = None
    tensor_scale: Word | None = None
    effective_bits: Bits | None = None
    """Of one element with its share of the block's scale."""

    @property
    def bytes_per_element(self) -> float:
        """Bytes that one element takes in memory, its share of the block's scale included."""
        return (self.effective_bits or self.storage_bits).si


KIND = in_file(
    NumberFormat,
    name="format",
    about="number formats, fp64 to nvfp4",
    home="number_formats.yaml",
    headline=("storage_bits", "max_finite", "epsilon", "block_size"),
)
