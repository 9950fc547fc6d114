"""Which expirations are chosen: Fridays, Thursdays before holidays, inside the window, nearest to the target."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from options.expirations import (
    ExpiryWindow,
    days_left,
    is_weekly_expiration,
    no_expiration,
    suitable_expirations,
    years_left,
)
from options.refusals import RefusalCode, SpreadRefusal
from tests.option_chains import HOLIDAYS, JULY_3, JULY_11, JULY_18, JULY_25, is_session

TODAY = date(2025, 6, 2)


def test_nearest_to_the_target_comes_first() -> None:
    """31, 39, 46 and 53 days ahead of a target of 45."""
    found = suitable_expirations([JULY_3, JULY_11, JULY_18, JULY_25], TODAY, is_session)
    assert found == (JULY_18, JULY_11, JULY_25, JULY_3)


def test_thursday_is_chosen_when_the_exchange_is_closed_on_friday() -> None:
    """2025-04-18 was Good Friday: the monthly contracts expired on the 17th."""
    sessions = {date(2025, 4, 14) + timedelta(days=offset) for offset in range(4)}
    listed = [date(2025, 4, 17), date(2025, 4, 18)]
    window = ExpiryWindow(30, 60, 45)
    assert suitable_expirations(listed, date(2025, 3, 3), sessions.__contains__, window) == (date(2025, 4, 17),)


def test_wednesdays_and_thursdays_of_full_weeks_are_not_chosen() -> None:
    assert not is_weekly_expiration(date(2025, 7, 16), is_session)
    assert not is_weekly_expiration(date(2025, 7, 17), is_session)
    assert is_weekly_expiration(JULY_3, is_session)
    assert not is_weekly_expiration(date(2025, 7, 4), is_session)
    assert not is_weekly_expiration(date(2025, 7, 5), is_session)


def refusal_of(listed: list[date]) -> SpreadRefusal:
    assert suitable_expirations(listed, TODAY, is_session) == ()
    found = no_expiration("AAPL", listed, TODAY, ExpiryWindow())
    assert found.code is RefusalCode.NO_EXPIRATION
    return found


def test_refusal_tells_what_was_looked_for_and_what_is_listed() -> None:
    assert str(refusal_of([date(2025, 6, 6), date(2025, 9, 19)])) == (
        "AAPL: no weekly expiration in 30 to 60 days, 2025-07-02 to 2025-08-01; listed: Fri 2025-06-06 (4 days), "
        "Fri 2025-09-19 (109 days). Widen min_days and max_days"
    )


def test_a_day_within_the_window_is_said_to_be_no_end_of_a_week() -> None:
    assert "Wed 2025-07-16 (44 days); a week's last session alone is taken" in str(refusal_of([date(2025, 7, 16)]))


def test_of_many_the_nearest_are_told() -> None:
    daily = [TODAY + timedelta(days=offset) for offset in range(29)]
    assert "listed: Wed 2025-06-25 (23 days)" in str(refusal_of(daily))
    assert "Mon 2025-06-30 (28 days), and 23 more." in str(refusal_of(daily))


def test_nothing_listed_is_refused_too() -> None:
    assert "none" in refusal_of([]).text


def test_window_that_does_not_ascend_is_a_bug() -> None:
    with pytest.raises(ValueError, match="ascend"):
        ExpiryWindow(30, 60, 20)


def test_the_day_is_new_yorks() -> None:
    """01:00 UTC is still yesterday evening in New York."""
    assert days_left(date(2025, 6, 20), datetime(2025, 6, 20, 1, 0, tzinfo=UTC)) == 1
    assert years_left(date(2025, 6, 20), datetime(2025, 6, 20, 20, 0, tzinfo=UTC)) == 0.0
    assert years_left(date(2025, 6, 21), datetime(2025, 6, 20, 20, 0, tzinfo=UTC)) == pytest.approx(1 / 365)


def test_holidays_of_the_fixture_are_weekdays() -> None:
    assert all(day.weekday() < 5 for day in HOLIDAYS)
