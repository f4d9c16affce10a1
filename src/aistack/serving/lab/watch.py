"""A server's gauges, watched while something else goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families


@dataclass
class Seen:
    """What was seen so far."""

    most_cache_bytes: float = 0.0


@contextmanager
def watching(url: str, every: float = 0.05) -> Iterator[Seen]:
    """Read the server's metrics every so many seconds while the block runs."""
    seen, over = Seen(), threading.Event()

    def watch() -> None:
        with httpx.Client(base_url=url, trust_env=False) as http:
            while not over.wait(every):
                try:
                    found = gauges(http.get("/metrics").text)
                except httpx.HTTPError:
                    continue
                held = found["aistack_kv_cache_usage_perc"] * found["aistack_kv_cache_bytes"]
                seen.most_cache_bytes = max(seen.most_cache_bytes, held)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def gauges(text: str) -> dict[str, float]:
    """Name -> value of every sample without labels in Prometheus' text format."""
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.labels
    }
