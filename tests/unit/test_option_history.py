"""What a backtest is shown of options at a look, and never anything later."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from desk.data.calendars import session_dates
from desk.data.source import Instrument, Source
from desk.domain.options import OptionQuote
from desk.runtime.option_history import Fills, Look, OptionAssumptions, OptionHistory, looks_on, widened
from options import occ

DAY = date(2024, 6, 3)
DAYS = session_dates(date(2023, 6, 1), date(2024, 7, 31))
FRIDAY = date(2024, 7, 19)


@dataclass
class Standing:
    """A clock that stands still."""

    at: datetime

    def now(self) -> datetime:
        return self.at


def market(until: date = DAYS[-1], seed: int = 3) -> Source:
    """A walk whose opening and close are a dollar apart."""
    steps = np.random.default_rng(seed).normal(0.0, 1.0, len(DAYS)).cumsum()
    opened = np.round(100.0 + 0.5 * steps, 2)
    columns = {"open": opened, "high": opened + 2, "low": opened - 2, "close": opened + 1, "volume": np.full(len(DAYS), 1e6)}
    frame = pd.DataFrame(columns, index=pd.DatetimeIndex([pd.Timestamp(day) for day in DAYS]))
    return Source("walk", "a walk", {"ABC": frame.loc[: pd.Timestamp(until)]}, {"ABC": Instrument("ABC", "walk")})


def seen(source: Source, look: Look, fills: Fills = Fills.NATURAL) -> OptionHistory:
    history = OptionHistory(source, Standing(look.at), OptionAssumptions(fills))
    history.stand_at(look)
    return history


def puts(history: OptionHistory) -> dict[str, OptionQuote]:
    return dict(history.chain("ABC", FRIDAY, FRIDAY, 60.0, 120.0).quotes)


def test_a_session_has_two_looks_one_at_its_opening_and_one_before_its_close() -> None:
    opening, closing = looks_on(DAY)
    assert opening.at == datetime(2024, 6, 3, 13, 30, tzinfo=UTC) and not opening.is_closing
    assert closing.at == datetime(2024, 6, 3, 19, 45, tzinfo=UTC) and closing.is_closing
    assert looks_on(date(2024, 6, 1)) == ()
    assert looks_on(date(2024, 7, 3))[1].at == datetime(2024, 7, 3, 16, 45, tzinfo=UTC)


def test_the_opening_price_is_seen_first_and_the_close_at_the_last_look() -> None:
    source, (opening, closing) = market(), looks_on(DAY)
    bar = source.daily["ABC"].loc[pd.Timestamp(DAY)]
    assert seen(source, opening).spots(["ABC", "XYZ"]) == {"ABC": pytest.approx(bar["open"])}
    assert seen(source, closing).spots(["ABC"]) == {"ABC": pytest.approx(bar["close"])}
    assert seen(source, opening).chain("ABC", FRIDAY, FRIDAY, 60.0, 120.0).spot == pytest.approx(bar["open"])


@pytest.mark.parametrize("place", [0, 1])
def test_what_comes_after_a_look_is_not_in_its_quotes(place: int) -> None:
    look = looks_on(DAY)[place]
    known = market(DAY)
    if place == 0:  # of the day itself the opening alone
        known.daily["ABC"].loc[pd.Timestamp(DAY), ["high", "low", "close", "volume"]] = (500.0, 1.0, 77.0, 3.0)
    assert puts(seen(known, look)) == puts(seen(market(), look)) != {}


def test_a_chain_has_the_puts_that_were_asked_for() -> None:
    found = [occ.parse(symbol) for symbol in puts(seen(market(), looks_on(DAY)[0]))]
    assert {each.type for each in found} == {"put"} and {each.expiration for each in found} == {FRIDAY}
    assert all(60 <= each.strike <= 120 for each in found)


def test_quotes_of_contracts_are_those_of_the_chain_and_fresh() -> None:
    history = seen(market(), looks_on(DAY)[1])
    every = puts(history)
    assert history.quotes([*every, "ABC240719P00099990", "XYZ240719P00100000"]) == every
    assert {quote.at for quote in every.values()} == {looks_on(DAY)[1].at}
    assert all(0 <= quote.bid < quote.ask for quote in every.values())


def test_the_worst_market_is_further_out_and_the_chain_is_as_quoted() -> None:
    look = looks_on(DAY)[0]
    natural, worst = seen(market(), look), seen(market(), look, Fills.WORST)
    assert puts(natural) == puts(worst)
    for symbol, quote in natural.quotes(list(puts(natural))).items():
        assert worst.quotes([symbol])[symbol] == widened(quote, 0.5)


def test_a_wider_quote_keeps_its_middle_and_its_missing_sides() -> None:
    quote = OptionQuote("ABC240719P00095000", Decimal("1.00"), Decimal("1.10"), datetime(2024, 6, 3, tzinfo=UTC))
    assert (widened(quote, 0.5).bid, widened(quote, 0.5).ask) == (Decimal("0.95"), Decimal("1.15"))
    assert (widened(quote, 0.01).bid, widened(quote, 0.01).ask) == (Decimal("0.99"), Decimal("1.11"))
    nobody = replace(quote, bid=Decimal(0), ask=Decimal(0))
    assert widened(nobody, 0.5) == nobody


def test_on_a_day_without_a_bar_nothing_is_quoted() -> None:
    source = market()
    source.daily["ABC"].drop(pd.Timestamp(DAY), inplace=True)
    history = seen(source, looks_on(DAY)[0])
    assert not history.is_quoted("ABC")
    assert puts(history) == {} and history.quotes(["ABC240719P00095000"]) == {} and history.spots(["ABC"]) == {}
    assert history.close_usd("ABC", DAY) == history.close_usd("ABC", DAY - timedelta(days=1))


def test_before_the_first_look_nothing_is_known() -> None:
    history = OptionHistory(market(), Standing(looks_on(DAY)[0].at), OptionAssumptions())
    assert history.quotes(["ABC240719P00095000"]) == {} and puts(history) == {}
    assert history.close_usd("ABC", DAYS[0] - timedelta(days=1)) is None


def test_model_prices_are_called_by_their_name() -> None:
    first, second = OptionHistory(market(), Standing(looks_on(DAY)[0].at), OptionAssumptions(Fills.MID)).notes(["ABC", "ABC"])
    assert "Options on ABC have MODEL PRICES" in first
    assert "halfway between bid and ask" in second and "0 dollars a contract" in second
