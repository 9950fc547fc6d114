"""Orders worked out by hand: entries, exits, cancels and covers as they go to the broker."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

import pytest

from desk.core.book import with_step
from desk.core.covering import MAX_COVERS, cover, given_up
from desk.core.keys import order_key
from desk.core.protect import Stamp, exit_limit, protect
from desk.core.upkeep import stale_entries
from desk.domain.decisions import Approved, Denied, FixedExit, Intent, IntentKind, Reason
from desk.domain.orders import GroupRole, OrderClass, OrderSpec, OrderStatus, OrderType, Side, TimeInForce
from desk.domain.steps import Cancel, Replace, Submit
from desk.domain.trades import Book, Trade

NOW = datetime(2008, 9, 2, 14, 30, tzinfo=UTC)
STAMP = Stamp("f00d", NOW)
S = OrderStatus
RULE = FixedExit(0.05, 0.15)


def opening(price: float, quantity: int = 80, rule: FixedExit = RULE) -> Approved:
    return Approved(Intent(IntentKind.OPEN, "AAPL", quantity, price, rule, "RSI 28.1"))


def closing(bid: float) -> Approved:
    return Approved(Intent(IntentKind.CLOSE, "AAPL", 80, bid, RULE, "held for 10 sessions"))


def held(**changes: object) -> Trade:
    spec = OrderSpec(
        "f00d-20080829T143000-AAPL-open", "AAPL", Side.BUY, 80, OrderType.LIMIT, OrderClass.BRACKET, TimeInForce.GTC,
        Decimal("187.53"), take_profit=Decimal("215.66"), stop_loss=Decimal("178.15"),
    )  # fmt: skip
    trade = Trade(spec, NOW - timedelta(days=4), 187.2, "RSI 28.1", target_price=spec.take_profit, stop_price=spec.stop_loss)
    whole = {"entry_status": S.FILLED, "entered": 80, "target_status": S.WORKING, "stop_status": S.HELD}
    return replace(trade, **{**whole, **changes})


def book(*trades: Trade) -> Book:
    return Book(MappingProxyType({trade.key: trade for trade in trades}))


def test_an_entry_carries_its_exits_five_percent_below_and_fifteen_above() -> None:
    (step,) = protect([opening(187.53)], Book(), STAMP)
    assert isinstance(step, Submit)
    assert step.spec == OrderSpec(
        key="f00d-20080902T143000-AAPL-open",
        symbol="AAPL",
        side=Side.BUY,
        quantity=80,
        type=OrderType.LIMIT,
        order_class=OrderClass.BRACKET,
        time_in_force=TimeInForce.GTC,
        limit_price=Decimal("187.53"),
        take_profit=Decimal("215.66"),  # 215.6595
        stop_loss=Decimal("178.15"),  # 178.1535
    )


def test_exits_are_measured_from_the_rounded_limit() -> None:
    (step,) = protect([opening(10.004999)], Book(), STAMP)
    assert isinstance(step, Submit)
    assert (step.spec.limit_price, step.spec.take_profit, step.spec.stop_loss) == (
        Decimal("10.00"),
        Decimal("11.50"),
        Decimal("9.50"),
    )


@pytest.mark.parametrize(
    ("price", "rule"), [(0.12, FixedExit(0.05, 0.15)), (5.0, FixedExit(0.001, 0.15)), (5.0, FixedExit(0.05, 0.001))]
)
def test_an_entry_whose_exits_would_be_within_a_cent_is_refused(price: float, rule: FixedExit) -> None:
    (denied,) = protect([opening(price, rule=rule)], Book(), STAMP)
    assert isinstance(denied, Denied)
    assert denied.reason is Reason.BELOW_TICK
    assert "not a cent away" in denied.text


def test_an_entry_below_a_dollar_has_exits_in_hundredths_of_a_cent() -> None:
    (step,) = protect([opening(0.5)], Book(), STAMP)
    assert isinstance(step, Submit)
    assert (step.spec.take_profit, step.spec.stop_loss) == (Decimal("0.5750"), Decimal("0.4750"))


def test_leaving_moves_the_target_to_half_a_percent_below_the_bid() -> None:
    (step,) = protect([closing(190.0)], book(held()), STAMP)
    assert step == Replace(
        key="f00d-20080902T143000-AAPL-exit",
        of_key=held().key,
        symbol="AAPL",
        role=GroupRole.TAKE_PROFIT,
        limit_price=Decimal("189.05"),
        reason="held for 10 sessions",
    )


def test_an_exit_limit_between_two_cents_takes_the_lower_one() -> None:
    assert exit_limit(held(), 190.03) == Decimal("189.07")  # 189.07985


def test_an_exit_limit_does_not_go_down_to_its_own_stop() -> None:
    assert exit_limit(held(), 178.20) == Decimal("178.16")  # 177.309, and the stop is at 178.15
    assert exit_limit(held(), 120.00) == Decimal("178.16")


def test_an_exit_just_below_a_dollar_is_on_the_grid() -> None:
    spec = OrderSpec(
        "k", "AAPL", Side.BUY, 5, OrderType.LIMIT, OrderClass.BRACKET, limit_price=Decimal("1.05"),
        take_profit=Decimal("1.21"), stop_loss=Decimal("0.9999"),
    )  # fmt: skip
    assert exit_limit(Trade(spec, NOW, 1.0, "test", stop_price=spec.stop_loss), 0.5) == Decimal(
        "1.01"
    )  # 1.0099 has too many digits above a dollar


def test_leaving_a_trade_that_is_still_bought_cancels_its_entry() -> None:
    working = held(entry_status=S.PARTIALLY_FILLED, entered=30, target_status=S.JOURNALED, stop_status=S.JOURNALED)
    (step,) = protect([closing(190.0)], book(working), STAMP)
    assert step == Cancel("f00d-20080902T143000-AAPL-cancel", working.key, "AAPL", "held for 10 sessions")


def test_leaving_a_covered_trade_moves_the_target_of_its_last_cover() -> None:
    covered = held(entry_status=S.CANCELED, entered=30, covers=("c1", "c2"))
    (step,) = protect([closing(190.0)], book(covered), STAMP)
    assert isinstance(step, Replace)
    assert step.of_key == "c2"


def test_shares_whose_exits_are_gone_are_sold_at_a_plain_limit_for_the_day() -> None:
    bare = held(entry_status=S.CANCELED, entered=30, exited=4, target_status=S.REJECTED, stop_status=S.REJECTED, covers=("c1",))
    (step,) = protect([closing(190.0)], book(bare), STAMP)
    assert isinstance(step, Submit)
    assert (step.covers, step.intent.kind, step.intent.reason) == (bare.key, IntentKind.CLOSE, "held for 10 sessions")
    assert step.spec == OrderSpec(
        key="f00d-20080829T143000-AAPL-open-sale2",
        symbol="AAPL",
        side=Side.SELL,
        quantity=26,
        type=OrderType.LIMIT,
        order_class=OrderClass.SIMPLE,
        time_in_force=TimeInForce.DAY,
        limit_price=Decimal("189.05"),
    )


def test_an_exit_that_is_asked_for_is_not_asked_again_while_it_is_marketable() -> None:
    leaving = held(exit_requested="held for 10 sessions", target_price=Decimal("189.05"))
    assert protect([closing(190.0)], book(leaving), STAMP) == []


def test_an_exit_that_the_market_left_behind_is_moved_after_it() -> None:
    leaving = held(exit_requested="held for 10 sessions", target_price=Decimal("189.05"))
    (step,) = protect([closing(186.0)], book(leaving), STAMP)
    assert isinstance(step, Replace)
    assert step.limit_price == Decimal("185.07")


def test_an_exit_that_can_go_no_lower_is_not_asked_again() -> None:
    at_the_stop = held(exit_requested="held for 10 sessions", target_price=Decimal("178.16"))
    assert protect([closing(170.0)], book(at_the_stop), STAMP) == []


def test_an_entry_of_the_hour_before_is_canceled_and_one_of_now_is_not() -> None:
    old = held(entry_status=S.WORKING, entered=0)
    fresh = replace(old, decided_at=NOW)
    assert stale_entries(book(fresh), STAMP) == []
    assert stale_entries(book(old), STAMP) == [
        Cancel("f00d-20080902T143000-AAPL-cancel", old.key, "AAPL", "entry not filled in time")
    ]


def test_bare_shares_are_covered_where_the_trade_wanted_its_exits() -> None:
    bare = held(entry_status=S.CANCELED, entered=30, exited=4, target_status=S.CANCELED, stop_status=S.CANCELED)
    (step,) = cover(book(bare))
    assert isinstance(step, Submit)
    assert step.covers == bare.key
    assert step.spec == OrderSpec(
        key="f00d-20080829T143000-AAPL-open-cover1",
        symbol="AAPL",
        side=Side.SELL,
        quantity=26,
        type=OrderType.LIMIT,
        order_class=OrderClass.OCO,
        time_in_force=TimeInForce.GTC,
        take_profit=Decimal("215.66"),
        stop_loss=Decimal("178.15"),
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"entered": 0},
        {"entry_status": S.WORKING},
        {"target_status": S.CANCELED},
        {"stop_status": S.CANCELED},
        {"target_status": S.SENT, "stop_status": S.SENT},
    ],
)
def test_no_cover_for_shares_that_are_none_still_bought_or_held_by_an_exit(changes: dict[str, object]) -> None:
    assert cover(book(held(**changes))) == []


def test_shares_below_their_stop_are_sold_at_the_market() -> None:
    gone = {"entry_status": S.CANCELED, "entered": 30, "target_status": S.REJECTED, "stop_status": S.REJECTED}
    (step,) = cover(book(held(**gone, covers=("c1",), stop_passed=True)))
    assert isinstance(step, Submit)
    assert step.covers == held().key
    assert step.spec == OrderSpec("f00d-20080829T143000-AAPL-open-cover2", "AAPL", Side.SELL, 30, OrderType.MARKET)


def test_a_person_is_needed_after_the_last_cover() -> None:
    gone = {"entry_status": S.CANCELED, "entered": 30, "target_status": S.REJECTED, "stop_status": S.REJECTED}
    tried = tuple(f"c{number}" for number in range(MAX_COVERS))
    assert len(cover(book(held(**gone, covers=tried[:-1])))) == 1
    assert cover(book(held(**gone, covers=tried))) == []
    assert [trade.key for trade in given_up(book(held(**gone, covers=tried)))] == [held().key]
    assert given_up(book(held(**gone, covers=tried[:-1]))) == []


@pytest.mark.parametrize(("stood", "is_given_up"), [(timedelta(seconds=59), True), (timedelta(seconds=60), False)])
def test_covers_that_were_refused_before_one_that_stood_do_not_count_with_those_after_it(
    stood: timedelta, is_given_up: bool
) -> None:
    there = held(covers=("c0", "c1", "c2", "c3"), exits_at=NOW - stood)
    cancel = Cancel("f00d-x", "c3", "AAPL", "trimmed", GroupRole.TAKE_PROFIT)
    (renewing,) = with_step(book(there), cancel, NOW).open.values()
    again = (*renewing.covers, "c4", "c5")
    bare = replace(renewing, is_renewing=False, covers=again, target_status=S.REJECTED, stop_status=S.REJECTED)
    assert bool(given_up(book(bare))) is is_given_up


def test_shares_that_were_given_up_on_can_still_be_tried_again() -> None:
    gone = {"entry_status": S.CANCELED, "entered": 30, "target_status": S.REJECTED, "stop_status": S.REJECTED}
    (step,) = cover(book(held(**gone, covers=tuple(f"c{number}" for number in range(MAX_COVERS)))), most=None)
    assert step.key == f"{held().key}-cover{MAX_COVERS + 1}"


def test_a_key_says_whose_when_what_and_why() -> None:
    assert order_key("f00d", NOW, "BRK.B", "open") == "f00d-20080902T143000-BRK.B-open"


def test_a_key_that_alpaca_would_refuse_is_never_made() -> None:
    assert len(order_key("n" * 100, NOW, "AAPL", "open")) == 100 + len("-20080902T143000-AAPL-open")
    with pytest.raises(ValueError, match="longer than 128 characters"):
        order_key("n" * 110, NOW, "AAPL", "open")
