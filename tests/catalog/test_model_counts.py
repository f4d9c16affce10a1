"""Parameter counts against what the makers state, and against other people's exact counts."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from aistack.catalog.models import KIND, IncompleteModel, Model, spec
from aistack.errors import UnknownName

MODELS = [KIND.load(name) for name in KIND.names()]
COUNTED = [model for model in MODELS if not model.missing]

# Llama 2's largest is called 70B; its checkpoint has 69.0 billion, which no rounding to whole billions gives.
NOMINAL = {"llama-2-70b": 0.015}

_SCALES = {"B": 9, "billion": 9, "trillion": 12, "T": 12, "": 0}


def _tolerance(stated: float, quote: str) -> float:
    """1%, or half a unit of the last digit that the makers print: "7B" may be anything from 6.5 to 7.5."""
    for number, scale in re.findall(r"([\d,]*\d(?:\.\d+)?) ?(B\b|billion|trillion|T\b|)", quote):
        digits = Decimal(number.replace(",", ""))
        if float(digits.scaleb(_SCALES[scale])) == stated:
            exponent = digits.as_tuple().exponent
            assert isinstance(exponent, int)
            return max(0.01 * stated, 0.5 * 10.0 ** (exponent + _SCALES[scale]))
    raise AssertionError(f"{stated} does not stand in {quote!r}")


@pytest.mark.parametrize("model", [each for each in COUNTED if each.official.parameters], ids=lambda each: each.id)
def test_total_is_what_the_makers_state(model: Model) -> None:
    official = model.official.parameters
    assert official is not None
    tolerance = max(_tolerance(official.si, official.quote), NOMINAL.get(model.id, 0) * official.si)
    # a total that holds an image encoder too may be larger than the language model, by no more than 1%
    extra = 0.01 * official.si if model.official.includes else 0.0
    assert -tolerance <= official.si - model.spec.parameters <= tolerance + extra


@pytest.mark.parametrize(
    "model", [each for each in COUNTED if each.official.active_parameters], ids=lambda each: each.id
)
def test_active_is_what_the_makers_state(model: Model) -> None:
    official = model.official.active_parameters
    assert official is not None
    table = model.spec.vocab * model.spec.hidden
    left_out = {"nothing": 0, "token table": 1, "token table and head": 2}[model.official.active_leaves_out] * table
    assert model.spec.active_parameters - left_out == pytest.approx(
        official.si, abs=_tolerance(official.si, official.quote)
    )


def test_tolerance_is_half_of_the_last_digit() -> None:
    assert _tolerance(7e9, "7B") == 0.5e9
    assert _tolerance(3.6e9, "21B parameters with 3.6B active parameters") == 0.05e9
    assert _tolerance(405e9, "405B") == 4.05e9
    assert _tolerance(176247271424, "176,247,271,424 parameters") == 0.01 * 176247271424


# Counts of published checkpoints: Hugging Face's model pages, `num_parameters` of transformers, GGUF headers.
CHECKPOINTS = {
    "qwen3.5-122b-a10b": 122_111_526_912,
    "qwen3.5-35b-a3b": 34_660_610_688,
    "bloom": 176_247_271_424,
    "llama-2-7b": 6_738_415_616,
    "llama-3-8b": 8_030_261_248,
    "llama-3-70b": 70_553_706_496,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.1-405b": 405_853_388_800,
    "mistral-7b-v0.1": 7_241_732_096,
    "mixtral-8x7b": 46_702_792_704,
    "mixtral-8x22b": 140_620_634_112,
    "gemma-2-2b": 2_614_341_888,
    "gemma-2-9b": 9_241_705_984,
    "gemma-2-27b": 27_227_128_320,
    "gemma-7b": 8_537_680_896,
    "phi-2": 2_779_683_840,
    "phi-3-mini": 3_821_079_552,
    "phi-4": 14_659_507_200,
    "qwen2.5-0.5b": 494_032_768,
    "qwen2.5-7b": 7_615_616_512,
    "qwen2.5-72b": 72_706_203_648,
    "smollm2-135m": 134_515_008,
    "gpt2": 124_439_808,
    "gpt2-xl": 1_557_611_200,
    "gpt-j-6b": 6_050_882_784,
    "gpt-neox-20b": 20_554_567_680,
    "olmo-2-7b": 7_298_617_344,
    # the routers' correction biases, one an expert, are buffers that no gradient trains: not counted here
    "deepseek-v3": 671_026_419_200 - 58 * 256,
    "step-3.7-flash": 196_956_130_368 - 42 * 288,
    "qwen3-30b-a3b": 30_532_122_624,
    "qwen3-235b-a22b": 235_093_634_560,
    "gpt-oss-120b": 116_829_156_672,
    "gpt-oss-20b": 20_914_757_184,
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_checkpoint_has_exactly_as_many(name: str) -> None:
    assert spec(name).parameters == CHECKPOINTS[name]


def test_recurrent_state_is_that_of_the_published_file() -> None:
    # the GGUF header of Qwen3.5-122B-A10B: 36 recurrent layers, inner size 8,192, state size 128, convolution width 4;
    # the convolution keeps the last three tokens of queries and keys (16 heads of 128 each) and values
    assert spec("qwen3.5-122b-a10b").state_elements == 36 * (8192 * 128 + 3 * (2 * 16 * 128 + 8192))


def test_every_hugging_face_id_resolves() -> None:
    ids = [alias for model in MODELS for alias in model.aliases if "/" in alias]
    assert len(ids) == len(set(ids)) >= 105
    for model in MODELS:
        for alias in model.aliases:
            assert KIND.load(alias).id == model.id


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Llama 3.1 405B", "llama-3.1-405b"),
        ("meta-llama/Meta-Llama-3.1-405B", "llama-3.1-405b"),
        ("meta-llama/Llama-3.1-405B", "llama-3.1-405b"),
        ("gpt-oss-120b", "gpt-oss-120b"),
        ("mixtral-8x7b", "mixtral-8x7b"),
        ("deepseek-v3", "deepseek-v3"),
        ("gpt2-xl", "gpt2-xl"),
    ],
)
def test_names_that_people_type(typed: str, meant: str) -> None:
    assert KIND.load(typed).id == meant


def test_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"llama-3\.1-405b"):
        spec("llama-3.1-450b")


def test_incomplete_model_says_what_is_missing_and_shows_what_is_known() -> None:
    incomplete = [model for model in MODELS if model.missing]
    assert incomplete
    for model in incomplete:
        with pytest.raises(IncompleteModel, match="cannot be counted"):
            _ = model.spec
        assert dict(model.facts())["configuration.hidden_size"].value > 0
        assert model.counted is None


@pytest.mark.parametrize("model", COUNTED, ids=lambda each: each.id)
def test_a_model_hangs_together(model: Model) -> None:
    architecture = model.spec
    assert 0 < architecture.active_parameters <= architecture.parameters
    assert sum(1 for _ in architecture.each_layer()) == architecture.layers
    facts = dict(model.facts())
    assert facts["parameters"].kind == "derived"
    assert all(fact.source for fact in facts.values())
