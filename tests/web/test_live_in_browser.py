"""The live edition in a browser: the number shown is the library's, by mouse, keyboard, in the dark and on a phone."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aistack import scenario as stack
from aistack.book.page import pages
from aistack.book.setting import PRESETS, Setting
from aistack.scenario import TrainingScenario
from aistack.units import text

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab

CHROMIUM = shutil.which("chromium")
AISTACK = Path(sys.executable).with_name("aistack")
CHAPTER = "/book/hardware/why-special-hardware.html"
PLAN = "/plan/train?model=llama-3.1-8b&on=8xh100-sxm5&seq_len=8192&global_batch=64"
PATHS = ("/", CHAPTER, PLAN, "/plan/serve?model=lama&on=9", "/catalog", "/catalog/accelerator?by=tdp", "/ask", "/api",
         "/catalog/accelerator/h100-sxm5", "/catalog/accelerator/compare?with=h100-sxm5&with=mi300x", "/dives",
         "/book/back/predictions.html", "/?model=lama")  # fmt: skip

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("live")
    process = subprocess.Popen(
        [str(AISTACK), "open", "--no-browser", "--port", "0"], stdout=subprocess.PIPE, text=True, cwd=folder
    )
    assert process.stdout is not None
    found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
    assert found is not None
    yield found[0]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield launched
        launched.close()


@pytest.fixture
def tab(browser: Browser, server: str) -> Iterator[Tab]:
    """A tab that fails the test for any error of a script, what its policy refuses, and requests to other hosts."""
    opened = browser.new_page(viewport={"width": 1440, "height": 900}, base_url=server)
    opened.set_default_timeout(60_000)
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
    opened.on("request", lambda request: wrong.append(request.url) if not request.url.startswith(server) else None)
    yield opened
    opened.close()
    assert not wrong


def _took(setting: Setting) -> str:
    told = stack.answer(setting.training())
    assert told.run is not None
    return text(float(told.run.seconds), "s").replace(" ", "\u00a0")


def test_changing_a_word_changes_the_numbers_in_place(tab: Tab) -> None:
    tab.goto("/")
    took = tab.locator(".roof dd .n").first
    assert took.inner_text().startswith(_took(Setting()))
    tab.evaluate("window.same = true")
    tab.locator('.scenario [name="count"]').fill("64")
    tab.keyboard.press("Enter")
    wanted = _took(Setting(count=64))
    tab.locator(".roof dd .n", has_text=wanted).first.wait_for()
    assert tab.evaluate("window.same") and tab.url.endswith("?count=64")
    assert "changed" in (took.get_attribute("class") or "")
    # what did not change does not glow
    assert "changed" not in (tab.locator(".tower .n", has_text="3.35").first.get_attribute("class") or "")
    assert tab.evaluate("document.activeElement.name") == "count"
    tab.go_back()
    tab.locator(".roof dd .n", has_text=_took(Setting())).first.wait_for()
    assert tab.locator('.scenario [name="count"]').input_value() == "8"


def test_the_scenario_follows_into_the_book_and_the_planner(tab: Tab) -> None:
    tab.goto("/")
    tab.locator(".presets summary").click()
    tab.get_by_role("link", name="Serve a 70B chat model on one node").click()
    tab.wait_for_url("**/?preset=serve-70b")
    answer = stack.answer_serving(PRESETS["serve-70b"].serving())
    each = text(answer.tpot.mean, "s").replace(" ", "\u00a0")
    tab.locator(".roof .n", has_text=each).first.wait_for()
    tab.locator(".tower h2 a").last.click()
    tab.wait_for_url("**/book/hardware/index.html?preset=serve-70b")
    tab.locator(".top nav a", has_text="Plan").click()
    tab.wait_for_url("**/plan/serve?**")
    assert tab.locator(".told-here .roof .n", has_text=each).first.is_visible()


def test_a_chapters_numbers_follow_the_accelerator(tab: Tab) -> None:
    tab.goto(CHAPTER)
    page = pages()["hardware/why-special-hardware"]
    before = page.numbers(Setting())["ridge"].plain.replace(" ", "\u00a0")
    tab.locator("main .n", has_text=before).first.wait_for()
    tab.locator('.scenario [name="accelerator"]').select_option("mi300x")
    after = page.numbers(Setting(accelerator="mi300x"))["ridge"].plain.replace(" ", "\u00a0")
    assert after != before
    tab.locator("main .n.changed", has_text=after).first.wait_for()


def test_a_demo_shows_its_models_number_live(tab: Tab) -> None:
    page = pages()["hardware/why-special-hardware"]
    setting = PRESETS["8b-on-a-laptop"]
    name, demo = next(iter(page.demos(setting).items()))
    tab.goto(f"{CHAPTER}?preset=8b-on-a-laptop")
    section = tab.locator(f'.demo[data-demo="{name}"]')
    for choice in list(demo.grid())[1:3]:
        for control, value in choice.items():
            section.locator(f'[data-control="{control}"] input[value="{value}"]').check()
        for number in demo.run(**choice).numbers.values():
            section.locator(".shown").get_by_text(number.plain.replace(" ", "\u00a0"), exact=False).first.wait_for()


def test_a_wrong_word_is_said_where_it_was_typed(tab: Tab) -> None:
    tab.goto("/")
    before = tab.locator(".roof").inner_text()
    tab.locator('.scenario [name="count"]').fill("none")
    tab.keyboard.press("Enter")
    trouble = tab.locator(".scenario .trouble")
    tab.wait_for_function("document.querySelector('.trouble').textContent")
    assert "count" in trouble.inner_text() and tab.locator(".roof").inner_text() == before


def test_the_planner_answers_in_place(tab: Tab) -> None:
    tab.goto(PLAN)
    tab.locator('[name="on"]').fill("32xh100-sxm5")
    tab.keyboard.press("Enter")
    asked = {"model": "llama-3.1-8b", "on": "32xh100-sxm5", "seq_len": 8192, "global_batch": 64}
    step = text(stack.answer(TrainingScenario.from_mapping(asked)).step_seconds, "s").replace(" ", "\u00a0")
    tab.locator(".told-here .roof .n", has_text=step).first.wait_for()


def test_everything_works_without_scripts(browser: Browser, server: str) -> None:
    context = browser.new_context(java_script_enabled=False, base_url=server)
    tab = context.new_page()
    tab.goto("/")
    tab.locator('.scenario [name="count"]').fill("64")
    tab.locator(".scenario .doing button").click()
    tab.wait_for_url("**/?count=64")
    assert tab.locator(".roof dd .n").first.inner_text().startswith(_took(Setting(count=64)))
    tab.goto("/catalog/accelerator")
    tab.locator("th a", has_text="tdp").click()
    assert tab.locator("th[aria-sort]").inner_text().startswith("tdp")
    context.close()


def test_the_bar_is_used_by_keyboard(tab: Tab) -> None:
    tab.goto("/")
    tab.locator('.scenario [name="job"]').focus()
    order = []
    for _ in range(7):
        order.append(tab.evaluate("document.activeElement.name || document.activeElement.textContent"))
        tab.keyboard.press("Tab")
    assert order == ["job", "model", "count", "accelerator", "tokens", "Details", "Examples"]
    tab.locator(".presets summary").focus()
    tab.keyboard.press("Enter")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.closest('.presets li') !== null")
    tab.keyboard.press("Escape")
    assert not tab.locator(".presets").evaluate("each => each.open")
    assert tab.evaluate("document.activeElement.textContent") == "Examples"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(tab: Tab, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    tab.emulate_media(color_scheme=scheme)
    for path in PATHS:
        tab.goto(path)
        found = Axe().run(tab)
        assert found.violations_count == 0, f"{path}\n{found.generate_report()}"


@pytest.mark.parametrize("width", [1440, 768, 390, 320])
def test_no_page_scrolls_sideways(tab: Tab, width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 800})
    for path in PATHS:
        tab.goto(path)
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_what_changed_glows_only_where_motion_is_welcome(tab: Tab) -> None:
    for motion, moving in (("reduce", False), ("no-preference", True)):
        tab.emulate_media(reduced_motion=motion)
        tab.goto("/")
        tab.locator('.scenario [name="count"]').fill("16")
        tab.keyboard.press("Enter")
        tab.locator(".changed").first.wait_for()
        name = tab.locator(".changed").first.evaluate("each => getComputedStyle(each).animationName")
        assert (name != "none") is moving
