"""The operations of a step against the model's own count of FLOP and the step's own time."""

from __future__ import annotations

import pytest

from aistack.frameworks.operators import flops_per_token
from aistack.scenario import TrainingScenario
from aistack.training import operations, parallel_step
from aistack.training.parallel import Plans


@pytest.mark.parametrize(
    "asked",
    [
        {"model": "llama-3.1-8b", "on": "64xh100-sxm5", "tp": 2, "pp": 2},
        {"model": "llama-3.1-405b", "on": "1024xh100-sxm5", "tp": 8, "pp": 16},
        {"model": "mixtral-8x7b", "on": "64xh100-sxm5", "ep": 8, "pp": 2, "precision": "fp8"},
        {"model": "llama-3.1-8b", "on": "64xh100-sxm5", "tp": 2, "cp": 4},
    ],
)
@pytest.mark.parametrize("recomputation", ["none", "full"])
def test_operations_sum_to_the_models_flop_and_the_steps_time(asked, recomputation: str) -> None:  # type: ignore[no-untyped-def]
    scenario = TrainingScenario(**asked, seq_len=4096, global_batch=256, recomputation=recomputation)
    whole = scenario.job
    found = operations.estimate(whole, scenario.plan)
    assert [each.seconds for each in found] == sorted((each.seconds for each in found), reverse=True)
    computing = [each for each in found if "proj" in each.name or each.name in ("attention", "lm head", "router")]
    counted = sum(each.flop for each in computing) * scenario.plan.chips
    model = flops_per_token(whole.spec, whole.seq_len, "causal") * whole.seq_len * whole.global_batch
    # recomputing repeats the forward third; attention computes its scores again in the backward pass as it is
    extra = 4 / 3 if recomputation == "full" else 1.0
    assert counted / model == pytest.approx(extra, rel=0.04)
    shares = parallel_step.estimate(whole, Plans.of([scenario.plan])).shares
    step = sum(
        float(shares[name][0])
        for name in (
            "useful arithmetic at peak", "matrix products below peak", "attention below peak", "memory-bound kernels"
        )
    )  # fmt: skip
    if recomputation == "none":
        assert sum(each.seconds for each in found) == pytest.approx(step, rel=1e-6)


def test_no_operation_beats_the_roofline_by_much() -> None:
    scenario = TrainingScenario(model="llama-3.1-8b", on="8xh100-sxm5", seq_len=8192, global_batch=64)
    whole = scenario.job
    for each in operations.estimate(whole, scenario.plan):
        assert each.flop / each.seconds < whole.chip.peak["bf16"]
        assert each.bytes / each.seconds < whole.chip.memory_bandwidth
