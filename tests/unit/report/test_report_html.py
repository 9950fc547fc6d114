from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.domain.errors import ConfigurationError
from desk.domain.records import Refusal, RunRecord
from desk.report.html import report_page, write_report
from desk.report.markup import element, join, table
from desk.report.palette import LIGHT, THEME
from desk.report.statistics import run_statistics
from desk.report.wording import NO_PROMISE

pytestmark = pytest.mark.slow

VOID = {"meta", "br", "hr", "use", "path", "rect"}


class Page(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.ids: Counter[str] = Counter()
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._note(tag, attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._note(tag, attributes)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def _note(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        for name, value in attributes:
            assert not name.startswith("on"), f"{tag} has a handler"
            if name == "id":
                self.ids[value or ""] += 1
            if name in ("src", "href", "xlink:href", "srcset", "action", "data"):
                self.links.append(value or "")


@pytest.fixture(scope="module")
def page(record: RunRecord) -> str:
    return report_page(record)


def test_the_page_needs_nothing_from_outside(page: str) -> None:
    found = Page(page)
    assert all(link.startswith("#") for link in found.links)
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & set(found.tags)
    assert not re.search(r"@import|url\((?!#)", page)


def test_every_element_is_closed_and_every_id_is_one_of_a_kind(page: str) -> None:
    found = Page(page)
    assert found.open == []
    assert max(found.ids.values()) == 1
    assert {link[1:] for link in found.links} <= set(found.ids)
    assert {name for name in re.findall(r"url\(#([^)]+)\)", page)} <= set(found.ids)


def test_five_symbols_stay_far_below_two_megabytes(page: str) -> None:
    assert len(page.encode()) < 400_000


def test_every_traded_symbol_has_its_picture_beside_that_of_the_equity(record: RunRecord, page: str) -> None:
    assert Page(page).tags["figure"] == 1 + len({trip.symbol for trip in record.trips})


def test_the_page_says_what_ran_where_and_when(record: RunRecord, page: str) -> None:
    for text in (
        record.strategy,
        record.broker,
        record.source,
        "2008-09-02 to 2008-11-24, 60 sessions",
        "<dd>7</dd>",
        *record.notes,
    ):
        assert text in page


def test_the_return_stands_beside_costs_drawdown_and_the_warning(page: str) -> None:
    at = [
        page.index(text)
        for text in (
            ">Return<",
            ">Entries<",
            "than the prices decided on",
            "Deepest drawdown",
            "Beyond the stops",
            NO_PROMISE,
            "To know when reading this",
        )
    ]
    assert at == sorted(at)


def test_every_trip_and_every_refusal_is_accounted_for(record: RunRecord, page: str) -> None:
    figures = run_statistics(record)
    rows = page[page.index("<h2>Trips</h2>") : page.index("<h2>Stops that gapped</h2>")].count("<tr>")
    assert rows == len(record.trips) + 1
    for reason, number in figures.refusals.items():
        assert f'<b>{reason}</b></td><td class="n">{number}</td>' in page


def test_gapped_stops_are_listed_and_explained(page: str) -> None:
    assert "Beyond the stop" in page
    assert "becomes a market order" in page


def test_pictures_follow_the_readers_theme(page: str) -> None:
    body = page[page.index("<body>") :]
    assert "var(--ink)" in body
    assert not re.search(r"#[0-9a-f]{6}\b", body), "a colour that does not follow the theme"


def test_the_same_run_gives_the_same_page_byte_for_byte(record: RunRecord, page: str) -> None:
    assert report_page(record) == page


def test_a_run_that_did_nothing_has_a_page(empty_record: RunRecord) -> None:
    text = report_page(empty_record)
    assert Page(text).open == []
    assert "No trade was made" in text


def test_a_run_without_trips_shows_its_equity(record: RunRecord) -> None:
    found = Page(report_page(replace(record, trips=(), refusals=())))
    assert found.tags["figure"] == 1


HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>&amp;\x1b[2J'


def test_text_from_outside_is_never_markup(record: RunRecord) -> None:
    trips = tuple(replace(trip, symbol=HOSTILE, exit_reason=HOSTILE if trip.exit_reason else None) for trip in record.trips)
    refusals = (Refusal(record.refusals[0].at, HOSTILE, HOSTILE, HOSTILE),)
    daily = {HOSTILE: record.daily["FB"]}
    words = dict.fromkeys(("strategy", "broker", "source"), HOSTILE)
    hostile = replace(record, **words, notes=(HOSTILE,), trips=trips, daily=daily, refusals=refusals)
    found = Page(report_page(hostile))
    assert not {"script", "img"} & set(found.tags)
    assert found.open == []


def test_a_wide_universe_shows_the_symbols_with_most_trips(record: RunRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("desk.report.html.MOST_PICTURES", 2)
    one = next(trip for trip in record.trips if not trip.is_open)
    trips = tuple(replace(one, symbol=symbol) for symbol in ("C", "A", "B", "C", "D", "B"))
    text = report_page(replace(record, trips=trips))
    assert "2 more were traded" in text
    assert re.findall(r'aria-label="(\w): price', text) == ["B", "C"]


def test_the_file_is_written_whole_and_replaces_the_one_before(record: RunRecord, tmp_path: Path) -> None:
    path = tmp_path / "runs" / "1" / "report.html"
    assert write_report(replace(record, trips=()), path) == path
    first = path.read_text()
    write_report(replace(record, trips=(), strategy="other"), path)
    assert path.read_text() != first
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]


def test_a_folder_that_cannot_be_written_is_named_with_what_to_do(empty_record: RunRecord, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigurationError, match=r"file/report\.html.*name a folder"):
        write_report(empty_record, tmp_path / "file" / "report.html")


@given(st.text(), st.text())
def test_plain_text_goes_through_markup_unharmed_and_harmless(text: str, value: str) -> None:
    markup = join([element("p", text, title=value), table(("a",), [(text,)])])
    assert set(Page(markup).tags) == {"p", "div", "table", "thead", "tbody", "tr", "th", "td"}


def test_every_colour_has_a_light_value_of_its_own() -> None:
    assert len(set(LIGHT.values())) == len(THEME)
