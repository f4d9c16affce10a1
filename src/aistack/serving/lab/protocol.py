"""The OpenAI API's requests, checked strictly, and its answers.

Everything the API knows is named here: what is served, and what is refused unless it asks for nothing special. A
parameter that nobody knows is refused too, with the nearest name, so that a typing error never passes in silence.
"""

from __future__ import annotations

import json
from typing import Any, Literal, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from aistack.errors import nearest
from aistack.serving.lab.sequence import Sampling

_STOPS, _STOP_LENGTH = 4, 256


class ApiError(Exception):
    """A request that is answered with an error, in OpenAI's envelope."""

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code

    def body(self) -> dict[str, Any]:
        """The JSON of the answer."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        if self.status == 429:
            kind = "rate_limit_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


class StreamOptions(BaseModel):
    """What a stream should hold beside the text."""

    model_config = ConfigDict(strict=True, extra="forbid")
    include_usage: bool = False
    include_obfuscation: bool = False


class _Request(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    model: str
    max_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=-1)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: Any = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    ignore_eos: bool = False
    user: str | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    # known, but only their neutral values are served
    n: Any = None
    frequency_penalty: Any = None
    presence_penalty: Any = None
    logit_bias: Any = None
    logprobs: Any = None

    @field_validator("n", "frequency_penalty", "presence_penalty", "logit_bias", "logprobs")
    @classmethod
    def _neutral(cls, value: Any, info: Any) -> Any:
        return _only_neutral(value, info.field_name)

    @field_validator("stop")
    @classmethod
    def _stop_strings(cls, value: Any) -> tuple[str, ...]:
        stops = [value] if isinstance(value, str) else value or []
        right = isinstance(stops, list) and len(stops) <= _STOPS
        if not right or not all(isinstance(stop, str) and 0 < len(stop) <= _STOP_LENGTH for stop in stops):
            raise PydanticCustomError(
                "stop", "must be a text or at most four, each of 1 to {most} characters", {"most": _STOP_LENGTH}
            )
        return tuple(stops)

    def sampling(self, max_tokens: int) -> Sampling:
        """How to generate, with the API's defaults."""
        return Sampling(
            max_tokens=max_tokens,
            temperature=1.0 if self.temperature is None else self.temperature,
            top_p=1.0 if self.top_p is None else self.top_p,
            top_k=max(0, self.top_k or 0),
            seed=self.seed,
            stop=self.stop or (),
            ignore_eos=self.ignore_eos,
        )

    @property
    def with_usage(self) -> bool:
        """Whether a stream ends with the count of tokens."""
        return self.stream_options is not None and self.stream_options.include_usage


class CompletionRequest(_Request):
    """The body of `/v1/completions`."""

    prompt: Any
    best_of: Any = None
    echo: Any = None
    suffix: Any = None

    @field_validator("prompt")
    @classmethod
    def _one_prompt(cls, value: Any) -> str | list[int]:
        if isinstance(value, list) and all(type(token) is int for token in value):
            return value
        if not isinstance(value, str):
            raise PydanticCustomError(
                "prompt", "must be one text or one list of tokens; several prompts are not served"
            )
        return value

    @field_validator("best_of", "echo", "suffix")
    @classmethod
    def _neutral_here(cls, value: Any, info: Any) -> Any:
        return _only_neutral(value, info.field_name)


class TextPart(BaseModel):
    """A part of a message's content."""

    model_config = ConfigDict(strict=True, extra="forbid")
    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(strict=True, extra="forbid")
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]
    name: str | None = None
    refusal: None = None

    @property
    def text(self) -> str:
        """The content as one text."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class ChatRequest(_Request):
    """The body of `/v1/chat/completions`."""

    messages: list[ChatMessage] = Field(min_length=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    top_logprobs: Any = None
    tools: Any = None
    tool_choice: Any = None
    parallel_tool_calls: Any = None
    response_format: Any = None
    modalities: Any = None
    reasoning_effort: Any = None

    @field_validator("top_logprobs", "tools", "tool_choice", "response_format", "modalities", "reasoning_effort")
    @classmethod
    def _neutral_here(cls, value: Any, info: Any) -> Any:
        return _only_neutral(value, info.field_name)


_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "best_of": (1,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "echo": (False,),
    "suffix": ("",),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "reasoning_effort": ("none",),
}


def _only_neutral(value: Any, name: str) -> Any:
    if value is not None and value not in _NEUTRAL[name]:
        raise PydanticCustomError(
            "unsupported",
            "{name} is not supported by this server; leave it out or give {neutral}.",
            {"name": name, "neutral": json.dumps(_NEUTRAL[name][0])},
        )
    return value


Request = TypeVar("Request", CompletionRequest, ChatRequest)


_FORMS = ("str", "list[TextPart]")
"""How pydantic names the two forms of a message's content, which are no names of fields."""


def read(kind: type[Request], body: bytes) -> Request:
    """The request in `body`; whatever is wrong with it is an `ApiError` with status 400."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
    # a name that is not there explains a field that is missing, and is said first
    first = min(problems, key=lambda problem: problem["type"] != "extra_forbidden")
    param = ".".join(str(part) for part in first["loc"] if part not in _FORMS)[:200]
    message = first["msg"].rstrip(".")
    match first["type"]:
        case "json_invalid":
            return _refuse(f"The body is not valid JSON: {message.removeprefix('Invalid JSON: ')}.")
        case "extra_forbidden":
            near = nearest(param, kind.model_fields)
            hint = f" Nearest: {', '.join(near)}." if near else ""
            return _refuse(f"There is no parameter named {param!r}.{hint}", param, "unknown_parameter")
        case "unsupported":
            return _refuse(f"{message}.", param, "unsupported_parameter")
        case "missing":
            return _refuse(f"{param} is required.", param, "missing_required_parameter")
    return _refuse(f"{param or 'The body'}: {message}.", param or None, "invalid_value")


def _refuse(message: str, param: str | None = None, code: str | None = None) -> NoReturn:
    raise ApiError(400, message, param, code)


class Answer:
    """Shapes one request's text as the API's JSON: `text_completion` or `chat.completion`, whole or in chunks."""

    def __init__(self, chat: bool, id: str, created: int, model: str) -> None:
        self._chat = chat
        self._kind = "chat.completion" if chat else "text_completion"
        self._head = {"id": f"{'chatcmpl' if chat else 'cmpl'}-{id}", "created": created, "model": model}

    def whole(self, text: str, reason: str | None, usage: dict[str, int]) -> dict[str, Any]:
        """The answer to a request that does not stream."""
        said = {"message": {"role": "assistant", "content": text, "refusal": None}} if self._chat else {"text": text}
        choice = {"index": 0, **said, "logprobs": None, "finish_reason": reason}
        return {**self._head, "object": self._kind, "choices": [choice], "usage": usage}

    def chunk(self, text: str, reason: str | None, first: bool) -> bytes:
        """One event of a stream."""
        if self._chat:
            delta: dict[str, str] = {"role": "assistant"} if first else {}
            said: dict[str, Any] = {"delta": {**delta, "content": text} if text or first else delta}
        else:
            said = {"text": text}
        choice = {"index": 0, **said, "logprobs": None, "finish_reason": reason}
        return event({**self._head, "object": self._chunk_kind, "choices": [choice]})

    def usage(self, usage: dict[str, int]) -> bytes:
        """The event with the count of tokens, the last before the end."""
        return event({**self._head, "object": self._chunk_kind, "choices": [], "usage": usage})

    @property
    def _chunk_kind(self) -> str:
        return "chat.completion.chunk" if self._chat else self._kind


def event(value: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return f"data: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


DONE = b"data: [DONE]\n\n"


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    """The count of tokens as the API gives it."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
