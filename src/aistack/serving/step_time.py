"""What steps of a serving replica take: prefill, decode, and both at once; and how much its cache holds.

A `Server` is one model on one cluster under one deployment or many at once. Arguments broadcast; with many deployments
the last axis of arguments is theirs.

B sequences that decode, N tokens that they hold together
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from aistack import catalog
from aistack.catalog.architecture import ModelSpec
from aistack.catalog.fitted import Constant
from aistack.errors import BadInput
from aistack.frameworks.served import readings
from aistack.hardware.chip import Chip
from aistack.hardware.chip import chip as chip_of
from aistack.hardware.streaming import overlapped
from aistack.infrastructure.cluster import Cluster
from aistack.serving import adapters, replica_memory, tables
from aistack.serving.deployment import Deployment, Deployments, Speculation
from aistack.serving.engines import ServingEngine, stacked
from aistack.serving.engines import engine as engine_of
from aistack.serving.formats import cache_bytes, weights
from aistack.serving.replica_memory import UNCHUNKED
from aistack.serving.tables import GRID, Tables, Work

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Server:
    """A replica, priced. Made by `server`."""

    spec: ModelSpec
    chip: Chip
    cluster: Cluster
    deployments: Deployments
    single: bool
    """Whether it is one deployment, whose answers have the shape of the arguments."""
    engine: ServingEngine
    tables: Tables
    context: int = 0
    """Tokens that a sequence holds on average, for the share of layers with windows in the cache's capacity."""
    draft: Server | None = None
    """The model that proposes tokens, on the same accelerators."""
    _common: Array = field(init=False, repr=False)
    _continuing: Array = field(init=False, repr=False)
    _beginning: Array = field(init=False, repr=False)
    _head: Array = field(init=False, repr=False)
    _loading: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("common", "continuing", "beginning", "head"):
            object.__setattr__(self, f"_{name}", self.spend(getattr(self.tables, name)))
        object.__setattr__(self, "_loading", adapters.loading(self, self.adapters))

    def with_engine(self, engine: ServingEngine) -> Server:
        """The same replica with other constants of the engine; nothing is priced again."""
        draft = self.draft.with_engine(engine) if self.draft else None
        return replace(self, engine=engine, draft=draft)

    def with_engines(self, engines: Sequence[ServingEngine]) -> Server:
        """As many copies of a single deployment, each with the constants of one of `engines`."""
        same = np.zeros(len(engines), dtype=np.int64)
        copies = {"deployments": self.deployments.take(same), "tables": self.tables.take(same), "single": False}
        draft = self.draft.with_engines(engines) if self.draft else None
        return replace(self, **copies, engine=stacked(engines), draft=draft)  # type: ignore[arg-type]

    def without_adapters(self) -> Server:
        """The same replica of the base model alone."""
        if self.deployments.common.adapters is None:
            return self
        plain = replace(self.deployments, common=replace(self.deployments.common, adapters=None))
        return replace(self, deployments=plain, tables=tables.estimate(self.spec, self.chip, self.cluster, plain))

    @property
    def stages(self) -> Array:
        """Pipeline ranks, which work on as many parts of the batch at once."""
        return self._column("pipeline_parallel")

    @property
    def groups(self) -> Array:
        """Groups of ranks with sequences of their own, times pipeline ranks: parts that a batch is divided into."""
        return self._column("data_parallel") * self.stages

    @property
    def limit(self) -> Array:
        """Sequences that may decode at once as far as the engine is concerned."""
        return self._column("max_batch")

    @property
    def max_batch(self) -> Array:
        """Sequences that may decode at once: the engine's limit, or as many as resident adapters are enough for."""
        plan = self.deployments.common.adapters
        if plan is None:
            return self.limit
        parts = self.groups / self.stages
        return np.minimum(self.limit, parts * adapters.places(plan.count, self.adapters))

    @property
    def adapters(self) -> Array:
        """LoRA adapters that lie on the accelerators at once."""
        return adapters.resident(self, sum(self.memory()[name] for name in ("adapters", "cache")))

    @property
    def adapter_bytes(self) -> Array:
        """Of one LoRA adapter, on the accelerator that holds most."""
        held = self.tables.adapter_bytes
        return np.asarray(held[0]) if self.single else held

    @property
    def chunk(self) -> Array:
        """Tokens of a step; 0: prompts go whole and alone."""
        return self._column("chunk")

    @property
    def chips(self) -> Array:
        """Accelerators of the replica."""
        return self._column("tensor_parallel") * self.groups

    def _column(self, name: str) -> Array:
        column: Array = getattr(self.deployments, name).astype(float)
        return column[0] if self.single else column

    def prefill(
        self, new_tokens: npt.ArrayLike, held_tokens: npt.ArrayLike = 0.0, prompts: npt.ArrayLike = 1.0
    ) -> Array:
        """Seconds to read `prompts` prompts of `new_tokens` each, on top of `held_tokens` in the cache of each, up to
        their first tokens, with nothing beside them; in steps of as many tokens as the deployment has.

        Groups of ranks read prompts of their own; one prompt is read by one of them.
        """
        new, held, many = _arrays(new_tokens, held_tokens, prompts)
        stages = self.stages
        each = np.maximum(many * stages / self.groups, np.minimum(many, 1.0))
        total = each * new
        # prompts that are not cut go several to a step, as many as fit
        chunk = np.where(self.chunk > 0, self.chunk, np.maximum(new, UNCHUNKED))
        full = np.minimum(total, chunk)
        whole = np.ceil(total / chunk) - 1
        rest = np.maximum(total - whole * full, 0.0)
        rows = self._rows(rest, 0.0, rest) + whole * self._rows(full, 0.0, full)
        steps = whole + 1
        ends = self._look(self._head, each / steps) * steps + each * self._loading
        attention = each * self.prompt_attention(new, held)
        seconds = rows + ends + attention + steps * self._host(many / steps)
        # steps follow one another through the pipeline
        return np.asarray(seconds * (steps + stages - 1) / (steps * stages))

    def decode(self, batch: npt.ArrayLike, held_tokens: npt.ArrayLike) -> Array:
        """Seconds until each of B sequences has its next token; N = `held_tokens` lie in the cache."""
        many, held = _arrays(batch, held_tokens)
        return self.mixed(many, held, 0.0, 0.0)

    def mixed(
        self,
        batch: npt.ArrayLike,
        held_tokens: npt.ArrayLike,
        prefill_tokens: npt.ArrayLike,
        prefill_held: npt.ArrayLike = 0.0,
        ending: npt.ArrayLike = 0.0,
        prompts: npt.ArrayLike = 1.0,
    ) -> Array:
        """Seconds of a step in which B sequences decode beside `prefill_tokens` of prompts.

        The tokens are of `prompts` equal prompts in each group of ranks; `prefill_held` tokens of each are in the cache
        before, and `ending` prompts get their first token. Pipeline ranks work on equal parts of it at once.
        """
        many, held, fresh, before, last, several = _arrays(
            batch, held_tokens, prefill_tokens, prefill_held, ending, prompts
        )
        parts = self.groups
        own, new = np.maximum(many / parts, np.minimum(many, 1.0)), fresh / parts
        context = held / np.maximum(many, 1e-9)
        seconds = self._rows(own + new, own, new) + self._look(self._head, own + last / parts)
        seconds = seconds + last / parts * self._loading
        seconds = seconds + self.cache_attention(own, context)
        seconds = seconds + several * self.prompt_attention(new / several, before)
        return np.asarray(seconds + self._host(many + last))

    def verify(self, batch: npt.ArrayLike, held_tokens: npt.ArrayLike, speculation: Speculation) -> Array:
        """Seconds of a step that proposes tokens for each of B sequences and checks them with the one before.

        Proposing takes a decode step of the draft model for each, or one layer and the output matrix for each (modules
        for several tokens), or nothing (earlier text); keys and values are read once for all of a sequence's rows.
        """
        many, held = _arrays(batch, held_tokens)
        own = np.maximum(many / self.groups, np.minimum(many, 1.0))
        rows = own * (speculation.tokens + 1)
        context = held / np.maximum(many, 1e-9)
        seconds = self._rows(rows, rows, 0.0) + self._look(self._head, rows) + self.cache_attention(own, context)
        if self.draft is not None:
            seconds = seconds + speculation.tokens * self.draft.decode(many, held)
        elif speculation.method == "mtp":
            layer = (self._rows(own, own, 0.0) + self.cache_attention(own, context)) / self.spec.layers
            seconds = seconds + speculation.tokens * (layer + self._look(self._head, own))
        return np.asarray(seconds + self._host(many))

    def affine(self, batch: npt.ArrayLike, context: float = 1024.0) -> tuple[Array, Array]:
        """(base, per token): a decode step of B sequences that hold N tokens takes base + per token x N seconds.

        Exact for full attention; where layers have windows, about sequences of `context` tokens.
        """
        (many,) = _arrays(batch)
        here = self.decode(many, many * context)
        slope = (self.decode(many, many * (context + 1)) - here) / np.maximum(many, 1e-9)
        return here - slope * many * context, slope

    def memory(self) -> Mapping[str, Array]:
        """Bytes on the accelerator that holds most: weights, activations, runtime, cache (what is left), reserve."""
        return replica_memory.estimate(self)

    @property
    def kv_capacity(self) -> Array:
        """Tokens that the replica's cache holds; 0 where the weights leave no room."""
        return replica_memory.capacity(self)

    def spend(self, work: Work) -> Array:
        """Seconds of `work`, as in `tables`, with the engine's constants; [deployment, rows]."""
        chip = self.chip

        def of(constant: str) -> Array:
            return np.asarray(getattr(self.engine, constant), dtype=float)[..., None]

        widened = weights(self.deployments.common.precision).widened(chip)
        sustained = of("compute") * of("own_kernels") * (of("dequantisation") if widened else 1.0)
        # the tables have what a long stream sustains
        moved = chip.kernels.bandwidth / of("memory")
        matrix = overlapped(chip, work[tables.COMPUTING] / sustained, work[tables.MOVING] * moved)
        experts = overlapped(chip, work[tables.EXPERTS_COMPUTING] / sustained, work[tables.EXPERTS_MOVING] * moved)
        launched = work[tables.LAUNCHES]
        busy = matrix + experts / of("experts") + of("traffic") * work[tables.STREAM] + launched * of("gap")
        eager = of("captured") < GRID
        seconds: Array = np.where(eager, np.maximum(busy, (launched + work[tables.CALLS]) * of("dispatch")), busy)
        return np.asarray(seconds + of("communication") * work[tables.COLLECTIVES])

    def _look(self, table: Array, rows: npt.ArrayLike) -> Array:
        """Seconds by number of rows, between the grid's in a straight line; nothing for none."""
        at = np.asarray(rows, dtype=float)
        inside = np.clip(at, 1.0, None)
        place = np.clip(np.searchsorted(GRID, inside, side="right") - 1, 0, len(GRID) - 2)
        share = (inside - GRID[place]) / (GRID[place + 1] - GRID[place])
        which = 0 if self.single else np.arange(len(self.deployments))
        found = table[which, place] * (1 - share) + table[which, place + 1] * share
        return np.where(at > 0, found, 0.0)

    def _rows(self, rows: Array, continuing: npt.ArrayLike, beginning: npt.ArrayLike) -> Array:
        """Seconds of all that depends on the number of rows in a step on one device."""
        own = self._look(self._continuing, continuing) + self._look(self._beginning, beginning)
        return self._look(self._common, rows) + own

    def _host(self, sequences: npt.ArrayLike) -> Array:
        """Seconds a step beside the accelerator's work."""
        return self.engine.step_overhead + self.engine.sequence_overhead * np.asarray(sequences, dtype=float)

    def _attention(self, new: Array, before: Array, prompt: bool) -> tuple[list[int], list[Array], list[Array]]:
        """Of each kind of attention: layers, and seconds of computing and of moving for one sequence on one device."""
        chip, precision = self.chip, tables.precision_of_attention(self.chip)
        rate = chip.rate(precision) * chip.kernels.matmul[precision]
        read = chip.memory_bandwidth * self.engine.attention
        tensor = self._column("tensor_parallel")
        # keys and values of a prompt are there as they were computed, in 16 bits
        size = 2.0 if prompt else cache_bytes(self.deployments.common.kv_precision)
        found = readings(self.spec, self.tables.mixers, new, 0.0 * before if prompt else before)
        counts, computing, moving = [], [], []
        for count, each in found:
            heads = each.heads / (1.0 if each.scores else tensor)
            groups = np.maximum(each.kv_heads / tensor, min(each.kv_heads, 1)) / max(each.kv_heads, 1)
            pair = 2.0 * (each.query + each.value) / rate + chip.kernels.softmax / chip.half_peak
            counts.append(count)
            computing.append(heads * each.pairs * pair)
            moving.append(each.held * (1.0 if each.scores else groups) * size / read)
        return counts, computing, moving

    def cache_attention(self, own: Array, context: Array) -> Array:
        """Seconds of all layers' attention of `own` sequences of `context` tokens each, one query a sequence."""
        total: Array = np.zeros(())
        for count, computing, moving in zip(*self._attention(np.ones(()), context, False), strict=True):
            total = total + count * (self.engine.gap + own * overlapped(self.chip, computing, moving))
        return np.where(own > 0, total, 0.0)

    def prompt_attention(self, new_tokens: npt.ArrayLike, held_tokens: npt.ArrayLike) -> Array:
        """Seconds of all layers' attention of one prompt's new tokens on top of those held."""
        new, before = _arrays(new_tokens, held_tokens)
        whole = self._attention(new + before, before, True)
        none = [np.zeros(())] * len(whole[0])
        early = self._attention(before, before, True)[1] if np.any(before) else none
        chip = self.chip
        total: Array = np.zeros(())
        for count, all_of, moving, known in zip(*whole, early, strict=True):
            total = total + count * (
                self.engine.gap + overlapped(chip, (all_of - known) / self.engine.prompt_attention, moving)
            )
        return np.where(new > 0, total, 0.0)


def server(
    spec: ModelSpec,
    cluster: Cluster,
    deployment: Deployment | Deployments,
    *,
    context: int = 0,
    fitted: Mapping[str, Constant] | None = None,
) -> Server:
    """A replica of `spec` inside `cluster` under `deployment`, or under each of many.

    `fitted` replaces the shipped constants of engines. Raises `BadInput` where a replica has more accelerators than the
    cluster, and what `chip` and `engine` raise.
    """
    single = isinstance(deployment, Deployment)
    columns = Deployments.of([deployment]) if isinstance(deployment, Deployment) else deployment
    if columns.chips.max() > cluster.chips:
        raise BadInput(f"A replica of {columns.chips.max()} accelerators does not fit in a cluster of {cluster.chips}.")
    chip = chip_of(cluster.chip)
    engine = engine_of(columns.common.engine, chip, fitted)
    speculative = columns.common.speculative
    draft = None
    if speculative is not None and speculative.draft is not None:
        small = replace(columns, common=replace(columns.common, speculative=None, adapters=None))
        draft = server(catalog.model(speculative.draft).spec, cluster, small[0] if single else small, fitted=fitted)
    priced = tables.estimate(spec, chip, cluster, columns)
    return Server(spec, chip, cluster, columns, single, engine, priced, context, draft)


def _arrays(*values: npt.ArrayLike) -> tuple[Array, ...]:
    return tuple(np.asarray(value, dtype=float) for value in values)
