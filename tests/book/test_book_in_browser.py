"""The site as its reader meets it, opened from disk: light and dark, wide and narrow, by mouse and by keyboard."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aistack.book.page import Page, pages
from aistack.book.setting import Setting
from aistack.book.site import build

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab

CHROMIUM = shutil.which("chromium")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium"),
]

KINDS = ("index.html", "back/contents.html", "glossary/index.html", "back/index.html", "back/references.html")
KINDS = (*KINDS, "back/predictions.html", "back/search.html", "paths/index.html", "paths/leader.html")
DOCUMENTS = (*KINDS, *(page.file for page in pages().values()))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("book") / "site"
    build(out)
    return out


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
def tab(browser: Browser) -> Iterator[Tab]:
    """A tab that fails the test for any error of a script, and any request that leaves the disk."""
    opened = browser.new_page(viewport={"width": 1440, "height": 900})
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("request", lambda request: wrong.append(request.url) if not request.url.startswith("file:") else None)
    yield opened
    opened.close()
    assert not wrong


def holding(site: Path, what: str) -> str:
    """The address of the first page that holds `what`."""
    for page in pages().values():
        if what in (site / page.file).read_text(encoding="utf-8"):
            return (site / page.file).as_uri()
    pytest.skip(f"no page holds {what}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(site: Path, tab: Tab, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    tab.emulate_media(color_scheme=scheme)
    for path in DOCUMENTS:
        tab.goto((site / path).as_uri())
        found = Axe().run(tab)
        assert found.violations_count == 0, f"{path}\n{found.generate_report()}"


@pytest.mark.parametrize("width", [1440, 768, 390, 320])
def test_no_page_scrolls_sideways(site: Path, tab: Tab, width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 800})
    for path in DOCUMENTS:
        tab.goto((site / path).as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_text_has_a_contrast_of_seven(site: Path, tab: Tab) -> None:
    """WCAG 2.2, 1.4.6: ink and muted text on paper and on tinted boxes, in both schemes."""
    measure = """() => {
      const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
      const luminance = (colour) => {
        canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((each) => {
          const part = each / 255;
          return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const resolved = (name) => {
        const probe = document.createElement("i"); probe.style.color = `var(--${name})`; document.body.append(probe);
        return luminance(getComputedStyle(probe).color);
      };
      const paper = resolved("paper");
      return ["ink", "muted"].map((name) => {
        const [high, low] = [resolved(name), paper].sort((a, b) => b - a);
        return (high + 0.05) / (low + 0.05);
      });
    }"""
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        tab.goto((site / "index.html").as_uri())
        assert min(tab.evaluate(measure)) >= 7, scheme


def test_a_line_holds_about_68_characters(site: Path, tab: Tab) -> None:
    tab.goto(holding(site, "<h2"))
    paragraphs = tab.evaluate(
        """() => [...document.querySelectorAll("article > p:not([class]), article .noted > p")].map((each) => {
          return [each.textContent.length, each.getBoundingClientRect().height /
                  parseFloat(getComputedStyle(each).lineHeight)];
        }).filter(([, lines]) => lines > 2)"""
    )
    assert paragraphs
    widest = max(length / (lines - 0.5) for length, lines in paragraphs)
    assert 55 < widest < 85


def test_the_keyboard_reaches_everything(site: Path, tab: Tab) -> None:
    tab.goto(holding(site, 'class="n n-'))
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    tab.keyboard.press("Enter")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.querySelector('main').contains(document.activeElement)")
    assert (
        tab.evaluate(
            """() => [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex]")]
          .filter((each) => each.checkVisibility() && each.tabIndex < 0 && each.tagName !== "A").length"""
        )
        == 0
    )


def test_a_number_tells_about_itself(site: Path, tab: Tab) -> None:
    tab.goto(holding(site, 'class="n n-'))
    number = tab.locator("main .n[data-source]").first
    value, source = number.get_attribute("data-value"), number.get_attribute("data-source")
    number.focus()
    card = tab.locator(".card")
    assert card.is_visible()
    assert card.locator(".value").inner_text() == value
    assert source in card.inner_text()
    assert number.get_attribute("aria-describedby") == card.get_attribute("id")
    tab.keyboard.press("Escape")
    assert card.is_hidden()
    number.hover()
    card.wait_for(state="visible")
    # WCAG 2.2, 1.4.13: what hovering shows can itself be hovered
    card.hover()
    tab.wait_for_timeout(400)
    assert card.is_visible()
    tab.mouse.move(0, 0)
    card.wait_for(state="hidden")


@pytest.mark.parametrize("width", [1440, 320])
def test_a_number_at_the_edge_has_its_card_on_the_page(site: Path, tab: Tab, width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 700})
    tab.goto((site / "index.html").as_uri())
    for number in tab.locator("main .n[data-source]").all():
        number.click()
        box = tab.locator(".card").bounding_box()
        assert box is not None
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_search_finds_a_section_a_term_and_a_work_from_disk(site: Path, tab: Tab) -> None:
    from aistack.book import bibliography, glossary
    from aistack.book.render import render

    tab.goto((site / "index.html").as_uri())
    rendered = render(next(iter(pages())), Setting())
    term, work = next(iter(glossary.terms())), next(iter(bibliography.works().values()))
    for words, wanted in ((rendered.title, rendered.title), (term, term), (work.title, work.title)):
        tab.keyboard.press("Escape")
        tab.locator("h1").click()
        tab.keyboard.press("/")
        assert tab.evaluate("document.activeElement.name") == "q"
        tab.locator(".search input").fill(words)
        tab.locator(".found a", has_text=wanted).first.wait_for()
    tab.keyboard.press("ArrowDown")
    assert tab.evaluate("document.activeElement.closest('.found') !== null")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/back/references.html#ref-*")


def test_search_forgives_a_slip_and_has_a_page_of_its_own(site: Path, tab: Tab) -> None:
    tab.goto((site / "index.html").as_uri())
    tab.locator(".search input").fill("bandwidht")
    tab.locator(".found a").first.wait_for()
    assert "bandwidth" in tab.locator(".found").inner_text().lower()
    tab.locator(".search input").fill("bandwidth")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/back/search.html?q=bandwidth")
    tab.locator(".hits a").first.wait_for()


def test_the_button_turns_the_page_dark_and_the_next_page_stays_so(site: Path, tab: Tab) -> None:
    tab.emulate_media(color_scheme="light")
    tab.goto((site / "index.html").as_uri())
    paper = "getComputedStyle(document.body).backgroundColor"
    light = tab.evaluate(paper)
    tab.locator(".scheme").click()
    assert tab.evaluate(paper) != light
    tab.goto((site / "back/contents.html").as_uri())
    assert tab.evaluate(paper) != light
    tab.locator(".scheme").click()
    assert tab.evaluate(paper) == light


def test_paper_is_light_and_holds_the_text_alone(site: Path, tab: Tab) -> None:
    ink = "getComputedStyle(document.body).color"
    tab.emulate_media(color_scheme="light")
    tab.goto(holding(site, 'class="n n-'))
    light = tab.evaluate(ink)
    tab.locator(".scheme").click()
    assert tab.evaluate(ink) != light
    tab.emulate_media(color_scheme="dark", media="print")
    assert tab.evaluate(ink) == light
    for hidden in (".top", ".rail", ".turn", ".foot"):
        assert tab.locator(hidden).first.is_hidden()


def test_a_reading_path_changes_what_is_next(site: Path, tab: Tab) -> None:
    from aistack.book.shell import READING_PATHS

    for way in READING_PATHS:
        first, second = way.pages[:2]
        tab.goto((site / first.file).as_uri())
        tab.locator("select.path").select_option(way.id)
        assert tab.locator(".turn:visible .next").get_attribute("href") == f"../{second.file}"
        assert tab.locator(".turn:visible").count() == 1


def test_a_demo_answers_each_choice_with_the_numbers_of_its_model(site: Path, tab: Tab) -> None:
    """The number shown, not that something is: the page's default, then what the grid has, held to the model itself."""
    page, name, demo = _a_demo()
    tab.goto((site / page.file).as_uri())
    section = tab.locator(f'.demo[data-demo="{name}"]')
    shown = section.locator(".shown")
    for choice in [demo.start, *list(demo.grid())[1:3], demo.start]:
        for control, value in choice.items():
            section.locator(f'[data-control="{control}"] input[value="{value}"]').check()
        wanted = demo.run(**choice)
        for number in wanted.numbers.values():
            shown.get_by_text(number.plain.replace(" ", "\u00a0"), exact=False).first.wait_for()


def _a_demo() -> tuple[Page, str, object]:
    for page in pages().values():
        for name, demo in page.demos(Setting()).items():
            if not any(len(control.values) > 12 for control in demo.controls):
                return page, name, demo
    pytest.skip("no page has a demo")


def test_an_exercise_judges_the_number_typed(site: Path, tab: Tab) -> None:
    tab.goto(holding(site, "data-answer="))
    exercise = tab.locator(".exercise[data-answer]").first
    answer = float(exercise.get_attribute("data-answer") or "nan")
    field, said = exercise.locator("input"), exercise.locator("output")
    for typed, verdict in (
        (f"{answer:.12g}", "Right."),
        (f"{answer * 1.4:.12g}", "too large"),
        (f"{answer / 1.4:.12g}", "too small"),
        (f"{answer * 1000:.12g}", "power of ten"),
        ("a lot", "not a number"),
    ):
        field.fill(typed)
        field.press("Enter")
        assert verdict in said.inner_text()
    solution = exercise.locator("details.solution")
    assert not solution.evaluate("each => each.open")


def test_a_diagram_plays_steps_and_pauses(site: Path, tab: Tab) -> None:
    tab.goto(holding(site, 'class="player"'))
    figure = tab.locator("figure:has(.player)").first
    frames = figure.locator(".drawing .frame").count()
    said = figure.locator("output")
    visible = "each => [...each.querySelectorAll('.drawing .frame')].filter(one => !one.hasAttribute('display')).length"
    figure.locator("input[type=range]").fill("1")
    assert said.inner_text() == f"1 of {frames}"
    figure.locator('[data-step="1"]').click()
    assert said.inner_text() == f"2 of {frames}"
    assert figure.evaluate(visible) == 1
    caption = figure.locator(".drawing .frame").nth(1).get_attribute("data-caption")
    assert figure.locator(".caption").inner_text() == caption
    figure.locator("[data-play]").click()
    assert figure.locator("[data-play]").inner_text() == "Pause"
    tab.wait_for_timeout(100)
    figure.locator("[data-play]").click()
    assert figure.locator("[data-play]").inner_text() == "Play"
    assert figure.evaluate(visible) == 1


def test_a_chart_can_be_pointed_at_and_put_back(site: Path, tab: Tab) -> None:
    tab.goto(holding(site, "data-charts="))
    figure = tab.locator("figure:has(.explore)").first
    still = figure.locator(".drawing > svg").inner_html()
    figure.locator(".explore").click()
    drawn = figure.locator(".drawing > div svg")
    drawn.wait_for()
    assert drawn.get_attribute("aria-label")
    assert drawn.locator("text").count() > 3
    # it is drawn in the page's own ink, dark or light
    assert (
        tab.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--ink').trim()")
        in drawn.inner_html()
    )
    figure.locator(".explore").click()
    assert figure.locator(".drawing > svg").inner_html() == still


def test_everything_is_there_without_javascript(site: Path, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto((site / next(iter(pages().values())).file).as_uri())
    assert tab.locator("h1").is_visible() and tab.locator(".turn").first.is_visible()
    assert tab.locator(".scheme").is_hidden() and tab.locator("select.path").is_hidden()
    assert tab.locator(".player .controls:visible").count() == 0
    context.close()
