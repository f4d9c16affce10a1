"""The export: transformers reads the model that was trained, ours reads it back, and broken folders are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from aistack.errors import BadInput
from aistack.frameworks.lab.transformer import Transformer
from aistack.training.lab.huggingface import export, load, measure_agreement
from aistack.training.ladder import shape

TEXT = "The model reads what was written and writes what will be read."


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Transformer, Path]:
    root = tmp_path_factory.mktemp("export")
    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    words.train_from_iterator([TEXT] * 10, trainer)
    (root / "tokenizer").mkdir()
    words.save(str(root / "tokenizer" / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>"}
    (root / "tokenizer" / "tokenizer_config.json").write_text(json.dumps(settings))
    torch.manual_seed(3)
    model = Transformer(shape(128, 2, words.get_vocab_size(), 64))
    with torch.no_grad():
        for weight in model.parameters():  # norms of 1 and tiny matrices would hide a mistake
            weight.mul_(3).add_(0.1 * torch.randn_like(weight))
    export(model, root / "model", root / "tokenizer")
    return model, root / "model"


def test_transformers_gives_the_same_logits_and_text(exported: tuple[Transformer, Path]) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, folder = exported
    theirs = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    words = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    tokens = words(TEXT, return_tensors="pt")["input_ids"]
    assert words.decode(tokens[0]) == TEXT
    with torch.inference_mode():
        wanted = theirs(tokens).logits
        assert wanted.abs().max() > 1  # not a comparison of nothing with nothing
        torch.testing.assert_close(model(tokens), wanted, rtol=1e-4, atol=1e-4)
    assert sum(weight.numel() for weight in theirs.parameters()) == model.spec.parameters
    assert measure_agreement(folder, tokens.numpy()) < 1e-4


def test_the_model_comes_back_as_it_was(exported: tuple[Transformer, Path]) -> None:
    model, folder = exported
    again = load(folder)
    assert again.lm_head.weight is again.model.embed_tokens.weight
    for (name, weight), (same, loaded) in zip(model.named_parameters(), again.named_parameters(), strict=True):
        assert name == same and torch.equal(weight, loaded)
    assert (again.spec.rope_theta, again.spec.norm_epsilon) == (model.spec.rope_theta, model.spec.norm_epsilon)


def test_an_untied_head_is_kept(exported: tuple[Transformer, Path], tmp_path: Path) -> None:
    from dataclasses import replace

    _, folder = exported
    torch.manual_seed(4)
    model = Transformer(replace(shape(64, 2, 300, 64), tied_embeddings=False))
    export(model, tmp_path / "model", folder)
    assert torch.equal(load(tmp_path / "model").lm_head.weight, model.lm_head.weight)
    assert measure_agreement(tmp_path / "model", torch.arange(20)[None].numpy()) < 1e-4


def copy(folder: Path, to: Path, change: Callable[[dict[str, Any]], object] = lambda plain: None) -> Path:
    to.mkdir()
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    plain = json.loads((to / "config.json").read_text())
    change(plain)
    (to / "config.json").write_text(json.dumps(plain))
    return to


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda plain: plain.pop("hidden_size"), "hidden_size"),
        (lambda plain: plain.pop("model_type"), "model_type"),
        (lambda plain: plain.update(model_type="gpt2"), "model_type"),
        (lambda plain: plain.update(num_attention_heads=0), "num_attention_heads"),
        (lambda plain: plain.update(num_hidden_layers=-3), "num_hidden_layers"),
        (lambda plain: plain.update(num_hidden_layers=10**9), "num_hidden_layers"),
        (lambda plain: plain.update(vocab_size="many"), "vocab_size"),
        (lambda plain: plain.update(num_key_value_heads=3), "num_key_value_heads"),
        (lambda plain: plain.update(rms_norm_eps=-1.0), "rms_norm_eps"),
        (lambda plain: plain.update(intermediate_size=999), "mlp"),
        (lambda plain: plain.update(num_hidden_layers=3), "layers.2"),
        (lambda plain: plain.update(num_hidden_layers=1), "layers.1"),
        (lambda plain: plain.update(hidden_act="gelu"), "hidden_act"),
        (lambda plain: plain.update(attention_bias=True), "Llama-style|bias"),
        (lambda plain: plain.update(rope_parameters={"rope_type": "llama3", "rope_theta": 1e4}), "rope"),
        (lambda plain: plain.update(rope_parameters=[1]), "rope_parameters"),
    ],
)
def test_an_absurd_config_is_refused(
    exported: tuple[Transformer, Path], tmp_path: Path, change: Callable[[dict[str, Any]], object], word: str
) -> None:
    with pytest.raises(BadInput, match=word):
        load(copy(exported[1], tmp_path / "model", change))


def test_broken_files_are_refused(exported: tuple[Transformer, Path], tmp_path: Path) -> None:
    folder = copy(exported[1], tmp_path / "model")
    content = (folder / "model.safetensors").read_bytes()
    for broken in (content[: len(content) // 2], content[:40], b""):
        (folder / "model.safetensors").write_bytes(broken)
        with pytest.raises(BadInput, match="cut short"):
            load(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(BadInput, match="holds no weights"):
        load(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(BadInput, match="JSON"):
        load(folder)
    with pytest.raises(BadInput):
        load(tmp_path / "nowhere")
