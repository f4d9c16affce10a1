"""A trained model as a Hugging Face checkpoint, the form in which every engine takes it, and back.

The folder holds config.json (LlamaForCausalLM), model.safetensors, generation_config.json and the tokenizer's files.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from aistack.catalog.architecture import FeedForward, GroupedQueryAttention, ModelSpec
from aistack.catalog.configuration import read_config
from aistack.errors import BadInput
from aistack.files import read_json, replacing, write_json
from aistack.frameworks.lab.transformer import Transformer

CONFIG, WEIGHTS, GENERATION = "config.json", "model.safetensors", "generation_config.json"
TOKENIZER = ("tokenizer.json", "tokenizer_config.json")

_ONLY = {"model_type": "llama", "hidden_act": "silu", "rope_scaling": None}
"""Fields that a spec does not hold and that the transformer of the frameworks layer does in one way only."""


def export(model: Transformer, folder: Path, tokenizer: Path, end_of_text: int = 0) -> None:
    """Write `model` and the tokenizer files of the folder `tokenizer` into `folder`; config.json comes last.

    `end_of_text` is the token that begins, separates and ends documents.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in TOKENIZER:
        with replacing(folder / name) as partial:
            shutil.copyfile(tokenizer / name, partial)
    weights = {name: weight.detach().cpu().contiguous() for name, weight in model.named_parameters()}
    with replacing(folder / WEIGHTS) as partial:
        save_file(weights, partial, metadata={"format": "pt"})
    write_json(folder / GENERATION, {"bos_token_id": end_of_text, "eos_token_id": end_of_text})
    write_json(folder / CONFIG, config(model.spec, end_of_text))


def load(folder: Path) -> Transformer:
    """The model of a folder that `export` wrote, in fp32 on the CPU.

    Raises `BadInput` for a folder, config.json or weights that are missing, absurd, cut short or do not fit together,
    and for a model that the transformer of the frameworks layer is not.
    """
    spec = read_config(folder)
    _check_config(folder / CONFIG)
    path = folder / WEIGHTS
    if not path.is_file():
        raise BadInput(f"{path} does not exist: the folder holds no weights. Export the model again.")
    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise BadInput(f"{path} is cut short or not a safetensors file ({error}). Export the model again.") from None
    with torch.device("meta"):
        skeleton = Transformer(spec)
    _check_shapes(path, {name: weight.shape for name, weight in skeleton.named_parameters()}, weights)
    model = Transformer(spec)
    # not strict: a tied head is the token table under a second name, and stands in the file once
    model.load_state_dict({name: weight.float() for name, weight in weights.items()}, strict=False)
    return model.eval()


def measure_agreement(folder: Path, tokens: NDArray[np.int64]) -> float:
    """The largest absolute difference between logits of `transformers` and ours for `tokens` [B, S], both in fp32."""
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    theirs = AutoModelForCausalLM.from_pretrained(str(folder), local_files_only=True, dtype=torch.float32).eval()
    rows = torch.from_numpy(tokens)
    with torch.inference_mode():
        return float((theirs(rows).logits - load(folder)(rows)).abs().max())


def config(spec: ModelSpec, end_of_text: int) -> dict[str, Any]:
    """The config.json of a Llama-style dense `spec`; another kind is a `BadInput`."""
    attention, feed_forward = spec.blocks[0].mixer, spec.blocks[0].feed_forward
    if not isinstance(attention, GroupedQueryAttention) or not isinstance(feed_forward, FeedForward):
        raise BadInput(f"{spec.name} is not a dense Llama-style model.")
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": spec.vocab,
        "hidden_size": spec.hidden,
        "intermediate_size": feed_forward.width,
        "num_hidden_layers": spec.layers,
        "num_attention_heads": attention.heads,
        "num_key_value_heads": attention.kv_heads,
        "head_dim": attention.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": spec.max_context,
        "rms_norm_eps": spec.norm_epsilon,
        "rope_theta": spec.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": spec.rope_theta},
        "tie_word_embeddings": spec.tied_embeddings,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,
        "pad_token_id": end_of_text,
        "dtype": "float32",
    }


def _check_config(path: Path) -> None:
    plain = read_json(path)
    for name, only in _ONLY.items():
        if plain.get(name, only) != only:
            raise BadInput(f"{path}: {name} is {plain[name]!r}; the engine here does {only!r} only.")
    rope = plain.get("rope_parameters") or {}
    if rope.get("rope_type", "default") != "default":
        raise BadInput(f"{path}: rope_type is {rope['rope_type']!r}; the engine here does 'default' only.")


def _check_shapes(path: Path, wanted: dict[str, torch.Size], weights: dict[str, torch.Tensor]) -> None:
    for name in sorted(wanted.keys() & weights.keys()):
        found = weights[name].shape
        if found != wanted[name]:
            raise BadInput(
                f"{path} does not fit its config.json: {name} is {list(found)} where {list(wanted[name])} is wanted."
            )
    for name in sorted(wanted.keys() - weights.keys()):
        raise BadInput(f"{path} does not fit its config.json: it lacks {name}.")
    for name in sorted(weights.keys() - wanted.keys()):
        raise BadInput(f"{path} does not fit its config.json: the model has no {name}.")
