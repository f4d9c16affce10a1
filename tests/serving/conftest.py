"""A tiny exported model with a tokenizer of its own, and a real server of it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

TEXT = (
    "The engine keeps the keys and values of every sequence in blocks of a fixed size.",
    "A request waits until a place in the batch and enough blocks are free.",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich; 日本語のテキスト; 🙂🙃.",
)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    from aistack.catalog.architecture import llama
    from aistack.frameworks.lab.transformer import Transformer
    from aistack.training.lab.huggingface import export

    folder = tmp_path_factory.mktemp("serving")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|endoftext|>", "<|user|>", "<|assistant|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT * 4, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    torch.manual_seed(1)
    spec = llama(
        "tiny",
        hidden=64,
        layers=2,
        heads=4,
        kv_heads=2,
        feed_forward=160,
        vocab=tokenizer.get_vocab_size(),
        max_context=256,
    )
    model = Transformer(spec)
    with torch.no_grad():
        # logits far enough apart that a kernel's rounding cannot swap the likeliest two
        model.model.embed_tokens.weight.mul_(20)
    export(model, folder / "tiny-llama", folder)
    return folder / "tiny-llama"


@pytest.fixture(scope="session")
def server(model_folder: Path) -> Iterator[str]:
    from aistack.serving.lab.server import running

    with running(model_folder) as url:
        yield url
