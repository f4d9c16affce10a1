"""The tokenizer: any text comes back unchanged, and `transformers` loads what is saved."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from aistack.frameworks.lab.data import tokenizer as bpe

Prose = Callable[[int, int], str]


@pytest.fixture(scope="module")
def trained(prose: Prose) -> Iterator[Tokenizer]:
    yield bpe.train((prose(number, 12) for number in range(60)), 600)


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back(trained: Tokenizer, text: str) -> None:
    ids = trained.encode(text, add_special_tokens=False).ids
    assert trained.decode(ids, skip_special_tokens=False) == text
    assert all(0 <= each < trained.get_vocab_size() for each in ids)


def test_text_that_spells_a_special_token_is_text(trained: Tokenizer) -> None:
    for special in bpe.SPECIAL:
        ids = trained.encode(f"a {special} b", add_special_tokens=False).ids
        assert not set(ids) & {0, 1, 2}
        assert trained.decode(ids) == f"a {special} b"


def test_special_tokens_have_their_fixed_ids(trained: Tokenizer) -> None:
    assert [trained.token_to_id(special) for special in bpe.SPECIAL] == [0, 1, 2]


def test_training_compresses_and_is_deterministic(trained: Tokenizer, prose: Prose) -> None:
    unseen = prose(1000, 12)
    assert len(unseen.encode()) / len(trained.encode(unseen).ids) > 2
    again = bpe.train((prose(number, 12) for number in range(60)), 600)
    assert again.to_str() == trained.to_str()


def test_transformers_loads_it_offline(trained: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from transformers import AutoTokenizer

    bpe.save(trained, tmp_path, 256)
    loaded = AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    text = "Returns the value of é漢字 in   the matrix.\n    x = 1"
    assert loaded(text)["input_ids"] == trained.encode(text, add_special_tokens=False).ids
    assert loaded.decode(loaded(text)["input_ids"]) == text
    assert (loaded.bos_token_id, loaded.eos_token_id, loaded.pad_token_id) == (0, 0, 0)
    assert loaded.model_max_length == 256
    turns = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]
    asked = loaded.apply_chat_template(turns[:1], tokenize=False, add_generation_prompt=True)
    assert asked == "<|user|>Hello<|assistant|>"
    assert loaded.apply_chat_template(turns, tokenize=False) == "<|user|>Hello<|assistant|>Hi<|endoftext|>"
    assert loaded(asked)["input_ids"][0] == 1 and loaded(asked)["input_ids"][-1] == 2


def test_little_text_gets_a_small_vocabulary() -> None:
    sizes = [bpe.vocabulary_for(size) for size in (0, 10**5, 5 * 10**5, 10**6, 2 * 10**6, 10**9)]
    assert sizes == sorted(sizes) and sizes[0] == 512 and sizes[-1] == 4096
