"""vidur (Georgia Tech and Microsoft, arXiv:2405.05465): its `Simulator`, for the speed of its events alone.

- Its package has no profiles of chips, from which it learns the times of steps. Each step is given one price, 12 parts
  of a layer at 30 microseconds each, which costs nothing to ask.
- Its metrics and traces are switched off; requests are made before the clock starts.
- Chunked prefill (its Sarathi scheduler), with the load's sequences at once and tokens of a step.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time

from vidur._native.entities import ExecutionTime
from vidur.config import (
    ClusterConfig,
    FixedRequestLengthGeneratorConfig,
    MetricsConfig,
    PoissonRequestIntervalGeneratorConfig,
    ReplicaConfig,
    SarathiSchedulerConfig,
    SimulationConfig,
    SyntheticRequestGeneratorConfig,
)
from vidur.execution_time_predictor import ExecutionTimePredictorRegistry
from vidur.simulator import Simulator
from vidur.types import ExecutionTimePredictorType
from worker import Answer, Job, serve

LAYERS, PARTS, MILLISECONDS = 32, 12, 0.03


class OnePrice:
    """Its predictor's face, with one answer."""

    def __init__(self, **_: object) -> None:
        self._price = ExecutionTime(LAYERS, *([MILLISECONDS] * PARTS), 0.0, 0.0)

    def get_execution_time(self, _batch: object, _stage: int) -> ExecutionTime:
        return self._price


def predict(job: Job, _efficiency: None) -> Answer:
    quiet = ("write_metrics", "store_plots", "enable_chrome_trace", "store_request_metrics", "store_batch_metrics",
             "store_utilization_metrics")  # fmt: skip
    simulator = Simulator(
        SimulationConfig(
            cluster_config=ClusterConfig(
                replica_config=ReplicaConfig(num_pipeline_stages=1, tensor_parallel_size=1),
                replica_scheduler_config=SarathiSchedulerConfig(
                    batch_size_cap=job["sequences"], chunk_size=job["chunk"]
                ),
            ),
            request_generator_config=SyntheticRequestGeneratorConfig(
                length_generator_config=FixedRequestLengthGeneratorConfig(
                    max_tokens=2 * (job["prompt"] + job["output"]),
                    prefill_tokens=job["prompt"],
                    decode_tokens=job["output"],
                ),
                interval_generator_config=PoissonRequestIntervalGeneratorConfig(qps=job["rate"]),
                num_requests=job["requests"],
            ),
            metrics_config=MetricsConfig(**dict.fromkeys(quiet, False)),
        )
    )
    simulator._write_output = lambda: None
    started = time.process_time()
    simulator.run()
    return {"seconds": time.process_time() - started}


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    predictors, kind = ExecutionTimePredictorRegistry, ExecutionTimePredictorType.RANDOM_FORREST
    predictors.unregister(kind)
    predictors.register(kind, OnePrice)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        serve(predict)
