"""EMA, VWAP, channel and relative volume: one bar at a time equals the whole series, and no value knows a later bar."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.domain.market import FloatArray, IntradayBars
from desk.indicators.carried import Carried, bars_from
from desk.indicators.ema import EmaState, ema
from desk.indicators.volume import HighestHighState, RelativeVolumeState, highest_high_before, relative_volume
from desk.indicators.vwap import VwapState, session_vwap

cents = st.integers(1, 5_000_000)
closes = st.lists(cents, min_size=0, max_size=100).map(lambda listed: np.array(listed, dtype=float) / 100)
volumes = st.lists(st.integers(0, 10**9), min_size=0, max_size=60).map(lambda listed: np.array(listed, dtype=float))
lengths = st.integers(1, 20)


@st.composite
def minutes(draw: st.DrawFn) -> IntradayBars:
    """Minute bars of some sessions in autumn 2008, when the clocks changed, with gaps."""
    days = draw(st.lists(st.integers(0, 20), min_size=0, max_size=4, unique=True).map(sorted))
    starts: list[int] = []
    for day in days:
        opening = datetime(2008, 10, 24, 14, 30, tzinfo=UTC) + timedelta(days=day)
        within = draw(st.lists(st.integers(0, 380), min_size=1, max_size=12, unique=True).map(sorted))
        starts += [int(opening.timestamp()) + 60 * minute for minute in within]
    listed = draw(st.lists(st.tuples(cents, cents, cents), min_size=len(starts), max_size=len(starts)))
    low, close, high = np.sort(np.array(listed, dtype=float).reshape(-1, 3), axis=1).T / 100
    volume = np.array(draw(st.lists(st.integers(0, 10**7), min_size=len(starts), max_size=len(starts))), dtype=float)
    return IntradayBars(60, np.array(starts, dtype=np.int64), close, high, low, close, volume)


def or_nan(value: float | None) -> float:
    return np.nan if value is None else value


@settings(max_examples=150, deadline=None)
@given(closes, lengths)
def test_incremental_ema_equals_batch_bar_by_bar(close: FloatArray, length: int) -> None:
    batch, state = ema(close, length), EmaState(length)
    for place, price in enumerate(close.tolist()):
        state = state.pushed(price)
        np.testing.assert_allclose(or_nan(state.value), batch[place], rtol=1e-11)
    assert state == EmaState.from_closes(close, length)


@settings(max_examples=80, deadline=None)
@given(closes, lengths)
def test_ema_lies_among_the_closes_and_sees_no_future(close: FloatArray, length: int) -> None:
    whole = ema(close, length)
    known = whole[length - 1 :]
    assert np.isnan(whole[: length - 1]).all()
    assert (known >= close.min(initial=np.inf) * (1 - 1e-12)).all()
    assert (known <= close.max(initial=0.0) * (1 + 1e-12)).all()
    cut = len(close) // 2
    np.testing.assert_array_equal(ema(close[:cut], length), whole[:cut])


@settings(max_examples=100, deadline=None)
@given(minutes())
def test_incremental_vwap_equals_batch_bar_by_bar_within_the_sessions_prices(bars: IntradayBars) -> None:
    batch = session_vwap(bars.starts, bars.high, bars.low, bars.close, bars.volume)
    state = VwapState()
    for place, bar in enumerate(bars_from(bars, 0)):
        state = state.pushed(bar.start, bar.high, bar.low, bar.close, bar.volume)
        np.testing.assert_allclose(or_nan(state.value), batch[place], rtol=1e-11)
        if state.value is not None:
            assert bars.low.min() * (1 - 1e-9) <= state.value <= bars.high.max() * (1 + 1e-9)


@settings(max_examples=100, deadline=None)
@given(closes, lengths)
def test_incremental_channel_equals_batch_bar_by_bar(high: FloatArray, length: int) -> None:
    batch, state = highest_high_before(high, length), HighestHighState(length)
    for place, price in enumerate(high.tolist()):
        np.testing.assert_array_equal(or_nan(state.value), batch[place])
        state = state.pushed(price)


@settings(max_examples=100, deadline=None)
@given(volumes, lengths)
def test_incremental_relative_volume_equals_batch_bar_by_bar(volume: FloatArray, length: int) -> None:
    batch, state = relative_volume(volume, length), RelativeVolumeState(length)
    for place, shares in enumerate(volume.tolist()):
        np.testing.assert_allclose(or_nan(state.of(shares)), batch[place], rtol=1e-11)
        state = state.pushed(shares)


def first_bars(bars: IntradayBars, first: int, end: int) -> IntradayBars:
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    return IntradayBars(bars.seconds, bars.starts[first:end], *(column[first:end].copy() for column in columns))


@settings(max_examples=100, deadline=None)
@given(minutes(), st.lists(st.tuples(st.integers(0, 3), st.integers(0, 48)), max_size=6), st.sampled_from([1.0, 0.5]))
def test_a_state_carried_from_look_to_look_is_the_one_of_a_restart(
    bars: IntradayBars, looks: list[tuple[int, int]], rescaled: float
) -> None:
    """Whatever is shown next: more bars, fewer, a window that moved on, or prices in another unit."""

    def pushed(state: EmaState, bar: object) -> EmaState:
        return state.pushed(bar.close)  # type: ignore[attr-defined]  # a Bar, which hypothesis does not need to know

    carried = Carried(EmaState(3), pushed)
    for number, (first, end) in enumerate(looks):
        shown = first_bars(bars, first, end)
        if number == len(looks) - 1:
            shown.close[:] *= rescaled
        assert carried.state("AAA", shown) == EmaState.from_closes(shown.close, 3)


@pytest.mark.parametrize("length", [0, -1])
def test_a_length_below_one_is_refused(length: int) -> None:
    for batch in (ema, highest_high_before, relative_volume):
        with pytest.raises(ValueError, match=f"length {length}"):
            batch(np.array([1.0, 2.0]), length)


def test_what_is_no_number_is_refused_in_both_forms() -> None:
    bad = np.array([1.0, np.nan, 2.0])
    for batch in (ema, highest_high_before, relative_volume):
        with pytest.raises(ValueError, match="1 of 3"):
            batch(bad, 2)
    for state in (EmaState(2), HighestHighState(2), RelativeVolumeState(2)):
        with pytest.raises(ValueError, match="nan"):
            state.pushed(np.nan)
    starts, good = np.array([0, 60, 120], dtype=np.int64), np.ones(3)
    with pytest.raises(ValueError, match="bar 1 of 3"):
        session_vwap(starts, good, good, good, bad)
    with pytest.raises(ValueError, match="must ascend"):
        session_vwap(starts[::-1].copy(), good, good, good, good)
    with pytest.raises(ValueError, match="same shape"):
        session_vwap(starts[:2], good, good, good, good)
    with pytest.raises(ValueError, match="is not one of numbers"):
        VwapState().pushed(0, 1.0, 1.0, 1.0, -1.0)
