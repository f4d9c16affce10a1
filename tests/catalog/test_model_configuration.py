"""Reading a user's own config.json: what is read, and one clear message for everything that is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistack.catalog.architecture import llama
from aistack.catalog.configuration import read_config, spec_of
from aistack.catalog.families import FAMILIES
from aistack.catalog.models import KIND, spec
from aistack.errors import BadInput

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 3,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "vocab_size": 1000,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
}


def _write(folder: Path, content: Any) -> Path:
    path = folder / "config.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_a_file_and_its_folder_give_the_same_spec(tmp_path: Path) -> None:
    path = _write(tmp_path, LLAMA)
    expected = llama(
        tmp_path.name, hidden=64, layers=3, heads=8, kv_heads=2, feed_forward=160, vocab=1000, max_context=256
    )
    read = read_config(path)
    assert (read.blocks, read.parameters) == (expected.blocks, expected.parameters)
    assert read == read_config(tmp_path) == spec(str(path))


def test_language_model_of_a_multimodal_configuration_is_read(tmp_path: Path) -> None:
    inner = {key: value for key, value in LLAMA.items() if key != "tie_word_embeddings"}
    whole = {"model_type": "llava", "text_config": inner, "tie_word_embeddings": True, "vision_config": {"depth": 3}}
    read = read_config(_write(tmp_path, whole))
    assert read.parameters == spec_of(LLAMA, "here", "it").parameters
    assert read.tied_embeddings


def test_rope_theta_of_either_generation_is_read() -> None:
    newer = {**LLAMA, "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}}
    newer.pop("rope_theta")
    assert spec_of(newer, "here", "it").rope_theta == 500000.0
    assert spec_of(LLAMA, "here", "it").rope_theta == 10000.0


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"hidden_size": None}, "lacks hidden_size"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000"),
        ({"num_hidden_layers": -3}, "num_hidden_layers is -3"),
        ({"num_attention_heads": 0}, "num_attention_heads is 0"),
        ({"num_attention_heads": 7, "num_key_value_heads": 7}, "not divisible"),
        ({"num_key_value_heads": 3}, "num_key_value_heads is 3, but must divide num_attention_heads 8"),
        ({"vocab_size": "many"}, "vocab_size is 'many'"),
        ({"vocab_size": True}, "vocab_size is True"),
        ({"intermediate_size": 160.5}, "intermediate_size is 160.5"),
        ({"hidden_size": [64]}, r"hidden_size is \[64\]"),
        ({"rope_theta": float("nan")}, "rope_theta is nan"),
        ({"rope_theta": -1}, "rope_theta is -1"),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings is 'yes'"),
        ({"rope_parameters": "default"}, "rope_parameters is 'default'"),
        ({"model_type": "lama"}, r"model_type 'lama' is not supported. Nearest: llama"),
        ({"model_type": ""}, "lacks model_type"),
        ({"model_type": 7}, "model_type is 7"),
        ({"model_type": "mixtral"}, "lacks num_local_experts"),
        (
            {"model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 8},
            "num_experts_per_tok is 8, but there are only 4 experts",
        ),
        (
            {
                "model_type": "gpt_oss",
                "num_local_experts": 4,
                "num_experts_per_tok": 2,
                "layer_types": ["full_attention"],
            },
            "layer_types has 1 items, but the model has 3 layers",
        ),
        ({"model_type": "nemotron_h", "hybrid_override_pattern": "MX*"}, "'X'"),
        ({"model_type": "nemotron-nas", "block_configs": [{}, {}, {}]}, "block_configs"),
        ({"model_type": "dbrx"}, "lacks attn_config"),
    ],
)
def test_a_wrong_field_is_named_with_its_file(tmp_path: Path, change: dict[str, Any], names: str) -> None:
    path = _write(tmp_path, LLAMA | change)
    with pytest.raises(BadInput, match=names) as caught:
        read_config(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", "null", "17", '"text"', "[" * 100_000])
def test_what_is_no_json_object_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(BadInput, match=r"config\.json"):
        read_config(_write(tmp_path, content))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        read_config(tmp_path / "config.json")
    with pytest.raises(BadInput, match="does not exist"):
        read_config(tmp_path)
    (tmp_path / "config.json").mkdir()
    with pytest.raises(BadInput):
        read_config(tmp_path)


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(json.dumps(LLAMA).encode("utf-16"))
    with pytest.raises(BadInput, match="not UTF-8"):
        read_config(path)


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    with path.open("wb") as handle:
        handle.truncate(1 << 33)
    with pytest.raises(BadInput, match="larger than"):
        read_config(path)


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=8), inside, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(FAMILIES)), st.data())
def test_any_value_anywhere_gives_a_spec_or_one_message(family: str, data: st.DataObject) -> None:
    known = next((KIND.load(name) for name in KIND.names() if KIND.load(name).config["model_type"] == family), None)
    values = dict(known.config) if known else LLAMA | {"model_type": family}
    for key in data.draw(st.lists(st.sampled_from(sorted(values)), max_size=3)):
        values[key] = data.draw(_ANYTHING)
    try:
        read = spec_of(values, "somewhere", "it")
    except BadInput as error:
        assert "somewhere" in str(error)
    else:
        assert read.parameters >= read.active_parameters > 0


def test_a_local_file_is_an_entry_like_any_other(tmp_path: Path) -> None:
    folder = tmp_path / "my model"
    folder.mkdir()
    _write(folder, LLAMA)
    model = KIND.load(str(folder))
    facts = dict(model.facts())
    assert facts["parameters"].value == spec_of(LLAMA, "here", "it").parameters
    assert facts["configuration.hidden_size"].quote.endswith("my model")
    assert "configuration.torch_dtype" not in facts


def test_a_catalog_name_wins_over_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("gpt2", "mine"):
        Path(name).mkdir()
        _write(Path(name), LLAMA)
    assert KIND.load("gpt2").name == "GPT-2 small (124M)"
    assert KIND.load("./gpt2/config.json").name == "gpt2"
    assert KIND.load("mine").spec.hidden == 64
