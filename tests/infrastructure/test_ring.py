"""The ring's rounds against the sum that must come out and against the closed form's steps and bytes."""

import pytest

from aistack.errors import BadInput
from aistack.infrastructure.collective import work
from aistack.infrastructure.figures import ring_rounds
from aistack.infrastructure.ring import estimate


@pytest.mark.parametrize("ranks", range(2, 12))
def test_every_rank_ends_with_everybodys_sum(ranks: int) -> None:
    rounds = estimate(ranks)
    everybody = frozenset(range(ranks))
    assert all(part == everybody for parts in rounds[-1].held for part in parts)
    # half-way each rank holds exactly one complete part, and no two the same one
    half = rounds[ranks - 1].held
    assert sorted(part for parts in half for part, sums in enumerate(parts) if sums == everybody) == list(range(ranks))


@pytest.mark.parametrize("ranks", range(2, 12))
def test_rounds_and_bytes_are_the_closed_forms(ranks: int) -> None:
    rounds = estimate(ranks)[1:]
    asked = work("all-reduce", ranks)
    assert len(rounds) == asked.steps
    for rank in range(ranks):
        sent = sum(sender == rank for each in rounds for sender, _, _ in each.sends)
        assert sent / ranks == pytest.approx(asked.volume)
    assert all(receiver == (sender + 1) % ranks for each in rounds for sender, receiver, _ in each.sends)


def test_one_rank_is_no_ring() -> None:
    with pytest.raises(BadInput, match="1 ranks"):
        estimate(1)


def test_the_figure_has_a_frame_a_round() -> None:
    figure = ring_rounds.draw(4)
    assert figure.svg.count('class="frame"') == len(estimate(4))
    assert len(figure.svg) < 60_000
