"""Text for the data pipeline's tests: English-like prose that no two documents share."""

import random
from collections.abc import Callable

import pytest

SENTENCES = (
    "the {0} of the {1} is given by the {2} that follows from it, unless the {3} says otherwise",
    "when a {0} reads the {1}, every {2} in it must first be compared with the {3} before it is kept",
    "returns the {0} for which the {1} takes its largest value, or the {2} where there is no such {3}",
    "this function looks at each {0} in turn and adds the {1} to the {2}, which may change the {3}",
    "if the {0} has been given, then the {1} is computed from the {2} and the result is a new {3}",
    "note that the {0} and the {1} share their {2}, so that writing to one of them changes the {3} too",
)
SYLLABLES = ("ma", "trix", "vec", "tor", "in", "dex", "ar", "ray", "val", "ue", "fil", "ter", "no", "de", "gra", "ph")


@pytest.fixture(scope="session")
def prose() -> Callable[[int, int], str]:
    """`prose(seed, sentences)`: paragraphs of made-up technical English, another for every seed."""

    def write(seed: int, sentences: int = 12) -> str:
        draw = random.Random(seed)
        written = []
        for _ in range(sentences):
            words = ["".join(draw.choices(SYLLABLES, k=draw.randint(2, 4))) for _ in range(4)]
            written.append(draw.choice(SENTENCES).format(*words).capitalize() + ".")
        return "\n\n".join(" ".join(written[start : start + 4]) for start in range(0, sentences, 4))

    return write
