"""A pilot: a short complete run, whose loss tells where a scaling law lies for this text."""

from __future__ import annotations

from aistack.frameworks.lab.shards import Shards
from aistack.training.lab.learner import Learner
from aistack.training.recipe import Recipe
from aistack.training.scaling import Pilot


def measure(recipe: Recipe, shards: Shards, validation: Shards, device: str, sequences: int) -> Pilot:
    """Train the recipe to its end and evaluate it on the first `sequences` of `validation`; nothing is kept."""
    learner = Learner(recipe, shards, device)
    for _ in range(recipe.schedule.steps):
        learner.step()
    return Pilot(recipe.spec.parameters, recipe.tokens, learner.evaluate(validation, sequences))
