"""What protects a position, by the state of its orders, the broker's word before the journal's, and how far the exits are."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.core.positions import (
    STATES,
    BrokersWord,
    Cover,
    ExitSeen,
    GroupSeen,
    Look,
    Protection,
    has_naked,
    not_the_desks,
    positions,
    protection,
)
from desk.domain.orders import OrderClass, OrderSpec, OrderStatus, OrderType, Side
from desk.domain.trades import Book, Trade

S = OrderStatus
NOW = datetime(2024, 1, 10, 15, tzinfo=UTC)
BRACKET = OrderSpec(
    "n-AAPL", "AAPL", Side.BUY, 10, OrderType.LIMIT, OrderClass.BRACKET, limit_price=Decimal(100), take_profit=Decimal(115),
    stop_loss=Decimal(95),
)  # fmt: skip
PLAIN = OrderSpec("n-AAPL2", "AAPL", Side.BUY, 5, OrderType.LIMIT, limit_price=Decimal(104))
RESTING = "stop and target at the broker"


def seconds_ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def held(**more: Any) -> Trade:
    """Ten shares bought at 100 a week ago, under exits that rest."""
    usual: dict[str, Any] = {
        "entry_status": S.FILLED,
        "target_status": S.WORKING,
        "stop_status": S.HELD,
        "target_price": Decimal(115),
        "stop_price": Decimal(95),
        "entered": 10,
        "entry_value": Decimal(1000),
        "entered_at": NOW - timedelta(days=7),
        "exits_at": NOW - timedelta(days=7),
    }
    return Trade(BRACKET, NOW - timedelta(days=7), 100.0, "test", **(usual | more))


def book(*trades: Trade) -> Book:
    return Book(open=MappingProxyType({trade.key: trade for trade in trades}))


def both(status: OrderStatus, **more: Any) -> Trade:
    return held(target_status=status, stop_status=status, **more)


HALF = {"entry_status": S.PARTIALLY_FILLED, "entered": 4, "entry_value": Decimal(400), "target_status": S.HELD}
CASES: list[tuple[Trade, Cover, str]] = [
    (held(), Cover.PROTECTED, RESTING),
    (held(stop_status=S.SENT), Cover.PROTECTED, RESTING),
    (held(target_status=S.CANCELED), Cover.PROTECTED, "stop at the broker, no target"),
    (held(stop_status=S.CANCELED), Cover.NAKED, "target at the broker, but no stop"),
    (held(is_renewing=True), Cover.PROTECTED, "being replaced"),
    (
        held(exit_requested="signal", target_price=Decimal("99.50")),
        Cover.PROTECTED,
        "being sold at 99.50 or more; the stop stands",
    ),
    (held(is_being_sold=True, target_status=S.CANCELED, stop_status=S.WORKING), Cover.EXEMPT, "the sale is at the broker"),
    (
        held(is_being_sold=True, sale_limit=Decimal("91.14"), target_status=S.CANCELED, stop_status=S.WORKING),
        Cover.EXEMPT,
        "being sold at 91.14 or more, outside regular hours too",
    ),
    (held(exited=12), Cover.NAKED, "more was sold than bought"),
    (held(**HALF, entered_at=seconds_ago(5)), Cover.EXEMPT, "entry half filled, 4 of 10; its exits sleep"),
    (held(**HALF, entered_at=seconds_ago(500)), Cover.NAKED, "entry half filled, 4 of 10; its exits sleep"),
    (held(**HALF, cancel_asked_at=seconds_ago(5)), Cover.EXEMPT, "the rest is being canceled"),
    (held(**HALF, cancel_asked_at=seconds_ago(500)), Cover.NAKED, "asked at 14:51:40 UTC to end, it has not"),
    (
        both(S.PENDING_CANCEL, is_renewing=True, cancel_asked_at=seconds_ago(5)),
        Cover.EXEMPT,
        "exits being replaced; the old ones are ending",
    ),
    (both(S.PENDING_CANCEL, is_renewing=True, cancel_asked_at=seconds_ago(500)), Cover.NAKED, "asked at 14:51:40 UTC to end"),
    (held(exits_for=6), Cover.EXEMPT, "the exits are for 6 shares; the right ones are next"),
    (both(S.CANCELED, is_renewing=True), Cover.NAKED, "the new ones are not sent yet"),
    (both(S.SENT, exits_at=seconds_ago(5)), Cover.EXEMPT, "exits sent at 14:59:55 UTC, not answered yet"),
    (both(S.SENT, exits_at=seconds_ago(500)), Cover.NAKED, "exits sent at 14:51:40 UTC, and the broker never answered"),
    (
        held(target_status=S.CANCELED, stop_status=S.SENT, is_being_sold=True, exits_at=seconds_ago(5)),
        Cover.EXEMPT,
        "a sale sent",
    ),
    (both(S.PENDING_CANCEL), Cover.NAKED, "the desk did not ask"),
    (both(S.UNKNOWN), Cover.NAKED, "cannot be read"),
    (both(S.REPLACED), Cover.NAKED, "replaced by an order that the desk does not know"),
    (both(S.REJECTED, stop_passed=True), Cover.NAKED, "the market is below the stop"),
    (both(S.CANCELED, covers=tuple("abcdef"), renewals=1), Cover.NAKED, "the broker ended 5 orders for its exits"),
    (both(S.CANCELED, covers=tuple("abcdef"), renewals=2), Cover.NAKED, "its exits have ended"),
    (both(S.REJECTED), Cover.NAKED, "exits refused by the broker"),
    (both(S.EXPIRED), Cover.NAKED, "exits expired"),
    (replace(both(S.CANCELED), spec=PLAIN), Cover.NAKED, "its exits are not sent yet"),
    (both(S.CANCELED), Cover.NAKED, "its exits have ended, and new ones are not sent yet"),
]


@pytest.mark.parametrize(("trade", "cover", "words"), CASES, ids=[f"{cover} {words}" for _, cover, words in CASES])
def test_every_state_of_a_trades_orders_is_told_in_words(trade: Trade, cover: Cover, words: str) -> None:
    found = protection(trade, NOW)
    assert found.cover is cover
    assert words in found.words and "{" not in found.words


def test_every_state_of_the_table_is_reached() -> None:
    reached = [next(number for number, state in enumerate(STATES) if state.holds(Look(trade, NOW))) for trade, _, _ in CASES]
    assert set(reached) == set(range(len(STATES)))


@given(st.sampled_from(OrderStatus), st.sampled_from(OrderStatus), st.booleans(), st.booleans(), st.booleans())
def test_shares_without_an_exit_at_the_broker_are_never_called_protected(
    target: OrderStatus, stop: OrderStatus, is_renewing: bool, is_being_sold: bool, is_half: bool
) -> None:
    entry = S.PARTIALLY_FILLED if is_half else S.FILLED
    trade = held(target_status=target, stop_status=stop, is_renewing=is_renewing, is_being_sold=is_being_sold, entry_status=entry)
    if protection(trade, NOW).cover is Cover.PROTECTED:
        assert trade.is_protected or is_renewing, "the exits that are to be replaced rest until they have ended"
    if not trade.is_protected:
        later = protection(trade, NOW + timedelta(days=1)).cover
        assert later is Cover.NAKED or is_renewing or (is_being_sold and later is Cover.EXEMPT)


# ---- figures ---------------------------------------------------------------------------------------------------------------


def test_a_position_tells_how_far_its_exits_are_and_how_old_it_is() -> None:
    (position,) = positions(book(held()), {"AAPL": 98.0}, NOW)
    assert (position.shares, position.entry_price, position.price) == (10, Decimal(100), 98.0)
    assert position.distance.to_stop_fraction == pytest.approx(3 / 98)
    assert position.distance.to_target_fraction == pytest.approx(17 / 98)
    assert position.distance.way_to_stop == pytest.approx(0.4) and not position.distance.is_approaching
    assert (position.entered_on, position.days) == (date(2024, 1, 3), 7)
    assert (position.protection, position.differences) == (Protection(Cover.PROTECTED, RESTING), ())


def test_without_a_price_there_is_no_distance_and_the_exits_are_told_all_the_same() -> None:
    (position,) = positions(book(held()), {}, NOW)
    assert position.price is None and position.distance.to_stop_fraction is None
    assert (position.stop_price, position.target_price) == (Decimal(95), Decimal(115))


def test_a_position_approaches_its_stop_from_sixty_percent_of_the_way() -> None:
    near = {price: positions(book(held()), {"AAPL": price}, NOW)[0].distance.is_approaching for price in (97.01, 97.0, 94.0)}
    assert near == {97.01: False, 97.0: True, 94.0: True}


def test_a_trade_that_holds_nothing_is_no_position() -> None:
    assert positions(book(held(entered=0, entry_value=Decimal(0), entry_status=S.WORKING)), {}, NOW) == ()


def second(**more: Any) -> Trade:
    usual = {"entered": 5, "entry_value": Decimal(530), "stop_price": Decimal(98), "target_price": Decimal(120)}
    return replace(held(**(usual | more)), spec=PLAIN)


def test_several_trades_of_a_symbol_are_one_position_with_the_nearest_exits_and_each_is_listed() -> None:
    (position,) = positions(book(held(), second(entered_at=NOW)), {"AAPL": 100.0}, NOW)
    assert (position.shares, position.entry_price, position.key) == (15, Decimal(102), None)
    assert (position.stop_price, position.target_price) == (Decimal(98), Decimal(115))
    assert position.distance.to_stop_fraction == pytest.approx(0.02)
    assert position.days == 7 and [trade.days for trade in position.trades] == [7, 0]
    assert [trade.key for trade in position.trades] == ["n-AAPL", "n-AAPL2"]
    assert position.protection == Protection(Cover.PROTECTED, RESTING)


def test_of_several_trades_the_worst_protection_is_the_positions() -> None:
    (position,) = positions(book(held(), second(target_status=S.REJECTED, stop_status=S.REJECTED)), {}, NOW)
    assert position.protection == Protection(Cover.NAKED, "5 of 15 shares are naked")
    assert has_naked([position])
    assert [trade.protection.cover for trade in position.trades] == [Cover.PROTECTED, Cover.NAKED]


# ---- the broker's word -----------------------------------------------------------------------------------------------------


def group(stop: OrderStatus = S.HELD, target: OrderStatus = S.WORKING, shares: int = 10, at: str = "95") -> GroupSeen:
    return GroupSeen(S.FILLED, ExitSeen(target, Decimal(115), shares), ExitSeen(stop, Decimal(at), shares))


def seen(trade: Trade, found: GroupSeen | None, account: int = 10) -> tuple[Cover, str, tuple[str, ...]]:
    word = BrokersWord({"AAPL": Decimal(account)}, {trade.exits_key: found})
    (position,) = positions(book(trade), {}, NOW, word)
    return position.protection.cover, position.protection.words, position.differences


def test_the_broker_and_the_journal_agree() -> None:
    assert seen(held(), group()) == (Cover.PROTECTED, RESTING, ())


def test_exits_that_are_gone_at_the_broker_leave_the_position_naked_whatever_the_journal_says() -> None:
    cover, words, differences = seen(held(), group(S.CANCELED, S.CANCELED))
    assert (cover, words) == (Cover.NAKED, "its exits have ended, and new ones are not sent yet")
    assert differences == (f"the journal says: {RESTING}",)


def test_exits_that_the_broker_never_had_leave_the_position_naked() -> None:
    assert seen(held(), None) == (Cover.NAKED, "the broker has no exits for it", (f"the journal says: {RESTING}",))


def test_exits_that_went_out_this_moment_need_not_be_at_the_broker_yet() -> None:
    assert seen(both(S.SENT, exits_at=seconds_ago(1)), None)[0] is Cover.EXEMPT


def test_exits_at_the_broker_that_the_journal_has_not_heard_of_protect() -> None:
    cover, words, differences = seen(both(S.SENT, exits_at=seconds_ago(500)), group())
    assert (cover, words) == (Cover.PROTECTED, RESTING)
    assert "never answered" in differences[0]


def test_a_stop_for_fewer_shares_leaves_the_position_naked() -> None:
    assert seen(held(), group(shares=6))[:2] == (Cover.NAKED, "the stop at the broker covers 6 of 10 shares")


def test_a_stop_that_somebody_moved_is_where_the_broker_has_it() -> None:
    trade = held()
    word = BrokersWord({"AAPL": Decimal(10)}, {trade.exits_key: group(at="90.5")})
    (position,) = positions(book(trade), {"AAPL": 100.0}, NOW, word)
    assert position.stop_price == Decimal("90.5")
    assert position.distance.to_stop_fraction == pytest.approx(0.095)
    assert position.differences == ("the journal has the stop at 95",)


def test_what_the_broker_sold_is_not_naked_while_the_journal_waits_for_the_news() -> None:
    cover, words, differences = seen(held(), group(S.CANCELED, S.FILLED), account=0)
    assert (cover, words) == (Cover.EXEMPT, "sold at the broker; the journal has not heard of it yet")
    assert differences[-1] == "the account holds 0 of these 10 shares"


def test_a_group_that_nobody_asked_for_is_told_as_the_journal_has_it() -> None:
    word = BrokersWord({"AAPL": Decimal(10)}, {})
    (position,) = positions(book(held()), {}, NOW, word)
    assert (position.protection.cover, position.differences) == (Cover.PROTECTED, ())


@pytest.mark.parametrize(
    ("trade", "bare", "cover", "differs"),
    [
        (held(), 0, Cover.PROTECTED, False),
        (held(), 10, Cover.NAKED, True),
        (both(S.CANCELED), 10, Cover.NAKED, False),
        (both(S.CANCELED), 0, Cover.PROTECTED, True),
        (both(S.SENT, exits_at=seconds_ago(1)), 10, Cover.EXEMPT, False),
    ],
)
def test_a_broker_that_counts_bare_shares_is_believed(trade: Trade, bare: int, cover: Cover, differs: bool) -> None:
    word = BrokersWord({"AAPL": Decimal(10)}, bare={"AAPL": bare} if bare else {})
    (position,) = positions(book(trade), {}, NOW, word)
    assert position.protection.cover is cover
    assert bool(position.differences) is differs


def test_shares_beyond_the_desks_are_somebody_elses() -> None:
    word = BrokersWord({"AAPL": Decimal("17.5"), "MSFT": Decimal(3), "IBM": Decimal(-2)})
    assert not_the_desks(book(held()), {"XOM": 1}, word) == {"AAPL": Decimal("7.5"), "IBM": Decimal(-2), "MSFT": Decimal(3)}
    assert not_the_desks(book(held()), {"XOM": 1, "KO": 0}) == {"XOM": Decimal(1)}
    assert not_the_desks(book(held()), {}, BrokersWord({"AAPL": Decimal(4)})) == {}
