"""The live edition's pages, asked by a program: scenarios, planner, catalog, evidence, dives, Ask, and attackers."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from aistack import scenario as stack
from aistack.book.page import pages
from aistack.book.setting import PRESETS, Setting
from aistack.catalog import prices
from aistack.catalog.registry import KINDS
from aistack.scenario import ServingScenario, TrainingScenario
from aistack.units import text
from aistack.web import bar, machine, plan_forms
from aistack.web.app import create_app

HTML = {"accept": "text/html"}
CHAPTER = "/book/hardware/why-special-hardware.html"


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with TestClient(create_app(), base_url="http://127.0.0.1:8765", raise_server_exceptions=False) as opened:
        opened.headers.update(HTML)
        yield opened


def _plain(page: str) -> str:
    main = page.partition('<main id="text">')[2].partition("</main>")[0]
    return html.unescape(re.sub(r"<[^>]+>", "", main)).replace("\u00a0", " ")


@pytest.mark.parametrize("preset", PRESETS)
def test_the_home_page_has_the_numbers_of_the_scenario(preset: str, client: httpx.Client) -> None:
    setting = PRESETS[preset]
    shown = _plain(client.get(f"/?preset={preset}").text)
    if setting.job == "serve":
        answer = stack.answer_serving(setting.serving())
        assert text(answer.tpot.mean, "s") in shown and text(answer.ttft.mean, "s") in shown
    else:
        told = stack.answer(setting.training())
        assert told.run is not None
        assert text(float(told.run.seconds), "s") in shown and f"{100 * told.mfu['causal']:.3g}%" in shown


def test_links_carry_the_scenario_and_addresses_are_short(client: httpx.Client) -> None:
    form = {"job": "serve", "model": "llama-3.3-70b", "accelerator": "h100-sxm5", "count": "8", "rate": ""}
    answered = client.get("/", params=form)
    assert str(answered.url).endswith("/?preset=serve-70b")
    inner = re.findall(r'href="(/[^"#]*)', answered.text)
    leading = [each for each in inner if not each.startswith(("/book/assets", "/?", "/plan/"))]
    assert len(leading) > 10 and all("preset=serve-70b" in each for each in leading)


@pytest.mark.parametrize(("typed", "meant"), [("16,384", 16384), ("2k", 2000), ("8", 8)])
def test_counts_are_read_as_people_type_them(typed: str, meant: int) -> None:
    assert Setting.from_query({"count": typed}).count == meant


@pytest.mark.parametrize("tokens", [1e12, 15.6e12, 5e7, 1.0, 123456789.0, 1e18])
def test_what_the_bar_writes_it_reads_back(tokens: float) -> None:
    written = bar.text("tokens", tokens)
    assert Setting.from_query({"tokens": written}).tokens == pytest.approx(tokens, rel=1e-12)
    assert f'value="{written}"' in bar.bar(Setting(tokens=tokens))


def test_the_bar_offers_only_what_a_scenario_takes() -> None:
    made = bar.bar(Setting())
    for name in ("model", "accelerator"):
        part = made.partition(f'<select name="{name}"')[2].partition("</select>")[0]
        offered = re.findall(r'<option value="([^"]+)"', part)
        assert len(offered) > 50
        for value in offered[::9]:
            assert Setting.from_query({name: value}).spec.parameters > 0


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("model=lama-3.1-8b", "llama-3.1-8b"), ("accelerator=h1000", "h100"), ("preset=serve-70", "serve-70b"),
        ("count=0", "count"), ("count=1e9", "count"), ("tokens=nan", "tokens"), ("tokens=inf", "tokens"),
        ("modle=x", "model"), ("count=8&count=9", "count"), ("model=/etc/passwd", "no model named"),
        ("model=../../etc/passwd", "no model named"), ("job=sell", "train, serve, tune"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", CHAPTER, "/plan", "/catalog"])
def test_a_wrong_scenario_is_a_page_that_says_what_would_be_right(
    path: str, query: str, said: str, client: httpx.Client
) -> None:
    answered = client.get(f"{path}?{query}")
    assert answered.status_code == 400 and answered.headers["content-type"].startswith("text/html")
    assert said in _plain(answered.text) and "Traceback" not in answered.text


@pytest.mark.parametrize(
    "query", ["model=llama-3.1-405b&count=1", "model=llama-3.1-405b&count=720720", "job=serve&accelerator=t4&count=1"]
)
def test_a_page_whose_scenario_has_no_answer_still_renders(query: str, client: httpx.Client) -> None:
    for page in pages().values():
        if page.id in ("training/transformer-step", "serving/prefill-and-decode"):
            answered = client.get(f"/book/{page.file}?{query}")
            assert answered.status_code == 200 and page.front.title in html.unescape(answered.text)
    assert client.get(f"/?{query}").status_code == 200


def test_a_live_page_is_the_static_one_for_its_scenario(client: httpx.Client) -> None:
    from aistack.book.render import render

    source = pages()["hardware/why-special-hardware"]
    setting = PRESETS["serve-70b"]
    live = client.get(f"/book/{source.file}?preset=serve-70b").text.replace("?preset=serve-70b", "")
    assert render(source.id, setting).html in live


def test_a_demo_is_the_same_live_in_the_grid_and_in_the_page(client: httpx.Client) -> None:
    from aistack.book.site import grid

    page = pages()["hardware/why-special-hardware"]
    setting = PRESETS["8b-on-a-laptop"]
    body = client.get(f"/book/{page.file}?preset=8b-on-a-laptop").text
    for name, demo in page.demos(setting).items():
        stored = json.loads(grid(page.id, name, demo).partition(f'"{name}",')[2].rpartition(");")[0])
        for choice in list(demo.grid())[:4]:
            asked = {key: str(value) for key, value in choice.items()} | {"preset": "8b-on-a-laptop"}
            live = client.get(f"/api/book/demo/{page.id}/{name}", params=asked).json()["html"]
            assert live == stored[demo.key(choice)]
        assert stored[demo.key(demo.start)] in body


def test_a_demo_refuses_what_it_does_not_have(client: httpx.Client) -> None:
    base = "/api/book/demo/hardware/why-special-hardware"
    name = next(iter(pages()["hardware/why-special-hardware"].demos(Setting())))
    for path in (f"{base}/nothing", f"{base}/{name}?nothing=1", "/api/book/demo/hardware/nothing/x"):
        refused = client.get(path)
        assert refused.status_code == 422 and set(refused.json()) == {"error"}


def test_the_planner_shows_the_librarys_numbers(client: httpx.Client) -> None:
    asked = {"model": "llama-3.1-8b", "on": "64xh100-sxm5", "seq_len": "8192", "global_batch": "128", "tokens": "1T"}
    answer = stack.answer(TrainingScenario.from_mapping(asked))
    shown = _plain(client.get("/plan/train", params=asked).text)
    assert answer.run is not None
    for value, unit in ((answer.step_seconds, "s"), (answer.memory_total, "B"), (float(answer.run.cost), "USD")):
        assert text(value, unit) in shown
    served = {"model": "llama-3.1-8b", "on": "1xh100-sxm5", "prompt": "1024", "output": "256", "tpot": "1ms"}
    told = stack.answer_serving(ServingScenario.from_mapping(served))
    shown = _plain(client.get("/plan/serve", params=served).text)
    assert text(told.ttft.mean, "s") in shown and "Not every goal is met" in shown and "missed" in shown


def test_a_plan_that_does_not_fit_has_remedies(client: httpx.Client) -> None:
    asked = {"model": "llama-3.1-70b", "on": "8xh100-sxm5", "seq_len": 8192, "global_batch": 8, "zero": "none"}
    remedies = stack.remedies(stack.answer(TrainingScenario.from_mapping(asked)))
    shown = _plain(client.get("/plan/train", params={key: str(value) for key, value in asked.items()}).text)
    assert "does not fit" in shown and all(each in shown for each in remedies)


def test_what_is_wrong_stands_beside_its_field(client: httpx.Client) -> None:
    asked = {"model": "lama", "on": "nine", "seq_len": "-1", "zero": "zero9", "nothing": "1"}
    answered = client.get("/plan/train", params=asked)
    assert answered.status_code == 400
    fields = dict(re.findall(r'<p id="field-(\w+)-about">(.*?)</p>', answered.text))
    wrong = {name for name, said in fields.items() if "<strong>" in said}
    assert wrong == {"model", "on", "seq_len", "global_batch", "zero"}
    assert "Nearest" in fields["model"] and 'value="lama"' in answered.text and "&#39;nothing&#39;" in answered.text


@pytest.mark.parametrize("kind", [TrainingScenario, ServingScenario])
def test_every_field_of_a_scenario_is_in_its_form_once(kind: type[TrainingScenario] | type[ServingScenario]) -> None:
    form = plan_forms.form(kind, {}, plan_forms.Read(None, {}, ()))
    names = [field.name for _, fields in form.groups for field in fields]
    assert sorted(names) == sorted(kind.names(field)[0] for field in kind.model_fields)
    listed = {field for fields in plan_forms.GROUPS.values() for field in fields}
    assert listed <= {*TrainingScenario.model_fields, *ServingScenario.model_fields}


@pytest.mark.parametrize("preset", PRESETS)
def test_a_setting_becomes_the_plan_that_the_book_has(preset: str, client: httpx.Client) -> None:
    answered = client.get("/plan", params={"preset": preset}, follow_redirects=False)
    setting = PRESETS[preset]
    values = dict(httpx.URL(answered.headers["location"]).params)
    if setting.job == "serve":
        assert ServingScenario.from_mapping(values) == setting.serving()
    else:
        assert TrainingScenario.from_mapping(values).plan == setting.training().plan


def test_trends_are_drawn_with_the_rental_prices_that_are_known(client: httpx.Client) -> None:
    shown = client.get("/catalog/trends", params={"accelerator": "h100-sxm5"}).text
    offers = [offer for offer in prices.series("h100-sxm5") if offer.pricing == "on-demand"]
    assert offers and all(offer.provider in _plain(shown) for offer in offers)
    without = client.get("/catalog/trends", params={"accelerator": "groq-lpu-v1"}).text
    assert not prices.series("groq-lpu-v1")
    assert without.count("<figure") == shown.count("<figure") - 1 >= 9


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS])
def test_the_catalog_shows_every_entry(kind: str, client: httpx.Client) -> None:
    found = next(each for each in KINDS if each.name == kind)
    table = client.get(f"/catalog/{kind}").text
    names = found.names()
    assert table.count('name="with"') == len(names)
    for name in (names[0], names[-1]):
        entry = client.get(f"/catalog/{kind}/{name}")
        assert entry.status_code == 200
        assert all(path.replace("_", " ") in entry.text for path, _ in found.facts(found.load(name)))


def test_the_catalog_sorts_and_filters(client: httpx.Client) -> None:
    from aistack.catalog import accelerator

    for down in ("", "1"):
        page = client.get(
            "/catalog/accelerator", params={"by": "memory_bandwidth", "down": down, "find": "nvidia"}
        ).text
        ids = re.findall(r'name="with" value="([^"]+)"', page)
        values = [found.si for each in ids if (found := accelerator(each).memory_bandwidth)]
        assert values == sorted(values, reverse=bool(down)) and len(values) > 20
        assert {accelerator(each).vendor for each in ids} == {"NVIDIA"}
    assert client.get("/catalog/accelerator?by=nothing").status_code == 400
    assert "Nothing here holds" in client.get("/catalog/accelerator?find=zzzz").text


def test_entries_are_compared_as_the_command_line_does(client: httpx.Client) -> None:
    from aistack.catalog.compare import compare

    names = ("h100-sxm5", "mi300x")
    shown = _plain(client.get("/catalog/accelerator/compare", params={"with": names}).text)
    for row in compare(names).rows:
        assert row.field.replace("_", " ") in shown and (not row.refusal or row.refusal in shown)
    for wrong in ("with=h100-sxm5", "", "with=h100-sxm5&with=nothing", "&".join(f"with=a{n}" for n in range(9))):
        assert client.get(f"/catalog/accelerator/compare?{wrong}").status_code == 400


def test_ask_finds_what_the_book_and_the_catalog_say(client: httpx.Client) -> None:
    for _ in range(30):
        found = client.get("/api/search", params={"q": "h100 sxm5 memory bandwidth", "limit": 50})
        if found.status_code == 200:
            break
    results = found.json()["results"]
    assert any(each["at"] == "/catalog/accelerator/h100-sxm5" for each in results)
    assert any(each["kind"] == "Chapter" for each in results)
    for each in results[:5]:
        assert client.get(each["at"].partition("#")[0]).status_code == 200
    asked = client.get("/ask", params={"q": "memory bandwidth", "preset": "serve-70b"})
    assert "<mark>" in asked.text and 'href="/book/' in asked.text and "preset=serve-70b" in asked.text
    assert client.post("/ask", data={"q": "x"}).status_code == 404


@pytest.mark.parametrize(
    "words", ['"', "' OR 1=1 --", "NEAR(", "a* AND", "\x00", "title:x", "💥", "{{7*7}}", "x" * 5000]
)
def test_no_words_break_the_search(words: str, client: httpx.Client) -> None:
    for path in ("/ask", "/api/search"):
        answered = client.get(path, params={"q": words})
        assert answered.status_code in {200, 422} and "49" not in _plain(answered.text)[:200]


def test_a_dives_report_is_shown_and_nothing_else_of_this_machine(
    client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AISTACK_HOME", str(tmp_path))
    assert "aistack dive" in client.get("/dives").text
    run = tmp_path / "runs" / "2026-01-01-000000"
    run.mkdir(parents=True)
    (tmp_path / "secret.html").write_text("kept to itself")
    stored = {"format": 1, "created": "2026-01-01T00:00:00+00:00", "device": "cpu", "options": {"text": []}}
    (run / "run.json").write_text(json.dumps({**stored, "circumstances": {}}))
    (run / "report.html").write_text("<style>p{color:red}</style><p>Report</p><script>1</script>")
    assert "2026-01-01-000000" in client.get("/dives").text
    report = client.get("/dives/2026-01-01-000000/report")
    policy = report.headers["content-security-policy"]
    assert "Report" in report.text and "script-src" not in policy and "'sha256-" in policy
    for name in ("..", "%2e%2e", "..%2f..%2fsecret.html", "nothing", "2026-01-01-000000%2f..", "%00"):
        refused = client.get(f"/dives/{name}/report")
        assert refused.status_code in {400, 404} and "kept to itself" not in refused.text
    (run / "report.html").unlink()
    (run / "report.html").symlink_to(tmp_path / "secret.html")
    assert client.get("/dives/2026-01-01-000000/report").status_code == 404


def test_my_machine_is_offered_only_where_the_catalog_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AISTACK_HOME", str(tmp_path))
    assert machine.mine() is None
    run = tmp_path / "runs" / "2026-01-01-000000"
    (run / "hardware").mkdir(parents=True)
    stored = {"format": 1, "created": "2026-01-01T00:00:00+00:00", "options": {"text": []}, "circumstances": {}}
    for device, name, known in (
        ("cuda", "NVIDIA L40S", "l40s"),
        ("cuda", "NVIDIA Unheard 9000", None),
        ("cpu", "AMD EPYC", None),
    ):
        (run / "run.json").write_text(json.dumps({**stored, "device": device}))
        outputs = {"identity": {"name": name}}
        result = {"ledger": [], "outputs": outputs, "seconds": 1, "cpu_seconds": 1, "joules": None}
        (run / "hardware" / "result.json").write_text(json.dumps(result))
        found = machine.mine()
        assert (found[1].accelerator if found else None) == known
        assert ("My machine" in bar.bar(Setting())) is (known is not None)


def test_the_evidence_pages_say_what_they_do_until_it_is_there(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aistack.web import evidence_work

    line = {"of": "sources left out", "groups": 555, "median": 0.092, "mean": 0.118, "ninth": 0.228, "inside": 0.8}
    miss = {"id": "row-1", "source": "a <b>", "what": "x", "plan": "", "published": "1 s", "predicted": "3 s",
            "ratio": "3.00", "cause": "unknown"}  # fmt: skip
    made = {"read": 10, "predicted": 9, "figures": ["<figure></figure>"],
            "headlines": [{"name": "Step time", "noise": None, "lines": [line], "worst": [miss]}]}  # fmt: skip
    monkeypatch.setattr(evidence_work, "computed", lambda of: made)
    with TestClient(create_app(), base_url="http://127.0.0.1:8765") as fresh:
        fresh.headers.update(HTML)
        shown = fresh.get("/evidence/training").text
        assert "9.2%" in shown and "row-1" in shown and "a &lt;b&gt;" in shown
        assert fresh.get("/evidence?preset=serve-70b").url.path == "/evidence/serving"
        assert fresh.get("/evidence/nothing").status_code == 404


INJECTED = ("{{7*7}}", "${7*7}", "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{% debug %}", "\x00")


@pytest.mark.parametrize("words", INJECTED)
def test_nothing_typed_becomes_markup_or_is_run(words: str, client: httpx.Client) -> None:
    paths = ["/", CHAPTER, "/plan", "/catalog", "/catalog/trends", "/evidence", "/dives"]
    queries = [(path, {name: words}) for path in paths for name in ("model", "job", "tokens", "preset", "unheard")]
    queries += [("/plan/train", {name: words}) for name in ("model", "on", "place", "zero", "unheard")]
    queries += [("/plan/serve", {name: words}) for name in ("model", "decode", "date")]
    queries += [
        ("/ask", {"q": words}),
        ("/catalog/accelerator", {"find": words}),
        ("/catalog/accelerator", {"by": words}),
    ]
    queries += [("/catalog/accelerator/compare", {"with": words})]
    for path, query in queries:
        answered = client.get(path, params=query)
        assert answered.status_code < 500, (path, query)
        if answered.headers["content-type"].startswith("text/html"):
            assert words not in answered.text or words in ("\x00", "{{7*7}}", "${7*7}", "{% debug %}"), (path, query)
            assert "<script>alert" not in answered.text and "<img src=x" not in answered.text


@pytest.mark.parametrize(
    "path",
    [
        "/book/../../etc/passwd", "/book/%2e%2e/%2e%2e/etc/passwd", "/book/assets/../style.css", "/book/assets/..%2f..",
        "/book/assets//etc/passwd", "/book/charts/../../x.js", "/book/glossary/nothing.html",
        "/book/hardware/nothing.html",
        "/catalog/accelerator/../x", "/catalog/%2e%2e/%2e%2e", "/book/assets/live.css%00.js", "/book\\..\\x",
    ],
)  # fmt: skip
def test_paths_lead_nowhere_else(path: str, client: httpx.Client) -> None:
    answered = client.get(path)
    assert answered.status_code in {400, 404} and "root:" not in answered.text


def test_other_sites_may_neither_write_nor_compute_here(client: httpx.Client) -> None:
    asked = {"model": "llama-3.1-8b", "on": "8xh100-sxm5", "seq_len": 8192, "global_batch": 16}
    cross = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}
    assert client.post("/api/plan/train", json=asked, headers={"origin": "https://evil.example"}).status_code == 403
    assert client.post("/api/plan/train", json=asked, headers={"origin": "null"}).status_code == 403
    assert client.get("/api/plan/train", params=asked, headers=cross).status_code == 403
    assert client.post("/ask", data={"q": "x"}, headers=cross).status_code == 403
    led = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.get("/", headers=led).status_code == 200
    own = {"origin": "http://127.0.0.1:8765", "sec-fetch-site": "same-origin"}
    assert client.post("/api/plan/train", json=asked, headers=own).status_code == 200


def test_long_addresses_are_refused(client: httpx.Client) -> None:
    assert client.get("/?model=" + "a" * 9000).status_code == 414
    assert client.get("/" + "a" * 9000).status_code == 414


def test_documents_run_nothing_but_our_own_files(client: httpx.Client) -> None:
    for path in ("/", CHAPTER, "/plan", "/catalog/accelerator", "/ask", "/dives", "/api", "/nowhere"):
        answered = client.get(path)
        policy = answered.headers["content-security-policy"]
        assert "script-src 'self'" in policy and "unsafe-eval" not in policy and "default-src 'none'" in policy
        assert "style-src 'self';" in policy
        assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=|javascript:", answered.text)
        assert not re.search(r'(?:src|action)="(?:https?:)?//', answered.text)


def test_too_much_at_once_is_turned_away() -> None:
    import asyncio
    import threading

    from starlette.exceptions import HTTPException

    from aistack.web.desk import WAITING, Desk

    async def crowd() -> None:
        desk, gate = Desk(), threading.Event()
        waiting = [asyncio.ensure_future(desk.do(gate.wait, 10)) for _ in range(WAITING)]
        await asyncio.sleep(0.05)
        with pytest.raises(HTTPException) as refused:
            await desk.do(lambda: None)
        assert refused.value.status_code == 503
        gate.set()
        assert all(await asyncio.gather(*waiting))
        assert await desk.do(lambda: 7) == 7

    asyncio.run(crowd())
