"""A few words from a model just trained, to look at."""

from __future__ import annotations

import torch

from aistack.frameworks.lab.transformer import Transformer


def continue_text(
    model: Transformer, prompt: list[int], new: int, *, temperature: float, seed: int, end_of_text: int = 0
) -> list[int]:
    """Up to `new` token ids after `prompt`, drawn at `temperature` from the 50 likeliest; stops at `end_of_text`.

    Every token recomputes the whole sequence: caching is the serving layer's subject.
    """
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    tokens = list(prompt)
    with torch.inference_mode():
        for _ in range(new):
            context = torch.tensor([tokens[-model.spec.max_context :]], device=device)
            logits = model(context)[0, -1].float().cpu() / temperature
            likely = logits.topk(min(50, logits.numel()))
            chosen = torch.multinomial(likely.values.softmax(0), 1, generator=generator)
            token = int(likely.indices[chosen])
            if token == end_of_text:
                break
            tokens.append(token)
    return tokens[len(prompt) :]
