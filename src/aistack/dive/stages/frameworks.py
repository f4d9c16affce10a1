"""Stage 3: real text into training shards, and a model's operations and memory against PyTorch's own counters."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from aistack import units
from aistack.catalog.architecture import ModelSpec, llama
from aistack.dive.stage import Context, Outputs
from aistack.drawing import Figure
from aistack.frameworks import memory, operators, yields
from aistack.frameworks.funnel import Funnel, Step

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

    from aistack.frameworks.lab.data.collection import Collection

SEQ_LEN = 256
TEXT_A_SECOND = 0.2e6
"""Bytes of kept text per second of budget: what two cores read, clean and encode, with time to spare."""
PILOT, QUICK_PILOT = 6e6, 2e6
"""Bytes of source that the predictions are made from."""
MOST_WORKERS = 16
BATCH = 4
"""Sequences of the step whose operations are counted."""


def run(context: Context) -> Outputs:
    """Count the model's operations, then read, clean, deduplicate, tokenise, pack and shard the text.

    Raises `BadInput` for a path that does not exist and for too little text.
    """
    from aistack.frameworks.lab.data.collection import collect
    from aistack.frameworks.lab.data.workers import pool, usable_cores

    collection = collect(context.options.text)
    workers = min(usable_cores(), MOST_WORKERS)
    with pool(workers) as executor:
        operations = _count_operations(context)
        return {**_make_shards(context, collection, executor, workers), "operations": operations}


def figures(outputs: Outputs) -> list[Figure]:
    """What became of the text, where it came from, and where a training step's operations go."""
    from aistack.frameworks.figures import operations, sources, text_funnel

    return [
        text_funnel.draw(Funnel.from_json(outputs["funnel"]), Step.from_json(outputs["drawn"]), outputs["tokens"]),
        sources.draw(outputs["sources"], outputs["bytes_per_token"]),
        operations.draw(
            [operators.Operator(**each) for each in outputs["operations"]["training_step"]],
            outputs["operations"]["training_flop"],
            outputs["operations"]["model"],
        ),
    ]


def _count_operations(context: Context) -> dict[str, Any]:
    """Predict parameters, FLOP and saved activations of a small model from its graph; read PyTorch's counters."""
    from aistack.frameworks.lab import counters

    spec, ledger = _model(), context.ledger
    step = operators.training_step(spec, BATCH, SEQ_LEN)
    ledger.predict("Parameters", spec.parameters, "1", "summed over the parts of the model")
    forward = operators.counted_flop(operators.forward(spec, BATCH, SEQ_LEN))
    ledger.predict("Forward pass", forward, "FLOP", "operator graph: multiplications and attention")
    training = operators.counted_flop(step)
    ledger.predict("Forward and backward pass", training, "FLOP", "operator graph: multiplications and attention")
    kept = memory.estimate(spec, BATCH, SEQ_LEN).activations
    ledger.predict("Saved activations", kept, "B", "tensor by tensor, from the model's shapes")
    with context.progress.task("Count a model's operations with PyTorch"):
        counted = counters.measure(spec, BATCH, SEQ_LEN, "float32", seed=context.options.seed)
    ledger.measure("Parameters", counted.parameters)
    ledger.measure("Forward pass", counted.forward_flop)
    ledger.measure("Forward and backward pass", counted.training_flop)
    ledger.measure("Saved activations", counted.activation_bytes)
    return {
        "model": f"{units.text(spec.parameters, '1')} parameters, {BATCH} sequences of {SEQ_LEN} tokens",
        "training_step": [vars(operator) for operator in step],
        "training_flop": counted.training_flop,
    }


def _model() -> ModelSpec:
    return llama(
        "a model of four layers",
        hidden=256,
        layers=4,
        heads=4,
        kv_heads=2,
        feed_forward=704,
        vocab=4096,
        max_context=SEQ_LEN,
    )


def _make_shards(context: Context, collection: Collection, executor: ProcessPoolExecutor, workers: int) -> Outputs:
    from aistack.frameworks.lab.data import pilot, pipeline
    from aistack.frameworks.lab.data.piece import sample
    from aistack.frameworks.lab.data.split import VALIDATION

    options, ledger = context.options, context.ledger
    limit = TEXT_A_SECOND * context.budget
    with context.progress.task("Try a small share of the text, to predict the rest"):
        share = QUICK_PILOT if options.quick else PILOT
        tried = pilot.measure(collection.pieces, share, limit, f"pilot {options.seed}", executor, workers)
    wanted = limit if tried is None else yields.source_for(tried, limit)
    pieces = sample(collection.pieces, wanted, f"draw {options.seed}")
    if tried is None:
        context.progress.say("  too little text to predict from a share of it")
    else:
        expected = yields.estimate(tried, sum(piece.size for piece in pieces), workers, VALIDATION)
        _predict(context, expected, tried)

    began = time.perf_counter()
    built = pipeline.build(
        collection,
        pieces,
        context.folder,
        seq_len=SEQ_LEN,
        seed=options.seed,
        executor=executor,
        workers=workers,
        watch=context.progress.task,
    )
    seconds = time.perf_counter() - began

    kept, good = built.funnel.steps[-1].kept.documents, built.funnel.steps[2].kept.documents
    training, validation = built.streams["train"], built.streams["validation"]
    rates = [*training.rates, *validation.rates]
    encoded = training.bytes + validation.bytes
    if tried is not None:
        ledger.measure("Documents kept", kept)
        ledger.measure("Repeated documents", 1 - kept / good)
        ledger.measure("Tokens", training.tokens + validation.tokens)
        ledger.measure("Text per token", validation.bytes_per_token)
        ledger.measure("Tokenizer throughput", encoded / (training.seconds + validation.seconds), rates)
        ledger.measure("Pipeline", seconds)
    splits = built.manifest["splits"]
    return {
        "shards": "frameworks/shards",
        "tokenizer": "frameworks/tokenizer",
        "documents": "frameworks/documents.jsonl",
        "data_card": "frameworks/DATA_CARD.md",
        "vocab": built.manifest["vocab"],
        "seq_len": SEQ_LEN,
        "train_tokens": splits["train"]["tokens"],
        "validation_tokens": splits["validation"]["tokens"],
        "bytes_per_token": validation.bytes_per_token,
        "tokens": training.tokens + validation.tokens,
        "collection": collection.title,
        "files": collection.files.to_json(),
        "drawn": built.drawn.to_json(),
        "funnel": built.funnel.to_json(),
        "languages": built.languages,
        "sources": {name: vars(source) for name, source in built.sources.items()},
        "seconds": built.seconds,
    }


def _predict(context: Context, expected: yields.Yield, tried: yields.Pilot) -> None:
    ledger = context.ledger
    how = f"from a pilot of {units.text(tried.source_bytes, 'B')} of the source"
    # 90% of a normal error; of a sum that grows with the sample
    width = 1.645 * tried.error

    def around(value: float) -> tuple[float, float]:
        return max(0.0, value * (1 - width)), value * (1 + width)

    ledger.predict("Documents kept", expected.documents, "1", how, around(expected.documents))
    ledger.predict("Repeated documents", expected.repeated, "1", f"{how}; new kinds by Heaps' law")
    ledger.predict("Tokens", expected.tokens, "token", how, around(expected.tokens))
    ledger.predict("Text per token", expected.bytes_per_token, "B/token", "learning curve of three small tokenizers")
    ledger.predict("Tokenizer throughput", expected.encode_rate, "B/s", how)
    ledger.predict("Pipeline", expected.seconds, "s", f"{how}, every part scaled with its input")
