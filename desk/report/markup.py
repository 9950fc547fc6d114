"""HTML by construction: whatever is not already an element is escaped, so no text from outside can become markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

VOID = frozenset({"meta", "br", "hr"})


class Html(str):
    """Text that is markup already. Only this module, and code that inlines its own style sheet or pictures, makes it."""

    __slots__ = ()


def element(name: str, /, *children: str, **attributes: str) -> Html:
    """`<name attributes>children</name>`; a trailing underscore in an attribute's name is dropped, others become hyphens."""
    pairs = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items())
    if name in VOID:
        return Html(f"<{name}{pairs}>")
    return Html(f"<{name}{pairs}>{join(children)}</{name}>")


def join(parts: Iterable[str]) -> Html:
    """Parts one after the other, those that are plain text escaped."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], numeric: frozenset[int] = frozenset()) -> Html:
    """A table that scrolls sideways by itself on a narrow page; `numeric` are the columns that are set flush right."""

    def cells(tag: str, values: Sequence[str]) -> Html:
        return element("tr", *(element(tag, v, class_="n") if i in numeric else element(tag, v) for i, v in enumerate(values)))

    head = element("thead", cells("th", heads))
    body = element("tbody", *(cells("td", row) for row in rows))
    return element("div", element("table", head, body), class_="wide")
