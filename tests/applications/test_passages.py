import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistack.applications.passages import Document, cut, sentences
from aistack.applications.questions import make

prose = st.text(alphabet=st.sampled_from("abcXYZ .!?\n\t'(é漢"), max_size=400)


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


@given(prose | st.text(max_size=300), st.integers(5, 80))
def test_cutting_loses_nothing_but_white_space(text: str, size: int) -> None:
    passages = list(cut(Document("d", text, "s", "l"), size))
    assert squeezed("".join(passage.text for passage in passages)) == squeezed(text)
    assert all(passage.text and len(passage.text) <= size for passage in passages)
    assert [passage.id for passage in passages] == [f"d#{number}" for number in range(len(passages))]


def test_cuts_are_where_sentences_end() -> None:
    text = "One is here. Two is there. Three is nowhere at all.\n\nFour."
    texts = [passage.text for passage in cut(Document("d", text, "s", "l"), 30)]
    assert texts == ["One is here. Two is there.", "Three is nowhere at all.", "Four."]


def test_sentences() -> None:
    assert sentences('He said no. "Why?" Then: nothing, e.g. this.\n\n# A heading') == [
        "He said no.", '"Why?"', "Then: nothing, e.g. this.", "# A heading",
    ]  # fmt: skip


TOPICS = ("kettles", "bridges", "violins", "glaciers", "looms", "harbours", "orchards", "lanterns")
TEXTS = [
    f"The making of {topic} takes patience and clever hands in every season. "
    f"Nobody remembers who first thought about {topic} during a long winter evening. "
    f"Some people collect old {topic} because their grandparents once owned several."
    for topic in TOPICS
]


def test_questions_are_taken_out_of_their_passages() -> None:
    questions = make(TEXTS, range(len(TEXTS)), 5, seed=3)
    assert len(questions) == 5
    assert len({question.target for question in questions}) == 5
    for question in questions:
        assert question.text in TEXTS[question.target]
        assert question.text not in question.evidence
        words = re.findall(r"\w+", question.text.lower())
        rest = " ".join(re.findall(r"\w+", question.evidence.lower()))
        assert not any(" ".join(words[at : at + 4]) in rest for at in range(len(words) - 3))


def test_questions_depend_on_the_seed_alone() -> None:
    assert make(TEXTS, range(8), 4, seed=1) == make(TEXTS, range(8), 4, seed=1)
    assert make(TEXTS, range(8), 4, seed=1) != make(TEXTS, range(8), 4, seed=2)


def test_a_sentence_that_stands_twice_is_no_question() -> None:
    assert make([TEXTS[0], TEXTS[0]], range(2), 2, seed=0) == ()


@pytest.mark.parametrize("text", ["", "word " * 200, "x: int = 3; y = [1, 2]; z = {3}. " * 9])
def test_what_is_no_prose_makes_no_question(text: str) -> None:
    assert make([text], [0], 1, seed=0) == ()
