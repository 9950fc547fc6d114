"""The words of `desk rebalance` and `desk protect`: by which orders a change comes about, and what stands bare meanwhile."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from desk.cli.hedge_page import session_after
from desk.cli.look_options import Line, table
from desk.cli.ways import ways_of
from desk.core.book import with_event, with_step
from desk.core.covering import cover
from desk.core.protect import Stamp, protect, sale
from desk.core.upkeep import half_filled, ratchets
from desk.domain.decisions import Approved, FixedExit, Intent, IntentKind
from desk.domain.orders import Fill, GroupRole, OrderEvent, OrderStatus, Side
from desk.domain.steps import Step, Submit
from desk.domain.trades import Book
from desk.runtime.look import Notebook

NOW = datetime(2008, 9, 2, 14, 30, tzinfo=UTC)
STAMP = Stamp("f00d", NOW)
RULE = FixedExit(0.05, 0.15, trail_fraction=0.05)
ENTRY, TARGET, STOP = GroupRole.ENTRY, GroupRole.TAKE_PROFIT, GroupRole.STOP_LOSS
S = OrderStatus


def planned(book: Book, kind: IntentKind, shares: int, stamp: Stamp = STAMP) -> list[Step]:
    steps = protect([Approved(Intent(kind, "AAA", shares, 100.0, RULE, "test"))], book, stamp)
    return [step for step in steps if isinstance(step, Step)]


def told(book: Book, key: str, role: GroupRole, status: OrderStatus, shares: int = 0) -> Book:
    fill = Fill(f"{key}{role}{shares}", key, "AAA", Side.BUY, shares, Decimal(100), NOW, role) if shares else None
    return with_event(book, OrderEvent(key, role, status, NOW, "b", fill))


def held(*tranches: int) -> Book:
    """Tranches of AAA at 100 dollars, the first bought from flat."""
    book = Book()
    for number, shares in enumerate(tranches):
        stamp = Stamp("f00d", NOW.replace(minute=number))
        (step,) = planned(book, IntentKind.ADD if number else IntentKind.OPEN, shares, stamp)
        book = told(with_step(book, step, stamp.at), step.key, ENTRY, S.FILLED, shares)
        for oco in cover(book):
            book = with_step(book, oco, stamp.at)
        book = told(book, book.open[step.key].exits_key, TARGET, S.WORKING)
    return book


def test_a_new_position_is_bought_with_its_exits() -> None:
    steps = planned(Book(), IntentKind.OPEN, 10)
    (way,) = ways_of("AAA", Book(), steps)
    assert (way.trade, way.sold, way.bare) == (None, 0, 0)
    assert way.words == "buys 10 at 100.00 or less; stop 95.00, target 115.00."
    assert ways_of("BBB", Book(), steps) == ()


def test_a_position_that_leaves_whole_is_never_bare() -> None:
    book = held(100)
    (way,) = ways_of("AAA", book, planned(book, IntentKind.CLOSE, 100))
    assert (way.trade, way.sold, way.bare) == (*book.open, 100, 0)
    assert "leaves whole: its target moves to 99.50" in way.words


def test_what_is_cut_out_of_a_tranche_stands_bare_for_a_moment() -> None:
    book = held(100, 30)
    whole, cut = ways_of("AAA", book, planned(book, IntentKind.REDUCE, 60))
    assert (whole.sold, whole.bare, cut.sold, cut.bare) == (30, 0, 30, 100)
    assert whole.words.startswith("tranche 2 of 2, 30 shares: leaves whole")
    assert "70 get exits again (stop 95.00, target 115.00), then 30 are sold at the market" in cut.words


def test_a_stop_that_rises_is_one_message_unless_the_broker_does_not_move_stops_that_sleep() -> None:
    book = held(100)
    (way,) = ways_of("AAA", book, ratchets(book, {"AAA": 110.0}, STAMP))
    assert (way.sold, way.bare, way.words) == (0, 0, "the stop rises to 104.50 in one message; nothing stands bare.")
    ((key, trade),) = book.open.items()
    stiff = replace(book, open={key: replace(trade, stop_is_stiff=True)})
    (way,) = ways_of("AAA", stiff, ratchets(stiff, {"AAA": 110.0}, STAMP))
    assert (way.sold, way.bare) == (0, 100) and way.words.startswith("exits replaced to raise the stop to 104.50")


def test_bare_shares_are_covered_or_sold_and_a_half_filled_entry_ends_first() -> None:
    ((key, trade),) = held(100).open.items()
    ended = replace(Book(), open={key: replace(trade, target_status=S.CANCELED, stop_status=S.CANCELED)})
    (way,) = ways_of("AAA", ended, cover(ended))
    assert (way.trade, way.sold, way.bare) == (key, 0, 100)
    assert way.words == "100 bare shares get a stop at 95.00 and a target at 115.00."
    for limit, where in ((None, "at the market"), (Decimal("99.50"), "at 99.50 or more")):
        (way,) = ways_of("AAA", ended, [sale(trade, "s", limit, "test")])
        assert (way.sold, way.words) == (100, f"100 bare shares are sold {where}.")
    (step,) = planned(Book(), IntentKind.OPEN, 10)
    assert isinstance(step, Submit)
    half = told(with_step(Book(), step, NOW), step.key, ENTRY, S.PARTIALLY_FILLED, 4)
    (way,) = ways_of("AAA", half, half_filled(half, Stamp("f00d", NOW.replace(hour=15))))
    assert "canceled (half-filled" in way.words and (way.sold, way.bare) == (0, 0)


def test_a_notebook_sends_nothing_and_forgets_nothing() -> None:
    notebook, steps = Notebook(), planned(Book(), IntentKind.OPEN, 10)
    for step in steps:
        notebook.send(step)
    assert notebook.steps == steps


@pytest.mark.parametrize(("sessions", "then"), [(0, date(2008, 10, 7)), (3, date(2008, 10, 10)), (10, date(2008, 10, 21))])
def test_sessions_count_from_that_of_the_entry_on_and_leave_weekends_out(sessions: int, then: date) -> None:
    assert session_after(date(2008, 10, 7), sessions) == then


def test_figures_are_aligned_and_words_begin_where_the_others_end() -> None:
    rows = [str(row) for row in table(("name", "n"), [Line(("A", "1,000")), Line(("BCD", "7"))], ("name",))]
    assert rows == ["name      n", "A     1,000", "BCD       7"]
    assert list(table(("name",), [], ())) == []
