"""The pure models of training: schedule, rules, ladder, step time, memory and the choice of a size."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aistack.errors import BadInput, DoesNotFit
from aistack.frameworks import memory
from aistack.hardware.machine import Machine, MatmulRate
from aistack.training import hyperparameters, plan, step
from aistack.training.ladder import RUNGS, below, ladder, shape
from aistack.training.plan import Pace, choose
from aistack.training.recipe import Recipe
from aistack.training.scaling import PUBLISHED, Pilot, anchor
from aistack.training.schedule import Schedule

MACHINE = Machine(
    "made up",
    "cpu",
    2,
    24e9,
    {"float32": MatmulRate(1e11, 2e10, 2e10), "bfloat16": MatmulRate(3e11, 2e10, 2e10)},
    3e10,
    1e-6,
)
LAWS = [anchor(law, [Pilot(7e5, 2e5, 6.2), Pilot(2e6, 8e5, 5.2)], 3.3, 6.7) for law in PUBLISHED]


@settings(deadline=None)
@given(st.integers(1, 2000), st.floats(1e-6, 1), st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_schedule_rises_stays_and_falls(steps: int, peak: float, warmup: float, decay: float) -> None:
    schedule = Schedule(steps, peak, warmup, decay)
    rates = [schedule.rate(step) for step in range(steps)]
    assert all(0 < rate <= peak for rate in rates)
    top = int(np.argmax(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    after = [rate for rate in rates[top:] if rate < max(rates)]
    assert after == sorted(after, reverse=True)


def test_a_schedule_by_hand() -> None:
    schedule = Schedule(10, 1.0, warmup=0.2, decay=0.5)
    wanted = [0.5, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2]
    assert [schedule.rate(step) for step in range(10)] == pytest.approx(wanted)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Schedule(0, 1e-3),
        lambda: Schedule(10, 0.0),
        lambda: Schedule(10, 1e-3, warmup=0.6, decay=0.6),
        lambda: Schedule(10, 1e-3, warmup=-0.1),
    ],
)
def test_an_impossible_schedule_is_refused(make: object) -> None:
    with pytest.raises(BadInput):
        make()  # type: ignore[operator]


def test_deepseeks_rule_gives_the_values_they_trained_with() -> None:
    # DeepSeek LLM, table 2: 7 B on 2 T tokens at 4.2e-4 and 2304 x 4096 tokens, 67 B at 3.2e-4 and 4608 x 4096
    for layers, width, rate, batch in ((30, 4096, 4.2e-4, 2304), (95, 8192, 3.2e-4, 4608)):
        flop = (72 * layers * width**2 + 12 * layers * width * 4096) * 2e12
        assert hyperparameters.learning_rate(flop) == pytest.approx(rate, rel=0.1)
        assert hyperparameters.batch_tokens(flop) == pytest.approx(batch * 4096, rel=0.15)


def test_the_flop_of_a_run_is_deepseeks_count() -> None:
    # their M = 72 L d^2 + 12 L d l supposes 12 d^2 parameters a layer; ours counts the layer's own
    spec = shape(256, 4, 4096, 256)
    layers = spec.parameters - 4096 * 256
    assert hyperparameters.run_flop(spec, 256, 1.0) == pytest.approx(6 * layers + 12 * 4 * 256 * 256)


@settings(deadline=None)
@given(st.floats(1e9, 1e22))
def test_a_batch_is_a_power_of_two_near_the_rule(flop: float) -> None:
    batch = hyperparameters.batch_sequences(flop, 1e18, 256)
    assert batch & (batch - 1) == 0
    wanted = hyperparameters.batch_tokens(flop) / 256
    assert batch == hyperparameters.LEAST_BATCH or 2**-0.51 < batch / wanted < 2**0.51


@given(st.floats(1e3, 1e12))
def test_a_short_run_takes_smaller_batches_for_the_sake_of_steps(tokens: float) -> None:
    batch = hyperparameters.batch_sequences(1e22, tokens, 256)
    steps = tokens / (batch * 256)
    assert batch == hyperparameters.LEAST_BATCH or steps > hyperparameters.ENOUGH_STEPS * 2**-0.51


def test_the_rate_follows_the_root_of_the_batch() -> None:
    """At DeepSeek's own batch it is DeepSeek's rate; at a quarter of it, half."""
    flop = 1e18
    unit, tokens = hyperparameters.rate_over_root(flop), hyperparameters.batch_tokens(flop)
    assert unit * tokens**0.5 == pytest.approx(hyperparameters.learning_rate(flop))
    spec = shape(64, 2, 4096, 256)
    small, large = (plan.recipe(spec, 100, batch, 256, "float32", unit, 0) for batch in (4, 16))
    assert large.schedule.peak == pytest.approx(2 * small.schedule.peak)


def test_the_ladder_climbs_evenly_and_trial_models_are_not_on_it() -> None:
    specs = ladder(4096, 256)
    sizes = [spec.parameters for spec in specs]
    assert all(1.15 < above / under < 2.2 for under, above in itertools.pairwise(sizes))
    assert sizes[-1] > 100e6
    on_it = set(RUNGS)
    for spec in specs:
        for rungs in range(3):
            trial = below(spec, rungs)
            assert (trial.hidden, trial.layers) not in on_it
            assert trial.parameters <= spec.parameters


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_larger_model_and_a_larger_batch_take_longer_and_more_memory(dtype: memory.Precision) -> None:
    specs = ladder(4096, 256)
    times = [step.estimate(MACHINE, spec, 8, 256, dtype).seconds for spec in specs]
    assert times == sorted(times)
    batches = [step.estimate(MACHINE, specs[5], batch, 256, dtype) for batch in (1, 2, 4, 8, 16)]
    assert [each.seconds for each in batches] == sorted(each.seconds for each in batches)
    # launches are shared by more tokens
    assert [each.tokens_per_second for each in batches] == sorted(each.tokens_per_second for each in batches)
    needs = [memory.estimate(spec, 8, 256, dtype).total for spec in specs]
    assert needs == sorted(needs)


def test_a_step_is_the_sum_of_its_kinds_and_no_faster_than_its_products_at_peak() -> None:
    spec = shape(512, 8, 4096, 256)
    estimated = step.estimate(MACHINE, spec, 8, 256, "bfloat16")
    assert sum(estimated.by_kind.values()) == pytest.approx(estimated.seconds)
    # six FLOP a parameter and token (Kaplan et al. 2020), attention aside
    assert estimated.seconds > 6 * spec.parameters * 8 * 256 / 3e11
    assert 0 < estimated.flop_utilization < 1


def test_model_flop_is_six_a_parameter_and_twelve_an_attention_score() -> None:
    # Chowdhery et al. 2022, appendix B: 6 N + 12 L H Q T a token, N without the token table's lookup
    spec = shape(768, 12, 4096, 256)
    norms = 768 * (2 * 12 + 1)
    wanted = (6 * (spec.parameters - norms) + 12 * 12 * 768 * 256) * 4 * 256
    assert step.model_flop(spec, 4, 256) == pytest.approx(wanted, rel=1e-9)


def test_factors_scale_their_kind_alone() -> None:
    spec = shape(128, 4, 4096, 256)
    plain = step.estimate(MACHINE, spec, 4, 256, "float32")
    slower = step.estimate(MACHINE, spec, 4, 256, "float32", {"attention": 3.0})
    assert slower.by_kind["attention"] == pytest.approx(3 * plain.by_kind["attention"])
    assert slower.by_kind["matmul"] == plain.by_kind["matmul"]


def test_precision_is_what_multiplies_faster() -> None:
    assert step.precision(MACHINE) == "bfloat16"
    slow = replace(MACHINE, matmul={**MACHINE.matmul, "bfloat16": MatmulRate(1e9, 2e10, 2e10)})
    assert step.precision(slow) == "float32"
    assert step.precision(replace(MACHINE, matmul={"float32": MACHINE.matmul["float32"]})) == "float32"


def test_more_time_never_makes_the_chosen_model_worse() -> None:
    pace = Pace(MACHINE, 256, "bfloat16", {})
    losses, sizes = [], []
    for seconds in (10, 100, 1000, 10_000, 100_000):
        candidates = [plan.estimate(pace, spec, seconds, LAWS, 8e6) for spec in ladder(4096, 256)]
        best = choose(pace, candidates)
        assert best.forecast.loss == min(each.forecast.loss for each in candidates)
        losses.append(best.forecast.loss)
        sizes.append(best.spec.parameters)
    assert losses == sorted(losses, reverse=True)
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1]


def test_a_large_model_is_not_chosen_for_steps_that_there_is_no_time_for() -> None:
    pace = Pace(MACHINE, 256, "bfloat16", {})
    for seconds in (1e-3, 0.1, 0.3, 1.0, 3.0):
        candidates = [plan.estimate(pace, spec, seconds, LAWS, 8e6) for spec in ladder(4096, 256)]
        best = choose(pace, candidates)
        assert all(each.tokens == pytest.approx(seconds * each.step.tokens_per_second) for each in candidates)
        if best.spec != candidates[0].spec:
            assert plan.LEAST_STEPS * best.step.seconds <= seconds * (1 + 1e-9)


def test_a_model_that_does_not_fit_is_not_chosen() -> None:
    def best_with(bytes_of_memory: float) -> plan.Candidate:
        pace = Pace(replace(MACHINE, memory=bytes_of_memory), 256, "bfloat16", {})
        return choose(pace, [plan.estimate(pace, spec, 1e6, LAWS, 1e9) for spec in ladder(4096, 256)])

    large, small = best_with(24e9), best_with(5e8)
    assert small.memory <= 5e8 < large.memory
    assert small.batch < large.batch
    with pytest.raises(DoesNotFit):
        best_with(1e6)


def test_a_recipes_fingerprint_tells_every_change() -> None:
    recipe = Recipe(shape(64, 2, 4096, 256), Schedule(100, 1e-3), 4, 256, "float32", 0)
    others = [
        replace(recipe, seed=1),
        replace(recipe, batch=8),
        replace(recipe, schedule=replace(recipe.schedule, peak=2e-3)),
        replace(recipe, spec=shape(64, 4, 4096, 256)),
    ]
    assert len({recipe.fingerprint, *(other.fingerprint for other in others)}) == 5
    assert recipe.fingerprint == replace(recipe).fingerprint
    assert recipe.tokens == 100 * 4 * 256


def test_no_pickle_is_written_or_read_by_the_layer() -> None:
    import aistack.training

    folder = Path(aistack.training.__file__).parent
    for path in folder.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        assert "pickle" not in source.replace("never a pickle", "") and "torch.load" not in source, path
        assert "torch.save" not in source, path
