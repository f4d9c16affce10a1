"""HTML rewritten as XHTML, held against the standard library's XML parser."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from aistack.book.markup import Attributes, rewritten


def same(tag: str, attributes: Attributes) -> tuple[str, Attributes] | None:
    return tag, attributes


def test_svg_keeps_the_case_of_its_names() -> None:
    text = '<svg viewBox="0 0 1 1"><linearGradient gradientUnits="userSpaceOnUse"></linearGradient></svg>'
    assert rewritten(text, same) == text


def test_empty_elements_are_closed_and_bare_attributes_get_a_value() -> None:
    assert rewritten('<p>a<br>b <input type="radio" checked></p>', same) == (
        '<p>a<br/>b <input type="radio" checked=""/></p>'
    )


def test_what_is_left_out_goes_with_all_in_it() -> None:
    def without_forms(tag: str, attributes: Attributes) -> tuple[str, Attributes] | None:
        return None if tag == "form" else (tag, attributes)

    assert rewritten("<p>a<form><b>x<br></b><form>y</form></form>z</p>", without_forms) == "<p>az</p>"


def test_an_attribute_may_hold_what_tags_are_made_of() -> None:
    text = '<span data-formula="a &lt; b / c = &quot;d&quot;">x</span>'
    made = ElementTree.fromstring(rewritten(text, same))
    assert made.attrib == {"data-formula": 'a < b / c = "d"'}


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs", "Cc"])), st.text(alphabet="<>&\"'/= ab"))
def test_any_words_survive(words: str, value: str) -> None:
    import html

    text = f'<p title="{html.escape(value)}">{html.escape(words)}<br></p>'
    made = ElementTree.fromstring(rewritten(text, same))
    assert (made.text or "", made.attrib["title"]) == (words, value)
