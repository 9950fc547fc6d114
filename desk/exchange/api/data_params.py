"""Query parameters of the market data API: symbols, span, feed, paging; every wrong value is a 400, every forbidden one a 403."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from desk.data.calendars import NEW_YORK
from desk.exchange.rules.rejections import UNPROCESSABLE, Rejection

BAD_REQUEST = 40010001
DEFAULT_LIMIT, LARGEST_LIMIT = 1000, 10_000
MOST_SYMBOLS = 5000
SIP_DELAY = timedelta(minutes=15)
HISTORIC_FEEDS = frozenset({"sip", "iex", "otc", "boats"})
LATEST_FEEDS = HISTORIC_FEEDS | {"delayed_sip", "overnight"}
# These have prices of their own times and instruments, none of which are in the sources here.
EMPTY_FEEDS = frozenset({"otc", "boats", "overnight"})
SYMBOL = re.compile(r"^[A-Z][A-Z0-9]{0,7}([./][A-Z0-9]{1,4})?$")
OPTION_SYMBOL = re.compile(r"^[A-Z][A-Z0-9]{0,5}\d{6}[CP]\d{8}$")
ADJUSTMENTS = frozenset({"raw", "split", "dividend", "spin-off", "all"})
EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
Params = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended: the last item's symbol and instant (epoch nanoseconds)."""

    symbol: str
    at: int

    def token(self) -> str:
        return urlsafe_b64encode(f"{self.symbol}|{self.at}".encode()).decode()


@dataclass(frozen=True, slots=True)
class Span:
    """What is asked for: `start` and `end` inclusive, `limit` over all symbols."""

    symbols: tuple[str, ...]
    start: datetime
    end: datetime
    limit: int = DEFAULT_LIMIT
    newest_first: bool = False
    cursor: Cursor | None = None


def bad(message: str) -> Rejection:
    """A 400: a parameter is wrong."""
    return Rejection(400, BAD_REQUEST, message)


def recent_sip() -> Rejection:
    """What an account without SIP data gets for asking about the last 15 minutes."""
    return Rejection(403, UNPROCESSABLE, "subscription does not permit querying recent SIP data")


def parse_instant(text: str) -> datetime | None:
    """RFC 3339 or YYYY-MM-DD (midnight UTC) as UTC, moved into 1900 to 2200; None when it is neither."""
    try:
        at = datetime.fromisoformat(text.strip())
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return min(max(at, EARLIEST), LATEST)


def parse_symbols(text: str | None, pattern: re.Pattern[str] = SYMBOL, most: int = MOST_SYMBOLS) -> tuple[str, ...] | Rejection:
    """Symbols of a comma-separated list, sorted, each once."""
    symbols = sorted({part.strip() for part in (text or "").split(",")} - {""})
    if not symbols:
        return bad("symbols is required")
    if len(symbols) > most:
        return bad(f"too many symbols: {len(symbols)}, at most {most}")
    wrong = next((symbol for symbol in symbols if not pattern.match(symbol)), None)
    return bad(f"invalid symbol: {wrong}") if wrong is not None else tuple(symbols)


def parse_whole(params: Params, name: str, default: int, largest: int) -> int | Rejection:
    """A whole number from 1 to `largest`."""
    text = params.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or not 1 <= int(text) <= largest:
        return bad(f"invalid {name}: {text[:20]}")
    return int(text)


def parse_cursor(params: Params) -> Cursor | Rejection | None:
    token = params.get("page_token")
    if not token:
        return None
    try:
        symbol, at = urlsafe_b64decode(token).decode().split("|")
        return Cursor(symbol, int(at))
    except ValueError:
        return bad("invalid page_token")


def parse_feed(params: Params, default: str, feeds: frozenset[str] = HISTORIC_FEEDS) -> str | Rejection:
    feed = params.get("feed") or default
    return feed if feed in feeds else bad(f"invalid feed: {feed[:20]}")


def check_shape(params: Params) -> Rejection | None:
    """Adjustment, currency, as-of date and order; the currency is dollars, and symbols have never changed here."""
    wrong = set((params.get("adjustment") or "raw").split(",")) - ADJUSTMENTS
    if wrong:
        return bad(f"invalid adjustment: {sorted(wrong)[0][:20]}")
    if (params.get("currency") or "USD") != "USD":
        return bad(f"invalid currency: {params['currency'][:10]}")
    as_of = params.get("asof") or "-"
    if as_of != "-" and parse_instant(as_of) is None:
        return bad(f"invalid asof: {as_of[:20]}")
    if (params.get("sort") or "asc") not in ("asc", "desc"):
        return bad(f"invalid sort: {params['sort'][:20]}")
    return None


def parse_span(params: Params, symbols: tuple[str, ...], now: datetime, has_recent: bool) -> Span | Rejection:
    """The asked span. Without a right to recent data (`has_recent`) the end defaults to 15 minutes ago, and may not be later.

    Both default ends are as documented; that an explicit start within the last 15 minutes is refused too is this
    exchange's reading.
    """
    latest = now if has_recent else now - SIP_DELAY
    limit, cursor = parse_whole(params, "limit", DEFAULT_LIMIT, LARGEST_LIMIT), parse_cursor(params)
    wrong = next((each for each in (limit, cursor, check_shape(params)) if isinstance(each, Rejection)), None)
    if wrong is not None:
        return wrong
    ends = _ends(params, latest)
    if isinstance(ends, Rejection):
        return ends
    start, end = ends
    if not has_recent and max(start, end) > latest:
        return recent_sip()
    if start > end:
        return bad("end should not be before start")
    assert isinstance(limit, int) and not isinstance(cursor, Rejection)
    return Span(symbols, start, end, limit, params.get("sort") == "desc", cursor)


def _ends(params: Params, latest: datetime) -> tuple[datetime, datetime] | Rejection:
    """Start and end; the start defaults to midnight New York, at the latest to `latest`, the end to `latest`."""
    given: dict[str, datetime] = {}
    for name in ("start", "end"):
        if params.get(name):
            at = parse_instant(params[name])
            if at is None:
                return bad(f"invalid {name}: {params[name][:40]}, send RFC 3339 or YYYY-MM-DD")
            given[name] = at
    end = given.get("end", latest)
    midnight = latest.astimezone(NEW_YORK).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
    return given.get("start", min(midnight, latest)), end
