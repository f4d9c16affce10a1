"""Eight-bit weights: close to the original, small, and refused where the files are not whole."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aistack.catalog.configuration import read_config
from aistack.errors import BadInput
from aistack.serving import quantisation
from aistack.serving.lab import fidelity, int8

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def rounded_folder(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("int8") / "tiny-int8"
    int8.quantise(model_folder, target)
    return target


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(1, 9), columns=st.integers(1, 33), exponent=st.integers(-12, 6), seed=st.integers(0, 99))
def test_no_weight_moves_by_more_than_half_a_step(rows: int, columns: int, exponent: int, seed: int) -> None:
    weight = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) * 10.0**exponent
    whole, scale = int8.rounded(weight)
    steps = weight.abs().amax(dim=1, keepdim=True) / 127
    assert ((whole * scale[:, None] - weight).abs() <= 0.501 * steps).all()
    assert whole.abs().max() == 127


def test_a_row_of_zeros_stays_one() -> None:
    layer = int8.Int8Linear(*int8.rounded(torch.zeros(3, 8)))
    assert torch.equal(layer(torch.zeros(2, 8)), torch.zeros(2, 3))
    assert torch.equal(layer(torch.ones(2, 8)), torch.zeros(2, 3))


def test_a_product_is_exact_and_knows_nothing_of_its_batch() -> None:
    layer = int8.Int8Linear(*int8.rounded(torch.randn(48, 64)))
    x = torch.randn(2, 9, 64) * torch.logspace(-3, 3, 9)[None, :, None]
    together = layer(x)
    apart = torch.stack([torch.stack([layer(token) for token in row]) for row in x[:, :, None]])[:, :, 0]
    assert torch.equal(together, apart)
    # the same sums in double precision, from the rounded values themselves
    steps = x.abs().amax(dim=-1, keepdim=True) / 127
    exact = (x / steps).round().double() @ layer.weight.double().T * layer.scale.double() * steps.double()
    assert torch.allclose(together.double(), exact, rtol=1e-5, atol=1e-9)


def test_logits_stay_close_and_the_file_shrinks(model_folder: Path, rounded_folder: Path) -> None:
    spec = read_config(model_folder)
    found = fidelity.measure(model_folder, rounded_folder, [list(range(3, 203)), list(range(5, 60))], 2)
    assert quantisation.estimate_error(spec).low < found.error < quantisation.estimate_error(spec).high
    assert found.loss == pytest.approx(found.loss_before, abs=0.3)
    for folder, bits in ((model_folder, 32), (rounded_folder, 8)):
        assert (folder / WEIGHTS).stat().st_size == pytest.approx(quantisation.estimate_size(spec, bits), rel=0.02)


def test_rounding_in_memory_is_rounding_on_disk(model_folder: Path, rounded_folder: Path) -> None:
    tokens = torch.tensor([[5, 6, 7, 8]])
    with torch.inference_mode():
        assert torch.equal(int8.load(model_folder, quantised=True)(tokens), int8.load(rounded_folder)(tokens))


def test_what_is_rounded_is_not_rounded_again(rounded_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="already"):
        int8.quantise(rounded_folder, tmp_path / "again")


def test_broken_folders_are_refused(rounded_folder: Path, tmp_path: Path) -> None:
    cut = Path(shutil.copytree(rounded_folder, tmp_path / "cut"))
    whole = (cut / WEIGHTS).read_bytes()
    (cut / WEIGHTS).write_bytes(whole[:-100])
    with pytest.raises(BadInput, match="cut short"):
        int8.load(cut)
    (cut / WEIGHTS).unlink()
    with pytest.raises(BadInput, match="no weights"):
        int8.load(cut)
    (cut / WEIGHTS).write_bytes(whole)
    config = json.loads((cut / "config.json").read_text())
    (cut / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    with pytest.raises(BadInput, match="does not fit"):
        int8.load(cut)
    (cut / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "awq"}}))
    with pytest.raises(BadInput, match="awq"):
        int8.load(cut)
