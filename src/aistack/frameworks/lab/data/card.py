"""The data card: what a person should know of the data before training on it, after "Datasheets for Datasets".

Gebru et al., arXiv:1803.09010: motivation, composition, collection, preprocessing, uses and limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from aistack import units
from aistack.frameworks.funnel import Step
from aistack.frameworks.lab.data import duplicates, quality, tokenizer
from aistack.frameworks.lab.data.document import LONGEST
from aistack.frameworks.lab.data.split import VALIDATION
from aistack.frameworks.lab.shards import SPLITS, tail

if TYPE_CHECKING:
    from aistack.frameworks.lab.data.collection import Collection
    from aistack.frameworks.lab.data.pipeline import Built

SHOWN = 40
"""Rows of a table of sources; the shards' manifest has them all."""


def text(collection: Collection, built: Built) -> str:
    """The card in Markdown."""
    return (
        "\n\n".join(
            (
                f"# Data card: {collection.title}",
                _summary(built),
                "## Why it was made",
                "To train a small language model on this machine, the third of six steps from hardware to application, "
                "and to give its assistant something to cite.",
                "## What is in it",
                _composition(built),
                _languages(built),
                "## Where it comes from, and under which licence",
                _origin(collection),
                _sources(collection, built),
                "## What was done to it",
                _steps(),
                _losses((collection.files, built.drawn, *built.funnel.steps)),
                "## Sizes",
                _sizes(built),
                "## What to keep in mind",
                _limits(collection),
            )
        )
        + "\n"
    )


def _summary(built: Built) -> str:
    kept = built.funnel.steps[-1].kept
    tokens = sum(stream.tokens for stream in built.streams.values())
    return (
        f"{kept.documents:,} documents, {units.text(kept.bytes, 'B')} of text, {units.text(tokens, 'token')}, "
        f"vocabulary {built.manifest['vocab']:,}, sequences of {built.manifest['seq_len']} tokens."
    )


def _composition(built: Built) -> str:
    kept = built.funnel.steps[-1].kept
    return (
        f"A document is one documentation string, one file, one record, or a part of at most {LONGEST:,} characters of "
        f"a longer one; {kept.bytes / kept.documents:,.0f} bytes on average. `documents.jsonl` holds one JSON object a "
        "line: `id` (where the text stands), `text`, `source`, `licence`, `split`."
    )


def _languages(built: Built) -> str:
    total = sum(built.languages.values())
    shares = ", ".join(f"{name} {size / total:.1%}" for name, size in list(built.languages.items())[:8])
    return f"Languages before any was dropped, by bytes: {shares}."


def _origin(collection: Collection) -> str:
    if not collection.packages:
        return (
            "The text was given by the user of this machine. Its licence is not known here: it is theirs to know. "
            "Of Python files the documentation strings are taken."
        )
    refused = [package for package in collection.packages if not package.used]
    listed = ", ".join(f"{package.name} ({package.licence})" for package in refused) or "none"
    return (
        "Documentation strings and package descriptions of the standard library and of the packages installed in this "
        "Python, read from their files (nothing is imported, nothing fetched). Licences are those that the packages' "
        "metadata states; only licences that ask for no more than attribution are used. Left out for their licence: "
        f"{listed}. Tests and other people's code inside a package were left out as well."
    )


def _sources(collection: Collection, built: Built) -> str:
    versions = {package.name: package.version for package in collection.packages}
    ranked = sorted(built.sources.items(), key=lambda item: -item[1].bytes)
    rows = [
        (name, versions.get(name, ""), source.licence, f"{source.documents:,}", f"{source.bytes:,}", source.sha256[:12])
        for name, source in ranked[:SHOWN]
    ]
    more = f"\n\n{len(ranked) - SHOWN} smaller sources are in `shards/manifest.json`." if len(ranked) > SHOWN else ""
    return _table(("Source", "Version", "Licence", "Documents", "Bytes", "SHA-256"), rows) + more


def _steps() -> str:
    return "\n".join(
        f"{number}. {step}"
        for number, step in enumerate(
            (
                "Read. What is broken is counted and left out: undecodable text, JSON or Parquet, Python that does not "
                "parse.",
                "Normalise: Unicode NFC, one kind of line end, no control characters, no trailing white space.",
                f"Judge: documents under {quality.SHORTEST} characters, and those that break a rule on letters, "
                "symbols, repetition or words.",
                "Drop documents whose text came before, exactly.",
                "Keep the language wanted (English for documentation; else all that make up a tenth of the text).",
                f"Drop near-duplicates: Jaccard similarity of runs of {duplicates.RUN} words of "
                f"{duplicates.THRESHOLD:g} or more with an earlier document. MinHash only proposes; the similarity "
                "itself decides.",
                f"Hold back about {VALIDATION:.0%} of the documents for validation, by a hash of their ids.",
                f"Train a byte-level BPE tokenizer on the training documents; `{tokenizer.SEPARATOR}` stands between "
                "documents.",
                "Encode in a random order drawn from the seed, pack, cut into sequences, write shards.",
            ),
            1,
        )
    )


def _losses(steps: Sequence[Step]) -> str:
    rows = []
    for step in steps:
        for reason, amount in sorted(step.dropped.items(), key=lambda item: -item[1].bytes):
            rows.append((step.name, reason, f"{amount.documents:,}", f"{amount.bytes:,}"))
        rows.append((step.name, "kept", f"{step.kept.documents:,}", f"{step.kept.bytes:,}"))
    return "The first two steps count files and pieces of files, the others documents.\n\n" + _table(
        ("Step", "What became of it", "Number", "Bytes"), rows
    )


def _sizes(built: Built) -> str:
    seq_len = built.manifest["seq_len"]
    rows = []
    for part in SPLITS:
        stream, sequences = built.streams[part], built.manifest["splits"][part]["sequences"]
        rows.append(
            (
                part,
                f"{stream.bytes:,}",
                f"{stream.tokens:,}",
                f"{sequences:,}",
                f"{tail(stream.tokens, seq_len):,}",
                f"{stream.bytes_per_token:.3f}",
            )
        )
    return _table(("Split", "Bytes", "Tokens", "Sequences", "Tokens after the last sequence", "Bytes a token"), rows)


def _limits(collection: Collection) -> str:
    own = (
        "Reference documentation is a narrow kind of English: a model trained on it writes parameter lists, not "
        "conversation, and knows what a few packages do and little else. Documentation repeats itself across "
        "versions of a function; what remains below the threshold of near-duplicates is still alike. "
        if collection.packages
        else "What the text is fit for, and whether it holds personal data, was not examined. "
    )
    return (
        own
        + "The quality rules are heuristics: they drop some good text and keep some poor. The language was told from "
        "the first part of each document. The text may name people (authors, maintainers) where its sources do."
    )


def _table(head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    lines += [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)
