"""The EPUB, read by its specification: what must be in it, and that its parts name each other rightly."""

import posixpath
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from aistack.book import epub
from aistack.book.page import pages

OPF = "{http://www.idpf.org/2007/opf}"
DC = "{http://purl.org/dc/elements/1.1/}"
XHTML = "{http://www.w3.org/1999/xhtml}"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("epub") / "book.epub"
    epub.write(made)
    return made


@pytest.fixture(scope="module")
def files(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as book:
        return {name: book.read(name) for name in book.namelist()}


def test_it_says_what_it_is_at_its_fixed_place(path: Path) -> None:
    # OCF 3.3, section 4.3: uncompressed, first, without an extra field
    start = path.read_bytes()[:58]
    assert start[30:38] == b"mimetype" and start[38:58] == b"application/epub+zip"


def test_the_package_names_every_file_and_each_is_xml(files: dict[str, bytes]) -> None:
    container = ElementTree.fromstring(files["META-INF/container.xml"])
    root = container.find(".//{urn:oasis:names:tc:opendocument:xmlns:container}rootfile")
    assert root is not None
    package = ElementTree.fromstring(files[root.attrib["full-path"]])
    metadata = package.find(f"{OPF}metadata")
    assert metadata is not None
    for name in ("identifier", "title", "language"):
        assert metadata.findtext(f"{DC}{name}")
    items = {item.attrib["id"]: item.attrib for item in package.iter(f"{OPF}item")}
    named = {f"book/{item['href']}" for item in items.values()}
    assert named | {"mimetype", "META-INF/container.xml", "book/package.opf"} == set(files)
    assert [item["href"] for item in items.values() if item.get("properties") == "nav"] == ["nav.xhtml"]
    spine = [itemref.attrib["idref"] for itemref in package.iter(f"{OPF}itemref")]
    assert len(spine) == len(set(spine)) and set(spine) <= set(items)
    for item in items.values():
        if item["media-type"] == "application/xhtml+xml":
            page = ElementTree.fromstring(files[f"book/{item['href']}"])
            needed = {
                name
                for name, tag in (
                    ("mathml", "{http://www.w3.org/1998/Math/MathML}math"),
                    ("svg", "{http://www.w3.org/2000/svg}svg"),
                )
                if page.find(f".//{tag}") is not None
            }
            assert needed == set(item.get("properties", "").split()) - {"nav"}, item["href"]


def test_every_link_leads_somewhere_in_the_book(files: dict[str, bytes]) -> None:
    trees = {name: ElementTree.fromstring(text) for name, text in files.items() if name.endswith(".xhtml")}
    ids = {name: {each.attrib["id"] for each in tree.iter() if "id" in each.attrib} for name, tree in trees.items()}
    for name, tree in trees.items():
        for link in tree.iter(f"{XHTML}a"):
            href = link.get("href", "")
            if not href or href.startswith("https://"):
                continue
            file, _, anchor = href.partition("#")
            there = posixpath.normpath(posixpath.join("book", file)) if file else name
            assert there in trees, f"{name}: {href}"
            assert not anchor or anchor in ids[there], f"{name}: {href}"


def test_the_contents_name_every_page_in_order(files: dict[str, bytes]) -> None:
    nav = ElementTree.fromstring(files["book/nav.xhtml"])
    titles = ["".join(link.itertext()) for link in nav.iter(f"{XHTML}a")]
    assert titles[1:-2] == [page.front.title for page in pages().values()]


def test_nothing_needs_a_script(files: dict[str, bytes]) -> None:
    for name, text in files.items():
        if name.endswith(".xhtml"):
            tree = ElementTree.fromstring(text)
            assert not [each for tag in ("script", "form", "input", "button") for each in tree.iter(f"{XHTML}{tag}")], (
                name
            )


def test_the_same_book_makes_the_same_bytes(path: Path, tmp_path: Path) -> None:
    epub.write(tmp_path / "again.epub")
    assert (tmp_path / "again.epub").read_bytes() == path.read_bytes()


def test_operators_of_maths_hold_text_alone() -> None:
    # MathML 3, section 3.2.5: token elements have no elements in them but glyphs and marks
    from aistack.book.maths import typeset

    formula = typeset(r"a \bmod n")
    math = ElementTree.fromstring(formula[formula.index("<math") : formula.index("</math>") + 7])
    operators = [each for each in math.iter() if each.tag.endswith("}mo")]
    assert [each.text for each in operators] == ["mod"] and not any(len(each) for each in operators)


def test_what_is_written_over_lines_keeps_its_halo(files: dict[str, bytes]) -> None:
    for name, text in files.items():
        assert b" paint-order=" not in text, name
