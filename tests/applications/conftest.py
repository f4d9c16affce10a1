"""What the tests of layer 6 share: a few passages, made-up prose, and a server to ask."""

import random
from collections.abc import Callable, Iterator

import pytest
from fake_endpoint import FakeServer

from aistack.applications.passages import Passage


@pytest.fixture
def server() -> Iterator[FakeServer]:
    running = FakeServer()
    yield running
    running.stop()


SUBJECTS = {
    "shards": "A shard is a file of packed token sequences. Every shard has a manifest with its hash.",
    "cache": "The key-value cache keeps the attention keys of past tokens, page by page, for the decoder.",
    "optimizer": "AdamW keeps two moments for each weight. Weight decay is applied apart from the gradient.",
    "network": "An all-reduce sums gradients over every rank. Its time grows with the message size.",
    "kettle": "A kettle boils water on the stove. It whistles when the steam rises through its spout.",
}


@pytest.fixture
def passages() -> list[Passage]:
    return [Passage(f"{name}#0", text, f"docs: {name}.md", "MIT") for name, text in SUBJECTS.items()]


@pytest.fixture
def prose_of() -> Callable[[int, int], str]:
    """`prose_of(seed, sentences)`: sentences that share some words and never repeat."""
    syllables = "ta ri mo ken lu sha ver no pi dra gos fel um bra sti cor".split()  # noqa: SIM905

    def write(seed: int, sentences: int) -> str:
        draw = random.Random(seed)
        common = ["".join(draw.choices(syllables, k=2)) for _ in range(30)]
        written = []
        for _ in range(sentences):
            words = [*draw.sample(common, 6), *("".join(draw.choices(syllables, k=3)) for _ in range(5))]
            draw.shuffle(words)
            written.append(" ".join(words).capitalize() + ".")
        return " ".join(written)

    return write
