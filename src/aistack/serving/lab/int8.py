"""Weights in eight bits: one scale for each output channel, and a matrix product in whole numbers.

A row w of a weight matrix becomes round(w / s) with s = max|w| / 127 (symmetric, per output channel; LLM.int8(),
arXiv:2208.07339, section 2). At run time each token's activations are rounded the same way, so that the product is
one of int8 with exact int32 sums: a token's result does not depend on what else is in its batch. The token table is
stored by rows too, and serves as embedding (a row times its scale) and, where it is tied, as output head.
Norms stay in single precision.

M rows, K input width, N output width
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from aistack.catalog.configuration import read_config
from aistack.errors import BadInput
from aistack.files import read_json, replacing, write_json
from aistack.frameworks.lab.transformer import Transformer
from aistack.training.lab import huggingface

METHOD = "aistack-int8"
_LEVELS = 127
_SCALE = "_scale"


def quantise(source: Path, target: Path) -> None:
    """Write the model of the Hugging Face folder `source` to `target` with int8 weights; config.json comes last.

    Raises `BadInput` where `source` cannot be read, or is quantised already.
    """
    if is_int8(source):
        raise BadInput(f"{source} holds int8 weights already.")
    model = huggingface.load(source)
    target.mkdir(parents=True, exist_ok=True)
    (target / huggingface.CONFIG).unlink(missing_ok=True)
    for name in (*huggingface.TOKENIZER, huggingface.GENERATION):
        if (source / name).exists():
            with replacing(target / name) as partial:
                shutil.copyfile(source / name, partial)
    with replacing(target / huggingface.WEIGHTS) as partial:
        save_file(_rounded_weights(model), partial, metadata={"format": "pt"})
    plain = read_json(source / huggingface.CONFIG)
    plain["quantization_config"] = {"quant_method": METHOD, "bits": 8, "symmetric": True, "scale": "output channel"}
    write_json(target / huggingface.CONFIG, plain)


def load(folder: Path, quantised: bool = False) -> Transformer:
    """The model of a Hugging Face folder on the CPU; `quantised` rounds one that is not in int8 already.

    Raises `BadInput` for a folder, config.json or weights that are missing, absurd, cut short or do not fit together.
    """
    if is_int8(folder):
        return _load_int8(folder)
    model = huggingface.load(folder)
    if quantised:
        round_in_place(model)
    return model


def round_in_place(model: Transformer) -> None:
    """Give `model` int8 weights instead of its own."""
    _install(model, _rounded_weights(model))


def is_int8(folder: Path) -> bool:
    """Whether `quantise` wrote this folder; one that something else quantised is a `BadInput`."""
    plain: Any = read_json(folder / huggingface.CONFIG)
    quantised = plain.get("quantization_config") if isinstance(plain, dict) else None
    if quantised is None:
        return False
    if not isinstance(quantised, dict) or quantised.get("quant_method") != METHOD:
        raise BadInput(f"{folder} is quantised in a way that is not read here: {json.dumps(quantised)[:200]}.")
    return True


def rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
    """`weight` [N,K] as int8 [N,K] and the scale of each row [N]."""
    scale = weight.abs().amax(dim=1).clamp_min(1e-30) / _LEVELS
    return (weight / scale[:, None]).round().to(torch.int8), scale


class Int8Linear(nn.Module):
    """A matrix product with int8 weights [N,K]."""

    weight: Tensor
    scale: Tensor

    def __init__(self, weight: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)

    def forward(self, x: Tensor) -> Tensor:
        """[...,K] to [...,N]."""
        if x.device.type != "cpu":
            # the GPU's int8 product takes only some shapes; there the weights are widened first
            return functional.linear(x, (self.weight * self.scale[:, None]).to(x.dtype))
        rows = x.flatten(0, -2)
        largest = torch.linalg.vector_norm(rows, float("inf"), dim=-1, keepdim=True).clamp_min_(1e-20)
        whole = (rows * (_LEVELS / largest)).round_().to(torch.int8)
        sums = torch._int_mm(whole, self.weight.t())
        return (sums * self.scale).mul_(largest / _LEVELS).view(*x.shape[:-1], -1)


class Int8Embedding(nn.Module):
    """A token table with int8 rows."""

    weight: Tensor
    scale: Tensor

    def __init__(self, weight: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)

    def forward(self, tokens: Tensor) -> Tensor:
        """The widened rows of `tokens` [...], [...,K]."""
        return self.weight[tokens] * self.scale[tokens, None]


def _rounded_weights(model: Transformer) -> dict[str, Tensor]:
    """Every matrix in int8, its scales beside it under the same name with `_scale`; vectors as they are."""
    tensors = dict[str, Tensor]()
    for name, weight in model.named_parameters():
        plain = weight.detach()
        if plain.dim() == 2:
            tensors[name], tensors[name + _SCALE] = rounded(plain)
        else:
            tensors[name] = plain.contiguous()
    return tensors


def _load_int8(folder: Path) -> Transformer:
    spec, path = read_config(folder / huggingface.CONFIG), folder / huggingface.WEIGHTS
    try:
        tensors = load_file(path)
    except FileNotFoundError:
        raise BadInput(f"{path} does not exist: the folder holds no weights.") from None
    except SafetensorError as error:
        raise BadInput(f"{path} is cut short or not a safetensors file ({error}). Quantise the model again.") from None
    model = Transformer(spec)
    wanted = {name: (tensor.shape, tensor.dtype) for name, tensor in _rounded_weights(model).items()}
    found = {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
    unlike = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if unlike:
        raise BadInput(
            f"{path} does not fit its config.json: {unlike[0]} is missing, unknown or of another shape or type "
            f"({len(unlike)} such tensors)."
        )
    _install(model, tensors)
    return model.eval()


def _install(model: Transformer, tensors: dict[str, Tensor]) -> None:
    """Put `tensors`, as `_rounded_weights` names them, into `model` in place of its own."""
    for name, tensor in tensors.items():
        if name.endswith(_SCALE):
            continue
        module, _, leaf = name.rpartition(".")
        if tensor.dim() == 1:
            setattr(model.get_submodule(module), leaf, nn.Parameter(tensor, requires_grad=False))
            continue
        owner, _, attribute = module.rpartition(".")
        kind = Int8Embedding if attribute == "embed_tokens" else Int8Linear
        setattr(model.get_submodule(owner), attribute, kind(tensor, tensors[name + _SCALE]))
        if attribute == "embed_tokens" and model.spec.tied_embeddings:
            model.add_module("lm_head", Int8Linear(tensor, tensors[name + _SCALE]))
