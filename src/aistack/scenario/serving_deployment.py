"""From a serving scenario to a deployment: a replica's plan, its price by steps, and the requests that it sees."""

from __future__ import annotations

from aistack.errors import BadInput, DoesNotFit
from aistack.hardware.chip import chip
from aistack.scenario.serving import ServingScenario
from aistack.serving import prefix_cache, replica_memory
from aistack.serving.capacity import Goals, Workload
from aistack.serving.deployment import Adapters, Deployment, Speculation
from aistack.serving.engines import DEFAULTS
from aistack.serving.formats import WEIGHTS
from aistack.serving.step_time import Server
from aistack.serving.step_time import server as server_of
from aistack.training.legality import Shape
from aistack.units import text

SIZES = (1, 2, 4, 8, 16, 32, 64)
"""Accelerators of a replica that are tried where one does not fit."""
LONG = 4096
"""Tokens of a request from which on its keys and values weigh."""


def workload(scenario: ServingScenario, server: Server | None = None) -> Workload:
    """The requests, as `server` sees them; without one, all that they share is in its cache."""
    held = scenario.cached if server is None else hit(scenario, server)
    return Workload(scenario.prompt, scenario.output, held, scenario.burstiness)


def hit(scenario: ServingScenario, server: Server) -> float:
    """Share of a prompt's tokens that is in the cache: of the beginnings in common, those for which there is room."""
    if not scenario.prefixes:
        return scenario.cached
    shared = scenario.cached * scenario.prompt
    room = float(server.kv_capacity) / float(server.groups)
    kept = prefix_cache.beginnings(scenario.prefixes, shared, scenario.context - shared, room)
    return scenario.cached * float(kept)


def goals(scenario: ServingScenario) -> Goals:
    """What they must see."""
    return Goals(**scenario.goals, percentile=scenario.percentile)


def deployment(scenario: ServingScenario, sizes: dict[str, int]) -> Deployment:
    """A replica of these sizes, else as the scenario says. Raises `BadInput` for sizes that do not go together."""
    most, step = DEFAULTS[scenario.engine_name]
    speculative = scenario.speculative and Speculation(
        scenario.speculative, scenario.draft_tokens, scenario.acceptance, scenario.draft
    )
    return Deployment(
        **sizes,
        precision=scenario.precision,
        kv_precision=scenario.kv_precision or "bf16",
        max_batch=scenario.max_batch or most,
        chunk=step if scenario.chunk is None else scenario.chunk,
        speculative=speculative,
        adapters=Adapters(scenario.adapters, scenario.adapter_rank) if scenario.adapters else None,
        engine=scenario.engine_name,
    )


def server(scenario: ServingScenario) -> Server:
    """The replica that the scenario describes; where it does not say how it is divided, the smallest that fits.

    Raises `BadInput` for one that cannot be, and `DoesNotFit` where none of the tensor-parallel ones fits.
    """
    if scenario.sizes is not None:
        return priced(scenario, deployment(scenario, scenario.sizes))
    return smallest(scenario)


def fitted(scenario: ServingScenario) -> Server:
    """The same, which holds the weights and a request. Raises `DoesNotFit` where it does not, and what would."""
    one = server(scenario)
    if missing(scenario, one) > 0:
        raise DoesNotFit(too_large(scenario, one))
    return one


def priced(scenario: ServingScenario, one: Deployment) -> Server:
    """The replica in a cluster of its own."""
    chips, _ = scenario.system
    if one.chips > chips:
        raise BadInput(f"A replica of {one.chips:,} accelerators needs more than the {chips:,} of {scenario.on}.")
    return server_of(scenario.spec, scenario.cluster(one.chips), one, context=scenario.context)


def smallest(scenario: ServingScenario) -> Server:
    """The replica of the fewest accelerators that holds the weights and a request, tensor-parallel, or layer by layer
    on llama.cpp, which divides models so. Raises `DoesNotFit` where none does."""
    divided = "pipeline_parallel" if scenario.engine_name == "llama.cpp" else "tensor_parallel"
    tried = [priced(scenario, deployment(scenario, {divided: size})) for size in tensor_sizes(scenario)]
    for one in tried:
        if missing(scenario, one) <= 0:
            return one
    raise DoesNotFit(too_large(scenario, tried[-1]))


def tensor_sizes(scenario: ServingScenario) -> list[int]:
    """Tensor-parallel sizes that divide the heads, up to the accelerators of a host (or of a scale-up domain)."""
    chips, _ = scenario.system
    inside = scenario.cluster(chips).levels[0].size
    heads = Shape.of(scenario.spec).heads
    return [size for size in (2**power for power in range(12)) if size <= min(chips, inside) and heads % size == 0]


def missing(scenario: ServingScenario, one: Server) -> float:
    """Bytes by which an accelerator is too small for the weights and one request; zero or less where they fit."""
    held = scenario.context
    request = float(replica_memory.per_token(one, held)) * held
    return request - float(one.memory()["cache"])


def too_large(scenario: ServingScenario, one: Server) -> str:
    """That the replica does not fit, and what would make it."""
    lines = "".join(f"\n  {line}" for line in fitting(scenario))
    return (
        f"{scenario.spec.name} does not fit as {one.deployments[0]}: an accelerator of {text(one.chip.memory, 'B')} "
        f"lacks {text(missing(scenario, one), 'B')} for the weights and one request of {scenario.context:,} tokens. "
        f"What would make it fit:{lines}"
    )


def fitting(scenario: ServingScenario) -> tuple[str, ...]:
    """For the scenario's format and narrower ones: the fewest accelerators, tensor-parallel, that a replica fits on."""
    accelerator = scenario.system[1]
    lines = []
    for name in (scenario.precision, *narrower(scenario)):
        for size in SIZES:
            asked = scenario.model_copy(update={"precision": name, "on": f"{size}x{accelerator}", "network": None})
            one = server_of(
                scenario.spec,
                asked.cluster(size),
                deployment(asked, {"tensor_parallel": size}),
                context=scenario.context,
            )
            if missing(scenario, one) <= 0:
                lines.append(f"{name} weights on {size}x{accelerator}, tensor parallel {size}")
                break
    if scenario.context >= LONG:
        lines.append("shorter prompts, or keys and values in fp8")
    return (*lines, "accelerators with more memory")


def narrower(scenario: ServingScenario) -> list[str]:
    """Formats that take fewer bytes than the scenario's, of those that its engine and accelerator serve."""
    served = ("q8_0", "q4_k_m") if scenario.engine_name == "llama.cpp" else ("fp8", "int4")
    peaks = chip(scenario.system[1]).peak
    own = WEIGHTS[scenario.precision].bytes
    return [name for name in served if WEIGHTS[name].bytes < own and (name != "fp8" or "fp8" in peaks)]
