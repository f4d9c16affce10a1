"""The organs of models against the models' own counts and against what is published of them."""

import pytest

from aistack import catalog
from aistack.catalog.models import IncompleteModel
from aistack.frameworks import anatomy, operators
from aistack.frameworks.figures import anatomy as figure


@pytest.mark.parametrize("name", catalog.names("model"))
def test_organs_add_up_to_the_model(name: str) -> None:
    try:
        spec = catalog.model(name).spec
    except IncompleteModel:
        pytest.skip("not countable")
    organs = anatomy.estimate(spec, 4096)
    assert sum(organ.parameters for organ in organs) == spec.parameters
    assert sum(organ.active for organ in organs) == spec.active_parameters
    forward = operators.flops_per_token(spec, 4096, "causal") / 3
    assert sum(organ.flop for organ in organs) == pytest.approx(forward, rel=1e-9)


def test_llama_by_hand() -> None:
    organs = {organ.name: organ for organ in anatomy.estimate(catalog.model("llama-3.1-8b").spec, 8192, "full")}
    hidden, wide, keys, layers, vocab = 4096, 14336, 1024, 32, 128_256
    assert organs["feed-forward"].parameters == layers * (3 * hidden * wide + hidden)
    assert organs["mixer projections"].parameters == layers * (2 * hidden * hidden + 2 * hidden * keys + hidden)
    assert organs["mixing"].flop == layers * 4 * 8192 * hidden
    assert organs["head"].flop == 2 * hidden * vocab


def test_a_mixture_of_experts_holds_more_than_it_uses() -> None:
    organs = {organ.name: organ for organ in anatomy.estimate(catalog.model("deepseek-v3").spec, 4096)}
    # the technical report (arXiv:2412.19437): 671 B in all, 37 B for each token
    assert sum(organ.parameters for organ in organs.values()) == pytest.approx(671e9, rel=0.01)
    assert sum(organ.active for organ in organs.values()) == pytest.approx(37e9, rel=0.03)
    assert organs["feed-forward"].active < 0.05 * organs["feed-forward"].parameters


def test_the_figure_names_what_holds_most() -> None:
    spec = catalog.model("deepseek-v3").spec
    drawn = figure.draw(anatomy.estimate(spec, 4096), spec, 4096)
    assert drawn.title.startswith("The experts hold 98%")
