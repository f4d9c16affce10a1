"""The PDF: what is printed leads to itself alone; where a browser is there, that it is tagged and has an outline."""

import re
from pathlib import Path

import pytest

from aistack.book import pdf
from aistack.book.page import pages
from aistack.book.setting import Setting


def test_without_a_browser_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf.shutil, "which", lambda name: None)
    with pytest.raises(pdf.NoBrowser, match="apt-get install chromium"):
        pdf.write(tmp_path / "book.pdf")
    assert not list(tmp_path.iterdir())


def test_the_printed_document_leads_to_itself() -> None:
    text = pdf.printable(Setting())
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    for href in re.findall(r'<a [^>]*href="([^"]+)"', text):
        assert href.startswith("https://") or href.removeprefix("#") in ids, href
    for page in pages().values():
        assert page.front.title.replace("’", "'") in text.replace("’", "'").replace("&#39;", "'")
    assert "<form" not in text


@pytest.mark.slow
def test_it_is_tagged_has_an_outline_and_pages(tmp_path: Path) -> None:
    try:
        pdf.find_browser()
    except pdf.NoBrowser:
        pytest.skip("needs Chromium")
    pdf.write(tmp_path / "book.pdf")
    made = (tmp_path / "book.pdf").read_bytes()
    assert made.startswith(b"%PDF-")
    assert b"/MarkInfo" in made and b"/StructTreeRoot" in made
    assert b"/Outlines" in made
    assert b"/Lang" in made
    assert len(re.findall(rb"/Type\s*/Page\b", made)) > len(pages())
