"""Training for real: it learns, it resumes exactly after kill -9, it survives broken checkpoints, it stops on NaN."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import learning
import numpy as np
import pytest
import torch
from safetensors import safe_open

from aistack.errors import BadInput
from aistack.frameworks.lab.shards import Shards
from aistack.training.lab import breakdown, checkpoint, entropy, loop, pilots, speed
from aistack.training.lab.footprint import peak_memory
from aistack.training.lab.learner import Diverged, Learner
from aistack.training.lab.tuning import best, tune


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shards, Shards]:
    return learning.write(tmp_path_factory.mktemp("text") / "shards")


def train(root: Path, text: tuple[Shards, Shards], steps: int = 12, **changes: object) -> tuple[Learner, list[str]]:
    said: list[str] = []
    recipe = replace(learning.recipe(steps), **changes)
    learner = loop.train(
        recipe, *text, root / "checkpoints", "cpu", every=4, sequences=8, watch=lambda learner: None, say=said.append
    )
    return learner, said


def weights(learner: Learner) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in learner.model.named_parameters()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_it_learns_what_there_is_to_learn(text: tuple[Shards, Shards]) -> None:
    learner = Learner(learning.recipe(150), text[0], "cpu")
    before = learner.evaluate(text[1], 32)
    assert before == pytest.approx(np.log(learning.VOCAB), abs=0.3)  # an untrained model guesses
    for _ in range(150):
        learner.step()
    after = learner.evaluate(text[1], 32)
    # the language has ln 2 = 0.69 nats a token inside a document, and a little more at its ends
    assert 0.6 < after < 1.3
    assert entropy.measure(text[0]) > 4 > after


def test_one_recipe_gives_one_set_of_weights(tmp_path: Path, text: tuple[Shards, Shards]) -> None:
    first, again = (train(tmp_path / name, text)[0] for name in ("a", "b"))
    other, _ = train(tmp_path / "c", text, seed=8)
    assert same(weights(first), weights(again))
    assert not same(weights(first), weights(other))


def test_a_run_killed_with_kill_9_ends_with_the_same_bits(tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    finals = {}
    for name in ("whole", "killed"):
        root = tmp_path / name
        learning.write(root / "shards")
        command = [sys.executable, "-W", "error", str(Path(learning.__file__)), str(root)]
        if name == "killed":
            (root / "slow").touch()
            process = subprocess.Popen(command, env=environment)
            deadline = time.monotonic() + 60
            while not (root / "checkpoints" / "step-00000015.sha256").exists():
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.02)
            time.sleep(0.2)  # into the steps after the checkpoint
            process.send_signal(signal.SIGKILL)
            assert process.wait(10) == -signal.SIGKILL
            assert not (root / "final.safetensors").exists()
            (root / "slow").unlink()
        subprocess.run(command, env=environment, check=True, timeout=120)
        finals[name] = hashlib.sha256((root / "final.safetensors").read_bytes()).hexdigest()
    assert finals["whole"] == finals["killed"]
    assert [path.name for path in (tmp_path / "killed").rglob("*partial*")] == []


def test_history_is_resumed_with_the_weights(tmp_path: Path, text: tuple[Shards, Shards]) -> None:
    whole, _ = train(tmp_path / "whole", text)
    learner = Learner(learning.recipe(12), text[0], "cpu")
    for _ in range(4):
        learner.step()
    learner.history.validation.append((4, learner.evaluate(text[1], 8)))
    checkpoint.save(tmp_path / "cut" / "checkpoints", loop.snapshot(learner))
    resumed, _ = train(tmp_path / "cut", text)
    assert resumed.history.losses == whole.history.losses
    assert resumed.history.validation == whole.history.validation
    assert len(resumed.history.seconds) == 12


@pytest.mark.parametrize("damage", ["truncated", "altered", "hash gone"])
def test_a_broken_checkpoint_falls_back_to_the_one_before(
    tmp_path: Path, text: tuple[Shards, Shards], damage: str
) -> None:
    whole, _ = train(tmp_path, text)
    newest = max((tmp_path / "checkpoints").glob("*.safetensors"))
    content = newest.read_bytes()
    if damage == "truncated":
        newest.write_bytes(content[: len(content) // 2])
    elif damage == "altered":
        newest.write_bytes(content[:-100] + bytes([content[-100] ^ 1]) + content[-99:])
    else:
        newest.with_suffix(".sha256").unlink()
    again, said = train(tmp_path, text)
    assert same(weights(again), weights(whole))
    if damage != "hash gone":  # a file without its hash is what a kill leaves; nothing is lost and nothing to tell
        assert newest.name in said[0] and "step-00000008" in said[0]


def test_without_an_intact_checkpoint_the_message_says_what_to_do(tmp_path: Path, text: tuple[Shards, Shards]) -> None:
    train(tmp_path, text)
    kept = list((tmp_path / "checkpoints").glob("*.safetensors"))
    assert len(kept) == 2
    for path in kept:
        path.write_bytes(b"")
    with pytest.raises(BadInput, match=r"No checkpoint in .* is intact"):
        train(tmp_path, text)
    assert all(path.exists() for path in kept)


def test_a_checkpoint_of_another_recipe_is_not_taken_up(tmp_path: Path, text: tuple[Shards, Shards]) -> None:
    train(tmp_path, text)
    with pytest.raises(BadInput, match="another training run"):
        train(tmp_path, text, seed=9)


def test_a_checkpoint_holds_no_pickle_and_checks_with_sha256sum(tmp_path: Path, text: tuple[Shards, Shards]) -> None:
    learner, _ = train(tmp_path, text)
    folder = tmp_path / "checkpoints"
    assert {path.suffix for path in folder.iterdir()} == {".safetensors", ".sha256"}
    newest = max(folder.glob("*.safetensors"))
    content = newest.read_bytes()
    # every pickle since protocol 2 begins with its PROTO opcode, every archive of torch.save with PK
    assert not content.startswith((b"PK", b"\x80")) and b"cpython" not in content
    subprocess.run(["sha256sum", "--check", "--quiet", f"{newest.stem}.sha256"], cwd=folder, check=True)
    with safe_open(newest, "pt") as tensors:
        names = set(tensors.keys())
    assert {"random", "weight.model.norm.weight", "exp_avg.model.norm.weight", "step.model.norm.weight"} <= names
    assert learner.steps == 12


def test_a_full_disk_leaves_the_checkpoints_that_were_there(
    tmp_path: Path, text: tuple[Shards, Shards], monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors import SafetensorError

    learner, _ = train(tmp_path, text)
    folder = tmp_path / "checkpoints"
    before = {path: path.read_bytes() for path in folder.iterdir()}

    def full(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(folder, loop.snapshot(learner))
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_training_that_breaks_down_stops_and_keeps_the_last_checkpoint(
    tmp_path: Path, text: tuple[Shards, Shards]
) -> None:
    recipe = learning.recipe(12)
    wild = replace(recipe, schedule=replace(recipe.schedule, peak=1e4, warmup=0.9, decay=0.0), clip=1e9)
    with pytest.raises(Diverged, match="learning rate"):
        loop.train(
            wild, *text, tmp_path, "cpu", every=1, sequences=8, watch=lambda learner: None, say=lambda words: None
        )
    found = checkpoint.load(tmp_path, print)
    assert found is not None and all(bool(tensor.isfinite().all()) for tensor in found.tensors.values())


def test_tuning_finds_a_rate_prunes_and_resumes(tmp_path: Path, text: tuple[Shards, Shards]) -> None:
    recipe = replace(learning.recipe(40), schedule=replace(learning.recipe(40).schedule, peak=2e-3))
    seen: list[float] = []

    def search(count: int) -> tuple[object, ...]:
        return tune(
            recipe, *text, tmp_path / "tuning.jsonl", "cpu",
            trials=count, reach=8.0, sequences=16, watch=lambda trial: seen.append(trial.rate),
        )  # fmt: skip

    first = search(2)
    with (tmp_path / "tuning.jsonl").open("ab") as journal:
        journal.write(b'{"op_code": 4, "half')  # killed while it wrote
    (tmp_path / "tuning.jsonl.lock").touch()
    trials = search(5)
    assert trials[:2] == first and len(trials) == 5 and len(seen) == 5
    assert trials[0].rate == pytest.approx(2e-3)  # type: ignore[attr-defined]
    assert all(2e-3 / 8 <= rate <= 2e-3 * 8 for rate in seen)
    found = best(trials)  # type: ignore[arg-type]
    assert found.readings[-1][0] == recipe.tokens
    assert found.readings[-1][1] <= trials[0].readings[-1][1]  # type: ignore[attr-defined]


def test_without_a_trial_that_ended_there_is_no_best() -> None:
    with pytest.raises(Diverged):
        best(())


def test_a_pilot_is_what_training_reaches(text: tuple[Shards, Shards]) -> None:
    recipe = learning.recipe(20)
    learner = Learner(recipe, text[0], "cpu")
    for _ in range(20):
        learner.step()
    pilot = pilots.measure(recipe, *text, "cpu", 16)
    assert pilot.loss == learner.evaluate(text[1], 16)
    assert pilot.tokens == recipe.tokens == 20 * 8 * learning.LENGTH


def test_a_step_is_timed_and_taken_apart(text: tuple[Shards, Shards]) -> None:
    learner = Learner(learning.recipe(1000), text[0], "cpu")
    seconds = speed.measure(learner, 0.0)
    assert len(seconds) == 3 and min(seconds) > 0
    by_kind = breakdown.measure(learner)
    assert sum(by_kind.values()) == pytest.approx(float(np.median(learner.history.seconds[: len(seconds) + 2])))
    assert by_kind["matmul"] > 0 and by_kind["elementwise"] > 0 and by_kind["attention"] > 0


def test_the_footprint_of_known_tensors() -> None:
    for _ in range(2):  # memory that was freed before counts again
        with peak_memory("cpu") as grown:
            held = [torch.ones(1_000_000) for _ in range(50)]
            del held
        assert grown.bytes == pytest.approx(200e6, rel=0.1)
