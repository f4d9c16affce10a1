"""Which links join the chips of a cluster: the fabric of a host, rack or pod, and the network among them.

Facts come from the catalog; what it does not say of a system is assumed here, and returned in words.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from aistack import catalog
from aistack.catalog import Accelerator, Fact, Link, Node
from aistack.errors import BadInput
from aistack.infrastructure.levels import Fabric

USUAL_NODE = {
    "a100-sxm4-40gb": "dgx-a100-640",
    "a100-sxm4-80gb": "dgx-a100-640",
    "h100-sxm5": "dgx-h100",
    "h200-sxm": "hgx-h200",
    "b200-sxm": "dgx-b200",
    "b300-sxm": "hgx-b300",
    "gb200": "gb200-nvl72",
    "gb300": "gb300-nvl72",
    "mi300x": "mi300x-8",
    "mi325x": "mi325x-8",
    "mi350x": "mi350x-8",
    "mi355x": "mi355x-8",
    "gaudi2": "gaudi2-8",
    "gaudi3": "gaudi3-8",
    "tpu-v3": "tpu-v3-pod",
    "tpu-v4": "tpu-v4-pod",
    "tpu-v5e": "tpu-v5e-pod",
    "tpu-v5p": "tpu-v5p-pod",
    "tpu-v6e": "tpu-v6e-pod",
    "tpu-v7": "tpu7x-pod",
    "trainium1": "trn1-32xl",
    "trainium2": "trn2-48xl",
    "trainium3": "trn3-gen2",
    "inferentia2": "inf2-48xl",
}
"""The node that a cluster is built from where none is named; others have 8 chips a host, 4 where listed next."""
_ALONE = {"cpu", "soc", "wafer"}
_FOUR_A_HOST = {"mi250x", "gh200", "gh200-96gb", "h200-nvl"}

RADIX = 64
"""Ports of a switch: fat trees of two and three levels hold radix²/2 and radix³/4 (the catalog's `ft2` and `ft3`)."""

# how a fabric's type begins in the catalog -> the kind of its constants
_KINDS = (
    ("nvlink 2", "nvlink2"),
    ("nvlink 3", "nvlink3"),
    ("nvlink 4", "nvlink4"),
    ("nvlink 5", "nvlink5"),
    ("nvlink 6", "nvlink6"),
    ("infinity fabric", "xgmi"),
    ("24x", "gaudi"),
    ("neuronlink", "neuronlink"),
    ("ici", "ici"),
    ("ub link", "ub"),
    ("ualink", "ualink"),
    ("xe link", "xe-link"),
    ("hccs", "hccs"),
)

# how a network's catalog id begins -> the kind of its constants; InfiniBand otherwise
_NETWORKS = (
    ("eth", "roce"),
    ("nic-pollara", "roce"),
    ("nic-vulcano", "roce"),
    ("efa", "efa"),
    ("slingshot", "slingshot"),
    ("opa", "omni-path"),
)

_WORDS = {"infiniband": "InfiniBand", "roce": "Ethernet", "efa": "EFA"}

_MESHES = {"xgmi", "gaudi", "xe-link", "hccs"}

# GB/s each way a chip between pods, over the data-centre network (the scaling book, part 2, table of TPU specs)
_BETWEEN_PODS = {"tpu-v5e": 3.125e9, "tpu-v6e": 12.5e9}


@dataclass(frozen=True)
class Span:
    """A level by its datasheet: what joins `size` chips, and each chip's rate through it."""

    size: int
    rate: float
    """B/s one way, of the datasheet."""
    kind: str
    fabric: Fabric = "switch"
    link: str = ""
    further: float = 0.0
    """Seconds of a step through more switches than one."""


def node(chip: Accelerator, name: str | None) -> Node | None:
    """The catalog's node of this name, or the usual one of `chip`; `BadInput` where it holds other chips."""
    if name is None:
        return catalog.node(USUAL_NODE[chip.id]) if chip.id in USUAL_NODE else None
    found = catalog.node(name)
    if found.accelerator != chip.id and found.id != USUAL_NODE.get(chip.id):
        raise BadInput(f"{found.name} holds {found.accelerator}, not {chip.id}.")
    return found


def chips_per_host(chip: Accelerator, found: Node | None, given: int | None) -> int:
    """Accelerators that share host processors."""
    if given is not None:
        return given
    if found is not None and found.host.accelerators is not None:
        return int(found.host.accelerators.si)
    if found is not None and found.level == "node":
        return int(found.accelerators.si)
    if chip.type in _ALONE:
        return 1
    return 4 if chip.type == "tpu" or chip.id in _FOUR_A_HOST else 8


def scale_up(
    chip: Accelerator, found: Node | None, chips: int, per_host: int | None
) -> tuple[tuple[Span, ...], tuple[str, ...]]:
    """The fast fabric, from the innermost level out, and what was assumed; a rack's or pod's joins hosts of any size.

    PCIe where an accelerator has no other; nothing where one is a machine of its own, as processors and wafers are.
    """
    if chip.type in _ALONE:
        return (), ()
    words = _text(chip.scale_up.type)
    kind = _kind(words)
    rate = _rate(found.scale_up if found is not None else None) or _rate(chip.scale_up)
    if "torus" in words and chip.scale_up.domain is not None:
        links = rate or _bisection_rate(found)
        if not links:
            raise BadInput(f"The catalog knows no link rate of {chip.name}, so nothing can be said of its clusters.")
        return _torus(chip, found, chips, words, kind, links)
    if not rate or "bridge" in words:
        return _over_pcie(chip, found, per_host, rate)
    usual = int(found.accelerators.si) if found is not None else _domain(chip)
    size, assumed = (per_host if per_host is not None and usual <= 8 else usual), ""
    if usual > 8 and chips > usual:
        # schedulers fill large domains evenly, so that groups of a power of two stay inside
        even = _largest_divisor(chips, usual)
        if even > usual // 2:
            size = even
            assumed = f"{chips:,} chips use {even} of the {usual} in each {kind} domain." if even < usual else ""
    fabric: Fabric = "mesh" if kind in _MESHES else "switch"
    return (Span(size, rate, kind, fabric, words),), (assumed,) if assumed else ()


def network(
    chip: Accelerator, found: Node | None, given: float | str | None, per_host: int
) -> tuple[Span, tuple[str, ...]]:
    """What leaves the scale-up fabric, as a span of no size, and what was assumed. `given` as `cluster` takes it."""
    if isinstance(given, str):
        link = catalog.link(given)
        if link.bandwidth is None or link.category not in ("scale-out", "nic"):
            raise BadInput(f"{link.name} is no network between hosts; name a scale-out link, such as ib-ndr.")
        rate = link.bandwidth.si / (per_host if "node" in link.scope else 1)
        kind = next((kind for start, kind in _NETWORKS if link.id.startswith(start)), "infiniband")
        return Span(0, rate, kind, link=link.name), ()
    if given is not None:
        if not (math.isfinite(given) and given > 0):
            raise BadInput(f"A network of {given} B/s is none; give what one chip can send, one way.")
        return Span(0, float(given), "infiniband", link=_words(given)), ()
    if found is not None and found.network.nic is not None and found.network.nics is not None:
        rate = (
            found.network.nics.si * found.network.nic.si / (per_host if found.level != "pod" else found.accelerators.si)
        )
        kind = _network_kind(chip, found)
        return Span(0, rate, kind, link=_words(rate, kind)), ()
    if found is not None and found.network.bandwidth is not None:
        rate, kind = found.network.bandwidth.si / found.accelerators.si, _network_kind(chip, found)
        return Span(0, rate, kind, link=_words(rate, kind)), ()
    rate, kind = _usual_network(chip, per_host)
    return Span(0, rate, kind, link=_words(rate, kind)), (f"No network stated: {_words(rate, kind)}.",)


def fat_tree(chips: int, inside: int, per_host: int, outside: Span, oversubscription: float) -> Iterator[Span]:
    """Levels above domains of `inside` chips: one leaf switch a rail, then fat trees of two and three levels.

    Every host has a rail, and so a leaf, for each of its chips (NVIDIA's DGX SuperPOD reference architecture): hosts
    under the same leaves reach one another through one switch. Above 65,536 chips several fat trees are joined.
    """
    slow = outside.kind in ("roce", "efa")
    same, across = (
        catalog.record("latency", f"{'roce' if slow else 'infiniband'}-{where}-leaf-64b-cpu-side-end-to-end").value.si
        for where in ("same", "cross")
    )
    ends = (RADIX // 2 * per_host, RADIX**2 // 2, RADIX**3 // 4, chips)
    below = inside
    for tier, end in enumerate(ends):
        size = chips if end >= chips else end // inside * inside
        if size <= below and size < chips:
            continue
        share = 1.0 if tier == 0 else oversubscription
        yield replace(outside, size=size, rate=outside.rate / share, further=tier * (across - same))
        if size == chips:
            return
        below = size


def _torus(
    chip: Accelerator, found: Node | None, chips: int, words: str, kind: str, rate: float
) -> tuple[tuple[Span, ...], tuple[str, ...]]:
    """One level an axis. Slices of a TPU pod close their axes as the scaling book says (part 2, "TPU networking")."""
    assert chip.scale_up.domain is not None
    whole = int(found.accelerators.si) if found is not None else int(chip.scale_up.domain.si)
    part = chips if chips <= whole else _largest_divisor(chips, whole)
    assumed = f"{chips:,} chips are {chips // part} parts of {part:,}, each a torus, joined by a network."
    count = 3 if "3D" in words or (whole > 16 and "across" in words) else 2
    spans, size = [], 1
    for side in _sides(part, count):
        size *= side
        if chip.type == "tpu" and count == 2:
            closes = side >= round(math.sqrt(whole))
        else:
            closes = side % 4 == 0 and part >= 4**count
        # two links an axis; where it does not close, those at its ends carry all in one direction
        spans.append(Span(size, rate / count / (1 if closes else 2), kind, "ring" if closes else "line", words))
    return tuple(spans), (assumed,) if part < chips else ()


def _largest_divisor(number: int, limit: int) -> int:
    return max(each for each in range(1, limit + 1) if number % each == 0)


def _sides(chips: int, axes: int) -> list[int]:
    """The sides of the most cubic box of `chips` chips, the shortest first; sides of one chip are left out."""
    if axes == 1:
        return [chips]
    sides = [
        [side, *_sides(chips // side, axes - 1)]
        for side in range(1, round(chips ** (1 / axes)) + 1)
        if chips % side == 0
    ]
    best = min(sides, key=lambda each: (max(each), sum(each)))
    return [side for side in sorted(best) if side > 1] or [1]


def _over_pcie(
    chip: Accelerator, found: Node | None, per_host: int | None, bridge: float
) -> tuple[tuple[Span, ...], tuple[str, ...]]:
    """Pairs, by a bridge or under one PCIe switch, and the host that joins them."""
    link = _pcie(chip)
    assert link.bandwidth is not None
    size = per_host if per_host is not None else int(found.accelerators.si) if found is not None else 8
    pair = (
        Span(2, bridge, "nvlink4", link=_text(chip.scale_up.type))
        if bridge
        else Span(2, link.bandwidth.si, "pcie", link=link.name)
    )
    host = Span(size, link.bandwidth.si, "pcie-host", link=f"{link.name}, through the host")
    return (pair, host) if size > 2 else (replace(pair, size=size),), (f"{link.name} joins {size} chips a host.",)


def host_link(chip: Accelerator) -> float:
    """B/s one way between a chip and its host's memory: what the catalog states, else that of its PCIe slot."""
    if chip.host_link_bandwidth is not None:
        return chip.host_link_bandwidth.si
    link = _pcie(chip)
    assert link.bandwidth is not None
    return link.bandwidth.si


def _pcie(chip: Accelerator) -> Link:
    newer = any(mark in _text(chip.host_link) for mark in ("Gen5", "5.0", "Gen6"))
    return catalog.link("pcie5-x16" if newer else "pcie4-x16")


def _usual_network(chip: Accelerator, per_host: int) -> tuple[float, str]:
    """B/s one way a chip and the kind of network where neither user nor catalog says."""
    gbit = 1e9 / 8
    if chip.type == "tpu":
        return _BETWEEN_PODS.get(chip.id, 6.25e9), "roce"
    if chip.architecture.startswith("Volta"):
        return 4 * 100 * gbit / per_host, "infiniband"
    if _rate(chip.scale_up):
        speed = 200 if chip.year < 2022 or chip.vendor == "Huawei" else 400
        return speed * gbit, "infiniband" if chip.vendor == "NVIDIA" else "roce"
    return 100 * gbit, "roce"


def _network_kind(chip: Accelerator, found: Node) -> str:
    if found.id.endswith("xl") or found.id.endswith("xlarge") or found.id.startswith("trn"):
        return "efa"
    return "infiniband" if chip.vendor == "NVIDIA" and not found.id.startswith("a3-") else "roce"


def _rate(fabric: object) -> float:
    """B/s one way of one chip towards all its peers; 0 where the catalog does not say."""
    one_way, both = getattr(fabric, "bandwidth", None), getattr(fabric, "both_directions", None)
    return one_way.si if one_way is not None else both.si / 2 if both is not None else 0.0


def _bisection_rate(found: Node | None) -> float:
    """The rate of a chip's four links in a square torus, from the bisection: two rows of links, counted both ways."""
    if found is None or found.scale_up.bisection is None:
        return 0.0
    return 4 * found.scale_up.bisection.si / 2 / (2 * math.sqrt(found.accelerators.si))


def _domain(chip: Accelerator) -> int:
    if chip.id in _FOUR_A_HOST:
        return 4
    return int(chip.scale_up.domain.si) if chip.scale_up.domain is not None else 8


def _kind(words: str) -> str:
    return next((kind for start, kind in _KINDS if words.casefold().startswith(start)), "other")


def _text(fact: Fact | None) -> str:
    return fact.text if fact is not None else ""


def _words(rate: float, kind: str = "network") -> str:
    return f"{rate * 8 / 1e9:,.0f} Gb/s of {_WORDS.get(kind, kind)} a chip"
