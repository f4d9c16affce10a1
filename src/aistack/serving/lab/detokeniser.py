"""Tokens turned into text as they come: never half a character, never a piece of a stop string."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer

_REPLACEMENT = "\ufffd"
_LONGEST_INCOMPLETE = 3
"""Bytes of the longest unfinished UTF-8 character: so many replacement characters may still become one."""
_WINDOW, _CONTEXT = 32, 8
"""Decoding starts afresh from the last `_CONTEXT` tokens once there are `_WINDOW`, so that a step's cost is bounded."""


class Detokeniser:
    """The text of one sequence's generated tokens; `push` and `finish` give it out piece by piece."""

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str] = ()) -> None:
        self._tokenizer = tokenizer
        self._stop = tuple(stop)
        self._tokens: list[int] = []
        self._decoded = 0
        """Characters of the decoded tokens that were moved to `_held`."""
        self._held = ""
        """Text that may still turn out to begin a stop string."""
        self.stopped = False
        """Whether a stop string came; nothing is given out after it."""

    def push(self, token: int) -> str:
        """Take one more token; the text that is now certain."""
        self._tokens.append(token)
        text = self._decode()
        ends = text.rstrip(_REPLACEMENT)
        certain = max(len(ends), len(text) - _LONGEST_INCOMPLETE)
        self._held += text[self._decoded : certain]
        self._decoded = max(self._decoded, certain)
        if len(self._tokens) >= _WINDOW and certain == len(text):
            self._tokens = self._tokens[-_CONTEXT:]
            self._decoded = len(self._decode())
        return self._release(final=False)

    def finish(self) -> str:
        """The rest of the text, when no token comes any more."""
        self._held += self._decode()[self._decoded :]
        self._tokens, self._decoded = [], 0
        return self._release(final=True)

    def _decode(self) -> str:
        text: str = self._tokenizer.decode(self._tokens, skip_special_tokens=True)
        return text

    def _release(self, final: bool) -> str:
        if self.stopped:
            return ""
        places = [place for place in (self._held.find(stop) for stop in self._stop) if place >= 0]
        if places:
            self.stopped = True
            given, self._held = self._held[: min(places)], ""
            return given
        keep = 0 if final else max((_overlap(self._held, stop) for stop in self._stop), default=0)
        cut = len(self._held) - keep
        given, self._held = self._held[:cut], self._held[cut:]
        return given


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that begins `stop` without being all of it."""
    return next((size for size in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:size])), 0)
