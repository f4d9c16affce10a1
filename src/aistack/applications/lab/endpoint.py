"""A client of any OpenAI-compatible server, for one answer at a time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from aistack.errors import AistackError, require


class EndpointFailed(AistackError):
    """The server that should have generated did not; the message says why and what to do."""


@dataclass(frozen=True)
class Model:
    """A served model: its name, and the tokens that prompt and answer may have together, where the server says so."""

    name: str
    context: int | None


class Endpoint:
    """An OpenAI-compatible server at `url`, with or without the trailing `/v1`; a context manager that closes it."""

    def __init__(self, url: str, key: str | None = None, timeout: float = 60.0, chat: bool = True) -> None:
        """`key` is sent as a bearer token; `chat` False asks a base model to go on with the prompt instead,
        past the end of its text if need be (`ignore_eos`, which aistack's own server and vLLM know).

        Raises `MissingExtra` without the `lab` extra."""
        require("lab", "Generation")
        import httpx

        self.url = url.rstrip("/").removesuffix("/v1")
        self._httpx = httpx
        try:
            self._client = httpx.Client(
                base_url=f"{self.url}/v1",
                timeout=timeout,
                headers={"Authorization": f"Bearer {key}"} if key else {},
                # a proxy of the environment must not see what is asked of a server on this machine
                trust_env=not _is_loopback(self.url),
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise EndpointFailed(
                f"{url!r} is no address of a server ({error}). Example: http://127.0.0.1:8000"
            ) from None
        self._timeout, self._chat = timeout, chat

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def model(self, name: str | None = None) -> Model:
        """The served model called `name`, or the first one. Raises `EndpointFailed`, which lists what is served."""
        listed = self._call("GET", "/models").get("data")
        if not isinstance(listed, list) or not all(isinstance(each, dict) and "id" in each for each in listed):
            raise EndpointFailed(f"{self.url} answered /v1/models without a list of models.")
        models = [
            Model(
                str(each["id"]), length if isinstance(length := each.get("max_model_len"), int) and length > 0 else None
            )
            for each in listed
        ]
        for model in models:
            if name in {None, model.name}:
                return model
        served = ", ".join(model.name for model in models) or "none"
        raise EndpointFailed(f"{self.url} serves no model named {name!r}. It serves: {served}.")

    def generate(self, model: str, prompt: str, tokens: int) -> str:
        """At most `tokens` tokens in answer to `prompt`, the same ones each time. Raises `EndpointFailed`."""
        body: dict[str, Any] = {"model": model, "max_tokens": tokens}
        if self._chat:
            messages = [{"role": "user", "content": prompt}]
            answer = self._call("POST", "/chat/completions", body | {"messages": messages, "temperature": 0})
        else:
            # the likeliest words of a small base model are the same few for ever: it is sampled
            body |= {"prompt": prompt, "temperature": 0.8, "seed": 0, "ignore_eos": True}
            answer = self._call("POST", "/completions", body)
        try:
            choice = answer["choices"][0]
            text = choice["message"]["content"] if self._chat else choice["text"]
        except (LookupError, TypeError):
            text = None
        if not isinstance(text, str):
            raise EndpointFailed(f"{self.url} answered without a text in its first choice; is it OpenAI-compatible?")
        return text

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            response = self._client.request(method, path.lstrip("/"), json=body)
        except self._httpx.TimeoutException:
            raise EndpointFailed(f"{self.url} did not answer within {self._timeout:g} s.") from None
        except (self._httpx.HTTPError, self._httpx.InvalidURL) as error:
            raise EndpointFailed(f"{self.url} cannot be reached ({error}). Is the server running?") from None
        if response.status_code >= 400:
            raise EndpointFailed(
                f"{self.url} refused {path} with HTTP {response.status_code}: {_reason(response.text)}"
            )
        try:
            answer = response.json()
        except (json.JSONDecodeError, UnicodeDecodeError):
            answer = None
        if not isinstance(answer, dict):
            raise EndpointFailed(f"{self.url} answered {path} with something else than a JSON object.")
        return answer


def _reason(text: str) -> str:
    """What an error's body says: its message where it has the form of OpenAI's errors, else its beginning."""
    try:
        reason = json.loads(text)
        for key in ("error", "message"):
            if isinstance(reason, dict) and key in reason:
                reason = reason[key]
        text = reason if isinstance(reason, str) else text
    except json.JSONDecodeError:
        pass
    return " ".join(text.split())[:300] or "no reason given"


def _is_loopback(url: str) -> bool:
    return any(f"//{host}" in url for host in ("127.", "localhost", "[::1]"))
