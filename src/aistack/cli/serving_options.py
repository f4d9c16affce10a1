"""The options that describe a serving scenario: one for each field of `ServingScenario`, under the same names."""

from __future__ import annotations

from aistack.cli.scenario_options import Option

OPTIONS = {
    "model": Option("", "NAME|PATH", "A model of the catalog, or the path of a config.json."),
    "on": Option("", "NxCHIP", "How many of which accelerator there are: 8xh100-sxm5."),
    "prompt": Option("", "N", "Tokens of a request's prompt, on average."),
    "output": Option("", "N", "Tokens of its answer, on average."),
    "cached": Option("", "SHARE", "Of the prompt, what a prefix cache holds, by default 0."),
    "rate": Option("", "RATE", "Requests: 10/s, 600/min; without a load, the highest rate within the goals."),
    "concurrency": Option("", "N", "Clients that each wait for their answer, instead of a rate."),
    "spread": Option("", "X", "Standard deviation of lengths over their means, by default 0."),
    "burstiness": Option("", "X", "Coefficient of variation of the time between requests; 1, the default, is Poisson."),
    "ttft": Option("", "TIME", "Goal for the time to the first token: 500ms."),
    "tpot": Option("", "TIME", "Goal for the time per output token after it: 50ms."),
    "latency": Option("", "TIME", "Goal for the whole answer: 20s."),
    "percentile": Option("", "pN", "Of the requests that must meet the goals, by default p95."),
    "tensor_parallel": Option("tp", "N", "Accelerators that split each matrix, by default as few as hold the model."),
    "pipeline_parallel": Option("pp", "N", "Pipeline stages of a replica, by default 1."),
    "expert_parallel": Option("ep", "N", "Accelerators among which experts are divided, by default 1."),
    "data_parallel": Option("dp", "N", "Groups of a replica that attend to requests of their own, by default 1."),
    "replicas": Option("", "N", "Copies of the deployment, by default as many as the load needs."),
    "precision": Option("", "bf16|fp8|int4|...", "Number format of the weights, by default bf16."),
    "kv_precision": Option("", "bf16|fp8|int8|...", "Number format of keys and values, by default 16 bits."),
    "max_batch": Option("", "N", "Requests that a replica runs at once, by default the engine's."),
    "chunk": Option("", "N", "Prompt tokens of a step, 0 for whole prompts, by default the engine's."),
    "speculative": Option("", "draft|mtp|ngram", "Who proposes tokens ahead, by default nobody."),
    "draft": Option("", "NAME", "The small model that proposes tokens."),
    "draft_tokens": Option("", "N", "Tokens proposed for each step, by default 3."),
    "acceptance": Option("", "SHARE", "Chance that a proposed token is accepted, by default 0.7."),
    "adapters": Option("", "N", "LoRA adapters served from the one model, each request with one; by default none."),
    "adapter_rank": Option("", "N", "Their rank, by default 16."),
    "engine": Option("", "vllm|sglang|tensorrt-llm|llama.cpp|aistack", "By default vLLM, llama.cpp on Apple's chips."),
    "node": Option("", "NAME", "A node of the catalog, by default the accelerator's usual one."),
    "network": Option("", "RATE|NAME", "Network of one accelerator: 400 Gbit/s, or a link of the catalog."),
    "oversubscription": Option("", "X", "Of the network's upper levels, by default 1."),
    "peak_to_mean": Option("", "X", "Rate of the busiest hour over the day's mean, by default 1."),
    "availability": Option("", "SHARE", "Of the time in which enough replicas are up, by default 0.999."),
    "price": Option("", "USD", "Of an accelerator-hour, by default the catalog's."),
    "place": Option("", "NAME", "Whose grid supplies the power, by default the world's mean."),
    "pue": Option("", "X", "The facility's energy over its computers', by default a usual one."),
    "date": Option("", "YYYY-MM-DD", "Of prices, by default the latest."),
}
"""Each field of `ServingScenario`. Written out here, since `--help` has no time to import the scenario."""
