"""The report as its reader meets it: in a browser, light and dark, wide and narrow, held to the rules of axe."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from aistack.dive import conduct as conducting
from aistack.dive import report, run
from aistack.dive.ledger import Ledger
from aistack.dive.options import Options
from aistack.dive.run import Result
from aistack.drawing import LAYERS

CHROMIUM = shutil.which("chromium")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium"),
]


@pytest.fixture(scope="module")
def page_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a finished run: a made-up ledger, a real chart in each layer."""
    from aistack.dive.figures import overview

    made = run.create(Options(), "cpu", {"python": "3.11"}, tmp_path_factory.mktemp("runs"))
    for number, layer in enumerate(LAYERS):
        ledger = Ledger(layer)
        for quantity in range(3):
            ledger.predict(f"{layer} {quantity}", 1.0, "s", "by hand", interval=(0.5, 1.5))
            ledger.measure(f"{layer} {quantity}", 0.8 + number / 5, spread=[0.7, 0.8 + number / 5, 2])
        made.finish(Result(layer, ledger.entries, {}, 1.0, 1.0, 3.7))
    entries = [entry for result in made.results() for entry in result.entries]
    with pytest.MonkeyPatch.context() as patch:
        stage = SimpleNamespace(figures=lambda outputs: [overview.draw(entries)])
        patch.setattr(conducting, "stage_module", lambda layer: stage)
        report.write(made)
    return made.root / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield launched
        launched.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_report(page_path: Path, browser, scheme: str, width: int) -> None:  # type: ignore[no-untyped-def]
    from axe_playwright_python.sync_playwright import Axe

    asked: list[str] = []
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page_path.as_uri())
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert asked == [page_path.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(253, 252, 249)") == (scheme == "light")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.close()
