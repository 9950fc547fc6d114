"""Which expirations are chosen: Fridays, Thursdays before holidays, inside the window, nearest to the target."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from options.expirations import (
    ExpiryWindow,
    choose_expiration,
    days_left,
    is_weekly_expiration,
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
    assert choose_expiration("AAPL", listed, date(2025, 3, 3), sessions.__contains__, window) == date(2025, 4, 17)


def test_wednesdays_and_thursdays_of_full_weeks_are_not_chosen() -> None:
    assert not is_weekly_expiration(date(2025, 7, 16), is_session)
    assert not is_weekly_expiration(date(2025, 7, 17), is_session)
    assert is_weekly_expiration(JULY_3, is_session)
    assert not is_weekly_expiration(date(2025, 7, 4), is_session)
    assert not is_weekly_expiration(date(2025, 7, 5), is_session)


def test_refusal_tells_what_is_listed() -> None:
    found = choose_expiration("AAPL", [date(2025, 6, 6), date(2025, 9, 19)], TODAY, is_session)
    assert isinstance(found, SpreadRefusal)
    assert found.code is RefusalCode.NO_EXPIRATION
    assert "2025-06-06 (4 days), 2025-09-19 (109 days)" in found.text
    assert str(found).startswith("AAPL: no weekly expiration in 30 to 60 days")


def test_nothing_listed_is_refused_too() -> None:
    found = choose_expiration("AAPL", [], TODAY, is_session)
    assert isinstance(found, SpreadRefusal)
    assert "none" in found.text


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
