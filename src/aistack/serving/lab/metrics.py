"""What the server counts, for Prometheus; the names are vLLM's, with our prefix."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from aistack.serving.lab.engine import Engine
from aistack.serving.lab.sequence import FinishReason

_LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The counters of one server, in a registry of their own."""

    def __init__(self, engine: Engine) -> None:
        registry = self.registry = CollectorRegistry()

        def gauge(name: str, words: str) -> Gauge:
            return Gauge(name, words, namespace="aistack", registry=registry)

        def histogram(name: str, words: str) -> Histogram:
            return Histogram(name, words, namespace="aistack", registry=registry, buckets=_LATENCIES)

        def counter(name: str, words: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(name, words, labels, namespace="aistack", registry=registry)

        scheduler = engine.scheduler
        gauge("num_requests_running", "Sequences in the batch.").set_function(lambda: len(scheduler.running))
        gauge("num_requests_waiting", "Sequences that wait for a place.").set_function(lambda: len(scheduler.waiting))
        gauge("kv_cache_usage_perc", "Share of the cache's blocks in use, 0 to 1.").set_function(
            lambda: engine.blocks.usage
        )
        gauge("kv_cache_bytes", "Size of the whole cache.").set(engine.cache.bytes)
        gauge("num_preemptions", "Sequences that gave up their blocks, so far.").set_function(
            lambda: scheduler.preemptions
        )
        self.prompt_tokens = counter("prompt_tokens", "Tokens of prompts.")
        self.generation_tokens = counter("generation_tokens", "Tokens generated.")
        self.time_to_first_token = histogram("time_to_first_token_seconds", "From request to first token.")
        self._time_per_output_token = histogram(
            "time_per_output_token_seconds", "Mean time from one token to the next, a request."
        )
        self._latency = histogram("e2e_request_latency_seconds", "From request to last token.")
        self._requests = counter("request_success", "Requests served, by why they ended.", ("finished_reason",))

    def finished(self, reason: FinishReason, latency: float, decoding: float, tokens: int) -> None:
        """Count a request served: seconds from request to last token and from first to last, and its tokens."""
        self._latency.observe(latency)
        self._requests.labels(reason).inc()
        if tokens > 1:
            self._time_per_output_token.observe(decoding / (tokens - 1))

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)
