"""What the opening of Part 1 computes."""

from __future__ import annotations

from aistack.book.setting import Setting
from aistack.hardware.chip import PEAKS


def words(setting: Setting) -> dict[str, str]:
    """The catalog's field of the chip's 16-bit peak, or of its highest."""
    peaks = setting.facts.peaks
    fields = [each for precision in ("bf16", "fp16", "fp32") for each in PEAKS[precision] if each in peaks]
    return {"peak_field": f"peaks.{fields[0]}"}
