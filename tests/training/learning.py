"""What the tests of training share: shards of a small language that can be learnt, written for real."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from aistack.frameworks.lab.shards import Shards, open_shards, pack, write_shards

VOCAB, LENGTH = 128, 32


def write(folder: Path, documents: int = 400) -> tuple[Shards, Shards]:
    """Documents in which every token but the separator tells the next one, up to one of two: ln 2 nats at best."""
    random = np.random.default_rng(0)

    def document() -> list[int]:
        token, tokens = int(random.integers(1, VOCAB)), []
        for _ in range(int(random.integers(20, 60))):
            tokens.append(token)
            token = 1 + (5 * token + int(random.integers(2))) % (VOCAB - 1)
        return tokens

    splits = {
        "train": pack([document() for _ in range(documents)], LENGTH, 0),
        "validation": pack([document() for _ in range(documents // 8)], LENGTH, 0),
    }
    write_shards(folder, LENGTH, splits, {})  # type: ignore[arg-type]
    return open_shards(folder, "train"), open_shards(folder, "validation")


def train_in(root: Path) -> None:
    """Entry point of the process that the resume test kills: trains `root`'s shards with checkpoints in `root`."""
    import time

    from aistack.training.lab import loop
    from aistack.training.lab.learner import Learner

    pause = 0.15 if (root / "slow").exists() else 0.0

    def watch(learner: Learner) -> None:
        del learner
        time.sleep(pause)

    learner = loop.train(
        recipe(),
        open_shards(root / "shards", "train"),
        open_shards(root / "shards", "validation"),
        root / "checkpoints",
        "cpu",
        every=5,
        sequences=8,
        watch=watch,
        say=print,
    )
    from safetensors.torch import save_file

    save_file(
        {name: weight.detach().clone() for name, weight in learner.model.named_parameters()}, root / "final.safetensors"
    )


def recipe(steps: int = 30, seed: int = 7):  # type: ignore[no-untyped-def]
    from aistack.training.ladder import shape
    from aistack.training.recipe import Recipe
    from aistack.training.schedule import Schedule

    return Recipe(shape(64, 2, VOCAB, LENGTH), Schedule(steps, 1e-2), 8, LENGTH, "float32", seed)


if __name__ == "__main__":
    import sys

    train_in(Path(sys.argv[1]))
