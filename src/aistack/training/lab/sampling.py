"""A few words from a model just trained, to look at."""

from __future__ import annotations

from pathlib import Path

import torch

from aistack.frameworks.lab.shards import Shards
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


def continuations(
    model: Transformer, validation: Shards, tokenizer: Path, count: int, prompt: int, new: int, seed: int
) -> list[dict[str, str]]:
    """`count` beginnings of validation texts, `prompt` tokens long, each as {"prompt", "continuation"}.

    A beginning is what follows a separator (token 0); a split that has too few of them gives fewer. `tokenizer` is
    the folder with tokenizer.json.
    """
    from tokenizers import Tokenizer

    words = Tokenizer.from_file(str(tokenizer / "tokenizer.json"))
    model.eval()
    found = []
    for index in range(len(validation)):
        row = validation.batch(index, 1, seed)[0].tolist()
        if 0 not in row[:-prompt]:
            continue
        start = row.index(0)
        tokens = row[start : start + 1 + prompt]
        if 0 in tokens[1:]:
            continue
        said = continue_text(model, tokens, new, temperature=0.8, seed=seed)
        found.append({"prompt": words.decode(tokens[1:]), "continuation": words.decode(said)})
        if len(found) == count:
            break
    return found
