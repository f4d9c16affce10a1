"""From text and conversations to the tokens of a prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from aistack.errors import BadInput
from aistack.files import read_json
from aistack.training.lab import huggingface

USER, ASSISTANT = "<|user|>", "<|assistant|>"

Message = Mapping[str, str]
"""A turn of a conversation: its role and its content."""


class Prompts:
    """The tokenizer of a Hugging Face folder, and its chat template."""

    def __init__(self, folder: Path) -> None:
        """Raises `BadInput` for files that are missing or broken."""
        path = folder / huggingface.TOKENIZER[0]
        if not path.is_file():
            raise BadInput(f"{path} does not exist: the folder holds no tokenizer.")
        try:
            self.tokenizer: Tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises plain Exception for a broken file
            raise BadInput(f"{path} is not a tokenizer ({error}).") from None
        self.end_of_text = _end_of_text(folder)
        self._template = _template(folder)

    def encode(self, text: str) -> list[int]:
        """The tokens of a text to be continued; nothing at all is continued from the end of a text before it."""
        tokens: list[int] = self.tokenizer.encode(text).ids
        return tokens or sorted(self.end_of_text)[:1]

    def encode_chat(self, messages: Sequence[Message]) -> list[int]:
        """The tokens of a conversation up to where the assistant speaks next.

        Without a template in the folder, each turn is its role's special token and its words; a system message is
        spoken like the user's. What people write is never read as a special token. Raises `BadInput` where the
        folder's own template refuses the conversation.
        """
        if self._template is not None:
            return self._render(self._template, messages)
        tokens = sorted(self.end_of_text)[:1]
        for message in messages:
            tokens += self._marker(ASSISTANT if message["role"] == "assistant" else USER)
            tokens += self._plain(message["content"])
        return tokens + self._marker(ASSISTANT)

    def _marker(self, role: str) -> list[int]:
        token = self.tokenizer.token_to_id(role)
        return [token] if token is not None else self._plain(f"\n{role}\n")

    def _plain(self, text: str) -> list[int]:
        self.tokenizer.encode_special_tokens = True
        try:
            tokens: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        finally:
            self.tokenizer.encode_special_tokens = False
        return tokens

    def _render(self, template: str, messages: Sequence[Message]) -> list[int]:
        from jinja2 import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        def refuse(reason: str) -> None:
            raise TemplateError(reason)

        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = refuse
        end = [self.tokenizer.id_to_token(token) for token in sorted(self.end_of_text)[:1]]
        named = {"bos_token": end[0], "eos_token": end[0]} if end else {}
        try:
            text = environment.from_string(template).render(messages=messages, add_generation_prompt=True, **named)
        except TemplateError as error:
            raise BadInput(f"The model's chat template does not take these messages: {error}") from None
        tokens: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return tokens or sorted(self.end_of_text)[:1]


def _end_of_text(folder: Path) -> frozenset[int]:
    """The tokens that end a text, from generation_config.json or else config.json."""
    for name in (huggingface.GENERATION, huggingface.CONFIG):
        if not (folder / name).exists():
            continue
        plain: Any = read_json(folder / name)
        value = plain.get("eos_token_id") if isinstance(plain, dict) else None
        tokens = [value] if isinstance(value, int) else value or []
        if not isinstance(tokens, list) or any(not isinstance(token, int) or token < 0 for token in tokens):
            raise BadInput(f"{folder / name}: eos_token_id is {value!r}; it must be a token or a list of tokens.")
        if tokens:
            return frozenset(tokens)
    return frozenset()


def _template(folder: Path) -> str | None:
    alone = folder / "chat_template.jinja"
    if alone.exists():
        return alone.read_text(encoding="utf-8")
    path = folder / huggingface.TOKENIZER[1]
    plain: Any = read_json(path) if path.exists() else {}
    template = plain.get("chat_template") if isinstance(plain, dict) else None
    return template if isinstance(template, str) else None
