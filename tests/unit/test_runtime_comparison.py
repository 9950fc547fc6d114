"""Shares that somebody else sold, told from those of which Lumibot does not know yet."""

from __future__ import annotations

import recording_desk as R

from desk.domain.decisions import Reason
from desk.domain.steps import Submit
from desk.domain.trades import Account
from desk.journal.memory import MemoryJournal
from desk.runtime.comparison import LUMIBOT_LAGS_AT_MOST, shares_gone


def account(shares: int) -> Account:
    return Account(100_000.0, 100_000.0, {"AAA": shares} if shares else {})


def test_fewer_shares_than_in_the_book_are_gone_unless_they_were_just_bought() -> None:
    desk, _, _ = R.bought(MemoryJournal("n"))
    later = R.NOW + LUMIBOT_LAGS_AT_MOST
    assert shares_gone(desk.book, account(0), R.NOW) == {}
    assert shares_gone(desk.book, account(98), later) == {"AAA": (99, 98)}
    assert shares_gone(desk.book, account(0), later) == {"AAA": (99, 0)}
    for enough in (99, 200):
        assert shares_gone(desk.book, account(enough), later) == {}


def test_a_position_that_is_there_leaves_plainly_and_one_that_is_gone_is_told() -> None:
    """The broker took none of the covers, so that a plain sale is all that is left."""
    for shares in (5, 4):
        desk, outbox, entry = R.bare(MemoryJournal("n"))
        desk.refused(R.refusal(f"{entry.key}-cover1"))
        while (last := outbox.sent[-1]).key != f"{entry.key}-cover5":
            desk.guard({})
            desk.refused(R.refusal(last.key))
        desk.refused(R.refusal(last.key))
        decided = desk.decide(R.market(1), account(shares), R.leave("AAA"))
        sales = [step for step in decided.steps if isinstance(step, Submit) and step.spec.take_profit is None]
        refused = [each.reason for each in decided.denied]
        assert (len(sales), refused) == ((1, []) if shares == 5 else (0, [Reason.SHARES_GONE]))
        assert desk.book.shares() == {"AAA": 5}


def test_exits_that_rest_move_to_the_market_whatever_the_account_shows() -> None:
    desk, outbox, entry = R.bought(MemoryJournal("n"))
    desk.order_event(R.news(entry, R.S.WORKING, role=R.TARGET))
    decided = desk.decide(R.market(1), account(0), R.leave("AAA"))
    assert decided.denied == ()
    assert [step.key for step in decided.steps] == [outbox.sent[-1].key]
