"""The pure steps: normalising, judging, telling the language, cutting, splitting, reading licences."""

import unicodedata
from collections.abc import Callable
from email.message import Message
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistack.frameworks.funnel import Amount, Funnel, Step
from aistack.frameworks.lab.data.document import parts, place
from aistack.frameworks.lab.data.language import identify, wanted
from aistack.frameworks.lab.data.licences import licence_of, permissive
from aistack.frameworks.lab.data.normalise import normalise
from aistack.frameworks.lab.data.quality import fault
from aistack.frameworks.lab.data.split import LEAST_VALIDATION, split

ANY_TEXT = st.text(st.characters(), max_size=300)


@given(ANY_TEXT)
def test_normalising_is_idempotent_and_gives_clean_nfc(text: str) -> None:
    clean = normalise(text)
    assert normalise(clean) == clean
    assert unicodedata.is_normalized("NFC", clean)
    assert not any(unicodedata.category(character) in {"Cc", "Cs"} for character in clean if character not in "\t\n")
    assert not any(line != line.rstrip(" \t") for line in clean.split("\n"))
    clean.encode()


def test_normalising_keeps_what_code_needs() -> None:
    assert normalise("e\u0301\r\n\r\n    x = 1  \r\n\tpass\r") == "é\n\n    x = 1\n\tpass"
    assert normalise("a\n\n\n\n\n\nb") == "a\n\n\nb"


PROSE = (
    "The eigenvalues of a symmetric matrix are real, and its eigenvectors can be chosen to form an orthonormal basis. "
    "This function returns them in ascending order, together with the vectors as the columns of a second array, "
    "unless only the values were asked for, which is about ten times as fast."
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (PROSE, None),
        (PROSE[:150], "shorter than"),
        ("1.0 2.5 3.75 | " * 40, "letters"),
        ("language <model> {trained} #tokens " * 8, "symbols"),
        ("\n".join(["The same line of text, over and over again."] * 12), "lines repeated"),
        ("word " * 1100, "5,000"),
        ("a b c d e f g h i j k l m n o p q r s t u v w x y z " * 5, "mean word length"),
        ("Pneumonoultramicroscopic Hippopotomonstrosesquippedaliophobia " * 6, "mean word length"),
        ("spam and eggs and spam " * 12, "distinct words"),
        ("alphabetical 1 2 - conversation 3 4 + " * 6, "words with a letter"),
        ("この関数は行列の固有値を昇順に並べて返します。" * 12, None),
        ("यह फलन आव्यूह के अभिलक्षणिक मान आरोही क्रम में लौटाता है और सदिश भी देता है। " * 4, None),
    ],
)
def test_each_rule_catches_what_it_is_named_for(text: str, reason: str | None) -> None:
    found = fault(text)
    assert found is None if reason is None else found is not None and reason in found


@given(st.text(st.characters(), min_size=150, max_size=400))
def test_judging_never_fails(text: str) -> None:
    assert fault(text) is None or fault(text)


def test_numpy_style_documentation_passes() -> None:
    import textwrap as module

    assert fault(normalise(module.TextWrapper.__doc__ or "")) is None


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", PROSE),
        ("de", "Die Eigenwerte einer symmetrischen Matrix sind reell, und ihre Eigenvektoren bilden eine Basis."),
        ("fr", "Les valeurs propres d'une matrice symétrique sont réelles, et ses vecteurs propres forment une base."),
        ("es", "Los valores propios de una matriz simétrica son reales y sus vectores propios forman una base."),
    ],
)
def test_languages_are_told_apart(language: str, text: str) -> None:
    assert identify(text) == language


def test_main_languages_are_kept_and_strays_are_not() -> None:
    sizes = {"en": 600, "de": 380, "la": 20}
    assert wanted(sizes) == {"en", "de"}
    assert wanted(sizes, "en") == {"en"}
    assert wanted({}) == set()


@given(st.text("ab \n", max_size=400), st.integers(4, 60))
def test_parts_join_to_the_whole(text: str, longest: int) -> None:
    cut = list(parts(text, longest))
    assert "".join(cut) == text
    assert all(0 < len(part) <= longest for part in cut) or text == ""


def test_parts_break_at_blank_lines() -> None:
    paragraphs = ["word " * 30 + "\n\n" for _ in range(10)]
    assert all(part.endswith("\n\n") for part in parts("".join(paragraphs), 400))


@given(st.lists(st.text(max_size=8), max_size=60, unique=True), st.lists(st.text(max_size=8), max_size=20))
def test_documents_stay_in_their_split_when_others_come(ids: list[str], more: list[str]) -> None:
    size = LEAST_VALIDATION
    grown = list(dict.fromkeys([*ids, *more]))
    before = dict(zip(ids, split(ids, [size] * len(ids)), strict=True))
    after = dict(zip(grown, split(grown, [size] * len(grown)), strict=True))
    held = {each for each in ids if before[each] == "validation"}
    if ids:
        assert held
    # one that is below the share stays held back; only the one that filled up the least amount may return
    assert sum(after[each] == "train" for each in held) <= 1
    assert all(after[each] == "train" for each in ids if before[each] == "train")


def test_about_the_share_is_held_back_and_enough_of_it() -> None:
    ids = [f"document {number}" for number in range(5000)]
    splits = split(ids, [1000] * 5000)
    assert 0.03 < splits.count("validation") / 5000 < 0.05
    few = split(ids[:30], [1000] * 30)
    assert LEAST_VALIDATION / 1000 <= few.count("validation") < 15


@given(st.text(), st.text(max_size=8))
def test_places_are_shares(key: str, salt: str) -> None:
    assert 0 <= place(key, salt) < 1


@pytest.mark.parametrize(
    ("expression", "free"),
    [
        ("MIT", True),
        ("GPL-3.0-or-later", False),
        ("MIT AND Apache-2.0", True),
        ("MIT AND MPL-2.0", False),
        ("GPL-2.0-only OR MIT", True),
        ("(GPL-2.0-only OR MIT) AND BSD-3-Clause", True),
        ("MIT AND (MPL-2.0 OR LGPL-3.0-only)", False),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-3.0-or-later WITH GCC-exception-3.1", False),
        ("unknown", False),
        ("", False),
        ("MIT AND", False),
        ("(MIT", False),
        ("MIT)", False),
    ],
)
def test_expressions_are_read_as_spdx_means_them(expression: str, free: bool) -> None:
    assert permissive(expression) is free


@pytest.mark.parametrize(
    ("headers", "licence"),
    [
        ({"License-Expression": "MIT OR Apache-2.0", "License": "ignored"}, "MIT OR Apache-2.0"),
        ({"License": "BSD 3-Clause"}, "BSD-3-Clause"),
        ({"License": "MPL-2.0 AND MIT"}, "MPL-2.0 AND MIT"),
        ({"License": "Apache 2.0 License"}, "Apache-2.0"),
        ({"License": "A very long text\n" * 20, "Classifier": "License :: OSI Approved :: MIT License"}, "MIT"),
        ({"Classifier": "License :: OSI Approved :: GNU General Public License v3 (GPLv3)"}, "GNU General Public"),
        ({"Classifier": "License :: OSI Approved"}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_licences_are_found_in_the_metadata(headers: dict[str, str], licence: str) -> None:
    message = Message()
    for key, value in headers.items():
        message[key] = value
    found = licence_of(cast(Any, message))
    assert found.startswith(licence)
    assert permissive(found) is (licence not in {"unknown", "MPL-2.0 AND MIT", "GNU General Public"})


def test_a_funnel_that_loses_something_silently_is_refused() -> None:
    one, two = Step("one"), Step("two")
    one.keep(10)
    one.keep(20)
    one.drop("bad", 5)
    two.keep(10)
    with pytest.raises(ValueError, match="two took in"):
        Funnel((one, two))
    two.drop("worse", 20)
    funnel = Funnel((one, two))
    assert one.taken == Amount(3, 35)
    assert Funnel.from_json(funnel.to_json()) == funnel


def test_prose_of_the_fixtures_is_good(prose: Callable[[int, int], str]) -> None:
    assert fault(normalise(prose(1, 12))) is None
