"""What one step's work takes by the number of rows in it, for every way to shard: tables that all questions look up.

Rows run from one to a hundred thousand, each up to 16 and four for each doubling from there; between them time is read
off in a straight line. Engines' constants come later (`step_time`), so that a fit prices nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from aistack.catalog.architecture import Block, MixtureOfExperts, ModelSpec
from aistack.frameworks import layers
from aistack.frameworks.pieces import Piece
from aistack.frameworks.products import joined
from aistack.frameworks.served import STREAM_BYTES, Ranks, Served
from aistack.hardware import gemm
from aistack.hardware.chip import ELEMENT_BYTES, Chip
from aistack.hardware.streaming import memory_time
from aistack.infrastructure import placed
from aistack.infrastructure.cluster import Cluster
from aistack.serving import adapters
from aistack.serving.deployment import Deployments
from aistack.serving.formats import Format, half, weights

Array = npt.NDArray[np.float64]

GRID: Array = np.concatenate([np.arange(1.0, 16.0), 2.0 ** np.arange(4, 17.25, 0.25)])
"""Numbers of rows."""

KINDS = ("computing", "moving", "experts computing", "experts moving", "stream", "launches", "collectives", "calls")
"""Seconds of matrix products and of experts' if they only computed or only moved bytes; of memory-bound kernels; how
many kernels are launched, a number; seconds of communication; how many collectives are called."""
COMPUTING, MOVING, EXPERTS_COMPUTING, EXPERTS_MOVING, STREAM, LAUNCHES, COLLECTIVES, CALLS = range(len(KINDS))

Work = npt.NDArray[np.float64]
"""[kind, deployment, rows]."""

BY_PHASE = ("kv_b_proj", "delta rule", "state space scan")
"""Pieces that differ between rows that continue a sequence and rows of a prompt."""

FUSED = ("residual", "key norm", "rotary key")
"""Pieces that engines run as part of the kernel beside them: the norm, and the query's norm and rotation."""

SPLITS = (1, 2, 4, 8, 16)
"""Parts along K that libraries divide a product of few rows into."""

SAMPLING_PASSES, SAMPLING_LAUNCHES = 4.0, 6
"""Times that choosing tokens moves its logits in single precision (conversion, temperature, maximum or probabilities,
choice), and its kernels."""

ONE_SHOT_LINKS = ("nvlink", "xgmi")
"""Links over which engines read each other's memory to sum small tensors in one kernel, instead of calling a library
(vLLM's and TensorRT-LLM's custom all-reduce)."""


@dataclass(frozen=True)
class Tables:
    """Work by rows, and parameters; for each deployment."""

    common: Work
    """All layers, of rows of any kind."""
    continuing: Work
    """What only rows that continue sequences have."""
    beginning: Work
    """What only rows of prompts have."""
    head: Work
    """Of rows whose next token is chosen: last norm, output matrix, choice."""
    weight_bytes: Array
    """On the accelerator that holds most."""
    width: Array
    """Elements of activations that a row needs at once."""
    adapter_bytes: Array
    """Of one LoRA adapter, on the accelerator that holds most."""
    mixers: Mapping[Block, int]
    """Each kind of mixer, as a layer without anything else, and how many there are."""

    def take(self, which: npt.NDArray[np.int64]) -> Tables:
        """The tables of the deployments at the places `which`."""
        by_kind = {name: getattr(self, name)[:, which] for name in ("common", "continuing", "beginning", "head")}
        columns = {name: getattr(self, name)[which] for name in ("weight_bytes", "width", "adapter_bytes")}
        return replace(self, **by_kind, **columns)


def estimate(spec: ModelSpec, chip: Chip, cluster: Cluster, deployments: Deployments) -> Tables:
    """The tables of `deployments`, whose replicas lie in `cluster`."""
    sizes = np.stack([getattr(deployments, name) for name in _SHARDING])
    distinct, inverse = np.unique(sizes, axis=1, return_inverse=True)
    tensor, stages, data, expert = (column[:, None].astype(float) for column in distinct)
    ranks = Ranks(tensor, data, expert)
    each = weights(deployments.common.precision)
    shape = (len(KINDS), distinct.shape[1], len(GRID))
    common, continuing, beginning, head = (np.zeros(shape) for _ in range(4))
    held, adapted = np.zeros(distinct.shape[1]), np.zeros(distinct.shape[1])
    plan, speculative = deployments.common.adapters, deployments.common.speculative
    width = 1 if speculative is None else speculative.tokens + 1
    for block, count in kinds(spec).items():
        for cached, own in ((1, continuing), (0, beginning)):
            graph = Served(spec, GRID, ranks, cached)
            pieces = list(layers.block(graph, block))
            by_phase = [piece for piece in pieces if piece.name.startswith(BY_PHASE)]
            own += count * estimate_pieces(chip, by_phase, spec, each, shape[1:])
            if cached:
                shared = [piece for piece in pieces if not piece.name.startswith(BY_PHASE)]
                common += count * estimate_pieces(chip, shared, spec, each, shape[1:])
                common[COLLECTIVES] += count * _collectives(chip, cluster, spec, block, ranks)
                sums = (block.mixer is not None) + (block.feed_forward is not None)
                common[CALLS] += count * sums * (tensor * data > 1)
            else:
                held += count * _held(pieces, block, spec, each)[:, 0]
            if plan is not None:
                # a prompt has one adapter, rows that continue sequences as many as there are different ones among them
                touched = adapters.touched(plan.count, GRID / width) if cached else np.ones(())
                computing, moving, launches = adapters.estimate(chip, pieces, plan.lora, touched)
                own[COMPUTING] += count * computing
                own[MOVING] += count * moving
                if cached:
                    # rows of all kinds go through the same kernels
                    common[LAUNCHES] += count * launches
                else:
                    adapted += count * (adapters.parameters(pieces, plan.lora) + np.zeros((len(adapted), 1)))[:, 0]
    graph = Served(spec, GRID, ranks)
    output = graph.matmul("lm_head", GRID, spec.vocab, spec.hidden, split="columns", exact=True)
    head += estimate_pieces(chip, [graph.norm("final norm", spec.hidden), output], spec, each, shape[1:])
    logits = GRID * spec.vocab
    head[STREAM] += memory_time(chip, SAMPLING_PASSES * 4.0 * logits)
    head[LAUNCHES] += SAMPLING_LAUNCHES
    head[COLLECTIVES] += _among(cluster, "all-gather", logits * STREAM_BYTES, tensor)
    common[STREAM] += memory_time(chip, 2 * GRID * spec.hidden * STREAM_BYTES)
    sent = placed.estimate(cluster, "point-to-point", GRID * spec.hidden * STREAM_BYTES, np.minimum(stages, 2), 1)
    common[COLLECTIVES] += (stages - 1) * sent + _reduce(chip, cluster, spec, ranks)
    tables = spec.vocab * spec.hidden * weights(each.head).bytes / tensor[:, 0]
    most = np.ceil(spec.layers / stages[:, 0]) / spec.layers
    ends = tables * np.where((stages[:, 0] > 1) | spec.tied_embeddings, 1, 2)
    return Tables(
        common[:, inverse],
        continuing[:, inverse],
        beginning[:, inverse],
        head[:, inverse],
        (held * most + ends)[inverse],
        _width(spec, tensor[:, 0])[inverse],
        (adapted * most * STREAM_BYTES)[inverse],
        _counted(replace(block, feed_forward=None) for block in spec.blocks if block.mixer is not None),
    )


_SHARDING = ("tensor_parallel", "pipeline_parallel", "data_parallel", "expert_parallel")


def kinds(spec: ModelSpec) -> dict[Block, int]:
    """Each kind of layer, and how many there are."""
    return _counted(spec.blocks)


def _counted(blocks: Iterable[Block]) -> dict[Block, int]:
    found: dict[Block, int] = {}
    for block in blocks:
        one = replace(block, count=1)
        found[one] = found.get(one, 0) + block.count
    return found


def format_of(name: str, exact: bool, spec: ModelSpec, each: Format) -> Format:
    """The format of the matrix called `name`."""
    routed = any(isinstance(block.feed_forward, MixtureOfExperts) for block in spec.blocks)
    if name == "lm_head":
        return weights(each.head)
    if exact:
        return weights("bf16")
    return weights(each.others) if each.others and routed and not name.startswith("experts") else each


def estimate_pieces(chip: Chip, pieces: Sequence[Piece], spec: ModelSpec, each: Format, shape: tuple[int, ...]) -> Work:
    """What `pieces` take, one column for each number of rows."""
    work = np.zeros((len(KINDS), *shape))
    for products in joined(pieces):
        first = products[0]
        width = sum((product.n for product in products[1:]), start=products[0].n)
        stored = format_of(first.name, first.exact, spec, each)
        precision = stored.precision(chip)
        computing, moving = gemm.sides(chip, first.m, width, first.k, precision, first.groups, stored.bytes, SPLITS)
        # few rows need no tiles: kernels for them multiply in the vector units
        vector = chip.peak.get("fp32", 0.0)
        if vector:
            computing = np.minimum(computing, 2 * first.groups * first.m * width * first.k / vector)
        experts = first.name.startswith("experts") and "latent" not in first.name
        work[EXPERTS_COMPUTING if experts else COMPUTING] += computing
        work[EXPERTS_MOVING if experts else MOVING] += moving
        work[LAUNCHES] += 1
        if ELEMENT_BYTES[precision] < STREAM_BYTES:
            values = first.groups * first.m * first.k
            work[STREAM] += memory_time(chip, values * (STREAM_BYTES + ELEMENT_BYTES[precision]))
            work[LAUNCHES] += 1
    for piece in pieces:
        for kernel in piece.forward:
            work[STREAM] += memory_time(chip, kernel.arguments["bytes_moved"])
            work[LAUNCHES] += 0 if piece.name in FUSED else kernel.arguments["launches"]
        # keys and values are written to the cache by a kernel of their own
        work[LAUNCHES] += piece.name == "attention"
    return work


def _held(pieces: Sequence[Piece], block: Block, spec: ModelSpec, each: Format) -> Array:
    """Bytes of one layer's weights on one device."""
    total: Array = np.zeros((1, 1))
    for piece in pieces:
        if piece.product is not None:
            stored = format_of(piece.name, piece.product.exact, spec, each)
            total = total + (np.asarray(piece.parameters) + np.asarray(piece.expert_parameters)) * stored.bytes
    return total + block.norm_parameters * STREAM_BYTES


def _collectives(chip: Chip, cluster: Cluster, spec: ModelSpec, block: Block, ranks: Ranks) -> Array:
    """Seconds that one layer communicates: sums over tensor ranks after attention and after the feed-forward part, and
    between replicas' experts what their rows bring."""
    reduce = _reduce(chip, cluster, spec, ranks)
    seconds = reduce if block.mixer is not None else 0 * reduce
    part = block.feed_forward
    if part is None:
        return seconds
    data = ranks.column("data")
    alone = data == 1 if isinstance(part, MixtureOfExperts) else data > 0
    seconds = seconds + np.where(alone, reduce, 0.0)
    if isinstance(part, MixtureOfExperts) and np.any(~alone):
        everyone = ranks.column("tensor") * data
        row = (part.latent or spec.hidden) * STREAM_BYTES
        gathered = GRID * data * row
        both = _among(cluster, "all-gather", gathered, everyone) + _among(cluster, "reduce-scatter", gathered, everyone)
        sent = GRID / ranks.column("tensor") * row * part.experts_per_token
        expert = ranks.column("expert")
        dispatched = 2 * placed.dispatch(cluster, sent, part.experts_per_token, expert)
        both = np.where(expert == everyone, np.minimum(both, dispatched), both)
        seconds = seconds + np.where(alone, 0.0, both)
    return seconds


def _reduce(chip: Chip, cluster: Cluster, spec: ModelSpec, ranks: Ranks) -> Array:
    """Seconds to sum one activation over tensor ranks: by the library, or in one kernel that reads all peers' memory,
    at once (one shot: a hop, everything from everyone) or in two (each sums its part, all gather)."""
    tensor, size = ranks.column("tensor"), GRID * spec.hidden * STREAM_BYTES
    library = _among(cluster, "all-reduce", size, tensor)
    inside = cluster.levels[0]
    if not inside.kind.startswith(ONE_SHOT_LINKS):
        return library
    hop = inside.quick.latency if inside.quick else inside.latency
    one = chip.kernels.launch + hop + (tensor - 1) * size / inside.bandwidth
    two = chip.kernels.launch + 2 * hop + 2 * (tensor - 1) / tensor * size / inside.bandwidth
    own = np.where(tensor <= inside.size, np.minimum(one, two), np.inf)
    return np.where(tensor > 1, np.minimum(library, own), 0.0)


def _among(cluster: Cluster, operation: str, size: Array, ranks: Array) -> Array:
    return placed.estimate(cluster, operation, size, ranks, 1)


def _width(spec: ModelSpec, tensor: Array) -> Array:
    """Elements of the widest layer's activations: the stream and its norm, and what lies in the feed-forward part."""
    widest = np.zeros(len(tensor))
    for block in spec.blocks:
        part = block.feed_forward
        if isinstance(part, MixtureOfExperts):
            inside = part.experts_per_token * (2 * (part.latent or spec.hidden) + 3 * part.width / tensor)
            widest = np.maximum(widest, inside)
        elif part is not None:
            widest = np.maximum(widest, 3 * part.width / tensor)
    return 4 * spec.hidden + widest


def precision_of_attention(chip: Chip) -> str:
    """What attention multiplies in."""
    return half(chip)[0]
