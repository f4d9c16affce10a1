"""Near-duplicates: nothing similar is left, nothing dissimilar is dropped, as brute force finds it."""

import random
from collections.abc import Callable
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from aistack.frameworks.lab.data.duplicates import BANDS, PERMUTATIONS, THRESHOLD, jaccard, near_duplicates, shingles

Prose = Callable[[int, int], str]


def edited(text: str, share: float, seed: int) -> str:
    """`text` with a share of its words replaced."""
    draw = random.Random(seed)
    return " ".join(f"other{seed}" if draw.random() < share else word for word in text.split())


def planted(prose: Prose, documents: int = 60) -> list[str]:
    texts = [prose(number, 12) for number in range(documents)]
    copies = [edited(texts[number], share, number) for number in range(30) for share in (0.005, 0.02, 0.2)]
    everything = texts + copies
    random.Random(0).shuffle(everything)
    return everything


def test_no_pair_above_the_threshold_is_left_and_every_drop_has_its_reason(prose: Prose) -> None:
    texts = planted(prose)
    originals = list(near_duplicates(texts, texts.__getitem__))
    sets = [shingles(text) for text in texts]
    kept = [number for number, original in enumerate(originals) if original is None]
    dropped = [number for number, original in enumerate(originals) if original is not None]
    assert dropped and len(kept) + len(dropped) == len(texts)
    assert all(jaccard(sets[one], sets[other]) < THRESHOLD for one, other in combinations(kept, 2))
    for number in dropped:
        original = originals[number]
        assert original in kept and original < number
        assert jaccard(sets[number], sets[original]) >= THRESHOLD


def test_the_verdicts_are_those_of_brute_force(prose: Prose) -> None:
    texts = planted(prose, 40)
    sets = [shingles(text) for text in texts]
    kept: list[int] = []
    for number in range(len(texts)):
        if all(jaccard(sets[number], sets[earlier]) < THRESHOLD for earlier in kept):
            kept.append(number)
    originals = list(near_duplicates(texts, texts.__getitem__))
    assert [number for number, original in enumerate(originals) if original is None] == kept


def test_the_bands_catch_pairs_at_the_threshold() -> None:
    rows = PERMUTATIONS // BANDS
    assert 1 - (1 - THRESHOLD**rows) ** BANDS > 0.9999


@given(st.lists(st.sampled_from("abcdefgh"), max_size=30), st.lists(st.sampled_from("abcdefgh"), max_size=30))
def test_similarity_is_that_of_the_runs_of_words(one: list[str], other: list[str]) -> None:
    def runs(words: list[str]) -> set[tuple[str, ...]]:
        return {tuple(words[start : start + 5]) for start in range(max(1, len(words) - 4))}

    ours = jaccard(shingles(" ".join(one)), shingles(" ".join(other)))
    assert ours == len(runs(one) & runs(other)) / len(runs(one) | runs(other))


def test_scripts_without_spaces_have_runs_too() -> None:
    assert len(shingles("この関数は行列の固有値を返します")) > 5
    assert jaccard(shingles("この関数は行列の固有値を返します"), shingles("この関数は行列の固有値を返しません")) > 0.5


def test_the_order_of_a_hash_table_does_not_matter(prose: Prose) -> None:
    texts = planted(prose, 30)
    assert list(near_duplicates(texts, texts.__getitem__)) == list(near_duplicates(texts, texts.__getitem__))
