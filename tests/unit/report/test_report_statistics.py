"""Figures of a run: properties that hold for every equity curve and every set of trips."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.domain.market import DailyBars
from desk.domain.records import EquityPoint, Refusal, RunRecord, Trip
from desk.report.statistics import (
    beyond_stops_usd,
    day_returns,
    drawdowns,
    exposure,
    gapped_stops,
    max_drawdown_fraction,
    refusals_by_reason,
    run_statistics,
    session_closes,
    total_return_fraction,
    trip_statistics,
    unrealised_usd,
    worst_day,
)

START = datetime(2008, 9, 2, 14, 0, tzinfo=UTC)
dollars = st.floats(1.0, 1e9)
curves = st.lists(dollars, min_size=1, max_size=60)


def points(values: list[float], step: timedelta = timedelta(hours=7)) -> tuple[EquityPoint, ...]:
    return tuple(EquityPoint(START + i * step, value, value) for i, value in enumerate(values))


def a_trip(pnl_usd: float | None, **more: object) -> Trip:
    exits = {} if pnl_usd is None else dict(exit_at=START + timedelta(days=2), exit_price=100 + pnl_usd / 10, exit_reason="hand")
    return Trip(**(dict(symbol="AAPL", shares=10, entry_at=START, entry_price=100.0, stop_price=95.0, target_price=115.0,
                        pnl_usd=pnl_usd) | exits | more))  # fmt: skip


@given(curves)
def test_drawdown_lies_between_nothing_and_everything(values: list[float]) -> None:
    assert 0 <= max_drawdown_fraction(values) <= 1


@given(curves, st.floats(0.001, 1000))
def test_drawdown_does_not_depend_on_the_currency(values: list[float], scale: float) -> None:
    scaled = [value * scale for value in values]
    assert max_drawdown_fraction(scaled) == pytest.approx(max_drawdown_fraction(values), abs=1e-9)


@given(curves)
def test_rising_equity_has_no_drawdown(values: list[float]) -> None:
    assert max_drawdown_fraction(sorted(values)) == 0


@given(curves)
def test_drawdown_is_the_worst_of_all_pairs(values: list[float]) -> None:
    worst = max(1 - later / values[i] for i in range(len(values)) for later in values[i:])
    assert max_drawdown_fraction(values) == pytest.approx(worst, abs=1e-12)


@given(curves, curves)
def test_more_history_never_makes_the_drawdown_smaller(first: list[float], second: list[float]) -> None:
    assert max_drawdown_fraction(first + second) >= max_drawdown_fraction(first)


@given(curves)
def test_drawdown_is_at_least_the_fall_from_start_to_end(values: list[float]) -> None:
    assert max_drawdown_fraction(values) >= -total_return_fraction(values) - 1e-12


@given(curves)
def test_day_returns_compound_to_the_total_return(values: list[float]) -> None:
    compound = np.prod([1 + day.return_fraction for day in day_returns(points(values))]) - 1
    assert compound == pytest.approx(total_return_fraction(values), rel=1e-6, abs=1e-6)


@given(st.lists(dollars, min_size=2, max_size=60))
def test_worst_day_is_no_better_than_any_day(values: list[float]) -> None:
    worst = worst_day(points(values))
    assert worst is not None
    assert all(worst.return_fraction <= day.return_fraction for day in day_returns(points(values)))


@given(st.lists(dollars, min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_order_of_the_points_does_not_matter_for_the_days(values: list[float], shuffle: object) -> None:
    ordered = points(values)
    mixed = list(ordered)
    shuffle.shuffle(mixed)
    assert day_returns(mixed) == day_returns(ordered)


@given(st.lists(st.one_of(st.none(), st.floats(-1e5, 1e5)), max_size=40))
def test_every_trip_is_counted_once(results: list[float | None]) -> None:
    trips = [a_trip(pnl) for pnl in results]
    figures = trip_statistics(trips)
    assert figures.wins + figures.losses + figures.even == figures.closed
    assert figures.closed + figures.still_open == len(trips)
    assert sum(figures.exits.values()) == figures.closed
    assert figures.pnl_usd == pytest.approx(sum(pnl for pnl in results if pnl is not None), abs=1e-6)


@given(st.lists(st.sampled_from(["CASH", "NO_PRICE", "HALTED"]), max_size=40))
def test_refusals_add_up_and_come_in_order_of_frequency(reasons: list[str]) -> None:
    counts = refusals_by_reason(Refusal(START, "AAPL", reason, "") for reason in reasons)
    assert sum(counts.values()) == len(reasons)
    assert list(counts.values()) == sorted(counts.values(), reverse=True)


@given(st.lists(st.tuples(dollars, st.floats(0, 1)), min_size=1, max_size=30))
def test_exposure_is_a_share_of_the_equity_when_cash_is_no_more_than_it(rows: list[tuple[float, float]]) -> None:
    found = exposure([EquityPoint(START, equity, equity * (1 - part)) for equity, part in rows])
    assert -1e-9 <= found.average_fraction <= found.highest_fraction + 1e-9 <= 1 + 1e-6


def test_nothing_happened_is_all_zeros() -> None:
    assert max_drawdown_fraction([]) == 0
    assert total_return_fraction([]) == 0
    assert day_returns([]) == ()
    assert worst_day([]) is None
    assert worst_day(points([100.0])) is None


def test_equity_that_is_not_a_number_is_an_error_and_not_a_drawdown() -> None:
    with pytest.raises(ValueError, match="nan"):
        max_drawdown_fraction([100.0, float("nan")])


def test_equity_that_starts_at_nothing_has_no_drawdown_before_it_rises() -> None:
    assert drawdowns([0.0, 0.0, 10.0, 5.0]).tolist() == [0, 0, 0, 0.5]


def test_a_session_is_new_yorks_and_not_londons() -> None:
    late = EquityPoint(datetime(2008, 9, 3, 0, 30, tzinfo=UTC), 100.0, 100.0)
    assert list(session_closes([late])) == [date(2008, 9, 2)]


def test_only_stops_that_gapped_and_filled_are_listed_in_order_of_fill() -> None:
    later = a_trip(-90.0, exit_reason="stop", gapped=True, exit_price=91.0, exit_at=START + timedelta(days=3))
    first = a_trip(-60.0, exit_reason="stop", gapped=True, exit_price=94.0)
    found = gapped_stops([later, a_trip(-50.0, exit_reason="stop"), a_trip(None), first])
    assert [stop.fill_price for stop in found] == [94.0, 91.0]
    assert [stop.beyond_stop_usd for stop in found] == [10.0, 40.0]


@given(st.lists(st.tuples(st.floats(80, 120), st.booleans()), max_size=20))
def test_what_stops_lost_is_at_least_what_their_gaps_did_and_never_a_gain(exits: list[tuple[float, bool]]) -> None:
    trips = [a_trip(1.0, exit_reason="stop", exit_price=price, gapped=gapped and price < 95.0) for price, gapped in exits]
    assert beyond_stops_usd(trips) >= sum(stop.beyond_stop_usd for stop in gapped_stops(trips)) >= 0
    assert beyond_stops_usd([*trips, a_trip(1.0, exit_price=1.0)]) == beyond_stops_usd(trips)  # no stop


def held(record: RunRecord, value_usd: float, **more: object) -> float | None:
    """What is unrealised of ten shares bought at 100 when the account holds `value_usd` beside its cash."""
    day = date(2008, 9, 2)
    bar = DailyBars((day,), *(np.array([price]) for price in (100.0, 104.0, 96.0, 103.0, 1e6)))
    equity = (EquityPoint(START, 5_000.0, 5_000.0), EquityPoint(START + timedelta(hours=1), 4_000.0 + value_usd, 4_000.0))
    facts = dict(equity=equity, trips=(a_trip(None),), daily={"AAPL": bar}, last_session=day)
    return unrealised_usd(replace(record, **(facts | more)))


@pytest.mark.parametrize(
    ("value_usd", "gain_usd"), [(1_000.0, 0.0), (960.0, -40.0), (1_040.5, 40.5), (950.0, None), (2_000.0, None)]
)
def test_open_positions_are_worth_what_is_no_cash_if_their_prices_of_that_day_allow_it(
    empty_record, value_usd: float, gain_usd: float | None
) -> None:
    assert held(empty_record, value_usd) == gain_usd


def test_what_is_unrealised_is_not_guessed_at(empty_record) -> None:
    assert held(empty_record, 1_000.0, daily={}) is None
    assert held(empty_record, 1_000.0, last_session=date(2008, 9, 3)) is None
    assert held(empty_record, 1_000.0, trips=(a_trip(5.0),)) is None
    assert held(empty_record, 1_000.0, equity=()) is None
    assert held(empty_record, 1_000.0, trips=(a_trip(None), a_trip(None, symbol="IBM"))) is None


def test_exits_come_in_a_fixed_order_and_unknown_ones_last() -> None:
    reasons = ["broker", "hand", "stop", "target", "stop", None]
    figures = trip_statistics([a_trip(1.0, exit_reason=reason) for reason in reasons])
    assert list(figures.exits.items()) == [("target", 1), ("stop", 2), ("hand", 1), ("broker", 1), ("unknown", 1)]


def test_figures_of_a_whole_run_agree_with_its_parts(record) -> None:
    figures = run_statistics(record)
    assert figures.equity_start_usd == record.equity[0].equity_usd
    assert figures.trips.closed + figures.trips.still_open == len(record.trips)
    assert figures.costs_fraction == record.costs_usd / figures.equity_start_usd
    assert len(figures.gapped_stops) == sum(trip.gapped for trip in record.trips) > 0


def test_figures_of_an_empty_run_are_zeros(empty_record) -> None:
    figures = run_statistics(empty_record)
    assert (figures.equity_start_usd, figures.total_return_fraction, figures.max_drawdown_fraction) == (0, 0, 0)
    assert figures.worst_day is None
    assert figures.trips.average_usd is None
