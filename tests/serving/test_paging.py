"""The paged cache, step by step, against what must hold in each step and against a cache counted by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistack.errors import BadInput
from aistack.serving.figures import paged_cache
from aistack.serving.paging import Moment, estimate

LENGTHS = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=7)


def tokens(moment: Moment) -> dict[int, list[int]]:
    held: dict[int, list[int]] = {}
    for each in moment.blocks:
        if each:
            held.setdefault(each[0], []).append(each[1])
    return held


@given(LENGTHS, st.integers(1, 5), st.integers(0, 12))
def test_every_sequence_is_somewhere_and_ends(lengths: list[tuple[int, int]], block: int, more: int) -> None:
    blocks = max(-(-sum(each) // block) for each in lengths) + more
    moments = estimate(lengths, blocks, block)
    for moment in moments:
        running = tokens(moment)
        assert sorted([*running, *moment.waiting, *moment.done]) == list(range(len(lengths)))
        for number, parts in running.items():
            # room held in vain is less than a block a sequence
            assert sum(part < block for part in parts) <= 1
            assert lengths[number][0] <= sum(parts) < sum(lengths[number])
    assert len(moments[-1].done) == len(lengths)
    assert all(each is None for each in moments[-1].blocks)


def test_with_room_for_all_each_ends_after_its_own_answer() -> None:
    moments = estimate([(4, 2), (4, 5), (4, 3)], 100, 4)
    ends = {number: next(step for step, moment in enumerate(moments) if number in moment.done) for number in range(3)}
    assert ends == {0: 3, 1: 6, 2: 4}
    assert not any(moment.gave_way for moment in moments)


def test_the_last_one_gives_way() -> None:
    # two prompts of 4 fill two blocks of 4; both want a third one when they grow
    moments = estimate([(4, 3), (4, 3)], 3, 4)
    assert moments[1].waiting == ()
    assert moments[2].gave_way == 1
    assert moments[-1].done == (0, 1)


def test_what_can_never_fit_is_refused() -> None:
    with pytest.raises(BadInput, match="Sequence 1"):
        estimate([(1, 1), (30, 5)], 4, 4)


def test_the_figure_is_small_and_counts_frames() -> None:
    figure = paged_cache.draw([(5, 9), (9, 4), (3, 8), (7, 6), (4, 10), (2, 6)], 12, 4)
    assert len(figure.svg) < 60_000
    assert len(figure.table) == figure.svg.count('class="frame"')
