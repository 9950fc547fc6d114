from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from desk.data.calendars import (
    TABLE_YEARS,
    from_library,
    from_table,
    next_session,
    previous_session,
    session_dates,
    session_on,
    sessions,
)


def test_a_winter_and_a_summer_session_open_at_half_past_nine_in_new_york():
    winter, summer = session_on(date(2024, 1, 16)), session_on(date(2024, 7, 1))
    assert winter is not None and summer is not None
    assert winter.opens_at == datetime(2024, 1, 16, 14, 30, tzinfo=UTC)
    assert summer.closes_at == datetime(2024, 7, 1, 20, 0, tzinfo=UTC)
    assert not winter.is_half_day


def test_weekends_and_holidays_have_no_session():
    assert session_on(date(2024, 7, 4)) is None
    assert session_on(date(2024, 7, 6)) is None
    # Closed for four sessions after 11 September 2001, and for a storm in October 2012.
    assert session_dates(date(2001, 9, 10), date(2001, 9, 17)) == (date(2001, 9, 10), date(2001, 9, 17))
    assert session_on(date(2012, 10, 29)) is None


def test_half_days_close_at_one():
    session = session_on(date(2024, 7, 3))
    assert session is not None and session.is_half_day
    assert session.closes_at == datetime(2024, 7, 3, 17, 0, tzinfo=UTC)


def test_ranges_include_both_ends_and_cross_years():
    days = session_dates(date(2023, 12, 29), date(2024, 1, 2))
    assert days == (date(2023, 12, 29), date(2024, 1, 2))
    assert sessions(date(2024, 1, 2), date(2023, 12, 29)) == ()


def test_neighbours_skip_closed_days():
    assert next_session(date(2024, 7, 3)).day == date(2024, 7, 5)
    assert previous_session(date(2024, 7, 8)).day == date(2024, 7, 5)
    assert next_session(date(2001, 9, 10)).day == date(2001, 9, 17)


@pytest.mark.slow
def test_the_table_says_what_the_library_says():
    """Where it does not, the library has learned of a change: `python backtests/nyse_exceptions.py` writes the table anew."""
    for year in TABLE_YEARS:
        assert from_table(year) == from_library(year)


@pytest.mark.parametrize("year", [TABLE_YEARS[0] - 1, TABLE_YEARS[-1] + 1])
def test_years_beyond_the_table_are_the_librarys(year):
    found = sessions(date(year, 1, 1), date(year, 12, 31))
    assert 250 <= len(found) <= 254 and all(session.day.year == year for session in found)
