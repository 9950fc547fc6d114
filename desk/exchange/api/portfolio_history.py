"""GET /v2/account/portfolio/history: what a client may ask for (https://docs.alpaca.markets/reference/getaccountportfoliohistory)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.exchange.api.activities import ACTIVITY_TYPES
from desk.exchange.api.answers import answer
from desk.exchange.api.data_params import parse_instant
from desk.exchange.api.trading import account_of
from desk.exchange.history import (
    DAY,
    REPORTING,
    STEPS,
    HistoryQuery,
    Period,
    default_timeframe,
    history,
    history_json,
    whole_days,
)
from desk.exchange.machine.orders import UNIT_USD
from desk.exchange.market.sessions import LATE_CLOSE, new_york
from desk.exchange.rules.rejections import Rejection, invalid
from desk.exchange.venue import Exchange

PERIOD = re.compile(r"^([0-9]{1,4})(D|W|M|A)$")
EPOCH_SECONDS = re.compile(r"^[0-9]{1,11}$")
LONGEST_DAYS, LONGEST_INTRADAY_DAYS = 36_500, 30
DEFAULT_PERIOD = Period(1, "M")
Span = tuple[datetime, datetime, float]


class PortfolioHistoryRoutes:
    """Equity of whoever asks, over time."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def routes(self) -> list[Route]:
        return [Route("/v2/account/portfolio/history", self.history, methods=["GET"])]

    async def history(self, request: Request) -> Response:
        exchange = self.exchange
        query = parse_query(request.query_params, exchange.now)
        if isinstance(query, Rejection):
            return answer(query)
        found = history(query, account_of(request).ledger, exchange.sessions, exchange.now, self._price)
        return answer(history_json(found, query.timeframe))

    def _price(self, symbol: str, at: datetime) -> Decimal:
        return (self.exchange.market.worth(symbol, at) or 0) * UNIT_USD


def parse_query(params: Mapping[str, str], now: datetime) -> HistoryQuery | Rejection:
    """The query of a request's parameters, with Alpaca's defaults; dates that cannot be together are refused."""
    reporting = _reporting(params)
    kinds = _cashflow_kinds(params.get("cashflow_types"))
    pnl_reset = params.get("pnl_reset") or "per_day"
    span = _span(params, now, reporting == "continuous")
    for part in (reporting, kinds, span):
        if isinstance(part, Rejection):
            return part
    if pnl_reset not in ("per_day", "no_reset"):
        return invalid(f"invalid pnl_reset: {pnl_reset[:40]}; send per_day or no_reset")
    assert isinstance(reporting, str) and not isinstance(kinds, Rejection) and not isinstance(span, Rejection)
    start, end, days = span
    timeframe = params.get("timeframe") or default_timeframe(days)
    if timeframe not in STEPS:
        return invalid(f"invalid timeframe: {timeframe[:40]}; send one of {', '.join(STEPS)}")
    if days > LONGEST_INTRADAY_DAYS and timeframe != DAY:
        return invalid(
            f"timeframe {timeframe} is for at most {LONGEST_INTRADAY_DAYS} days; send timeframe 1D or a shorter period"
        )
    return HistoryQuery(timeframe, start, end, reporting, pnl_reset == "per_day", kinds)


def _reporting(params: Mapping[str, str]) -> str | Rejection:
    reporting = params.get("intraday_reporting")
    if not reporting:
        return "extended_hours" if (params.get("extended_hours") or "").lower() == "true" else "market_hours"
    return reporting if reporting in REPORTING else invalid(f"invalid intraday_reporting: send one of {', '.join(REPORTING)}")


def _cashflow_kinds(text: str | None) -> frozenset[str] | Rejection | None:
    """Activity types; None for all of them, an empty set for none."""
    if not text or text == "NONE":
        return frozenset()
    if text == "ALL":
        return None
    kinds = frozenset(text.split(","))
    unknown = sorted(kinds - ACTIVITY_TYPES)
    return invalid(f"invalid cashflow_types: {unknown[0][:40]} is no activity type") if unknown else kinds


def _span(params: Mapping[str, str], now: datetime, is_continuous: bool) -> Span | Rejection:
    """First and last instant, and the length in days that limits go by."""
    period, start, end = _period(params.get("period")), _moment(params, "start"), _end(params)
    for part in (period, start, end):
        if isinstance(part, Rejection):
            return part
    assert not isinstance(period, Rejection) and not isinstance(start, Rejection) and not isinstance(end, Rejection)
    if period is not None and start is not None and end is not None:
        return invalid("period must not be combined with both start and end")
    if start is not None and end is not None:
        return (start, end, (end - start) / timedelta(days=1)) if start <= end else invalid("start must not be after end")
    period = period or DEFAULT_PERIOD
    try:
        return *_spanned(period, start, end, now, is_continuous), float(period.days)
    except (ValueError, OverflowError):
        return invalid("invalid period: the span leaves the calendar")


def _spanned(
    period: Period, start: datetime | None, end: datetime | None, now: datetime, is_continuous: bool
) -> tuple[datetime, datetime]:
    if start is not None:
        return start, period.after(start)
    if end is not None:
        return period.before(end), end
    return (period.before(now) if is_continuous else whole_days(period, now)), now


def _period(text: str | None) -> Period | Rejection | None:
    if not text:
        return None
    found = PERIOD.match(text)
    period = Period(int(found[1]), found[2]) if found else None
    if period is None or not 1 <= period.days <= LONGEST_DAYS:
        return invalid(f"invalid period: {text[:40]}; send a number and D, W, M or A, such as 1M")
    return period


def _moment(params: Mapping[str, str], name: str) -> datetime | Rejection | None:
    """RFC 3339, a date (midnight UTC), or seconds since the epoch."""
    text = params.get(name)
    if not text:
        return None
    at = datetime.fromtimestamp(int(text), UTC) if EPOCH_SECONDS.match(text) else parse_instant(text)
    return invalid(f"invalid {name}: {text[:40]}; send RFC 3339, YYYY-MM-DD or epoch seconds") if at is None else at


def _end(params: Mapping[str, str]) -> datetime | Rejection | None:
    """`end`, or the end of the older parameter `date_end`'s day."""
    text = params.get("date_end")
    if params.get("end") or not text:
        return _moment(params, "end")
    try:
        return new_york(date.fromisoformat(text[:10]), LATE_CLOSE)
    except (ValueError, OverflowError):
        return invalid(f"invalid date_end: {text[:40]}; send YYYY-MM-DD")
