"""Tax lots worked out by hand, after the examples of IRS Publication 550."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType

import pytest

from desk.core.lots import DISCLAIMER, Lot, SoldLot, Term, lots, purchase_warning, sale_report
from desk.domain.errors import UsageError
from desk.domain.orders import OrderClass, OrderSpec, OrderStatus, OrderType, Side
from desk.domain.trades import ZERO, Book, Trade


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 17, tzinfo=UTC)


def bought(
    shares: int, price: str, on: date, sold: tuple[int, str, date] = (0, "0", date(2024, 1, 1)), symbol: str = "AAA"
) -> Trade:
    spec = OrderSpec(
        f"n-{symbol}-{on}-{shares}", symbol, Side.BUY, shares, OrderType.LIMIT, OrderClass.BRACKET, limit_price=Decimal(price),
        take_profit=Decimal(price) * 2, stop_loss=Decimal(price) / 2,
    )  # fmt: skip
    count, at, day = sold
    return Trade(
        spec, noon(on), float(price), "test", entry_status=OrderStatus.FILLED, entered=shares, entered_at=noon(on),
        entry_value=shares * Decimal(price), exited=count, exit_value=count * Decimal(at), exited_at=noon(day) if count else None,
    )  # fmt: skip


def book_of(*trades: Trade) -> Book:
    still = {trade.key: trade for trade in trades if not trade.is_closed}
    return Book(MappingProxyType(still), tuple(trade for trade in trades if trade.is_closed))


def lot(shares: int, price: str, on: date) -> Lot:
    return Lot("AAA", shares, Decimal(price), on)


MARCH_1, MARCH_20 = date(2011, 3, 1), date(2011, 3, 20)


def test_the_oldest_shares_are_sold_first_whichever_trade_the_sale_belongs_to() -> None:
    older = bought(100, "10", date(2023, 1, 3))
    newer = bought(100, "20", date(2023, 6, 1), sold=(100, "30", date(2023, 9, 1)))
    assert lots(book_of(newer, older), "AAA") == (lot(100, "20", date(2023, 6, 1)),)


def test_a_sale_takes_whole_lots_and_then_a_part_of_one() -> None:
    book = book_of(bought(30, "10", date(2022, 1, 3)), bought(50, "20", date(2023, 6, 1)), bought(9, "1", MARCH_1, symbol="BBB"))
    report = sale_report(book, "AAA", 40, Decimal(25), date(2023, 9, 1))
    assert [each.lot for each in report.sold] == [lot(30, "10", date(2022, 1, 3)), lot(10, "20", date(2023, 6, 1))]
    assert (report.gain_usd_of(Term.LONG), report.gain_usd_of(Term.SHORT), report.gain_usd) == (450, 50, 500)
    assert report.warnings == ()
    assert report.sentences() == (
        "30 AAA bought on 2022-01-03 at 10.00, sold at 25.00: +450.00 dollars, long-term.",
        "10 AAA bought on 2023-06-01 at 20.00, sold at 25.00: +50.00 dollars, short-term.",
        "40 AAA realise +500.00 dollars: +50.00 short-term, +450.00 long-term.",
        DISCLAIMER,
    )


@pytest.mark.parametrize(
    ("acquired", "on", "term"),
    [
        (date(2008, 2, 5), date(2009, 2, 5), Term.SHORT),
        (date(2008, 2, 5), date(2009, 2, 6), Term.LONG),
        (date(2023, 2, 28), date(2024, 2, 29), Term.SHORT),
        (date(2023, 2, 28), date(2024, 3, 1), Term.LONG),
        (date(2024, 2, 28), date(2025, 2, 28), Term.SHORT),
        (date(2024, 2, 28), date(2025, 3, 1), Term.LONG),
        (date(2024, 2, 29), date(2025, 3, 1), Term.LONG),
        (date(2023, 12, 31), date(2024, 12, 31), Term.SHORT),
        (date(2023, 12, 31), date(2025, 1, 1), Term.LONG),
    ],
)
def test_long_term_is_more_than_a_year_counted_from_the_day_after_the_purchase(acquired: date, on: date, term: Term) -> None:
    assert SoldLot(lot(1, "10", acquired), Decimal(11), on).term is term


def test_a_purchase_late_in_the_evening_of_london_is_of_the_day_in_new_york() -> None:
    trade = bought(10, "10", MARCH_1)
    late = Trade(trade.spec, trade.decided_at, 10.0, "test", OrderStatus.FILLED, entered=10, entry_value=Decimal(100),
                 entered_at=datetime(2011, 3, 2, 1, tzinfo=UTC))  # fmt: skip
    assert lots(book_of(late), "AAA")[0].acquired == MARCH_1


@pytest.mark.parametrize(("quantity", "disallowed_usd"), [(100, 1_000), (150, 500), (200, 0)])
def test_a_loss_is_disallowed_on_as_many_shares_as_stay_of_a_recent_purchase(quantity: int, disallowed_usd: int) -> None:
    report = sale_report(book_of(bought(200, "50", MARCH_1)), "AAA", quantity, Decimal(40), MARCH_20)
    assert report.disallowed_usd == disallowed_usd
    assert any("Wash sale" in text for text in report.warnings) == (disallowed_usd > 0)


def test_of_several_losing_lots_the_first_ones_sold_are_disallowed() -> None:
    book = book_of(bought(10, "50", date(2010, 1, 4)), bought(10, "60", date(2010, 6, 1)), bought(15, "45", MARCH_1))
    report = sale_report(book, "AAA", 20, Decimal(40), MARCH_20)
    assert report.disallowed_usd == 10 * 10 + 5 * 20
    assert "15 shares bought within 30 days" in report.warnings[0]
    assert "2011-04-19" in report.warnings[1]  # the loss on the other 5 may still be lost


@pytest.mark.parametrize(("on", "washes"), [(date(2011, 3, 31), True), (date(2011, 4, 1), False)])
def test_thirty_days_are_the_window(on: date, washes: bool) -> None:
    book = book_of(bought(10, "50", date(2010, 1, 4)), bought(10, "45", MARCH_1))
    report = sale_report(book, "AAA", 10, Decimal(40), on)
    assert (report.disallowed_usd > 0) is washes


def test_a_gain_is_no_wash_sale() -> None:
    report = sale_report(book_of(bought(200, "50", MARCH_1)), "AAA", 100, Decimal(60), MARCH_20)
    assert (report.disallowed_usd, report.warnings) == (ZERO, ())


def test_a_loss_warns_of_the_purchases_that_would_wash_it() -> None:
    (warning,) = sale_report(book_of(bought(10, "50", date(2010, 1, 4))), "AAA", 10, Decimal(40), MARCH_20).warnings
    assert "2011-04-19" in warning


def test_shares_bought_soon_after_a_loss_carry_that_loss_in_their_cost() -> None:
    lost = bought(10, "50", date(2010, 1, 4), sold=(10, "40", date(2011, 2, 20)))
    report = sale_report(book_of(lost, bought(10, "45", MARCH_1)), "AAA", 10, Decimal(60), date(2011, 8, 1))
    (warning,) = report.warnings
    assert "2011-02-20" in warning and "may belong to their cost" in warning


def test_a_purchase_is_warned_of_for_thirty_days_after_a_loss() -> None:
    lost = bought(10, "50", date(2010, 1, 4), sold=(10, "40", MARCH_1))
    won = bought(10, "50", date(2010, 1, 4), sold=(10, "60", MARCH_1), symbol="BBB")
    book = book_of(lost, won)
    warning = purchase_warning(book, "AAA", date(2011, 3, 31))
    assert warning is not None and "100.00 dollars" in warning and "2011-03-31" in warning
    assert purchase_warning(book, "AAA", date(2011, 4, 1)) is None
    assert purchase_warning(book, "AAA", date(2011, 2, 28)) is None
    assert purchase_warning(book, "BBB", MARCH_1) is None


@pytest.mark.parametrize(("quantity", "price", "field"), [(0, "1", "quantity 0"), (11, "1", "quantity 11"), (5, "0", "price 0")])
def test_a_sale_that_cannot_be_is_refused(quantity: int, price: str, field: str) -> None:
    with pytest.raises(UsageError, match=field):
        sale_report(book_of(bought(10, "50", MARCH_1)), "AAA", quantity, Decimal(price), MARCH_20)


def test_nothing_is_sold_before_it_is_bought() -> None:
    with pytest.raises(UsageError, match="holds 0 AAA on 2011-02-28"):
        sale_report(book_of(bought(10, "50", MARCH_1)), "AAA", 1, Decimal(60), date(2011, 2, 28))


def test_a_symbol_that_was_never_held_has_no_lots() -> None:
    assert lots(Book(), "AAA") == ()
