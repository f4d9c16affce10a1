"""Finding a learning rate: short complete runs at several, hopeless ones stopped early, by Optuna."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from aistack.frameworks.lab.shards import Shards
from aistack.training.lab.learner import Diverged, Learner
from aistack.training.recipe import Recipe

_READINGS = 4
"""Evaluations in a trial, evenly spaced, the last at its end."""


@dataclass(frozen=True)
class Trial:
    """One learning rate tried."""

    rate: float
    readings: tuple[tuple[int, float], ...]
    """(tokens, validation loss in nats a token), the last at the end of the run unless it was pruned."""
    pruned: bool


def tune(
    recipe: Recipe,
    shards: Shards,
    validation: Shards,
    journal: Path,
    device: str,
    *,
    trials: int,
    reach: float,
    sequences: int,
    watch: Callable[[Trial], None],
) -> tuple[Trial, ...]:
    """Try `trials` peak learning rates between the recipe's divided by `reach` and multiplied by it.

    The first is the recipe's own, the next lie two thirds of the way to either end, the others come from a
    tree-structured Parzen estimator (Bergstra et al. 2011). A trial whose loss lies above the median of the earlier
    ones at the same point is stopped, as is one that diverges. Every trial is a complete run with its own
    decayed schedule, so that its last loss can anchor a scaling law. Finished trials are kept in `journal`: a study
    that was killed goes on with those that are missing.
    """
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    _mend(journal)
    backend = JournalFileBackend(str(journal), lock_obj=JournalFileOpenLock(str(journal)))
    study = optuna.create_study(
        storage=JournalStorage(backend),
        study_name=recipe.fingerprint,
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=recipe.seed, n_startup_trials=3),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=2),
    )
    peak = recipe.schedule.peak
    for killed in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(killed.number, state=TrialState.FAIL)
    if not study.trials:
        for power in (0.0, -2 / 3, 2 / 3):
            study.enqueue_trial({"rate": peak * reach**power})
    finished = [_read(trial, recipe) for trial in study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))]

    while len(finished) < trials:
        asked = study.ask()
        rate = asked.suggest_float("rate", peak / reach, peak * reach, log=True)
        learner = Learner(replace(recipe, schedule=replace(recipe.schedule, peak=rate)), shards, device)
        state = TrialState.COMPLETE
        loss = 0.0
        for quarter in range(1, _READINGS + 1):
            try:
                loss = _advance(learner, validation, quarter / _READINGS, sequences)
            except Diverged:
                state = TrialState.PRUNED
                break
            asked.report(loss, quarter)
            if quarter < _READINGS and asked.should_prune():
                state = TrialState.PRUNED
                break
        told = study.tell(asked, loss if state is TrialState.COMPLETE else None, state=state)
        finished.append(_read(told, recipe))
        watch(finished[-1])
    return tuple(finished)


def best(trials: tuple[Trial, ...]) -> Trial:
    """The trial that ran to its end with the least loss. Raises `Diverged` where none did."""
    complete = [trial for trial in trials if not trial.pruned]
    if not complete:
        raise Diverged(
            "Every learning rate that was tried made training break down. Check the text: is it all one token?"
        )
    return min(complete, key=lambda trial: trial.readings[-1][1])


def _mend(journal: Path) -> None:
    """Take off what a killed run or a full disk may have left: Optuna's lock, and a last line half written."""
    journal.parent.mkdir(parents=True, exist_ok=True)
    journal.with_name(f"{journal.name}.lock").unlink(missing_ok=True)
    if journal.exists():
        lines = journal.read_bytes()
        with journal.open("r+b") as handle:
            handle.truncate(lines.rfind(b"\n") + 1)


def _advance(learner: Learner, validation: Shards, share: float, sequences: int) -> float:
    while learner.steps < round(share * learner.recipe.schedule.steps):
        learner.step()
    return learner.evaluate(validation, sequences)


def _read(trial: object, recipe: Recipe) -> Trial:
    from optuna.trial import FrozenTrial, TrialState

    assert isinstance(trial, FrozenTrial)
    readings = tuple(
        (round(quarter / _READINGS * recipe.schedule.steps) * recipe.batch * recipe.seq_len, loss)
        for quarter, loss in sorted(trial.intermediate_values.items())
    )
    return Trial(float(trial.params["rate"]), readings, trial.state is TrialState.PRUNED)
