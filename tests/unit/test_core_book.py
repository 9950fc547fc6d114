"""Single moments of the bookkeeping that are easy to get wrong."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from desk.core.book import NOBODY_ANSWERED, with_event, with_refusal, with_step, with_unexpected
from desk.core.costs import shortfall
from desk.core.covering import cover
from desk.domain.decisions import FixedExit, Intent, IntentKind
from desk.domain.orders import Fill, GroupRole, OrderClass, OrderEvent, OrderSpec, OrderStatus, OrderType, Side, TimeInForce
from desk.domain.steps import Cancel, Replace, Submit
from desk.domain.trades import Book, Trade

NOW = datetime(2024, 1, 3, 15, tzinfo=UTC)
ENTRY, TARGET, STOP = GroupRole.ENTRY, GroupRole.TAKE_PROFIT, GroupRole.STOP_LOSS
S = OrderStatus


def submit(key: str = "k1", symbol: str = "AAA", reference: float | None = 99.5) -> Submit:
    spec = OrderSpec(
        key, symbol, Side.BUY, 10, OrderType.LIMIT, OrderClass.BRACKET, TimeInForce.GTC, Decimal("100.00"),
        take_profit=Decimal("115.00"), stop_loss=Decimal("95.00"),
    )  # fmt: skip
    return Submit(spec, Intent(IntentKind.OPEN, symbol, 10, 100.0, FixedExit(0.05, 0.15), "RSI 28.0", 0.7, reference))


def event(
    role: GroupRole, status: OrderStatus, shares: int = 0, price: str = "100", key: str = "k1", at: datetime = NOW
) -> OrderEvent:
    side = Side.BUY if role is ENTRY else Side.SELL
    fill = Fill(f"{key}{role}{status}{shares}", key, "AAA", side, shares, Decimal(price), at, role) if shares else None
    return OrderEvent(key, role, status, at, "b", fill)


def held() -> Book:
    return with_event(with_step(Book(), submit(), NOW), event(ENTRY, S.FILLED, 10))


def test_a_new_trade_remembers_what_it_was_decided_on() -> None:
    trade = with_step(Book(), submit(), NOW).open["k1"]
    exits = {"target_price": Decimal("115.00"), "first_target": Decimal("115.00"), "stop_price": Decimal("95.00")}
    assert trade == Trade(submit().spec, NOW, 99.5, "RSI 28.0", 0.7, rule=submit().intent.exit_rule, exits_at=NOW, **exits)


def test_without_a_last_price_the_limit_is_what_was_decided_on() -> None:
    assert with_step(Book(), submit(reference=None), NOW).open["k1"].decided_price == 100.0


def test_steps_of_trades_that_are_over_change_nothing() -> None:
    for step in (Cancel("c", "gone", "AAA", "late"), Replace("r", "gone", "AAA", TARGET, Decimal(99), "late")):
        assert with_step(held(), step, NOW) == held()
        assert with_refusal(held(), step) == held()


def test_one_trade_leaves_the_others_alone() -> None:
    book = with_step(held(), submit("k2", "BBB"), NOW)
    assert [trade.symbol for trade in book.trades_of("AAA")] == ["AAA"]
    assert with_event(book, event(TARGET, S.FILLED, 10)).open.keys() == {"k2"}


def test_a_trade_is_entered_at_its_first_part() -> None:
    book = with_event(with_step(Book(), submit(), NOW), event(ENTRY, S.PARTIALLY_FILLED, 4))
    book = with_event(book, event(ENTRY, S.FILLED, 6, at=NOW + timedelta(hours=1)))
    assert book.open["k1"].entered_at == NOW


def test_an_entry_that_expires_half_filled_leaves_bare_shares() -> None:
    book = with_event(with_step(Book(), submit(), NOW), event(ENTRY, S.PARTIALLY_FILLED, 4))
    assert not book.open["k1"].is_protected
    book = with_event(book, event(ENTRY, S.EXPIRED))
    assert (book.open["k1"].shares, book.open["k1"].stop_status) == (4, S.CANCELED)
    assert len(cover(book)) == 1


def test_an_entry_that_never_filled_leaves_no_exit_day() -> None:
    book = with_event(with_step(Book(), submit(), NOW), event(ENTRY, S.CANCELED))
    assert not book.open and not book.last_exit
    assert book.closed[0].entered_at is None


def test_a_fill_while_a_cancel_is_on_its_way_ends_the_cancel() -> None:
    book = with_step(with_step(Book(), submit(), NOW), Cancel("c", "k1", "AAA", "too old"), NOW)
    assert book.open["k1"].cancel_requested
    assert not with_event(book, event(ENTRY, S.FILLED, 10)).open["k1"].cancel_requested


def test_a_triggered_stop_keeps_the_trade_covered_while_its_target_goes() -> None:
    book = with_event(with_event(held(), event(TARGET, S.WORKING)), event(TARGET, S.REPLACED))
    assert cover(book) == []
    assert book.open["k1"].is_protected


def test_the_day_of_an_exit_is_new_yorks() -> None:
    night = datetime(2024, 1, 4, 0, 30, tzinfo=UTC)
    book = with_event(held(), event(STOP, S.FILLED, 10, "95", at=night))
    assert dict(book.last_exit) == {"AAA": date(2024, 1, 3)}


def test_both_exits_of_a_fast_market_are_counted() -> None:
    book = with_event(held(), event(TARGET, S.PARTIALLY_FILLED, 6, "115"))
    closed = with_event(book, event(STOP, S.FILLED, 4, "95")).closed[0]
    assert (closed.exited, closed.exit_value, closed.exit_role) == (10, Decimal(6 * 115 + 4 * 95), STOP)


def test_the_average_prices_are_those_of_all_parts() -> None:
    book = with_event(with_step(Book(), submit(), NOW), event(ENTRY, S.PARTIALLY_FILLED, 4, "99"))
    trade = with_event(book, event(ENTRY, S.FILLED, 6, "100")).open["k1"]
    assert (trade.entry_price, trade.exit_price) == (Decimal("99.6"), None)


def test_impossible_news_is_an_error_and_not_a_guess() -> None:
    book = with_event(held(), event(STOP, S.CANCELED))
    with pytest.raises(ValueError, match="canceled cannot become filled"):
        with_event(book, event(STOP, S.FILLED, 10, "95"))


def test_unexpected_news_counts_its_fill_once_and_leaves_the_statuses() -> None:
    book = with_event(held(), event(STOP, S.CANCELED))
    sold = with_unexpected(book, event(STOP, S.PARTIALLY_FILLED, 4, "95"))
    trade = sold.open["k1"]
    assert (trade.shares, trade.exit_role, trade.stop_status) == (6, STOP, S.CANCELED)
    assert with_unexpected(sold, event(STOP, S.PARTIALLY_FILLED, 4, "95")) == sold
    assert with_unexpected(sold, event(STOP, S.WORKING)) == sold
    assert with_unexpected(sold, event(STOP, S.FILLED, 6, "95", key="strange")) == sold


def test_a_late_fill_brings_a_closed_trade_back_and_its_sale_closes_it_again() -> None:
    book = with_event(with_step(Book(), submit(), NOW), event(ENTRY, S.CANCELED))
    back = with_unexpected(book, event(ENTRY, S.PARTIALLY_FILLED, 4))
    assert (back.shares(), back.closed) == ({"AAA": 4}, ())
    over = with_unexpected(back, event(STOP, S.FILLED, 4, "95"))
    assert not over.open and over.closed[0].exited == 4


def test_a_stop_that_the_market_has_passed_is_known_by_the_brokers_words() -> None:
    book = with_event(with_step(Book(), submit(), NOW), event(ENTRY, S.PARTIALLY_FILLED, 4))
    bare = with_event(book, event(ENTRY, S.CANCELED))
    (oco,) = cover(bare)
    covered = with_step(bare, oco, NOW)
    words = "stop_loss.stop_price must be <= base_price - 0.01"
    assert [with_refusal(covered, oco, text).open["k1"].stop_passed for text in (words, "insufficient qty")] == [True, False]
    (sale,) = cover(with_refusal(covered, oco, words))
    assert isinstance(sale, Submit) and sale.spec.type is OrderType.MARKET


def test_a_plain_sale_is_the_way_out_of_its_trade() -> None:
    book = with_event(with_step(Book(), submit(), NOW), event(ENTRY, S.PARTIALLY_FILLED, 4))
    bare = with_event(book, event(ENTRY, S.CANCELED))
    spec = OrderSpec("s1", "AAA", Side.SELL, 4, OrderType.MARKET)
    sale = Submit(spec, Intent(IntentKind.CLOSE, "AAA", 4, 0.0, FixedExit(0.0, 0.0), "out"), covers="k1")
    asked = with_step(bare, sale, NOW)
    assert (asked.open["k1"].target_status, asked.open["k1"].stop_status) == (S.CANCELED, S.SENT)
    sold = with_event(asked, OrderEvent("s1", ENTRY, S.FILLED, NOW, "b", Fill("x9", "s1", "AAA", Side.SELL, 4, Decimal(94), NOW)))
    assert (sold.closed[0].entered, sold.closed[0].exited, sold.closed[0].exit_role) == (4, 4, STOP)
    assert cover(with_event(asked, OrderEvent("s1", ENTRY, S.EXPIRED, NOW, "b")))[0].key == "k1-cover2"


def test_a_refused_second_move_puts_the_target_where_the_first_had_put_it() -> None:
    first = Replace("r1", "k1", "AAA", TARGET, Decimal("99.00"), "time is up")
    second = Replace("r2", "k1", "AAA", TARGET, Decimal("98.00"), "time is up")
    once = with_step(held(), first, NOW)
    after = with_refusal(with_step(once, second, NOW), second).open["k1"]
    assert (after.target_price, after.exit_requested) == (Decimal("99.00"), "time is up")
    assert with_refusal(once, first) == held()


def test_changes_that_nobody_answered_count_as_not_sent() -> None:
    book = with_step(with_step(Book(), submit(), NOW), submit("k2", "BBB"), NOW)
    cancel = Cancel("c", "k1", "AAA", "too old")
    assert with_refusal(with_step(book, cancel, NOW), cancel, NOBODY_ANSWERED) == book


def test_the_parts_of_a_shortfall_sum_to_the_whole() -> None:
    book = with_event(held(), event(TARGET, S.FILLED, 10, "115"))
    cost = shortfall(book.closed[0], arrival_price=99.5, fee_bps=2.0)
    assert cost.entry_usd == pytest.approx(10 * (100 - 99.5))
    assert cost.fees_usd == pytest.approx((1_000 + 1_150) * 0.0002)
    assert cost.total_usd == cost.entry_usd + cost.fees_usd


def test_a_better_price_than_expected_is_a_negative_cost() -> None:
    assert shortfall(held().open["k1"], arrival_price=101.0).total_usd == pytest.approx(-10.0)
