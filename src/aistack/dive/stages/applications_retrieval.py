"""The retrieval half of stage 6: what is indexed, what is asked of it, predicted from pilots and then measured."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aistack import catalog
from aistack.applications import embedding, energy, questions, retrieval
from aistack.applications.lab import documents, encoder, evaluation
from aistack.applications.lab.index import Mode
from aistack.applications.lab.meter import Meter
from aistack.applications.passages import Passage, cut
from aistack.applications.questions import Question
from aistack.applications.retrieval import Pilot
from aistack.dive.stage import Context, Outputs
from aistack.dive.stages.applications_energy import CORE
from aistack.hardware.machine import Machine

SIZE, BUILD, LATENCY, FULL = "Index size", "Index build", "Search by words", "Recall@5 by words, all passages"
EMBEDDED, CPU = "Passages embedded a second", "Processor time to index and search all"
JOULES = "Energy to index and search all"
PART: dict[Mode, str] = {"dense": "Recall@5 by vectors, embedded part", "hybrid": "Recall@5 by both, embedded part"}

Vectors = dict[int, NDArray[np.float32]]
"""Unit vectors by the passages' numbers."""

K = 5
"""Results within which the right passage must be: what a reader looks through."""
_QUESTIONS_A_SECOND = 8
_LEAST, _MOST = 60, 400
"""Questions by the budget's seconds, and their limits."""
_TOO_FEW = 10
"""Questions below which nothing is said about the quality of retrieval."""
_EMBEDDING, _SEARCHING = 0.3, 0.25
"""Shares of the budget that go into vectors, and into searching all passages."""
_CHUNK = 32


@dataclass(frozen=True)
class Material:
    """What is indexed and what is asked."""

    passages: tuple[Passage, ...]
    questions: tuple[Question, ...]
    held_back: int
    """How many of the questions come from text that was held back from training."""
    book: int
    """How many of the passages are of the book; they come last."""

    @cached_property
    def evidence(self) -> tuple[Passage, ...]:
        """The passages, those of the questions without the question's sentence."""
        texts = {question.target: question.evidence for question in self.questions}
        return tuple(
            replace(each, text=texts[number]) if number in texts else each for number, each in enumerate(self.passages)
        )

    def sample(self, count: int, including: Sequence[Question], rng: random.Random) -> list[int]:
        """Numbers of `count` passages drawn at random that include those of some questions."""
        targets = {question.target for question in including}
        others = [number for number in range(len(self.passages)) if number not in targets]
        return sorted([*targets, *rng.sample(others, min(len(others), max(0, count - len(targets))))])


def gather(context: Context) -> Material:
    """The passages of the dive's documents and of the book, and questions with known answers."""
    texts, held_back = documents.read(context.root / context.earlier["frameworks"]["documents"])
    book = [passage for page in documents.book() for passage in cut(page)]
    passages: list[Passage] = []
    candidates: tuple[list[int], list[int]] = [], []
    for document in texts:
        for passage in cut(document):
            candidates[document.id not in held_back].append(len(passages))
            passages.append(passage)
    wanted = int(min(_MOST, max(_LEAST, _QUESTIONS_A_SECOND * context.budget)))
    plain = [passage.text for passage in passages]
    asked = questions.make(plain, candidates[0], wanted, context.options.seed)
    held = len(asked)
    if held < wanted:
        asked += questions.make(plain, candidates[1], wanted - held, context.options.seed)
    # the two kinds must not end up one in the pilot and one in the measurement
    mixed = random.Random(context.options.seed).sample(asked, len(asked))
    return Material((*passages, *book), tuple(mixed), held, len(book))


def by_words(context: Context, material: Material, path: Path) -> Outputs:
    """Predict from two small collections, each with its own questions, what BM25 does on all passages; then do it."""
    total, rng = len(material.passages), random.Random(context.options.seed)
    fifth = len(material.questions) // 5
    pilots = []
    for share, asked in ((16, material.questions[:fifth]), (4, material.questions[fifth : 2 * fifth])):
        numbers = material.sample(max(total // share, 2 * len(asked) + 8), asked, rng)
        pilots.append(evaluation.measure(path, material.evidence, numbers, asked))
    latency = _at_size(pilots, total, lambda pilot: statistics.median(pilot.runs["lexical"].seconds or (0.0,)))
    affordable = max(_TOO_FEW, int(_SEARCHING * context.budget / latency)) if latency else 0
    rest = material.questions[2 * fifth :][:affordable]
    graded = len(rest) >= _TOO_FEW
    ranked = [Pilot(pilot.runs["lexical"].ranks, pilot.distractors, evaluation.DEPTH) for pilot in pilots]
    meter = Meter()
    _predict_cost(context, material, pilots, len(rest), meter.counts_energy)
    if graded:
        how = f"median, linear in passages, {_from(pilots, total)}"
        context.ledger.predict(LATENCY, latency, "s", how)
        how = f"beta-binomial, {_from(pilots, total)}"
        _predict_recall(context, FULL, ranked, total, len(rest), how)
    else:
        context.progress.say("  The text has too few different sentences to ask about; retrieval is not graded.")
    with context.progress.task(f"Searching {total:,} passages by words", len(rest)) as task, meter:
        whole = evaluation.measure(path, material.evidence, range(total), rest, asked=task.advance)
    taken = whole.runs["lexical"]
    context.ledger.measure(SIZE, whole.bytes)
    context.ledger.measure(BUILD, whole.build_seconds)
    context.ledger.measure(CPU, meter.reading.cpu_seconds)
    if meter.reading.joules is not None:
        context.ledger.measure(JOULES, meter.reading.joules)
    if not graded:
        return {"curves": []}
    context.ledger.measure(LATENCY, statistics.median(taken.seconds), np.quantile(taken.seconds, [0.05, 0.95]).tolist())
    context.ledger.measure(FULL, float(retrieval.recall_at(taken.ranks, K).mean()))
    points = [_point(pilot, "lexical", "pilot", context) for pilot in pilots]
    points.append(_point(whole, "lexical", "measured", context))
    return {"curves": [{"mode": "lexical", "points": points, "prediction": _curve(context, ranked, total, len(rest))}]}


def by_vectors(context: Context, material: Material, path: Path) -> tuple[Vectors, Outputs]:
    """Embed what the budget allows, predict dense and hybrid recall on it from a quarter of it, then measure."""
    nothing: Outputs = {"modes": [], "dense_passages": 0, "dense_curves": []}
    if not encoder.available():
        context.progress.say("  No vectors: the 'embed' extra is not installed. Search is by words alone.")
        return {}, nothing
    model = _encoder(context, material)
    vectors = _embed(context, material, model)
    asked = [question for question in material.questions if question.target in vectors]
    third = len(asked) // 3
    if third < _TOO_FEW // 2:
        context.progress.say(f"  Vectors for {len(vectors)} passages are too few to grade dense retrieval by.")
        return vectors, nothing
    pilot_asked, rest = asked[:third], asked[third:]
    targets = {question.target for question in pilot_asked}
    others = sorted(set(vectors) - targets)
    random.Random(context.options.seed).shuffle(others)
    numbers = sorted([*targets, *others[: max(len(vectors) // 4 - third, third)]])
    modes: tuple[Mode, ...] = ("dense", "hybrid")
    pilot = evaluation.measure(path, material.evidence, numbers, pilot_asked, modes, vectors, model)
    ranked = {mode: [Pilot(pilot.runs[mode].ranks, pilot.distractors, evaluation.DEPTH)] for mode in modes}
    for mode in modes:
        how = f"beta-binomial, from {pilot.passages:,} of {len(vectors):,} embedded passages and {third} questions"
        _predict_recall(context, PART[mode], ranked[mode], len(vectors), len(rest), how)
    with context.progress.task(f"Searching {len(vectors):,} passages in three ways", 3 * len(rest)) as task:
        every: tuple[Mode, ...] = ("lexical", *modes)
        whole = evaluation.measure(path, material.evidence, sorted(vectors), rest, every, vectors, model, task.advance)
    for mode in modes:
        context.ledger.measure(PART[mode], float(retrieval.recall_at(whole.runs[mode].ranks, K).mean()))
    points = [_point(pilot, "dense", "pilot", context), _point(whole, "dense", "measured", context)]
    curve = _curve(context, ranked["dense"], len(vectors), len(rest))
    return vectors, {
        "modes": [_quality(whole, mode, context) for mode in every],
        "dense_passages": whole.passages,
        "dense_curves": [{"mode": "dense", "points": points, "prediction": curve}],
    }


def _predict_cost(
    context: Context, material: Material, pilots: Sequence[evaluation.Trial], asked: int, metered: bool
) -> None:
    """Size, build time and processor time of the whole, each linear in what it grows with."""
    small, large = pilots
    total, characters = len(material.passages), sum(len(each.text) for each in material.evidence)
    origin, predict = _from(pilots, total), context.ledger.predict
    growth, bytes_each = characters / large.characters, 0.0
    if large.characters > small.characters:
        bytes_each = (large.bytes - small.bytes) / (large.characters - small.characters)
    predict(SIZE, large.bytes + bytes_each * (characters - large.characters), "B", f"linear in characters, {origin}")
    how = f"characters a second of an index of {large.passages:,} passages"
    predict(BUILD, large.build_seconds * growth, "s", how)
    search = _at_size(pilots, total, lambda pilot: _mean_search(pilot.runs["lexical"]))
    cpu = large.build_cpu_seconds * growth + asked * search
    predict(CPU, cpu, "s", f"of the build and {asked} searches, {origin}")
    if metered:
        core = catalog.record("power", CORE)
        joules = energy.estimate(cpu, core)
        how = f"that processor time at {core.value.text} a core; the meter counts whole processors"
        predict(JOULES, joules.joules, "J", how, (joules.low, joules.high))


def _mean_search(run: evaluation.Run) -> float:
    return run.cpu_seconds / max(1, len(run.seconds))


def _at_size(pilots: Sequence[evaluation.Trial], total: int, quantity: Callable[[evaluation.Trial], float]) -> float:
    """A quantity of two pilots continued along a line to `total` passages, never below the larger pilot's."""
    small, large = pilots
    slope = (quantity(large) - quantity(small)) / max(1, large.passages - small.passages)
    return quantity(large) + max(0.0, slope) * (total - large.passages)


def _predict_recall(
    context: Context, quantity: str, pilots: Sequence[Pilot], passages: int, asked: int, how: str
) -> None:
    (recall,) = retrieval.estimate(pilots, [passages - 1], K, asked, context.options.seed)
    context.ledger.predict(quantity, recall.value, "1", how, (recall.low, recall.high))


def _from(pilots: Sequence[evaluation.Trial], total: int) -> str:
    return f"from indexes of {' and '.join(f'{pilot.passages:,}' for pilot in pilots)} of {total:,} passages"


def _encoder(context: Context, material: Material) -> encoder.MiniLM:
    """The encoder in the number format that this machine multiplies faster."""
    machine = Machine.from_json(context.earlier["hardware"]["machine"])
    shape, batch = encoder.SHAPE, encoder.BATCH
    seconds = {dtype: embedding.estimate(machine, shape, batch, 128, dtype) for dtype in ("float32", "bfloat16")}
    best = min(seconds, key=lambda dtype: seconds[dtype])
    model = encoder.MiniLM(context.device, best)
    probe = random.Random(context.options.seed).choices(material.evidence, k=4 * _CHUNK)
    seq_len = round(model.padded([passage.text for passage in probe]) / len(probe))
    how = f"{encoder.NAME} in {best} at layer 1's rates, {seq_len} tokens a passage with padding"
    predicted = batch / embedding.estimate(machine, shape, batch, seq_len, best)
    context.ledger.predict(EMBEDDED, predicted, "1/s", how)
    return model


def _embed(context: Context, material: Material, model: encoder.MiniLM) -> Vectors:
    """Vectors by the passages' numbers, until the time is up: one passage in four is some question's."""
    targets = [question.target for question in material.questions]
    others = sorted(set(range(len(material.passages))) - set(targets))
    random.Random(context.options.seed).shuffle(others)
    # three others after each question's passage, so that whenever time is up the mixture is the same
    groups = [[target, *others[3 * each : 3 * each + 3]] for each, target in enumerate(targets)]
    order = [number for group in groups for number in group] + others[3 * len(targets) :]
    vectors: Vectors = {}
    rates = []
    # the first call sets PyTorch up and is not what is measured
    model.encode([material.evidence[order[0]].text] * 2)
    end = time.perf_counter() + _EMBEDDING * context.budget
    with context.progress.task("Embedding passages") as task:
        for start in range(0, len(order), _CHUNK):
            if time.perf_counter() > end and vectors:
                break
            chunk = order[start : start + _CHUNK]
            began = time.perf_counter()
            encoded = model.encode([material.evidence[number].text for number in chunk])
            rates.append(len(chunk) / (time.perf_counter() - began))
            vectors |= dict(zip(chunk, encoded, strict=True))
        task.note(f"{len(vectors):,} of {len(order):,}")
    context.ledger.measure(EMBEDDED, statistics.median(rates), rates)
    return vectors


def _curve(context: Context, pilots: Sequence[Pilot], total: int, asked: int) -> list[dict[str, float]]:
    """Predicted recall at sizes from the smallest pilot's to `total`."""
    least = min(pilot.distractors for pilot in pilots) + 1
    sizes = sorted({*np.geomspace(least, total, 12).round().astype(int).tolist(), total})
    predictions = retrieval.estimate(pilots, [size - 1 for size in sizes], K, asked, context.options.seed)
    return [{"passages": size, **asdict(each)} for size, each in zip(sizes, predictions, strict=True)]


def _point(trial: evaluation.Trial, mode: Mode, kind: str, context: Context) -> dict[str, Any]:
    ranks = trial.runs[mode].ranks
    recall = retrieval.mean(retrieval.recall_at(ranks, K), context.options.seed)
    return {"passages": trial.passages, "kind": kind, "questions": len(ranks), **asdict(recall)}


def _quality(trial: evaluation.Trial, mode: Mode, context: Context) -> dict[str, Any]:
    ranks = trial.runs[mode].ranks
    measures = {
        "recall@1": retrieval.recall_at(ranks, 1),
        "recall@5": retrieval.recall_at(ranks, 5),
        "recall@10": retrieval.recall_at(ranks, 10),
        "MRR": retrieval.reciprocal_rank(ranks),
        "nDCG@10": retrieval.ndcg_at(ranks, 10),
    }
    return {
        "mode": mode,
        "questions": len(ranks),
        "seconds": statistics.median(trial.runs[mode].seconds),
        "measures": {name: asdict(retrieval.mean(each, context.options.seed)) for name, each in measures.items()},
    }


@contextmanager
def scratch(context: Context) -> Iterator[Path]:
    """A file for indexes that are only searched for measurement."""
    path = context.folder / "trial.sqlite"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
