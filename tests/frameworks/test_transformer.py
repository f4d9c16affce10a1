"""The transformer that is trained: parameter by parameter, and against Hugging Face's Llama."""

from __future__ import annotations

import pytest

from aistack.catalog.architecture import FeedForward, GroupedQueryAttention, llama
from aistack.catalog.models import spec
from aistack.errors import BadInput

torch = pytest.importorskip("torch")

MODEL = llama("it", hidden=64, layers=3, heads=8, kv_heads=2, feed_forward=160, vocab=1000, max_context=256)
UNTIED = llama(
    "it",
    hidden=64,
    layers=3,
    heads=8,
    kv_heads=2,
    feed_forward=160,
    vocab=1000,
    max_context=256,
    tied_embeddings=False,
)


@pytest.mark.parametrize("model", [MODEL, UNTIED], ids=["tied", "untied"])
def test_every_part_has_the_parameters_of_its_spec(model) -> None:
    from aistack.frameworks.lab.transformer import Transformer

    sizes = {name: parameter.numel() for name, parameter in Transformer(model).named_parameters()}
    assert sum(sizes.values()) == model.parameters == model.active_parameters
    attention, feed_forward = model.blocks[0].mixer, model.blocks[0].feed_forward
    assert isinstance(attention, GroupedQueryAttention)
    assert isinstance(feed_forward, FeedForward)
    for layer in range(model.layers):
        inside = {name: size for name, size in sizes.items() if name.startswith(f"model.layers.{layer}.")}
        assert sum(size for name, size in inside.items() if ".self_attn." in name) == attention.parameters(64)
        assert sum(size for name, size in inside.items() if ".mlp." in name) == feed_forward.parameters(64)
        norms = sum(size for name, size in inside.items() if "layernorm" in name)
        assert norms == model.blocks[0].norm_parameters
    assert sizes["model.embed_tokens.weight"] == model.vocab * model.hidden
    assert ("lm_head.weight" in sizes) is not model.tied_embeddings


@pytest.mark.parametrize("model", [MODEL, UNTIED], ids=["tied", "untied"])
def test_it_is_hugging_faces_llama(model) -> None:
    transformers = pytest.importorskip("transformers")
    from aistack.frameworks.lab.transformer import Transformer

    torch.manual_seed(0)
    ours = Transformer(model).eval()
    theirs = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=1000,
            hidden_size=64,
            num_hidden_layers=3,
            num_attention_heads=8,
            num_key_value_heads=2,
            intermediate_size=160,
            max_position_embeddings=256,
            rms_norm_eps=model.norm_epsilon,
            tie_word_embeddings=model.tied_embeddings,
        )
    ).eval()
    assert {name: tuple(each.shape) for name, each in theirs.named_parameters()} == {
        name: tuple(each.shape) for name, each in ours.named_parameters()
    }
    theirs.load_state_dict(ours.state_dict())
    tokens = torch.randint(0, 1000, (2, 40))
    with torch.no_grad():
        assert torch.allclose(ours(tokens), theirs(tokens).logits, atol=1e-5)


@pytest.mark.parametrize(
    "name", ["mixtral-8x7b", "gpt2", "deepseek-v3", "gemma-2-2b", "gpt-oss-20b", "qwen2.5-0.5b", "qwen3-0.6b"]
)
def test_other_models_are_refused(name: str) -> None:
    from aistack.frameworks.lab.transformer import Transformer

    with pytest.raises(BadInput, match="not a dense Llama-style model"):
        Transformer(spec(name))
