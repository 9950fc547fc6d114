"""Outcomes worked out by hand: entry at 100, stop 5 % below at 95, target 15 % above at 115, time barrier after 3 sessions."""

from datetime import date, timedelta

import numpy as np
import pytest

from desk.domain.market import DailyBars
from desk.model.labels import ExitKind, triple_barrier

SIGNAL_DAY = (90.0, 120.0, 80.0, 99.0)  # its wild range must not matter: the trade begins the day after
QUIET = (100.0, 101.0, 99.0, 100.0)


def outcome(*after_signal, cost_bps=10.0):
    rows = [SIGNAL_DAY, *after_signal]
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    sessions = tuple(date(2024, 1, 1) + timedelta(days=day) for day in range(len(rows)))
    bars = DailyBars(sessions, *columns, volume=np.ones(len(rows)))
    result = triple_barrier(bars, 0.05, 0.15, 3)
    kind = ExitKind(int(result.exit_kind[0]))
    return kind, result.gross_return[0], int(result.exit_index[0]), bool(result.profitable(cost_bps)[0])


def test_target_touched_exits_at_the_target():
    kind, gross, at, profitable = outcome(QUIET, (101.0, 116.0, 100.0, 110.0))
    assert (kind, at, profitable) == (ExitKind.TARGET, 2, True)
    assert gross == pytest.approx(0.15)


def test_stop_touched_exits_at_the_stop():
    kind, gross, at, profitable = outcome(QUIET, (99.0, 100.0, 94.0, 99.0))
    assert (kind, at, profitable) == (ExitKind.STOP, 2, False)
    assert gross == pytest.approx(-0.05)


def test_the_entry_day_counts_for_the_stop():
    kind, gross, at, _ = outcome((100.0, 101.0, 94.9, 100.0), QUIET, QUIET, QUIET)
    assert (kind, at) == (ExitKind.STOP, 1)
    assert gross == pytest.approx(-0.05)


def test_the_entry_day_counts_for_the_target():
    kind, gross, at, _ = outcome((100.0, 115.0, 99.0, 100.0))
    assert (kind, at) == (ExitKind.TARGET, 1)
    assert gross == pytest.approx(0.15)


def test_a_gap_below_the_stop_exits_at_the_open():
    kind, gross, at, _ = outcome(QUIET, (80.0, 120.0, 79.0, 119.0))
    assert (kind, at) == (ExitKind.STOP, 2)
    assert gross == pytest.approx(-0.20)


def test_a_gap_above_the_target_exits_at_the_open():
    kind, gross, at, _ = outcome(QUIET, (130.0, 131.0, 90.0, 91.0))
    assert (kind, at) == (ExitKind.TARGET, 2)
    assert gross == pytest.approx(0.30)


def test_when_one_bar_touches_both_the_stop_counts():
    kind, gross, _, _ = outcome(QUIET, (100.0, 116.0, 94.0, 115.0))
    assert kind is ExitKind.STOP
    assert gross == pytest.approx(-0.05)


def test_the_time_barrier_exits_at_the_open_of_its_session_whatever_follows_in_that_bar():
    kind, gross, at, profitable = outcome(QUIET, QUIET, QUIET, (102.0, 200.0, 10.0, 50.0))
    assert (kind, at, profitable) == (ExitKind.TIME, 4, True)
    assert gross == pytest.approx(0.02)


def test_a_gap_through_the_stop_on_the_last_session_is_a_stop():
    kind, gross, at, _ = outcome(QUIET, QUIET, QUIET, (90.0, 90.0, 90.0, 90.0))
    assert (kind, at) == (ExitKind.STOP, 4)
    assert gross == pytest.approx(-0.10)


def test_a_gain_no_larger_than_the_costs_is_no_profit():
    last = (100.1, 101.0, 99.0, 100.0)
    assert not outcome(QUIET, QUIET, QUIET, last, cost_bps=10.1)[3]
    assert outcome(QUIET, QUIET, QUIET, last, cost_bps=9.9)[3]


def test_a_trade_still_open_at_the_last_bar_has_no_outcome():
    kind, gross, at, profitable = outcome(QUIET, QUIET, QUIET)
    assert (kind, at, profitable) == (ExitKind.UNKNOWN, -1, False)
    assert np.isnan(gross)


def test_a_signal_on_the_last_bar_has_no_outcome():
    kind, gross, at, _ = outcome()
    assert (kind, at) == (ExitKind.UNKNOWN, -1)
    assert np.isnan(gross)


@pytest.mark.parametrize(
    ("stop", "target", "sessions", "name"),
    [(0.0, 0.1, 1, "stop_loss"), (1.0, 0.1, 1, "stop_loss"), (0.1, 0.0, 1, "take_profit"), (0.1, 0.1, 0, "time_barrier")],
)
def test_barriers_out_of_range_are_refused_by_name(stop, target, sessions, name):
    empty = DailyBars((), *(np.empty(0) for _ in range(5)))
    with pytest.raises(ValueError, match=name):
        triple_barrier(empty, stop, target, sessions)
