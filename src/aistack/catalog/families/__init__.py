"""How each family of models is built from its configuration. A family is a value of Hugging Face's `model_type`."""

from aistack.catalog.families import classics, hybrids, llama
from aistack.catalog.families.building import Family
from aistack.catalog.families.fields import Fields

FAMILIES: dict[str, Family] = llama.FAMILIES | classics.FAMILIES | hybrids.FAMILIES
"""Every supported `model_type` with its reader."""

__all__ = ["FAMILIES", "Fields"]
