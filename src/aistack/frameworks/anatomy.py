"""The organs of a decoder-only model: how many parameters each holds, and what each costs a token on the way forward.

B sequences, S tokens of each
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from aistack.catalog.architecture import Block, ModelSpec
from aistack.frameworks import layers
from aistack.frameworks.kernels import Convention, Operator, Pass
from aistack.frameworks.operators import counted_flop


@dataclass(frozen=True)
class Organ:
    """A kind of part, over all layers that have it."""

    name: str
    """"token table", "mixer projections", "mixing", "feed-forward" or "head"."""
    layers: int
    """How many layers have it; 0 outside of them."""
    parameters: int
    active: int
    """Parameters that one token meets: of experts, only those it is sent to."""
    flop: float
    """A token's in a forward pass, matrix products and attention."""


def estimate(spec: ModelSpec, seq_len: int, convention: Convention = "causal") -> tuple[Organ, ...]:
    """The model from its token table to its head, for tokens of a sequence of `seq_len`.

    A mixer is what lets tokens see each other, attention or a recurrence: its projections are products with weights,
    its mixing is what it then does between tokens, without any. Parameters add up to those of the model, FLOP to
    `operators.flops_per_token` over three. Norms count with the part that they stand before.
    """
    one = Pass(spec, 1, seq_len, 0, 2.0, 2.0, convention, fused=True)
    each = [_Layer.of(one, block) for block in spec.blocks]
    mixers = [layer for layer in each if layer.mixer]
    feeds = [layer for layer in each if layer.feed]
    table, hidden = spec.vocab * spec.hidden, spec.hidden
    final = hidden if spec.final_parameters is None else spec.final_parameters
    head = final + (0 if spec.tied_embeddings else table)

    def over(those: list[_Layer], attribute: str) -> int:
        return sum(layer.block.count * int(getattr(layer, attribute)) for layer in those)

    def work(those: list[_Layer], attribute: str) -> float:
        return sum(layer.block.count * float(getattr(layer, attribute)) for layer in those) / seq_len

    organs = (
        Organ("token table", 0, table + spec.embedding_parameters, table + spec.embedding_parameters, 0.0),
        Organ(
            "mixer projections",
            sum(layer.block.count for layer in mixers),
            over(mixers, "mixer"),
            over(mixers, "mixer"),
            work(mixers, "projecting"),
        ),
        Organ("mixing", sum(layer.block.count for layer in mixers), 0, 0, work(mixers, "mixing")),
        Organ(
            "feed-forward",
            sum(layer.block.count for layer in feeds),
            over(feeds, "feed"),
            over(feeds, "feed_active"),
            work(feeds, "feeding"),
        ),
        Organ("head", 0, head, head, 2.0 * table),
    )
    return tuple(organ for organ in organs if organ.parameters or organ.flop)


@dataclass(frozen=True)
class _Layer:
    """One layer of a block: parameters of its two parts with their norms, and FLOP for all tokens."""

    block: Block
    mixer: int
    feed: int
    feed_active: int
    projecting: float
    mixing: float
    feeding: float

    @classmethod
    def of(cls, one: Pass, block: Block) -> _Layer:
        hidden = one.spec.hidden
        ahead = [step[0] for step in layers.block(one, block)]
        first = next((at for at, each in enumerate(ahead) if each.name == "feed-forward norm"), len(ahead))
        mixer, feed = ahead[:first], ahead[first:]
        norms = block.norm_parameters
        shares = (norms - norms // 2, norms // 2) if mixer and feed else (norms if mixer else 0, norms if feed else 0)
        return cls(
            block=block,
            mixer=(block.mixer.parameters(hidden) if block.mixer else 0) + shares[0],
            feed=(block.feed_forward.parameters(hidden) if block.feed_forward else 0) + shares[1],
            feed_active=(block.feed_forward.active_parameters(hidden) if block.feed_forward else 0) + shares[1],
            projecting=sum(each.total_flop for each in _of(mixer, "matmul")),
            mixing=sum(each.total_flop for each in _of(mixer, "attention")),
            feeding=counted_flop(tuple(feed)),
        )


def _of(operators: list[Operator], kind: str) -> Iterator[Operator]:
    return (each for each in operators if each.kind == kind)
