"""What every figure shares: the theme (colours, type) and the `Figure` type. Below all layers."""

from aistack.drawing.figure import Figure
from aistack.drawing.theme import HUES, LAYERS, Layer

__all__ = ["HUES", "LAYERS", "Figure", "Layer"]
