"""What one worker does with a batch of pieces: read, normalise, judge the quality, tell the language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from aistack.frameworks.funnel import Step
from aistack.frameworks.lab.data.document import Document
from aistack.frameworks.lab.data.language import identify
from aistack.frameworks.lab.data.normalise import normalise
from aistack.frameworks.lab.data.piece import Piece
from aistack.frameworks.lab.data.quality import fault
from aistack.frameworks.lab.data.read import read


@dataclass
class Batch:
    """The documents that came through, each with its language, and the account of the steps."""

    documents: list[tuple[Document, str]] = field(default_factory=list)
    read: Step = field(default_factory=lambda: Step("read"))
    normalise: Step = field(default_factory=lambda: Step("normalise"))
    quality: Step = field(default_factory=lambda: Step("quality"))


def clean(pieces: Sequence[Piece]) -> Batch:
    """Read `pieces` and keep the documents of good quality."""
    batch = Batch()
    for piece in pieces:
        for document in read(piece, batch.read):
            before = len(document.text.encode("utf-8", "surrogatepass"))
            text = normalise(document.text)
            size = len(text.encode())
            batch.normalise.keep(size)
            if before != size:
                batch.normalise.drop("white space and control characters", before - size, documents=0)
            reason = fault(text)
            if reason is not None:
                batch.quality.drop(reason, size)
                continue
            batch.quality.keep(size)
            batch.documents.append((Document(document.id, text, document.source, document.licence), identify(text)))
    return batch
