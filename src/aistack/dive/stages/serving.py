"""Stage 5: quantise the trained model, serve it, load it with concurrent clients, and compare with the prediction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, cast

from aistack.catalog.architecture import ModelSpec
from aistack.catalog.configuration import read_config
from aistack.dive.stage import Context, Outputs
from aistack.dive.stages.serving_plan import (
    BURST,
    BURSTS,
    LARGER,
    OTHERS,
    OTHERS_CONTEXT,
    Plan,
    Predictor,
    plan,
    spread,
    summary,
)
from aistack.drawing import Figure
from aistack.errors import BadInput
from aistack.files import write_text
from aistack.frameworks.operators import cache_bytes_per_token
from aistack.hardware.machine import Machine
from aistack.serving import quantisation, step
from aistack.serving.closed_loop import Played
from aistack.serving.latency import Load, percentile
from aistack.serving.step import Work
from aistack.serving.workload import draw

if TYPE_CHECKING:
    from aistack.serving.lab.server import Device

_BLOCK = 16


def run(context: Context) -> Outputs:
    """Calibrate on other models and on bursts, predict each load, and only then let its clients in."""
    from aistack.serving.lab import load
    from aistack.serving.lab.server import running
    from aistack.serving.lab.watch import watching

    todo = plan(context)
    source, target = context.root / context.earlier["training"]["model"], context.folder / "model-int8"
    spec = read_config(source)
    texts = _texts(context, source)
    quality = _quantise(context, spec, source, target, texts)
    with context.progress.task("Measuring int8 products, and the engine on tiny models"):
        predictor = _calibrate(context, spec, todo)
    asks = draw(texts, 512, spec.max_context, context.options.seed)
    levels, requests = list[dict[str, Any]](), list[dict[str, Any]]()
    with (
        context.progress.task("Serving it to concurrent clients", len(todo.levels) + 1) as task,
        running(target, context.options.port, device=cast("Device", context.device)) as url,
    ):
        _predict_one_client(context, predictor, load.round_trip(url))
        bursts = {count: load.measure_bursts(url, target.name, BURST, count, todo.bursts) for count in BURSTS}
        _measure_one_client(context, bursts[1])
        loaded = predictor.calibrated(bursts)
        bounds = [predictor.calibrated(bursts, slow) for slow in spread(bursts)]
        task.advance()
        for clients in todo.levels:
            played = loaded.loop(asks, clients, todo.seconds)
            if clients > max(BURSTS):
                edges = [bound.loop(asks, clients, todo.seconds) for bound in bounds]
                _predict_load(context, spec, played, edges)
            with watching(url) as seen:
                measured = load.measure(url, target.name, asks, clients, todo.seconds)
            if clients > max(BURSTS):
                _measure_load(context, measured, seen.most_cache_bytes)
            levels.append({"predicted": summary(played.load), "measured": summary(measured)})
            requests += [*_rows("predicted", played.load), *_rows("measured", measured)]
            task.advance()
            task.note(f"{clients} clients, {measured.throughput:.0f} tokens/s")
    write_text(context.folder / "requests.jsonl", "".join(json.dumps(row) + "\n" for row in requests))
    last = levels[-1]["measured"]
    return {
        "model": str(target.relative_to(context.root)),
        "context": spec.max_context,
        **{name: last[name] for name in ("clients", "time_to_first_token", "time_per_output_token", "throughput")},
        "requests": str((context.folder / "requests.jsonl").relative_to(context.root)),
        "latencies": [row for row in requests if row["clients"] == last["clients"]],
        "quality": quality,
        "host": asdict(loaded.host),
        "int8": asdict(predictor.rate),
        "levels": levels,
        "steps": _steps(loaded, todo),
        "larger": _larger(context, predictor) if todo.larger else [],
    }


def figures(outputs: Outputs) -> list[Figure]:
    """Load predicted and measured, single requests, and where a step's time goes."""
    from aistack.serving.figures import concurrency, latencies, step_time

    drawn = [
        concurrency.draw(outputs["levels"]),
        latencies.draw(outputs["latencies"], outputs["clients"]),
        step_time.draw(outputs["steps"]),
    ]
    if outputs["larger"]:
        from aistack.serving.figures import decode

        drawn.append(decode.draw(outputs["larger"]))
    return drawn


def _texts(context: Context, model: Path) -> list[list[int]]:
    """The tokens of documents that the model did not learn from."""
    from tokenizers import Tokenizer

    path = context.root / context.earlier["frameworks"]["documents"]
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    found = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            document = json.loads(line)
            if document["split"] == "validation":
                found.append(document["text"])
            if len(found) == 256:
                break
    if not found:
        raise BadInput(f"{path} holds no document of the validation split to make prompts from.")
    return [encoded.ids for encoded in tokenizer.encode_batch(found)]


def _quantise(
    context: Context, spec: ModelSpec, source: Path, target: Path, texts: Sequence[Sequence[int]]
) -> dict[str, float]:
    from aistack.serving.lab import fidelity, int8

    error = quantisation.estimate_error(spec)
    context.ledger.predict(
        "Weights file in int8", quantisation.estimate_size(spec, 8), "B", "a byte a weight, four a row for its scale"
    )
    context.ledger.predict(
        "Error of the logits from int8, relative",
        error.value,
        "1",
        "rounding of normal weights and activations, three products deep",
        (error.low, error.high),
    )
    with context.progress.task("Rounding the weights to eight bits"):
        int8.quantise(source, target)
        size = (target / "model.safetensors").stat().st_size
        found = fidelity.measure(source, target, texts, 4 if context.options.quick else 16)
    context.ledger.measure("Weights file in int8", size)
    context.ledger.measure("Error of the logits from int8, relative", found.error, found.errors)
    return {
        "bytes": size,
        "bytes_before": (source / "model.safetensors").stat().st_size,
        "error": found.error,
        "loss_before": found.loss_before,
        "loss": found.loss,
    }


def _calibrate(context: Context, spec: ModelSpec, todo: Plan) -> Predictor:
    """The int8 rates, and what the host adds a layer and a step, none of it from the model that will be served."""
    from aistack.serving.lab import decode, products
    from aistack.serving.lab.server import engine_threads

    machine = Machine.from_json(context.earlier["hardware"]["machine"])
    threads, device = engine_threads(), context.device
    rate = quantisation.fit(products.measure(threads, todo.calibration, device))
    models = {other: decode.build(other, True, device) for other in OTHERS}
    seconds = {other: decode.measure(model, 1, OTHERS_CONTEXT, 40, threads) for other, model in models.items()}
    medians = {other: median(measured) for other, measured in seconds.items()}
    ratios = [each / medians[other] for other, measured in seconds.items() for each in measured]
    host = step.fit_layers(machine, medians, OTHERS_CONTEXT, rate)
    return Predictor(machine, spec, rate, host, (percentile(ratios, 0.05), percentile(ratios, 0.95)))


def _predict_one_client(context: Context, predictor: Predictor, round_trip: float) -> None:
    held = len(BURST.prompt) + BURST.output // 2
    between = predictor.step(Work((held,), (), 1)).total
    first = predictor.step(Work((), ((0, len(BURST.prompt)),), 1)).total
    how = "operations at this machine's rates, the host's share from tiny models"
    predict = context.ledger.predict
    predict("Time per output token, one client", between, "s", how, predictor.interval(between))
    low, high = predictor.interval(first)
    how += ", and an empty request's round trip"
    bounds = (low + round_trip, high + round_trip)
    predict("Time to first token, one client", first + round_trip, "s", how, bounds)


def _measure_one_client(context: Context, burst: Load) -> None:
    between, first = burst.times_per_output_token, burst.times_to_first_token
    context.ledger.measure("Time per output token, one client", median(between), between)
    context.ledger.measure("Time to first token, one client", median(first), first)


def _predict_load(context: Context, spec: ModelSpec, played: Played, edges: Sequence[Played]) -> None:
    clients = played.load.clients
    how = f"{clients} clients played through step by step, the host's share from bursts of {BURSTS[0]} and {BURSTS[1]}"

    def bounds(values: Sequence[float]) -> tuple[float, float]:
        return min(values), max(values)

    loads = [played.load, *(edge.load for edge in edges)]
    predict = context.ledger.predict
    firsts = [load.time_to_first_token for load in loads]
    betweens = [load.time_per_output_token for load in loads]
    throughputs = [load.throughput for load in loads]
    predict(f"Time to first token, {clients} clients", firsts[0], "s", how, bounds(firsts))
    predict(f"Time per output token, {clients} clients", betweens[0], "s", how, bounds(betweens))
    predict(f"Throughput, {clients} clients", throughputs[0], "token/s", how, bounds(throughputs))
    block = cache_bytes_per_token(spec, 4.0) * _BLOCK
    predict(f"Most KV cache held, {clients} clients", played.most_blocks * block, "B", how)


def _measure_load(context: Context, load: Load, cache_bytes: float) -> None:
    clients, measure = load.clients, context.ledger.measure
    measure(f"Time to first token, {clients} clients", load.time_to_first_token, load.times_to_first_token)
    measure(f"Time per output token, {clients} clients", load.time_per_output_token, load.times_per_output_token)
    measure(f"Throughput, {clients} clients", load.throughput)
    measure(f"Most KV cache held, {clients} clients", cache_bytes)


def _rows(kind: str, load: Load) -> list[dict[str, Any]]:
    """One record a request."""
    return [
        {
            "kind": kind,
            "clients": load.clients,
            "client": each.client,
            "sent": each.sent,
            "prompt_tokens": each.prompt_tokens,
            "output_tokens": each.output_tokens,
            "time_to_first_token": each.time_to_first_token,
            "time_per_output_token": each.time_per_output_token,
            "latency": each.latency,
        }
        for each in load.requests
    ]


def _steps(predictor: Predictor, todo: Plan) -> list[dict[str, Any]]:
    """What a decode step's time goes to, by how many sequences are in it."""
    held = predictor.spec.max_context // 2
    return [
        {"batch": batch, **asdict(predictor.step(Work((held,) * batch, (), batch)))}
        for batch in sorted({1, *todo.levels})
    ]


def _larger(context: Context, predictor: Predictor) -> list[dict[str, Any]]:
    """Decode steps of a model that no cache holds, in single precision and in int8."""
    from aistack.serving.lab import decode

    rows, held, batches = list[dict[str, Any]](), 64, (1, 8)
    for form, rate in (("float32", None), ("int8", predictor.rate)):
        for batch in batches:
            predicted = step.estimate(
                predictor.machine, LARGER, Work((held,) * batch, (), batch), rate, predictor.host
            ).total
            name = f"Decode step of {LARGER.parameters / 1e6:.0f} M parameters, {form}, batch {batch}"
            how = "weights at this machine's bandwidth, and every operation's cost"
            context.ledger.predict(name, predicted, "s", how, predictor.interval(predicted))
            rows.append({"format": form, "batch": batch, "predicted": predicted, "quantity": name})
    with context.progress.task(f"Decoding with {LARGER.parameters / 1e6:.0f} M random weights, float32 and int8"):
        for form in ("float32", "int8"):
            model = decode.build(LARGER, form == "int8", context.device)
            for row in rows:
                if row["format"] == form:
                    seconds = decode.measure(model, row["batch"], held, 12)
                    row["measured"] = median(seconds)
                    context.ledger.measure(row.pop("quantity"), row["measured"], seconds)
    return rows
