"""The layers of a model as operations: attention of every kind, recurrences, feed-forward parts, experts.

Left out, as they are a small part of a percent: DeepSeek-V4's hyper-connections.

B sequences, S new tokens of each, T = B S rows, D hidden width
"""

from __future__ import annotations

from collections.abc import Iterator

from aistack.catalog.architecture import (
    Block,
    CompressedAttention,
    FeedForward,
    GatedDeltaNet,
    GroupedQueryAttention,
    Indexer,
    Mamba2,
    Mixer,
    MixtureOfExperts,
    MultiHeadLatentAttention,
)
from aistack.frameworks.kernels import (
    ACTIVATION,
    GATE,
    NORM,
    RESIDUAL,
    ROTARY,
    SOFTMAX,
    Pass,
    Step,
    attention,
    elementwise,
    matmul,
    norm,
    recurrence,
)


def block(one: Pass, layers: Block) -> Iterator[Step]:
    """One layer of the block, with `layers.count` for a count."""
    hidden, count = one.spec.hidden, layers.count
    if layers.mixer is not None:
        yield norm(one, "mixer norm", count, hidden)
        yield from _mixer(one, layers.mixer, count)
        yield elementwise(one, "residual", RESIDUAL, count, hidden, one.stream_bytes)
    if layers.feed_forward is not None:
        yield norm(one, "feed-forward norm", count, hidden)
        match layers.feed_forward:
            case FeedForward():
                yield from _feed_forward(one, layers.feed_forward, count)
            case MixtureOfExperts():
                yield from _experts(one, layers.feed_forward, count)
        yield elementwise(one, "residual", RESIDUAL, count, hidden, one.stream_bytes)


def _mixer(one: Pass, part: Mixer, count: int) -> Iterator[Step]:
    match part:
        case GroupedQueryAttention():
            return _grouped_query(one, part, count)
        case MultiHeadLatentAttention():
            return _latent(one, part, count)
        case CompressedAttention():
            return _compressed(one, part, count)
        case GatedDeltaNet():
            return _delta_net(one, part, count)
        case Mamba2():
            return _mamba(one, part, count)


def _grouped_query(one: Pass, part: GroupedQueryAttention, count: int) -> Iterator[Step]:
    hidden, tokens, value = one.spec.hidden, one.tokens, part.value_dim or part.head_dim
    query, key = part.heads * part.head_dim, part.kv_heads * part.head_dim
    yield matmul(one, "q_proj", count, tokens, query, hidden)
    yield matmul(one, "k_proj", count, tokens, key, hidden)
    if part.value_projection:
        yield matmul(one, "v_proj", count, tokens, part.kv_heads * value, hidden)
    if part.norm_parameters:
        yield elementwise(one, "query norm", NORM, count, query)
        yield elementwise(one, "key norm", NORM, count, key)
    if one.spec.rope_theta is not None:
        yield elementwise(one, "rotary query", ROTARY, count, query)
        yield elementwise(one, "rotary key", ROTARY, count, key)
    window = part.window
    if part.indexer is not None:
        yield from _index(one, part.indexer, count)
        window = min(part.indexer.top, window or part.indexer.top)
    reach = one.seen if window is None else min(one.seen, window + one.seq_len - 1)
    yield attention(
        one,
        count,
        heads=part.heads,
        query=part.head_dim,
        value=value,
        pairs=one.pairs(window, part.chunked),
        held=reach * part.kv_heads * (part.head_dim + value * part.value_projection),
    )
    if part.gate_width:
        yield matmul(one, "attention gate", count, tokens, part.gate_width, hidden)
        yield elementwise(one, "gating", GATE, count, part.heads * value)
    yield matmul(one, "o_proj", count, tokens, hidden, part.heads * value)


def _latent(one: Pass, part: MultiHeadLatentAttention, count: int) -> Iterator[Step]:
    """Without a cache (training, prefill) keys and values are written out from the latent; over a cache, attention
    reads the latent itself and the up-projections move to queries and outputs (DeepSeek-V2, section 2.1.2)."""
    hidden, width, tokens, rank = one.spec.hidden, part.nope_dim + part.rope_dim, one.tokens, part.kv_lora_rank
    if part.q_lora_rank is None:
        yield matmul(one, "q_proj", count, tokens, part.heads * width, hidden)
    else:
        yield matmul(one, "q_a_proj", count, tokens, part.q_lora_rank, hidden)
        yield elementwise(one, "q_a_layernorm", NORM, count, part.q_lora_rank)
        yield matmul(one, "q_b_proj", count, tokens, part.heads * width, part.q_lora_rank)
    yield matmul(one, "kv_a_proj", count, tokens, rank + part.rope_dim, hidden)
    yield elementwise(one, "kv_a_layernorm", NORM, count, rank)
    yield elementwise(one, "rotary query", ROTARY, count, part.heads * part.rope_dim)
    yield elementwise(one, "rotary key", ROTARY, count, part.rope_dim)
    window = None
    if part.indexer is not None:
        yield from _index(one, part.indexer, count)
        window = part.indexer.top
    pairs = one.pairs(window)
    if one.cached:
        yield matmul(one, "kv_b_proj on queries", count, tokens * part.heads, rank, part.nope_dim, part.heads)
        reach = one.seen if window is None else min(one.seen, window * one.seq_len)
        held = reach * (rank + part.rope_dim)
        yield attention(one, count, heads=part.heads, query=rank + part.rope_dim, value=rank, pairs=pairs, held=held)
        yield matmul(one, "kv_b_proj on outputs", count, tokens * part.heads, part.value_dim, rank, part.heads)
    else:
        yield matmul(one, "kv_b_proj", count, tokens, part.heads * (part.nope_dim + part.value_dim), rank)
        held = one.seen * part.heads * (width + part.value_dim)
        yield attention(one, count, heads=part.heads, query=width, value=part.value_dim, pairs=pairs, held=held)
    yield matmul(one, "o_proj", count, tokens, hidden, part.heads * part.value_dim)


def _index(one: Pass, part: Indexer, count: int, ratio: int = 1) -> Iterator[Step]:
    """Every query is scored against every key (of `ratio` tokens each), however few are read afterwards; where heads
    have weights, their scores are summed with them."""
    if part.shared:
        return
    hidden = one.spec.hidden
    yield matmul(one, "index queries", count, one.tokens, part.heads * part.head_dim, part.query_rank or hidden)
    if ratio == 1:
        yield matmul(one, "index key", count, one.tokens, part.head_dim, hidden)
    if part.weighted:
        yield matmul(one, "index weights", count, one.tokens, part.heads, hidden)
    yield attention(
        one,
        count,
        heads=part.heads,
        query=part.head_dim,
        value=int(part.weighted),
        pairs=one.pairs() / ratio,
        held=one.seen * part.head_dim / ratio,
        name="index scores",
    )


def _compressed(one: Pass, part: CompressedAttention, count: int) -> Iterator[Step]:
    hidden, tokens, width = one.spec.hidden, one.tokens, part.heads * part.head_dim
    yield matmul(one, "q_a_proj", count, tokens, part.query_rank, hidden)
    yield elementwise(one, "q_a_norm", NORM, count, part.query_rank)
    yield matmul(one, "q_b_proj", count, tokens, width, part.query_rank)
    yield matmul(one, "kv_proj", count, tokens, part.head_dim, hidden)
    yield elementwise(one, "kv_norm", NORM, count, part.head_dim)
    yield elementwise(one, "rotary query", ROTARY, count, part.heads * part.rope_dim)
    pairs: float = one.pairs(part.window)
    entries: float = min(one.seen, part.window + one.seq_len - 1)
    if part.ratio:
        wider, index = (2, part.indexer) if part.indexer else (1, None)
        yield matmul(one, "compressor", count, tokens, 2 * wider * part.head_dim, hidden)
        if index is not None:
            yield matmul(one, "index compressor", count, tokens, 2 * wider * index.head_dim, hidden)
            yield from _index(one, index, count, part.ratio)
        # the entries picked stand for `ratio` tokens each, so they come from that long a window
        pairs += one.pairs(index.top * part.ratio if index else None) / part.ratio
        entries += one.seen / part.ratio
    held = entries * part.head_dim
    yield attention(one, count, heads=part.heads, query=part.head_dim, value=part.head_dim, pairs=pairs, held=held)
    groups, rank = part.output_groups, part.output_rank
    yield matmul(one, "o_a_proj", count, tokens * groups, rank, width // groups, groups)
    yield matmul(one, "o_b_proj", count, tokens, hidden, groups * rank)


def _delta_net(one: Pass, part: GatedDeltaNet, count: int) -> Iterator[Step]:
    """Token by token, each element of the state decays (1 FLOP), is read by the key (2), corrected (2) and read by
    the query (2); implementations in chunks spend more."""
    hidden, values = one.spec.hidden, part.value_heads * part.value_dim
    yield matmul(one, "in_proj", count, one.tokens, part.mixed + values + 2 * part.value_heads, hidden)
    yield elementwise(one, "short convolution", ACTIVATION, count, part.mixed)
    state = part.value_heads * part.key_dim * part.value_dim
    yield recurrence(one, "delta rule", count, state=state, flop=7, width=part.mixed + values)
    yield elementwise(one, "gated norm", NORM, count, values)
    yield matmul(one, "out_proj", count, one.tokens, hidden, values)


def _mamba(one: Pass, part: Mamba2, count: int) -> Iterator[Step]:
    """Token by token, each element of the state decays (1 FLOP), takes up its input (2) and is read (2)."""
    hidden = one.spec.hidden
    yield matmul(one, "in_proj", count, one.tokens, part.width + part.mixed + part.heads, hidden)
    yield elementwise(one, "short convolution", ACTIVATION, count, part.mixed)
    width = part.width + part.mixed
    yield recurrence(one, "state space scan", count, state=part.width * part.state, flop=5, width=width)
    yield elementwise(one, "gated norm", NORM, count, part.width)
    yield matmul(one, "out_proj", count, one.tokens, hidden, part.width)


def _feed_forward(one: Pass, part: FeedForward, count: int) -> Iterator[Step]:
    hidden = one.spec.hidden
    if part.gated:
        yield matmul(one, "gate_proj", count, one.tokens, part.width, hidden)
    yield matmul(one, "up_proj", count, one.tokens, part.width, hidden)
    yield elementwise(one, "activation", GATE if part.gated else ACTIVATION, count, part.width)
    yield matmul(one, "down_proj", count, one.tokens, hidden, part.width)


def _experts(one: Pass, part: MixtureOfExperts, count: int) -> Iterator[Step]:
    """Every token's rows through its experts; the weights read are those of the experts expected to be hit at all."""
    hidden, rows = one.spec.hidden, one.tokens * part.experts_per_token
    width = part.latent or hidden
    yield matmul(one, "router", count, one.tokens, part.experts, hidden)
    yield elementwise(one, "router softmax", SOFTMAX, count, part.experts)
    if part.latent:
        yield matmul(one, "experts down to latent", count, one.tokens, part.latent, hidden)
    touched = part.experts * (1 - (1 - part.experts_per_token / part.experts) ** one.tokens)
    if part.gated:
        yield matmul(one, "experts gate_proj", count, rows, part.width, width, touched)
    yield matmul(one, "experts up_proj", count, rows, part.width, width, touched)
    chain = GATE if part.gated else ACTIVATION
    yield elementwise(one, "experts activation", chain, count, part.width * part.experts_per_token)
    yield matmul(one, "experts down_proj", count, rows, width, part.width, touched)
    yield elementwise(one, "experts combine", RESIDUAL, count, width * part.experts_per_token)
    if part.latent:
        yield matmul(one, "experts up from latent", count, one.tokens, hidden, part.latent)
    if part.shared_gate:
        yield matmul(one, "shared expert gate", count, one.tokens, 1, hidden)
    if part.shared is not None:
        yield from _feed_forward(one, part.shared, count)
