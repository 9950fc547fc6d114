"""The matching state machine, one order at a time: each type, what it waits for, what it costs, what is left of it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from machine_story import CLOSE, OPEN, SELL, Desk, kinds, quote, told

from desk.exchange.codec import encode
from desk.exchange.machine.commands import Tick
from desk.exchange.machine.machine import apply
from desk.exchange.machine.orders import Quote
from desk.exchange.rules.reservations import available
from desk.exchange.words import OrderType, Status, TimeInForce


def test_market_buy_fills_at_the_ask_and_market_sell_at_the_bid() -> None:
    desk = Desk()
    buy = desk.send()
    assert buy.status is Status.PENDING_NEW
    assert kinds(desk.tick(10_000)) == ["new", "fill"]
    assert desk.now(buy).average_price == Decimal("100.01")
    sell = desk.send(side=SELL)
    desk.tick(10_000)
    assert desk.now(sell).average_price == Decimal("99.99")
    assert desk.book.cash_usd == Decimal(100_000) - Decimal("0.20")
    assert desk.book.holdings == {} and not desk.book.live


def test_limit_waits_for_its_price_and_takes_a_better_one() -> None:
    desk = Desk()
    buy = desk.limit("99.50")
    assert kinds(desk.tick(10_000)) == ["new"]
    assert desk.tick(9_950) == []  # the ask is a cent above
    assert kinds(desk.tick(9_900)) == ["fill"]
    assert desk.now(buy).average_price == Decimal("99.01")


def test_sell_limit_waits_for_the_bid() -> None:
    desk = Desk()
    desk.own()
    sell = desk.limit("101", side=SELL)
    assert kinds(desk.tick(10_100)) == ["new"]
    assert kinds(desk.tick(10_101)) == ["fill"]
    assert desk.now(sell).average_price == Decimal("101")


def test_sell_stop_is_elected_by_the_last_trade_and_fills_at_the_bid() -> None:
    desk = Desk()
    desk.own()
    stop = desk.stop("95", side=SELL)
    assert kinds(desk.tick(9_501)) == ["new"]  # the bid is at 95.00, the last trade is not
    assert kinds(desk.tick(9_300)) == ["fill"]
    assert desk.now(stop).average_price == Decimal("92.99")


def test_buy_stop_waits_above_the_market_and_fills_at_the_ask() -> None:
    desk = Desk()
    stop = desk.stop("101", collar_price="103.52")
    desk.tick(10_099)
    assert desk.now(stop).status is Status.NEW
    desk.tick(10_110)
    assert desk.now(stop).average_price == Decimal("101.11")


def test_buy_stop_that_gaps_over_its_collar_waits_below_it() -> None:
    """A buy stop is a stop-limit with a collar: 2.5 % above stops of 50 dollars and more."""
    desk = Desk()
    stop = desk.stop("101", collar_price="103.52")
    assert kinds(desk.tick(11_000)) == ["new"]
    assert desk.now(stop).elected
    assert desk.tick(10_352) == []  # the ask is at 103.53
    assert kinds(desk.tick(10_351)) == ["fill"]
    assert desk.now(stop).average_price == Decimal("103.52")


def test_stop_limit_is_elected_once_and_then_is_a_limit() -> None:
    desk = Desk()
    desk.own()
    order = desk.send(side=SELL, type=OrderType.STOP_LIMIT, stop_price="95", limit_price="94.50")
    desk.tick(10_000)
    assert desk.tick(9_300) == []  # elected, and the bid below the limit
    assert desk.now(order).elected and desk.now(order).status is Status.NEW
    assert desk.tick(9_450) == []
    assert kinds(desk.tick(9_451)) == ["fill"]
    assert desk.now(order).average_price == Decimal("94.50")


def test_buy_stop_limit_waits_for_both_prices() -> None:
    desk = Desk()
    order = desk.send(type=OrderType.STOP_LIMIT, stop_price="101", limit_price="101.50")
    desk.tick(10_000)
    assert desk.tick(10_200) == []
    assert kinds(desk.tick(10_120)) == ["fill"]
    assert desk.now(order).average_price == Decimal("101.21")


def test_fractional_order_fills_to_the_ninth_place() -> None:
    desk = Desk()
    desk.send(quantity="0.123456789", time_in_force=TimeInForce.DAY)
    fill = desk.tick(10_000)[-1]
    assert (fill.quantity, fill.position_quantity) == (Decimal("0.123456789"), Decimal("0.123456789"))
    assert desk.book.cash_usd == Decimal(100_000) - Decimal("100.01") * Decimal("0.123456789")


def test_order_by_dollars_buys_what_they_are_worth_and_not_a_cent_more() -> None:
    desk = Desk()
    order = desk.send(quantity=None, notional="1000", time_in_force=TimeInForce.DAY)
    desk.tick(10_000)
    filled = desk.now(order)
    assert filled.status is Status.FILLED and filled.quantity is None
    assert filled.filled_quantity == Decimal("9.999000099")  # 1000 / 100.01, rounded down to nine places
    assert 0 <= Decimal(1000) - filled.filled_usd < Decimal("0.000001")


def test_order_by_dollars_is_never_filled_in_part() -> None:
    desk = Desk(partial=1.0)
    desk.send(quantity=None, notional="50000", time_in_force=TimeInForce.DAY)
    assert kinds(desk.tick(10_000)) == ["new", "fill"]


def test_short_sale_brings_cash_and_a_negative_position_and_a_buy_ends_it() -> None:
    desk = Desk()
    desk.send(side=SELL, quantity=100)
    fill = desk.tick(10_000)[-1]
    assert (fill.position_quantity, desk.book.cash_usd) == (Decimal(-100), Decimal(109_999))
    assert desk.book.holdings["ABC"].average_price("ABC") == Decimal("99.99")
    desk.send(quantity=100)
    desk.tick(9_000)
    assert (desk.book.cash_usd, desk.book.holdings) == (Decimal(109_999) - Decimal(9_001), {})


def test_short_is_protected_by_a_bracket_the_other_way_round() -> None:
    desk = Desk()
    _, target, stop = desk.bracket(target="90", stop="105", side=SELL)
    assert (target.side.value, stop.side.value) == ("buy", "buy")  # type: ignore[union-attr]  # legs have a side
    desk.tick(10_000)
    assert told(desk.tick(10_600)) == [("replaced", "take_profit"), ("new", "stop_loss"), ("fill", "stop_loss")]
    assert desk.now(stop).average_price == Decimal("106.01")
    assert desk.book.holdings == {}


def test_execution_never_takes_a_position_through_zero() -> None:
    """Shares may go while a sell rests, by an assignment: the sell is rejected then, not filled into a short."""
    desk = Desk()
    desk.own(10)
    sell = desk.limit("100", side=SELL)
    desk.tick(9_000)
    desk.own(4)
    assert kinds(desk.tick(10_500)) == ["rejected"]
    assert desk.now(sell).failed_at == desk.at
    assert desk.book.shares("ABC") == 4


def test_partly_filled_sell_whose_shares_went_is_cancelled_with_what_it_has() -> None:
    desk = Desk(partial=1.0)
    desk.own(100)
    sell = desk.limit("100", side=SELL, quantity=100)
    desk.tick(10_500)
    done = desk.now(sell).filled_quantity
    assert 0 < done < 100
    desk.own(1)
    assert kinds(desk.tick(10_500, minutes=2)) == ["canceled"]
    assert (desk.now(sell).status, desk.now(sell).filled_quantity) == (Status.CANCELED, done)


# partial fills


def test_partly_filled_order_gets_its_rest_a_minute_later() -> None:
    desk = Desk(partial=1.0)
    buy = desk.send(quantity=100)
    first = desk.tick(10_000)
    assert kinds(first) == ["new", "partial_fill"]
    part = first[1].quantity
    assert part is not None and 0 < part < 100
    assert (desk.now(buy).status, desk.now(buy).due_at) == (Status.PARTIALLY_FILLED, desk.at + timedelta(minutes=1))
    assert desk.tick(10_000, minutes=59 / 60) == []
    rest = desk.tick(10_050, minutes=1 / 60)
    assert kinds(rest) == ["fill"]
    assert (part + (rest[0].quantity or 0), rest[0].position_quantity) == (100, 100)
    expected = (part * Decimal("100.01") + (100 - part) * Decimal("100.51")) / 100
    assert desk.now(buy).average_price == expected


def test_rest_of_a_limit_waits_for_its_price_again() -> None:
    desk = Desk(partial=1.0)
    buy = desk.limit("100.01", quantity=100)
    desk.tick(10_000)
    assert desk.tick(10_100, minutes=5) == []
    assert kinds(desk.tick(10_000)) == ["fill"]
    assert desk.now(buy).average_price == Decimal("100.01")


def test_single_share_is_never_split_and_the_closing_print_fills_whole() -> None:
    desk = Desk(partial=1.0)
    desk.send(quantity=1)
    assert kinds(desk.tick(10_000)) == ["new", "fill"]
    desk.send(quantity=50)
    assert kinds(desk.tick(10_000, closing=True)) == ["new", "fill"]


def test_forced_part_is_exactly_the_first_execution() -> None:
    desk = Desk()
    order = desk.send(quantity=100)
    desk.book.forced_parts[order.id] = Decimal(37)
    assert desk.tick(10_000)[-1].quantity == 37
    assert desk.book.forced_parts == {}
    assert desk.tick(10_000)[-1].quantity == 63


def test_one_order_in_ten_is_filled_in_part_first() -> None:
    desk = Desk(partial=0.1)
    desk.book.cash_usd = Decimal(10**9)
    for _ in range(1000):
        desk.send(quantity=50)
    parts = [event for event in desk.tick(10_000) if event.kind.value == "partial_fill"]
    assert 70 <= len(parts) <= 130
    assert len({event.quantity for event in parts}) > 20  # the size is random


# money


def test_buy_that_cash_cannot_pay_any_more_is_rejected_at_the_open() -> None:
    desk = Desk(is_cash_account=True)
    order, target, stop = desk.bracket(target="300", stop="95", quantity=900)
    assert told(desk.tick(20_000)) == [("new", "entry"), ("rejected", "entry")]
    assert desk.statuses([order, target, stop]) == ["rejected", "canceled", "canceled"]
    assert desk.book.cash_usd == Decimal(100_000)


def test_margin_account_may_owe() -> None:
    desk = Desk()
    desk.send(quantity=1500)
    desk.tick(10_000)
    assert desk.book.cash_usd == Decimal(-50_015)


def test_option_counts_a_hundred_times() -> None:
    desk = Desk()
    symbol = "ABC080909C00105000"
    desk.send(symbol=symbol, quantity=2, time_in_force=TimeInForce.DAY)
    desk.see({symbol: quote(250, spread=10)})
    assert desk.book.cash_usd == Decimal(100_000) - Decimal("2.55") * 200
    assert desk.book.holdings[symbol].average_price(symbol) == Decimal("2.55")


def test_average_price_moves_with_what_is_bought_and_stays_when_some_is_sold() -> None:
    desk = Desk()
    for cents in (10_000, 11_000):
        desk.send()
        desk.tick(cents)
    assert desk.book.holdings["ABC"].average_price("ABC") == Decimal("105.01")
    desk.send(side=SELL, quantity=15)
    desk.tick(12_000)
    assert desk.book.holdings["ABC"].average_price("ABC") == Decimal("105.01")
    assert desk.book.holdings["ABC"].quantity == 5


# the machine as such


@pytest.mark.parametrize("side", ["bid", "ask"])
def test_a_side_without_a_quote_trades_with_nobody(side: str) -> None:
    desk = Desk()
    desk.own(10)
    desk.send(quantity=5) if side == "ask" else desk.send(side=SELL, quantity=5)
    bare = Quote(0 if side == "bid" else 1_000_000, 0 if side == "ask" else 1_000_200, 1_000_100)
    assert kinds(desk.see({"ABC": bare})) == ["new"]
    assert kinds(desk.tick(10_000)) == ["fill"]


def test_halted_symbol_rests_until_it_trades_again() -> None:
    desk = Desk()
    desk.own(10)
    entry, stop = desk.send(), desk.stop("95", side=SELL, quantity=4)
    desk.book.halted = {"ABC": None}
    assert kinds(desk.tick(9_000)) == ["new", "new"]
    assert desk.tick(8_000) == []
    desk.book.halted = {}
    assert sorted(kinds(desk.tick(9_000))) == ["fill", "fill"]
    assert (desk.now(entry).average_price, desk.now(stop).average_price) == (Decimal("90.01"), Decimal("89.99"))


def test_same_seed_gives_the_same_ids_and_another_seed_others() -> None:
    def story(seed: int) -> list[str]:
        desk = Desk(partial=0.5, seed=seed)
        desk.bracket(quantity=100)
        return [event.execution_id for last in (10_000, 10_010, 9_400) for event in desk.tick(last)] + list(desk.book.orders)

    assert story(7) == story(7)
    assert not set(story(7)) & set(story(8))


def test_same_commands_give_the_same_book_byte_for_byte() -> None:
    def story() -> str:
        desk = Desk(partial=0.5)
        desk.bracket(quantity=100)
        desk.limit("99", side=SELL)
        for cents in (10_000, 9_900, 11_500):
            desk.tick(cents)
        return repr(encode(desk.book))

    assert story() == story()


def test_every_execution_has_an_id_of_its_own() -> None:
    desk = Desk(partial=1.0)
    for _ in range(5):
        desk.send(quantity=50)
    ids = [event.execution_id for minute in (1, 2) for event in desk.tick(10_000, minutes=minute)]
    assert len(ids) == len(set(ids)) == 15


def test_nothing_happens_without_a_price_for_the_symbol() -> None:
    desk = Desk()
    order = desk.send()
    assert kinds(desk.see({"XYZ": quote(10_000)})) == ["new"]
    assert desk.now(order).status is Status.NEW


def test_a_ticket_keeps_its_client_id_and_one_without_gets_its_own() -> None:
    desk = Desk()
    mine, other = desk.send(client_order_id="mine"), desk.send()
    assert mine.client_order_id == "mine"
    assert desk.book.client_ids == {"mine": mine.id, other.client_order_id: other.id}


def test_sell_keeps_its_shares_from_a_second_sell() -> None:
    desk = Desk()
    desk.own(10)
    desk.limit("120", side=SELL, quantity=6)
    desk.tick(10_000)
    assert available(desk.book, "ABC") == 4
    desk.tick(12_100)
    assert (available(desk.book, "ABC"), desk.book.shares("ABC")) == (4, 4)


def test_quotes_before_an_order_cannot_fill_it() -> None:
    desk = Desk()
    desk.tick(8_000)
    order = desk.limit("90")
    assert kinds(apply(desk.book, Tick(desk.at, {"ABC": quote(10_000)}))) == ["new"]
    assert desk.now(order).filled_quantity == 0
    assert OPEN < desk.at < CLOSE
