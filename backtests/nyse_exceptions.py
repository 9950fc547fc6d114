"""Write the table of days on which the New York Stock Exchange is closed or keeps other hours.

    python backtests/nyse_exceptions.py         writes desk/data/nyse_exceptions.csv anew, after pandas_market_calendars changed

A row is a day, its opening and its close in New York; both are empty on a weekday without a session.
"""

from __future__ import annotations

import sys
from datetime import date, timedelta
from pathlib import Path

from desk.data.calendars import NEW_YORK, REGULAR, SATURDAY, TABLE_YEARS, from_library

TABLE = Path(__file__).parents[1] / "desk" / "data" / "nyse_exceptions.csv"


def rows(year: int) -> list[str]:
    """The exceptions of a year."""
    known, found = from_library(year), []
    days = (date(year, 1, 1) + timedelta(days=number) for number in range(366))
    for day in (day for day in days if day.year == year and day.weekday() < SATURDAY):
        session = known.get(day)
        if session is None:
            found.append(f"{day},,")
            continue
        opens, closes = (at.astimezone(NEW_YORK).time() for at in (session.opens_at, session.closes_at))
        if (opens, closes) != REGULAR:
            found.append(f"{day},{opens:%H:%M},{closes:%H:%M}")
    return found


def table() -> str:
    """The whole file."""
    return "".join(f"{row}\n" for year in TABLE_YEARS for row in rows(year))


def main() -> int:
    TABLE.write_text(table(), encoding="utf-8")
    print(f"{TABLE.relative_to(TABLE.parents[2])}: {len(TABLE.read_text(encoding='utf-8').splitlines())} days")
    return 0


if __name__ == "__main__":
    sys.exit(main())
