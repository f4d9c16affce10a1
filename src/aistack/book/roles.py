"""Roles: what stands in a sentence as {name}`text` and becomes a link, a citation or an entry of the index."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from aistack.book import bibliography, glossary, labels
from aistack.book.draft import Draft
from aistack.book.page import page
from aistack.errors import BadInput, UnknownName

_TITLED = re.compile(r"(?P<title>.+?)\s*<(?P<target>[^<>]+)>")


def render(draft: Draft, name: str, text: str) -> str:
    """HTML of a role. Raises `UnknownName` for one that is not there, and what the role raises."""
    if name not in ROLES:
        raise UnknownName("role", name, ROLES)
    if not text.strip():
        raise BadInput(f"the role {{{name}}} is empty")
    found = _TITLED.fullmatch(text.strip())
    title, target = (found["title"], found["target"].strip()) if found else ("", text.strip())
    return ROLES[name](draft, title, target)


def term(draft: Draft, title: str, target: str) -> str:
    """A word of the glossary: at its first use a link, its definition in the margin; later just the word."""
    name = glossary.find(target)
    shown = draft.words(title or target)
    if name in draft.terms:
        return shown
    draft.terms[name] = None
    link = draft.link(glossary.file(name))
    definition = html.escape(glossary.terms()[name].short)
    draft.note("term", f'<p><a class="term" href="{link}">{html.escape(name)}</a> {definition}</p>')
    return f'<a class="term" href="{link}">{shown}</a>'


def cite(draft: Draft, title: str, target: str) -> str:
    """Works in parentheses: (Williams et al. 2009)."""
    return f"({'; '.join(_works(draft, title, target, '{names} {year}'))})"


def cite_in_text(draft: Draft, title: str, target: str) -> str:
    """Works as the sentence's own words: Williams et al. (2009)."""
    return " and ".join(_works(draft, title, target, "{names} ({year})"))


def _works(draft: Draft, title: str, target: str, form: str) -> list[str]:
    keys = [key.strip() for key in target.split(",")]
    links = []
    for key in keys:
        work = bibliography.work(key)
        if key not in draft.cites:
            draft.cites[key] = None
            draft.note("source", f"<p>{reference(key)}</p>")
        shown = html.escape(form.format(names=work.names, year=bibliography.year(key)))
        links.append(f'<a class="cite" href="#ref-{key}">{shown}{", " if title else ""}{draft.words(title)}</a>')
    return links


def reference(key: str) -> str:
    """A work as an entry of a list of references."""
    work = bibliography.work(key)
    authors = work.authors if len(work.authors) <= 6 else (*work.authors[:3], "et al.")
    named = html.escape("; ".join(authors))
    venue = f" {html.escape(work.venue)}." if work.venue else ""
    link = f'<a href="{html.escape(work.link, quote=True)}">{html.escape(work.place)}</a>'
    return f"{named} ({bibliography.year(key)}). <cite>{html.escape(work.title)}</cite>.{venue} {link}"


def ref(draft: Draft, title: str, target: str) -> str:
    """A figure, table, equation, exercise or demo by its label: Figure 1.3.2."""
    there, label = labels.resolve(target, draft.page)
    address = f"#{label.id}" if there == draft.page else draft.link(there.file, label.id)
    return f'<a class="ref" href="{address}">{draft.words(title) or label}</a>'


def eq(draft: Draft, title: str, target: str) -> str:
    """An equation by its label's own name: Equation 1.3.2."""
    page_id, _, name = target.rpartition("#")
    return ref(draft, title, f"{page_id}#eq-{name}" if page_id else f"eq-{name}")


def doc(draft: Draft, title: str, target: str) -> str:
    """Another page, by its title."""
    there = page(target)
    return f'<a class="ref" href="{draft.link(there.file)}">{draft.words(title or there.front.title)}</a>'


def index(draft: Draft, title: str, target: str) -> str:
    """An entry of the index that leads here; the text stays as it is: {index}`rooflines <roofline>`."""
    anchor = f"index-{len(draft.index) + 1}"
    draft.index.append((target, anchor))
    return f'<span class="index-entry" id="{anchor}">{draft.words(title or target)}</span>'


ROLES: dict[str, Callable[[Draft, str, str], str]] = {
    "term": term,
    "cite": cite,
    "cite:t": cite_in_text,
    "ref": ref,
    "eq": eq,
    "doc": doc,
    "index": index,
}
