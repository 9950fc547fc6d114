"""What a strategy may see: nothing that is not over, and the price that it would really get."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from desk.domain.market import DailyBars, Market, Quote

NOW = datetime(2024, 1, 3, 15, tzinfo=UTC)
DAYS = (date(2023, 12, 29), date(2024, 1, 2), date(2024, 1, 3))


def bars(*days: date) -> DailyBars:
    column = np.arange(100.0, 100.0 + len(days))
    return DailyBars(days, column, column, column, column, column)


def test_a_bar_of_the_session_itself_is_foresight() -> None:
    with pytest.raises(ValueError, match="bar of 2024-01-03 shown in session 2024-01-03"):
        Market(NOW, DAYS[-1], {"AAA": bars(*DAYS)})


def test_a_quote_from_later_than_the_clock_is_foresight() -> None:
    late = NOW + timedelta(microseconds=1)
    with pytest.raises(ValueError, match="later than the clock"):
        Market(NOW, DAYS[-1], {}, {"AAA": Quote(late, 1.0, 1.1, 1.05)})


def test_with_a_quote_one_buys_at_the_offer_and_sells_at_the_bid() -> None:
    market = Market(NOW, DAYS[-1], {"AAA": bars(*DAYS[:2])}, {"AAA": Quote(NOW, 104.9, 105.1, 105.0)})
    assert (market.ask("AAA"), market.bid("AAA"), market.last_price("AAA")) == (105.1, 104.9, 105.0)


def test_without_a_quote_the_last_completed_close_is_all_there_is() -> None:
    market = Market(NOW, DAYS[-1], {"AAA": bars(*DAYS[:2])})
    assert {market.ask("AAA"), market.bid("AAA"), market.last_price("AAA")} == {101.0}


def test_a_symbol_without_data_has_no_price() -> None:
    market = Market(NOW, DAYS[-1], {"AAA": bars()})
    assert {market.ask("AAA"), market.bid("BBB"), market.last_price("AAA")} == {None}
