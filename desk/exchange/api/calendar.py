"""Clock and calendar, versions 2 and 3 (https://docs.alpaca.markets/reference/legacycalendar).

Inside the replayed days the calendar is the replay's own; before and after them it is that of the New York
Stock Exchange, 1970 to 2029.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.data import calendars
from desk.data.calendars import NEW_YORK, Session
from desk.exchange.api.answers import answer
from desk.exchange.api.data_params import bad, parse_instant
from desk.exchange.api.wire import Json
from desk.exchange.market.sessions import EARLY_OPEN, LATE_CLOSE, SessionTable, new_york
from desk.exchange.rules.rejections import Rejection
from desk.exchange.venue import Exchange

FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2029, 12, 31)
ONE_DAY, PAUSE = timedelta(days=1), timedelta(days=14)
NYSE: Json = {"acronym": "NYSE", "mic": "XNYS", "name": "New York Stock Exchange", "timezone": "America/New_York"}
NASDAQ: Json = {"acronym": "NASDAQ", "mic": "XNAS", "name": "NASDAQ Stock Market", "timezone": "America/New_York"}
MARKETS: Mapping[str, Json] = {"NYSE": NYSE, "XNYS": NYSE, "NASDAQ": NASDAQ, "XNAS": NASDAQ}
Pair = tuple[Session, date]


class CalendarRoutes:
    """Time and trading days of one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def routes(self) -> list[Route]:
        return [
            Route("/v2/clock", self.clock, methods=["GET"]),
            Route("/v2/calendar", self.calendar, methods=["GET"]),
            Route("/v3/clock", self.clocks, methods=["GET"]),
            Route("/v3/calendar/{market}", self.market_calendar, methods=["GET"]),
        ]

    async def clock(self, request: Request) -> Response:
        now, table = self.exchange.now, self.exchange.sessions
        moments = {"timestamp": now, "next_open": table.next_open(now), "next_close": table.next_close(now)}
        shown = {name: _local(at) for name, at in moments.items()}
        return answer({"timestamp": shown.pop("timestamp"), "is_open": table.is_open(now), **shown})

    async def calendar(self, request: Request) -> Response:
        params = request.query_params
        days = _days(params, FIRST_DAY, lambda start: LAST_DAY)
        if isinstance(days, Rejection):
            return answer(days)
        date_type = params.get("date_type") or "TRADING"
        if date_type not in ("TRADING", "SETTLEMENT"):
            return answer(bad(f"invalid date_type: {date_type[:40]}; send TRADING or SETTLEMENT"))
        # All sixty years take seconds to work out the first time: nobody else waits for that.
        return answer(await asyncio.to_thread(self._calendar, *days, date_type == "SETTLEMENT"))

    def _calendar(self, start: date, end: date, by_settlement: bool) -> list[Json]:
        pairs = self._pairs(start - PAUSE if by_settlement else start, end)
        return [calendar_json(session, settles) for session, settles in pairs if not by_settlement or start <= settles <= end]

    async def clocks(self, request: Request) -> Response:
        params = request.query_params
        markets = (params.get("markets") or "NYSE,NASDAQ").split(",")
        at = parse_instant(params["time"]) if params.get("time") else self.exchange.now
        unknown = next((market for market in markets if market not in MARKETS), None)
        if unknown is not None:
            return answer(_no_market(unknown))
        if at is None or not FIRST_DAY + PAUSE < at.date() < LAST_DAY - PAUSE:
            return answer(bad("invalid time: send RFC 3339, from 1970 to 2029"))
        day = at.astimezone(NEW_YORK).date()
        around = list(sessions_between(self.exchange.sessions, day - PAUSE, day + PAUSE))
        return answer({"clocks": [market_clock_json(MARKETS[market], around, at) for market in markets]})

    async def market_calendar(self, request: Request) -> Response:
        market, params = request.path_params["market"], request.query_params
        if market not in MARKETS:
            return answer(_no_market(market))
        days = _days(params, self.exchange.today, lambda start: start + timedelta(days=7))
        if isinstance(days, Rejection):
            return answer(days)
        zone = params.get("timezone")
        if zone not in (None, "", "UTC"):
            return answer(bad("invalid timezone: send UTC, or leave it out for the market's own"))
        found = [market_day_json(session, settles, is_utc=zone == "UTC") for session, settles in self._pairs(*days)]
        return answer({"market": MARKETS[market], "calendar": found})

    def _pairs(self, start: date, end: date) -> Iterator[Pair]:
        """Sessions with the days on which their trades settle: the next session (T+1, as since 2024-05-28)."""
        found = list(sessions_between(self.exchange.sessions, start, end + PAUSE))
        for session, after in itertools.pairwise(found):
            if session.day <= end:
                yield session, after.day


def sessions_between(table: SessionTable, first: date, last: date) -> Iterator[Session]:
    """Sessions from `first` to `last`: the table's where it reaches, the New York Stock Exchange's elsewhere."""
    known = table.sessions
    if not known:
        yield from calendars.sessions(first, last)
        return
    yield from calendars.sessions(first, min(last, known[0].day - ONE_DAY))
    yield from (session for session in known if first <= session.day <= last)
    yield from calendars.sessions(max(first, known[-1].day + ONE_DAY), last)


def parse_day(text: str) -> date | None:
    """A date, or that of an RFC 3339 instant as written; None when it is neither."""
    try:
        return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text).date()
    except ValueError:
        return None


def _days(params: Mapping[str, str], default: date, last_of: Callable[[date], date]) -> tuple[date, date] | Rejection:
    """Start and end, both inclusive, cut to the years that the calendar has."""
    start = parse_day(params["start"]) if params.get("start") else default
    if start is None:
        return bad(f"invalid start: {params['start'][:40]}; send YYYY-MM-DD")
    end = parse_day(params["end"]) if params.get("end") else last_of(min(start, LAST_DAY))
    if end is None:
        return bad(f"invalid end: {params['end'][:40]}; send YYYY-MM-DD")
    return max(start, FIRST_DAY), min(end, LAST_DAY)


def _no_market(market: str) -> Rejection:
    return bad(f"market {market[:20]} is not served here; send {', '.join(MARKETS)}")


def _local(at: datetime) -> str:
    return at.astimezone(NEW_YORK).isoformat()


def calendar_json(session: Session, settles: date) -> Json:
    opened, closed = session.opens_at.astimezone(NEW_YORK), session.closes_at.astimezone(NEW_YORK)
    return {
        "date": session.day.isoformat(),
        "open": opened.strftime("%H:%M"),
        "close": closed.strftime("%H:%M"),
        "session_open": f"{EARLY_OPEN:%H%M}",
        "session_close": f"{LATE_CLOSE:%H%M}",
        "settlement_date": settles.isoformat(),
    }


def market_day_json(session: Session, settles: date, is_utc: bool) -> Json:
    early, late = new_york(session.day, EARLY_OPEN), new_york(session.day, LATE_CLOSE)
    bounds = {"pre": (early, session.opens_at), "core": (session.opens_at, session.closes_at), "post": (session.closes_at, late)}
    shape: Json = {"date": session.day.isoformat(), "settlement_date": settles.isoformat()}
    for name, (begins, ends) in bounds.items():
        for part, at in (("start", begins), ("end", ends)):
            shape[f"{name}_{part}"] = at.astimezone(UTC).isoformat().replace("+00:00", "Z") if is_utc else _local(at)
    return shape


def market_clock_json(market: Json, around: list[Session], at: datetime) -> Json:
    """The clock of a market at `at`; `around` are the sessions from two weeks before to two weeks after it."""
    phase, until = phase_of(around, at)
    return {
        "market": market,
        "timestamp": _local(at),
        "is_market_day": any(session.day == at.astimezone(NEW_YORK).date() for session in around),
        "next_market_open": _local(next(session.opens_at for session in around if session.opens_at > at)),
        "next_market_close": _local(next(session.closes_at for session in around if session.closes_at > at)),
        "phase": phase,
        "phase_until": _local(until),
    }


def phase_of(around: list[Session], at: datetime) -> tuple[str, datetime]:
    """Alpaca's name of the phase at `at`, and when it ends."""
    for session in around:
        early, late = new_york(session.day, EARLY_OPEN), new_york(session.day, LATE_CLOSE)
        for phase, until in (("closed", early), ("pre", session.opens_at), ("core", session.closes_at), ("post", late)):
            if at < until:
                return phase, until
    raise LookupError(f"no session after {at} among the {len(around)} given")
