"""A whole page that needs nothing else, in the house's style, and the parts that every page has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from desk.report.markup import Html, element, join
from desk.report.page_style import style_sheet
from desk.report.wording import NO_PROMISE


def document(title: str, sections: Sequence[str]) -> str:
    """The page as text, with what no page may promise at its foot."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Html(style_sheet())),
    )
    body = element("body", element("main", *sections, element("footer", NO_PROMISE)))
    return "<!DOCTYPE html>\n" + element("html", head, body, lang="en")


def facts(pairs: Mapping[str, str]) -> Html:
    """Names and values under a page's title."""
    cells = [element(tag, text) for name, value in pairs.items() for tag, text in (("dt", name), ("dd", value))]
    return element("dl", *cells, class_="facts")


def bullets(title: str, lines: Sequence[str]) -> Html:
    """A section of notes."""
    return join([element("h2", title), element("ul", *(element("li", line) for line in lines))])
