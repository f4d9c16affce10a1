"""A byte-level BPE tokenizer, trained here and saved so that `transformers` loads it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from aistack.files import write_json, write_text

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SEPARATOR, USER, ASSISTANT = "<|endoftext|>", "<|user|>", "<|assistant|>"
SPECIAL = (SEPARATOR, USER, ASSISTANT)
"""Ids 0, 1 and 2: between documents (and begin, end, padding), a user's turn, an assistant's turn."""

LARGEST_VOCABULARY, SMALLEST_VOCABULARY = 4096, 512
BYTES_A_TOKEN_TYPE = 400
"""Text that each entry of the vocabulary should rest on; with less, the last merges are chance."""

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|assistant|>' if message['role'] == 'assistant' else '<|user|>' }}{{ message['content'] }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ '<|endoftext|>' }}{% endif %}"
)


def vocabulary_for(text_bytes: int) -> int:
    """The vocabulary size for so much training text: a power of two from 512 to 4096."""
    size = SMALLEST_VOCABULARY
    while size < LARGEST_VOCABULARY and 2 * size * BYTES_A_TOKEN_TYPE <= text_bytes:
        size *= 2
    return size


def train(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Byte-level BPE over `texts`: all 256 bytes are in the alphabet, so any Unicode text comes back unchanged.

    Text that spells a special token is text: it is encoded byte by byte, never as the special token.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.encode_special_tokens = True
    return tokenizer


def save(tokenizer: Tokenizer, folder: Path, context: int) -> Path:
    """Write tokenizer.json and tokenizer_config.json, which `transformers.AutoTokenizer` reads; return the first."""
    path = folder / "tokenizer.json"
    write_text(path, json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, indent=1) + "\n")
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": SEPARATOR,
            "eos_token": SEPARATOR,
            "pad_token": SEPARATOR,
            "model_max_length": context,
            "clean_up_tokenization_spaces": False,
            "chat_template": CHAT_TEMPLATE,
        },
    )
    return path
