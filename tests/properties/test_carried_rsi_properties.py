"""The RSI of a whole series in one pass is the one that is carried close by close, to the last bit."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from desk.domain.market import DailyBars, Market
from desk.indicators.rsi import RsiState, carried_rsi
from strategies.combined import RsiBySymbol

CLOSES = st.lists(st.floats(0.01, 10_000.0), min_size=1, max_size=60)
FIRST = date(2020, 1, 1)


def _bars(closes: list[float]) -> DailyBars:
    column = np.asarray(closes)
    sessions = tuple(FIRST + timedelta(days=number) for number in range(len(closes)))
    return DailyBars(sessions, column, column, column, column, column)


def _market(bars: DailyBars) -> Market:
    return Market(datetime(2021, 1, 1, tzinfo=UTC), date(2021, 1, 1), {"ACME": bars})


@given(closes=CLOSES, length=st.integers(1, 20))
def test_one_pass_gives_what_each_step_gives(closes: list[float], length: int) -> None:
    state, expected = RsiState(length), []
    for close in closes:
        state = state.pushed(close)
        expected.append(state.value)
    assert carried_rsi(np.asarray(closes), length) == expected


@given(closes=CLOSES, place=st.integers(0, 59), length=st.integers(1, 20))
def test_a_known_history_changes_no_level(closes: list[float], place: int, length: int) -> None:
    shown = _market(_bars(closes[: place + 1]))
    assert RsiBySymbol(length, {"ACME": _bars(closes)}).levels(shown) == RsiBySymbol(length).levels(shown)


@given(closes=CLOSES)
def test_a_past_that_was_rescaled_is_computed_anew(closes: list[float]) -> None:
    halved = _market(_bars([close / 2 for close in closes]))
    assert RsiBySymbol(2, {"ACME": _bars(closes)}).levels(halved) == RsiBySymbol(2).levels(halved)
