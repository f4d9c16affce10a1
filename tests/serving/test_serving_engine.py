"""The engine gives every request what it would get alone."""

import random
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from aistack.errors import BadInput
from aistack.frameworks.lab.transformer import Transformer
from aistack.serving.lab import int8
from aistack.serving.lab.detokeniser import Detokeniser
from aistack.serving.lab.engine import BLOCK_SIZE, Engine, Limits
from aistack.serving.lab.sampler import sample
from aistack.serving.lab.sequence import Sampling, Sequence

GREEDY = {"temperature": 0.0, "ignore_eos": True}


@pytest.fixture(scope="module")
def model(model_folder: Path) -> Transformer:
    return int8.load(model_folder)


@pytest.fixture(scope="module")
def tokenizer(model_folder: Path) -> Tokenizer:
    return Tokenizer.from_file(str(model_folder / "tokenizer.json"))


def prompts(count: int, longest: int = 120) -> list[list[int]]:
    chance = random.Random(3)
    return [[chance.randrange(3, 300) for _ in range(chance.randint(1, longest))] for _ in range(count)]


def alone(model: Transformer, prompt: list[int], count: int) -> list[int]:
    """Greedy decoding with no cache, no batch and no engine."""
    tokens = list(prompt)
    with torch.inference_mode():
        for _ in range(count):
            tokens.append(int(model(torch.tensor([tokens]))[0, -1].argmax()))
    return tokens[len(prompt) :]


def run(engine: Engine, requests: list[tuple[list[int], Sampling]], every: int = 2) -> list[Sequence]:
    """All requests, a new one joining every few steps."""
    coming, sequences, steps = list(enumerate(requests)), list[Sequence](), 0
    while coming or engine.busy:
        if coming and steps % every == 0:
            number, (prompt, sampling) = coming.pop(0)
            sequences.append(engine.add(str(number), prompt, sampling))
        engine.step()
        steps += 1
    return sequences


@pytest.mark.parametrize(
    "limits",
    [
        Limits(max_batch=1, token_budget=256),
        Limits(max_batch=5, token_budget=256),
        Limits(max_batch=5, token_budget=7),
        Limits(max_batch=5, token_budget=48, blocks=256 // BLOCK_SIZE),
    ],
    ids=["one by one", "batched", "chunked prefill", "scarce blocks"],
)
def test_a_batch_changes_nobodys_tokens(model: Transformer, tokenizer: Tokenizer, limits: Limits) -> None:
    engine = Engine(model, tokenizer, frozenset({0}), limits)
    requests = [(prompt, Sampling(max_tokens=20 + 3 * n, **GREEDY)) for n, prompt in enumerate(prompts(7))]
    sequences = run(engine, requests)
    assert (engine.scheduler.preemptions > 0) == (limits.blocks is not None)
    assert engine.blocks.free == engine.blocks.count
    for sequence, (prompt, sampling) in zip(sequences, requests, strict=True):
        assert sequence.tokens[len(prompt) :] == alone(model, prompt, sampling.max_tokens)


def test_tokens_are_those_of_transformers(model_folder: Path, model: Transformer, tokenizer: Tokenizer) -> None:
    from transformers import LlamaForCausalLM

    peer = LlamaForCausalLM.from_pretrained(model_folder, local_files_only=True, dtype=torch.float32).eval()
    engine = Engine(model, tokenizer, frozenset({0}), Limits(max_batch=4))
    requests = [(prompt, Sampling(max_tokens=24, **GREEDY)) for prompt in prompts(4, 60)]
    for sequence, (prompt, _) in zip(run(engine, requests), requests, strict=True):
        ids = torch.tensor([prompt])
        with torch.inference_mode():
            expected = peer.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, min_new_tokens=24, do_sample=False,
                eos_token_id=None, pad_token_id=0,
            )  # fmt: skip
        assert sequence.tokens == expected[0].tolist()


def test_a_seed_decides_whatever_the_batch(model: Transformer, tokenizer: Tokenizer) -> None:
    wanted = (prompts(1)[0], Sampling(max_tokens=30, temperature=25.0, top_p=0.9, seed=11, ignore_eos=True))
    others = [(prompt, Sampling(max_tokens=25, seed=n, ignore_eos=True)) for n, prompt in enumerate(prompts(5))]
    lonely = run(Engine(model, tokenizer, frozenset()), [wanted])[0]
    crowded = run(Engine(model, tokenizer, frozenset(), Limits(blocks=20, token_budget=40)), [*others, wanted])[-1]
    assert lonely.tokens == crowded.tokens
    another = run(Engine(model, tokenizer, frozenset()), [(wanted[0], Sampling(30, 25.0, 0.9, 0, 12, (), True))])[0]
    assert another.tokens != lonely.tokens


def test_sampling_follows_the_distribution(tokenizer: Tokenizer) -> None:
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0, -9.0])

    def draws(count: int = 4000, **options: float) -> list[float]:
        sampling = Sampling(**options)  # type: ignore[arg-type]
        one = Sequence("x", [1], 1, sampling, Detokeniser(tokenizer))
        chosen = [sample(logits[None], [one])[0] for _ in range(count)]
        return [chosen.count(token) / count for token in range(5)]

    def softmax(values: list[float], temperature: float) -> list[float]:
        weights = [2.718281828 ** (value / temperature) for value in values]
        return [weight / sum(weights) for weight in weights]

    assert draws(seed=1) == pytest.approx(softmax([2, 1, 0, -1, -9], 1.0), abs=0.03)
    assert draws(seed=1, temperature=2.0) == pytest.approx(softmax([2, 1, 0, -1, -9], 2.0), abs=0.03)
    assert draws(seed=1, top_k=2) == pytest.approx([*softmax([2, 1], 1.0), 0, 0, 0], abs=0.03)
    # 0.64 alone does not reach 0.7, so the nucleus holds two
    assert draws(seed=1, top_p=0.7) == pytest.approx([*softmax([2, 1], 1.0), 0, 0, 0], abs=0.03)
    assert draws(50, seed=1, top_p=1e-9) == [1, 0, 0, 0, 0]
    assert draws(50, seed=1, temperature=1e-30) == [1, 0, 0, 0, 0]


def test_an_abort_frees_everything(model: Transformer, tokenizer: Tokenizer) -> None:
    engine = Engine(model, tokenizer, frozenset(), Limits(max_batch=2, token_budget=16))
    for number, prompt in enumerate(prompts(4)):
        engine.add(str(number), prompt, Sampling(max_tokens=100))
    for _ in range(6):
        engine.step()
    for number in (3, 0, 1, 2, 2):
        engine.abort(str(number))
    assert not engine.busy
    assert engine.blocks.free == engine.blocks.count
    assert engine.step() == []


def test_end_of_text_and_stop_strings_end_a_request(model: Transformer, tokenizer: Tokenizer) -> None:
    prompt = prompts(1)[0]
    tokens = alone(model, prompt, 40)
    text = tokenizer.decode(tokens)
    ending = Engine(model, tokenizer, frozenset({tokens[7]}))
    [sequence] = run(ending, [(prompt, Sampling(max_tokens=40, temperature=0))])
    assert sequence.tokens[len(prompt) :] == tokens[: tokens.index(tokens[7]) + 1]
    stop = text[9:12]
    engine, pieces = Engine(model, tokenizer, frozenset()), []
    engine.add("x", prompt, Sampling(max_tokens=40, temperature=0, stop=("never there", stop)))
    while engine.busy:
        pieces += engine.step()
    assert "".join(piece.text for piece in pieces) == text[: text.index(stop)]
    assert pieces[-1].finished == "stop"


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_streamed_text_is_the_whole_text_and_never_half_a_character(tokenizer: Tokenizer, data: st.DataObject) -> None:
    words = data.draw(st.text(max_size=40))
    tokens = tokenizer.encode(words).ids
    noise = data.draw(st.lists(st.integers(0, tokenizer.get_vocab_size() - 1), max_size=60))
    for given_tokens in (tokens, noise):
        detokeniser = Detokeniser(tokenizer)
        streamed = [detokeniser.push(token) for token in given_tokens]
        whole = "".join([*streamed, detokeniser.finish()])
        assert whole == tokenizer.decode(given_tokens)
        if given_tokens is tokens and "\ufffd" not in words:
            assert whole == words
            assert not any("\ufffd" in piece for piece in streamed)


@settings(max_examples=150, deadline=None)
@given(text=st.text("ab\n", max_size=30), stops=st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3))
def test_nothing_of_a_stop_string_is_streamed(tokenizer: Tokenizer, text: str, stops: list[str]) -> None:
    detokeniser, streamed = Detokeniser(tokenizer, stops), ""
    for token in tokenizer.encode(text).ids:
        streamed += detokeniser.push(token)
        assert not any(stop in streamed for stop in stops)
    streamed += detokeniser.finish()
    places = [text.find(stop) for stop in stops if stop in text]
    # the earliest stop to be complete ends the text, and stops may overlap
    if places:
        assert detokeniser.stopped
        assert text.startswith(streamed)
        assert len(streamed) >= min(places)
    else:
        assert streamed == text


def test_limits_that_could_never_work_are_refused(model: Transformer, tokenizer: Tokenizer) -> None:
    with pytest.raises(BadInput, match="too small"):
        Engine(model, tokenizer, frozenset(), Limits(blocks=3))
    with pytest.raises(BadInput, match="too few"):
        Engine(model, tokenizer, frozenset(), Limits(max_batch=8, token_budget=7))
