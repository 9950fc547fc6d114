"""What drives a replay beside Alpaca's API: virtual time, status, the report, saving and stopping."""

from __future__ import annotations

from datetime import UTC, datetime

from desk.exchange.rejections import Rejection, invalid
from desk.exchange.venue import Exchange
from desk.exchange.wire import Json, instant, money


def parse_instant(text: object) -> datetime | None:
    """An aware instant in UTC from RFC 3339 text; a bare date is midnight UTC. None when it is none."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def advance(exchange: Exchange, body: object) -> Json | Rejection:
    """{"to": RFC 3339}: move there, or to the first instant that sends a trade update."""
    to = parse_instant(body.get("to")) if isinstance(body, dict) else None
    if to is None:
        return invalid('invalid to: send {"to": "2008-09-02T13:30:00Z"}')
    reached = exchange.advance(to)
    if isinstance(reached, Rejection):
        return reached
    return {"now": instant(exchange.now), "events_emitted": exchange.ledger.events_emitted, "reached": reached}


def status(exchange: Exchange, listeners: int) -> Json:
    opened = exchange.sessions.from_day(exchange.opened_at.date())
    return {
        "now": instant(exchange.now),
        "events_emitted": exchange.ledger.events_emitted,
        "listeners": listeners,
        "sessions": [session.day.isoformat() for session in opened],
    }


def report(exchange: Exchange) -> Json:
    """The exchange's own account of the run so far; dollars as numbers."""
    ledger = exchange.ledger
    return {
        "unprotected_share_seconds": sum(ledger.unprotected_share_seconds.values()),
        "unprotected_by_symbol": dict(sorted(ledger.unprotected_share_seconds.items())),
        "orders_submitted": ledger.orders_submitted,
        "orders_rejected": len(ledger.refused),
        "rejections": [
            {
                "at": instant(refused.at),
                "client_order_id": refused.client_order_id,
                "status": refused.status,
                "code": refused.code,
                "message": refused.message,
            }
            for refused in ledger.refused
        ],
        "fills": len(ledger.executions),
        "equity_usd": float(money(exchange.equity())),
        "cash_usd": float(money(exchange.book.cash_usd)),
        "gapped_stops": [
            {
                "symbol": stop.symbol,
                "at": instant(stop.at),
                "stop_price": float(stop.stop_price),
                "fill_price": float(stop.fill_price),
                "shares": stop.shares,
            }
            for stop in ledger.gapped
        ],
    }
