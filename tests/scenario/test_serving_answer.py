"""The answer to a serving scenario adds up, meets what it says it meets, and refuses what cannot be."""

import functools
import itertools
import json
import math
import re
from typing import Any

import numpy as np
import pytest

from aistack.errors import DoesNotFit
from aistack.scenario import ServingAnswer, ServingScenario, answer_pools, answer_serving, serving_charts, to_json
from aistack.scenario.serving_deployment import server
from aistack.scenario.serving_remedies import require, require_found
from aistack.scenario.serving_search import ServingFound, search

PLAIN: dict[str, Any] = {
    "model": "llama-3.1-70b", "on": "8xh100-sxm5", "prompt": 1024, "output": 256, "rate": "10/s", "ttft": "500ms",
    "tpot": "50ms", "precision": "fp8",
}  # fmt: skip


def scenario(**values: Any) -> ServingScenario:
    return ServingScenario.from_mapping({key: value for key, value in {**PLAIN, **values}.items() if value is not None})


@functools.cache
def answer(**values: Any) -> ServingAnswer:
    return answer_serving(scenario(**values))


@functools.cache
def found(**values: Any) -> ServingFound:
    return search(scenario(**values), best=3)


def test_shares_add_up_to_the_times() -> None:
    for given in (answer(), answer(rate=None, concurrency=16), answer(speculative="ngram")):
        assert sum(share.seconds for share in given.ttft_waterfall) == pytest.approx(given.ttft.mean)
        assert sum(share.seconds for share in given.tpot_waterfall) == pytest.approx(given.tpot.mean)
        useful = given.tpot_waterfall[0].seconds
        # of a 70 GB model on two accelerators at 3.35 TB/s a token takes 10.5 ms at least, unless several come at once
        assert 0.5 * 10.5e-3 < useful * (2.2 if given.scenario.speculative else 1) < 1.5 * 10.5e-3


def test_memory_is_the_accelerators() -> None:
    given = answer()
    assert given.memory_total == pytest.approx(given.capacity)
    assert given.fits
    weights = next(part.bytes for part in given.memory if part.name == "weights")
    assert weights * given.accelerators_per_replica == pytest.approx(70.6e9, rel=0.08)


def test_the_replicas_are_the_fewest() -> None:
    given = answer()
    assert given.meets and given.replicas == given.needed <= given.available
    fewer = answer(replicas=given.replicas - 1)
    assert not fewer.meets
    assert given.ttft.high <= 0.5 and given.tpot.high <= 0.05
    assert given.most >= given.rate == pytest.approx(10)
    assert 0 < given.headroom < 1


def test_little_s_law() -> None:
    given = answer()
    assert given.concurrency == pytest.approx(given.rate * given.latency.mean)
    assert given.latency.mean == pytest.approx(given.ttft.mean + 255 * given.tpot.mean, rel=0.01)
    closed = answer(rate=None, concurrency=64)
    assert closed.rate * closed.latency.mean == pytest.approx(64, rel=0.1)


def test_without_a_load_it_says_the_most() -> None:
    given = answer(rate=None)
    assert given.replicas == given.available == 4
    assert given.rate == pytest.approx(given.most)
    assert given.meets
    assert given.rate > answer().rate


def test_more_of_a_resource_is_never_worse() -> None:
    for what, among in answer().elasticity.items():
        assert all(value >= -1e-3 for value in among.values()), what
    assert answer().bound in answer().elasticity["tpot"]
    assert answer().elasticity["tpot"]["memory bandwidth"] > answer().elasticity["ttft"]["scale-out link"]


def test_cost_is_that_of_the_accelerators() -> None:
    given = answer(price=3.0)
    cost = given.cost
    assert cost.accelerators == given.accelerators
    assert cost.usd_per_hour == pytest.approx(3 * given.accelerators)
    assert cost.usd_per_request == pytest.approx(cost.usd_per_hour / 3600 / given.rate)
    tokens = 1024 * cost.usd_per_million_input + 256 * cost.usd_per_million_output
    assert tokens / 1e6 == pytest.approx(cost.usd_per_request)
    # an accelerator and its host draw between half and one and a half kilowatts
    watts = cost.joules_per_request * given.rate / given.accelerators
    assert 400 < watts < 1500
    assert cost.offers and all(offer.usd_per_request > 0 for offer in cost.offers)
    for offer in cost.offers:
        if math.isfinite(offer.break_even_rate):
            assert offer.break_even_rate * offer.usd_per_request == pytest.approx(cost.usd_per_hour / 3600)


def test_a_day_that_goes_up_and_down_costs_less() -> None:
    flat, swinging = answer(on="64xh100-sxm5", rate="60/s"), answer(on="64xh100-sxm5", rate="60/s", peak_to_mean=3)
    assert max(swinging.day.replicas) == swinging.replicas
    assert swinging.day.saved > 0.3
    assert swinging.cost.usd_per_hour < flat.cost.usd_per_hour
    # but idle hours still cost each request more
    assert swinging.cost.usd_per_request > flat.cost.usd_per_request


def test_availability_takes_spares() -> None:
    careless, careful = answer(availability=0.0), answer(availability=0.9999999)
    assert careless.standing.spares == 0 < careful.standing.spares
    assert careful.standing.availability >= 0.9999999
    assert careful.cost.usd_per_hour > careless.cost.usd_per_hour


def test_everything_goes_into_json() -> None:
    for given in (answer(), answer(rate="1000/s")):
        plain = json.loads(json.dumps(to_json(given), allow_nan=False))
        assert plain["scenario"]["model"] == "llama-3.1-70b"
        assert plain["meets"] == given.meets
        assert plain["deployment"]["tensor_parallel"] == 2


def test_a_goal_that_nothing_meets_says_which_and_what_is_near() -> None:
    given = answer(tpot="5ms")
    assert not given.meets and given.binding is not None and given.binding.name == "tpot"
    with pytest.raises(DoesNotFit) as raised:
        require(given)
    assert raised.value.exit_status == 3
    assert "tpot binds: 5 ms asked" in str(raised.value)
    assert "on 8xh100-sxm5 no deployment does: tpot " in str(raised.value)
    require(answer())


def test_too_few_accelerators_bind_the_rate() -> None:
    given = answer(rate="30/s")
    assert given.binding is not None and given.binding.name == "rate"
    with pytest.raises(DoesNotFit, match=r"The rate binds: 30/s asked, \d replicas") as raised:
        require(given)
    assert re.search(r"on (9|[1-9][0-9])xh100-sxm5: ttft", str(raised.value))


def test_the_search_finds_what_is_no_dearer_than_the_plan() -> None:
    best = found().plans
    assert best and all(each.meets for each in best)
    costs = [each.cost.usd_per_hour for each in best]
    assert costs == sorted(costs)
    assert costs[0] <= answer().cost.usd_per_hour * (1 + 1e-9)
    assert found().fit <= found().considered


def test_the_frontier_is_one() -> None:
    options = found().frontier
    assert len(options) > 5
    for before, after in itertools.pairwise(options):
        assert after.interactivity <= before.interactivity
        assert after.tokens_per_second_per_accelerator > before.tokens_per_second_per_accelerator
    # a single user is served fastest by all accelerators of a host, one token at a time
    assert options[0].clients == 1 and options[0].deployment.tensor_parallel == 8


def test_a_search_for_what_cannot_be() -> None:
    with pytest.raises(DoesNotFit, match="tpot binds"):
        require_found(found(tpot="5ms"), "8xh100-sxm5")
    with pytest.raises(DoesNotFit, match="fits on 1xh100-sxm5"):
        require_found(found(on="1xh100-sxm5", model="llama-3.1-405b"), "1xh100-sxm5")


def test_kinds_of_accelerators_side_by_side() -> None:
    both = search(scenario(), also=("8xh200-sxm",), precisions=("bf16",), best=2)
    assert {option.accelerator for option in both.options} == {"h100-sxm5", "h200-sxm"}
    assert {option.deployment.precision for option in both.options} == {"fp8", "bf16"}
    assert both.considered == 4 * found().considered


def test_charts_say_what_the_answer_says() -> None:
    charts = serving_charts.draw(answer())
    assert {"ttft", "tpot", "memory", "batch", "roofline", "elasticity", "cost"} == set(charts)
    assert all(charts[name].layer == "serving" for name in ("ttft", "tpot", "memory", "batch", "roofline", "cost"))
    assert len(charts["tpot"].table) == len(answer().tpot_waterfall)
    assert all(each.svg.startswith("<svg") for each in charts.values())
    assert not {"tpot", "batch"} & set(serving_charts.draw(answer(output=1)))
    drawn = serving_charts.draw_found(found(), scenario())
    assert {"frontier", "frontier_per_dollar"} == set(drawn)
    assert all(each.svg.startswith("<svg") for each in drawn.values())


def test_the_planned_batch_lies_on_the_curve_of_batches() -> None:
    """The plan is played request by request, the curve is the closed form's."""
    given = answer()
    points = serving_charts.batches(given.scenario, server(given.scenario))
    columns = np.array(points)
    assert np.all(np.diff(columns[:, 0]) > 0) and np.all(np.diff(columns[:, 1]) > 0)
    assert np.interp(given.batch, columns[:, 0], columns[:, 1]) == pytest.approx(given.tpot.mean, rel=0.1)
    each = given.tokens_per_second / given.replicas
    assert np.interp(given.batch, columns[:, 0], columns[:, 2]) == pytest.approx(each, rel=0.1)
    # neither memory nor arithmetic alone takes longer than both with everything else
    assert np.all(columns[:, 3:].max(axis=1) < columns[:, 1])
    assert _sharing(points[0].memory, given) == pytest.approx(given.cluster.chips, rel=0.15)


def _sharing(seconds: float, given: ServingAnswer) -> float:
    """Accelerators whose memory's bandwidth reads the matrices in so many seconds: one sequence reads little else."""
    spec = given.scenario.spec
    size = {"fp8": 1.0, "bf16": 2.0}[given.scenario.precision] * (spec.parameters - 2 * spec.vocab * spec.hidden)
    return size / 3.35e12 / seconds


def test_one_user_of_llama_cpp_is_served_as_measured() -> None:
    """Llama 3 8B in F16 gives 36.9 tokens a second on an M2 Ultra (XiongjieDai's GPU benchmarks, May 2024)."""
    home = ServingScenario.from_mapping(
        {"model": "llama-3-8b", "on": "1xapple-m2-ultra", "prompt": 16, "output": 512, "precision": "fp16",
         "concurrency": 1}
    )  # fmt: skip
    given = answer_serving(home)
    assert given.deployment.engine == "llama.cpp"
    assert 1 / given.tpot.mean == pytest.approx(36.9, rel=0.25)


def test_layers_are_divided_among_cards_at_home() -> None:
    both = ServingScenario.from_mapping(
        {"model": "llama-3.1-8b", "on": "2xrtx-3090", "prompt": 512, "output": 256, "precision": "fp32",
         "concurrency": 1, "engine": "llama.cpp"}
    )  # fmt: skip
    assert answer_serving(both).deployment.pipeline_parallel == 2


def test_memory_that_adds_up_to_the_capacity_fits() -> None:
    # its parts, the room that is left among them, sum to a hair more than 64 GB
    asked = ServingScenario(model="llama-3.1-8b", on="1xapple-m1-max", prompt=1024, output=256, precision="q4_k_m")
    assert answer_serving(asked).fits


def test_pools_are_drawn_each_with_its_own_replica() -> None:
    pools = answer_pools(scenario(prefill="tp=2 replicas=2", decode="tp=4 replicas=1"))
    charts = serving_charts.draw_pools(pools, "a model")
    assert {"ttft", "tpot", "memory", "roofline", "elasticity"} == set(charts)
    assert len({row["plan"] for row in charts["memory"].table}) == 2
    seconds = sum(row["seconds"] for row in charts["tpot"].table)
    assert seconds == pytest.approx(pools.tpot.mean)
