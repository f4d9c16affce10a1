"""What "How does text become training data?" computes: a measured pipeline, odds of duplicates, what models ask."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from aistack.book.demo import Control, Demo, Shown
from aistack.book.number import Number, name
from aistack.book.setting import Setting
from aistack.book.table import Table
from aistack.drawing import Figure
from aistack.frameworks import minhash
from aistack.frameworks.figures import duplicate_odds, text_funnel
from aistack.frameworks.funnel import Funnel, Step
from aistack.frameworks.operators import flops_per_token
from aistack.infrastructure.cluster import cluster

BANDS, ROWS, WANTED = 32, 4, 0.75
"""As the dive's pipeline finds near-duplicates."""
SPLITS = ((32, 4), (16, 8), (8, 16))
DISK = 2e9
"""Bytes a second that any NVMe disk of a server reads."""

STOCK = "Villalobos et al. 2022 (arXiv:2211.04325): public text written by people, median estimate"
CRAWL = "Penedo et al. 2024 (arXiv:2406.17557): FineWeb, filtered and deduplicated web text in English"
DERIVED = "Derived from the scenario and the measured pipeline"


@functools.cache
def measured() -> Mapping[str, Any]:
    """A run of the dive's pipeline on the texts of installed packages."""
    return MappingProxyType(json.loads(Path(__file__).with_name("text_to_shards.json").read_text(encoding="utf-8")))


def _said() -> str:
    run = measured()
    return f"Measured with `{run['command']}` on {run['machine']}, {run['measured']}"


def numbers(setting: Setting) -> dict[str, Number]:
    """Of the pipeline that was run, and of what the setting's training asks of one."""
    run, said = measured(), _said()
    funnel = Funnel.from_json(run["funnel"])
    steps = {step.name: step for step in funnel.steps}
    found, kept = funnel.steps[0].taken, funnel.steps[-1].kept
    seconds = sum(run["seconds"].values())
    exact, near = steps["exact duplicates"], steps["near-duplicates"]
    repeated = 1 - near.kept.documents / exact.taken.documents
    bytes_per_token = float(run["bytes_per_token"])
    text = setting.tokens * bytes_per_token
    peak = setting.peak.value * setting.count
    fastest = peak / flops_per_token(setting.spec, setting.sequence, "causal")
    return {
        "found": Number(found.bytes, "B", "measured", said),
        "found_documents": Number(found.documents, "documents", "measured", said),
        "kept": Number(kept.bytes, "B", "measured", said),
        "kept_documents": Number(kept.documents, "documents", "measured", said),
        "share": Number(kept.documents / found.documents, "%", "measured", said, digits=2),
        "short": Number(
            steps["quality"].dropped["shorter than 200 characters"].documents, "documents", "measured", said
        ),
        "repeated": Number(repeated, "%", "measured", said, formula="copies / good documents", digits=2),
        "seconds": Number(seconds, "s", "measured", said),
        "rate": Number(found.bytes / seconds, "B/s", "measured", said, formula="text found / time"),
        "made": Number(run["tokens"], "token", "measured", said),
        "vocab": Number(run["vocab"], "", "assumed", "chosen for this much text"),
        "per_token": Number(bytes_per_token, "B", "measured", said, basis="of UTF-8 text, held-out documents"),
        "sources": Number(run["sources"], "packages", "measured", said),
        "licences": Number(run["licences"], "licences", "measured", said),
        "miss": Number(
            1 - float(minhash.estimate(WANTED, ROWS, BANDS)), "%", "derived", "aistack.frameworks.minhash", digits=1
        ),
        "wanted": Number(WANTED, "%", "assumed", "the pipeline's threshold", digits=2),
        "tokens": Number(setting.tokens, "token", "assumed", "the scenario"),
        "text": Number(text, "B", "derived", DERIVED, formula="tokens × bytes a token"),
        "ids": Number(4 * setting.tokens, "B", "derived", "the scenario", formula="tokens × 4 bytes"),
        "stock": Number(300e12, "token", "stated", STOCK, low=100e12, high=1000e12),
        "crawl": Number(15e12, "token", "stated", CRAWL),
        "of_crawl": Number(setting.tokens / 15e12, "×", "derived", CRAWL, formula="tokens / FineWeb's"),
        "cores": Number(
            text / (found.bytes / seconds / 2) / (30 * 86400), "cores", "derived", DERIVED,
            formula="text / rate of a core / a month", digits=2,
        ),
        "fastest": Number(fastest, "token/s", "derived", "peak from the catalog", formula="peak / FLOP a token"),
        "fed": Number(4 * fastest, "B/s", "derived", "peak from the catalog", formula="tokens a second × 4 bytes"),
        "machines": Number(cluster(setting.count, setting.accelerator).hosts, "hosts", "derived", "catalog"),
    }  # fmt: skip


def words(setting: Setting) -> dict[str, object]:
    """Names, and whether one disk feeds all chips."""
    light = numbers(setting)["fed"].value < DISK
    return {"model": name(setting.model), "chip": setting.facts.name, "bands": BANDS, "rows": ROWS, "light": light}


def figures(_: Setting) -> Mapping[str, Callable[[], Figure]]:
    """What became of the text, and which copies are noticed."""
    run = measured()
    return {
        "funnel": lambda: text_funnel.draw(
            Funnel.from_json(run["funnel"]), Step.from_json(run["drawn"]), run["tokens"]
        ),
        "odds": lambda: duplicate_odds.draw(SPLITS, WANTED),
    }


def tables(_: Setting) -> Mapping[str, Callable[[], Table]]:
    """Where the pipeline's time went."""
    return {"time": _time}


def _time() -> Table:
    run, said = measured(), _said()
    total = sum(run["seconds"].values())
    what = {
        "read": "read, normalise, judge",
        "compare": "find duplicates",
        "write": "write documents",
        "tokenizer": "train the tokenizer",
        "encode": "encode, shuffle, pack",
    }
    return Table(
        "Reading and judging takes most of the time, and it is the part that scales with machines",
        said,
        [
            {
                "step": what[step],
                "time": Number(seconds, "s", "measured", said),
                "share": Number(seconds / total, "%", "derived", said, digits=2),
            }
            for step, seconds in run["seconds"].items()
        ],
    )


def demos(_: Setting) -> Mapping[str, Demo]:
    """Signatures cut into bands in different ways."""

    def run(rows: int, similarity: float) -> Shown:
        bands = 128 // rows
        odds = float(minhash.estimate(similarity, rows, bands))
        source = "aistack.frameworks.minhash"
        return Shown(
            {
                "bands": Number(bands, "", "derived", source, formula="128 / values in a band"),
                "it is looked at": Number(odds, "%", "derived", source, formula="1 - (1 - s^r)^b"),
                "even odds at": Number(minhash.threshold(rows, bands), "%", "derived", source),
            }
        )

    controls = (
        Control("rows", "Values in a band", (2, 4, 8, 16), 4),
        Control("similarity", "Similarity of a pair", (0.2, 0.4, 0.6, 0.75, 0.9), 0.75),
    )
    return {"bands": Demo("Finding copies without comparing all pairs", controls, run)}
