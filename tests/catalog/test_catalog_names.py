"""Names find what people mean, and never guess between two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aistack import catalog
from aistack.catalog.naming import resolve
from aistack.errors import AmbiguousName, UnknownName

IDS = catalog.names("accelerator")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("h100-sxm5", "h100-sxm5"),
        ("H100 SXM", "h100-sxm5"),
        ("h100_sxm5", "h100-sxm5"),
        ("NVIDIA H100 SXM5 80GB", "h100-sxm5"),
        ("RTX 4090", "rtx-4090"),
        ("4090", "rtx-4090"),
        ("b200", "b200-sxm"),
        ("gb200", "gb200"),
        ("TPU v5e", "tpu-v5e"),
        ("tpuv6e", "tpu-v6e"),
        ("Ironwood", "tpu-v7"),
        ("MI300X", "mi300x"),
        ("AMD Instinct MI300X", "mi300x"),
        ("a100 sxm4 80gb", "a100-sxm4-80gb"),
    ],
)
def test_what_people_call_accelerators(said: str, meant: str) -> None:
    assert catalog.accelerator(said).id == meant


@pytest.mark.parametrize(
    ("said", "candidates"),
    [
        ("h100", {"h100-nvl", "h100-pcie", "h100-sxm5"}),
        ("A100 80GB", {"a100-pcie-80gb", "a100-sxm4-80gb"}),
        ("h200", {"h200-nvl", "h200-sxm"}),
        ("gaudi", {"gaudi2", "gaudi3"}),
        ("trainium", {"trainium1", "trainium2", "trainium3"}),
    ],
)
def test_an_ambiguous_name_lists_the_variants(said: str, candidates: set[str]) -> None:
    with pytest.raises(AmbiguousName) as caught:
        catalog.accelerator(said)
    assert set(caught.value.candidates) == candidates
    assert all(each in str(caught.value) for each in candidates)


@pytest.mark.parametrize("said", ["mi300", "h101", "tpu v5", "x", "", "H100 turbo"])
def test_what_is_not_there_is_refused(said: str) -> None:
    with pytest.raises(UnknownName):
        catalog.accelerator(said)


def test_a_miss_offers_the_nearest() -> None:
    with pytest.raises(UnknownName, match="mi300x"):
        catalog.accelerator("mi301x")
    with pytest.raises(UnknownName, match="Nearest: DEU"):
        catalog.grid("DEUX")


@given(st.sampled_from(IDS), st.sampled_from([" ", "_", "-", ""]), st.booleans())
def test_case_and_punctuation_do_not_matter(name: str, between: str, upper: bool) -> None:
    said = name.replace("-", between)
    assert resolve("accelerator", said.upper() if upper else said, IDS) == name


@given(st.text(max_size=30))
def test_any_text_gives_an_id_or_a_named_refusal(said: str) -> None:
    try:
        assert resolve("accelerator", said, IDS) in IDS
    except (AmbiguousName, UnknownName) as error:
        assert str(error)


def test_countries_and_formats_by_their_names() -> None:
    assert catalog.grid("Germany").id == "DEU"
    assert catalog.grid("deu").id == "DEU"
    assert catalog.number_format("bfloat16").id == "bf16"
    assert catalog.number_format("E4M3 (OCP OFP8)").id == "fp8_e4m3fn"
    assert catalog.link("NVLink 4").id == "nvlink4"
    assert catalog.node("DGX H100").id == "dgx-h100"


def test_find_says_the_kind() -> None:
    kind, entry = catalog.find("node/dgx h100")
    assert (kind.name, entry.id) == ("node", "dgx-h100")
    with pytest.raises(UnknownName, match="planet/mars"):
        catalog.find("planet/mars")
