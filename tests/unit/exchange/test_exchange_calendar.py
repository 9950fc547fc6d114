"""Calendar and clocks, without a server."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from desk.data import calendars
from desk.exchange.api.calendar import market_clock_json, market_day_json, parse_day, phase_of, sessions_between
from desk.exchange.market.sessions import SessionTable, nyse_sessions

DAYS = (date(2008, 9, 2), date(2008, 9, 4), date(2008, 9, 5))  # the data lack the third of September
TABLE = nyse_sessions(DAYS)


def test_the_replays_own_days_count_where_it_has_them_and_the_exchanges_elsewhere() -> None:
    found = [session.day.isoformat() for session in sessions_between(TABLE, date(2008, 8, 28), date(2008, 9, 9))]
    assert found == ["2008-08-28", "2008-08-29", "2008-09-02", "2008-09-04", "2008-09-05", "2008-09-08", "2008-09-09"]
    assert [session.day for session in sessions_between(SessionTable((), 0), date(2008, 9, 1), date(2008, 9, 3))] == [
        date(2008, 9, 2),
        date(2008, 9, 3),
    ]


@pytest.mark.parametrize(
    ("at", "phase", "until"),
    [
        ("2026-11-27T08:59:59", "closed", "2026-11-27T09:00:00"),
        ("2026-11-27T09:00:00", "pre", "2026-11-27T14:30:00"),
        ("2026-11-27T14:30:00", "core", "2026-11-27T18:00:00"),  # the day after Thanksgiving closes at 13:00
        ("2026-11-27T18:00:00", "post", "2026-11-28T01:00:00"),
        ("2026-11-28T01:00:00", "closed", "2026-11-30T09:00:00"),
    ],
)
def test_phases_follow_one_another(at: str, phase: str, until: str) -> None:
    around = list(calendars.sessions(date(2026, 11, 13), date(2026, 12, 11)))
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert phase_of(around, moment) == (phase, datetime.fromisoformat(until).replace(tzinfo=UTC))
    clock = market_clock_json({"acronym": "NYSE"}, around, moment)
    assert clock["is_market_day"] is (at < "2026-11-28T05")


def test_a_day_shows_its_hours_in_new_york_or_in_utc() -> None:
    session = calendars.session_on(date(2026, 11, 27))
    assert session is not None
    local = market_day_json(session, date(2026, 11, 30), is_utc=False)
    assert (local["core_start"], local["core_end"]) == ("2026-11-27T09:30:00-05:00", "2026-11-27T13:00:00-05:00")
    assert market_day_json(session, date(2026, 11, 30), is_utc=True)["pre_start"] == "2026-11-27T09:00:00Z"


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2008-09-02", date(2008, 9, 2)),
        ("2008-09-02T23:00:00-04:00", date(2008, 9, 2)),
        ("20080902", date(2008, 9, 2)),
        ("2008-9-2", None),
        ("", None),
        ("soon", None),
    ],
)
def test_days_are_read_with_or_without_a_time(text: str, day: date | None) -> None:
    assert parse_day(text) == day
