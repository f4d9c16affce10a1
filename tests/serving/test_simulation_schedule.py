"""The jumping play against the one that goes token by token."""

import math
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from token_by_token import Outcome, serve

from aistack.serving.playing import Limits, Played, play
from aistack.serving.shared_blocks import SharedBlocks
from aistack.serving.step_table import StepTable


@dataclass(frozen=True)
class Case:
    table: StepTable
    limits: Limits
    arrival: list[float]
    prompt: list[int]
    left: list[int]
    cached: list[int]
    clients: int
    names: list[tuple[int, ...]] | None = None


BLOCK = 4


def jump(case: Case, horizons: tuple[float, ...] = ()) -> Played:
    count, clients = len(case.prompt), case.clients
    first = clients or count
    played = Played(
        unsent=count - first,
        arrival=case.arrival[:first],
        prompt=list(case.prompt),
        left=list(case.left),
        cached=list(case.cached),
    )
    blocks = None if case.names is None else SharedBlocks(BLOCK, list(case.names))
    playing = play(case.table, case.limits, played, count, blocks)
    next(playing)
    for horizon in horizons:
        playing.send(horizon)
    with pytest.raises(StopIteration):
        playing.send(math.inf)
    return played


def slow(case: Case) -> Outcome:
    columns = (case.arrival, case.prompt, case.left, case.cached)
    return serve(case.table, case.limits, *columns, case.clients, case.names, BLOCK)


# sums of multiples of 1/64 that stay small are exact, so both ways must give the same floats
@st.composite
def cases(draw: st.DrawFn, unit: float = 1 / 64) -> Case:
    count = draw(st.integers(1, 12))
    speculating = draw(st.booleans())
    growth, width = (draw(st.sampled_from([1.5, 2.0, 2.75])), 4) if speculating else (1.0, 1)
    prompt = draw(st.lists(st.integers(1, 40), min_size=count, max_size=count))
    left = draw(st.lists(st.integers(0, 30), min_size=count, max_size=count))
    kind = draw(st.sampled_from(["none", "some", "all"]))
    cached = [0] * count
    if kind == "some":
        cached = [draw(st.integers(0, each - 1)) for each in prompt]
    elif kind == "all":
        cached, left = list(prompt), [max(1, each) for each in left]
    slack = draw(st.sampled_from([0.0, 7.5]))
    # a request that is preempted again and again rounds what it holds down each time, never up
    longest = max(own + 1 + growth * more for own, more in zip(prompt, left, strict=True)) + slack
    capacity = longest + draw(st.one_of(st.just(10**6), st.integers(0, 80)))
    max_batch = draw(st.integers(1, 8))
    clients = draw(st.one_of(st.just(0), st.integers(1, count)))
    gaps = draw(st.lists(st.integers(0, 400), min_size=count, max_size=count))
    arrival = [unit * sum(gaps[: i + 1]) for i in range(count)] if not clients else [0.0] * count
    number = st.integers(1, 64)
    base, token, matrix, beside, own, earlier, ending = (unit * draw(number) for _ in range(7))
    most = max_batch * width + sum(prompt) + sum(left) * 3 + 200
    table = StepTable(
        decode_base=[base * (1 + each) for each in range(max_batch + 1)],
        per_token=[token / (1 + each % 2) for each in range(max_batch + 1)],
        rows=[matrix * (1 + each // 3) for each in range(most)],
        beside=[beside * each for each in range(max_batch + 1)],
        prompt=[own * (each % 4) for each in range(most)],
        earlier=[earlier / (1 + each % 2) for each in range(most)],
        ending=ending,
    )
    budget = draw(st.one_of(st.integers(1, 12), st.just(100)))
    whole = draw(st.booleans())
    limits = Limits(max_batch, budget, capacity, whole, slack, growth, width)
    return Case(table, limits, arrival, prompt, left, cached, clients)


@settings(max_examples=1000, deadline=None)
@given(cases())
def test_jumping_gives_the_same_times_as_stepping(case: Case) -> None:
    played, reference = jump(case), slow(case)
    assert played.start == [each.start for each in reference.requests]
    assert played.first == [each.first for each in reference.requests]
    assert played.done == [each.done for each in reference.requests]
    assert played.arrival == [each.arrival for each in reference.requests]
    assert played.preempted == reference.preempted
    assert max(played.before) <= case.limits.kv_capacity
    assert max(played.after) >= reference.peak


@st.composite
def sharing(draw: st.DrawFn) -> Case:
    """Prompts that begin as others do, and go on by themselves."""
    case = draw(cases())
    names = list[tuple[int, ...]]()
    for place, prompt in enumerate(case.prompt):
        whole = prompt // BLOCK
        family, alike = draw(st.integers(0, 2)), draw(st.integers(0, whole))
        own = tuple(1000 * (place + 1) + each for each in range(alike, whole))
        names.append(tuple(100 * family + each for each in range(alike)) + own)
    return replace(case, cached=[0] * len(names), left=[max(1, each) for each in case.left], names=names)


@settings(max_examples=1000, deadline=None)
@given(sharing())
def test_jumping_finds_the_same_blocks_as_stepping(case: Case) -> None:
    played, reference = jump(case), slow(case)
    assert played.found == [each.found for each in reference.requests]
    assert played.start == [each.start for each in reference.requests]
    assert played.first == [each.first for each in reference.requests]
    assert played.done == [each.done for each in reference.requests]
    assert played.preempted == reference.preempted
    assert max(played.before) <= case.limits.kv_capacity
    assert max(played.after) >= reference.peak


@settings(max_examples=300, deadline=None)
@given(cases(), st.lists(st.floats(0, 500), max_size=6))
def test_playing_up_to_a_time_changes_nothing(case: Case, times: list[float]) -> None:
    assert jump(case, tuple(sorted(times))).done == jump(case).done
