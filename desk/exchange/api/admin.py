"""What drives a replay beside Alpaca's API: virtual time, status, the report, faults, reset, saving, stopping, the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, StrictInt, ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from desk.domain.errors import ConfigurationError
from desk.exchange import day_end
from desk.exchange.api.answers import answer, json_body
from desk.exchange.api.page import PAGE, POLICY, page_json
from desk.exchange.api.wire import Json, instant, money
from desk.exchange.config import ExchangeConfig, holdings_of
from desk.exchange.exposure import BareWindow
from desk.exchange.faults.load import listed, load_faults, parse_fault
from desk.exchange.machine.book import MEASURED_LATENCY, Latency
from desk.exchange.metrics import CONTENT_TYPE, Metrics
from desk.exchange.rules.rejections import Rejection, invalid
from desk.exchange.trading_account import Account
from desk.exchange.venue import Exchange

MOST_CONTRACTS = 1_000_000
LATENCIES = {"zero": Latency(), "measured": MEASURED_LATENCY}


@dataclass(frozen=True)
class Control:
    """What the server does when it is asked to: save the state, stop, begin anew, break the streams, stream what has happened."""

    save: Callable[[], None]
    shutdown: Callable[[], None]
    listeners: Callable[[], int]
    drop_streams: Callable[[], None]
    flush: Callable[[], None]
    reset: Callable[[ExchangeConfig], None]


class AdminRoutes:
    """Endpoints of the exchange's own."""

    def __init__(self, exchange: Exchange, control: Control, metrics: Metrics) -> None:
        self._exchange = exchange
        self._control = control
        self._metrics = metrics

    def routes(self) -> list[Route]:
        return [
            Route("/", self._page, methods=["GET"]),
            Route("/page.json", self._page_data, methods=["GET"]),
            Route("/healthz", self._health, methods=["GET"]),
            Route("/metrics", self._figures, methods=["GET"]),
            Route("/admin/advance", self._advance, methods=["POST"]),
            Route("/admin/status", self._status, methods=["GET"]),
            Route("/admin/report", self._report, methods=["GET"]),
            Route("/admin/save", self._save, methods=["POST"]),
            Route("/admin/reset", self._reset, methods=["POST"]),
            Route("/admin/shutdown", self._shutdown, methods=["POST"]),
            Route("/admin/faults", self._faults, methods=["GET"]),
            Route("/admin/faults", self._add_faults, methods=["POST"]),
            Route("/admin/faults", self._clear_faults, methods=["DELETE"]),
            Route("/admin/assign", self._assign, methods=["POST"]),
            Route("/admin/streams/drop", self._drop_streams, methods=["POST"]),
        ]

    async def _page(self, request: Request) -> Response:
        return HTMLResponse(PAGE, headers={"Content-Security-Policy": POLICY})

    async def _page_data(self, request: Request) -> Response:
        return answer(page_json(self._exchange, request.query_params.get("account", "0")))

    async def _health(self, request: Request) -> Response:
        return answer({"status": "ok", "now": instant(self._exchange.now)})

    async def _figures(self, request: Request) -> Response:
        return Response(self._metrics.text(), headers={"content-type": CONTENT_TYPE})

    async def _advance(self, request: Request) -> Response:
        return answer(advance(self._exchange, await json_body(request)))

    async def _status(self, request: Request) -> Response:
        return answer(status(self._exchange, self._control.listeners()))

    async def _report(self, request: Request) -> Response:
        return answer(report(request.scope["account"]))

    async def _save(self, request: Request) -> Response:
        try:
            self._control.save()
        except OSError as error:
            return answer(Rejection(500, 50010000, f"the state was not saved: {error.strerror}"))
        return answer({"saved": self._exchange.config.state_file is not None, "now": instant(self._exchange.now)})

    async def _reset(self, request: Request) -> Response:
        wanted = changed_config(self._exchange.config, await json_body(request))
        if isinstance(wanted, Rejection):
            return answer(wanted)
        try:
            faults = () if wanted.faults is None else load_faults(wanted.faults)
            self._control.reset(wanted)
        except ConfigurationError as error:
            return answer(invalid(str(error)))
        self._exchange.faults.restart(wanted.seed)
        self._exchange.faults.extend(faults)
        return await self._status(request)

    async def _shutdown(self, request: Request) -> Response:
        self._control.shutdown()
        return answer({"stopping": True})

    async def _faults(self, request: Request) -> Response:
        return answer({"faults": [listed(entry) for entry in self._exchange.faults.entries()]})

    async def _add_faults(self, request: Request) -> Response:
        body = await json_body(request)
        given = body.get("faults") if isinstance(body, Mapping) and "faults" in body else [body]
        try:
            if not isinstance(given, list):
                raise ValueError("faults: give a list of faults")
            faults = [parse_fault(fault) for fault in given]
        except ValueError as error:
            return answer(invalid(str(error)))
        return answer({"faults": [listed(self._exchange.faults.add(fault)) for fault in faults]})

    async def _clear_faults(self, request: Request) -> Response:
        cleared = len(self._exchange.faults.entries())
        self._exchange.faults.clear()
        self._exchange.machine_faults.release(self._exchange.accounts.values())
        return answer({"cleared": cleared})

    async def _assign(self, request: Request) -> Response:
        """{"symbol": OCC symbol, "qty": contracts}: the holder of a short option of this account exercises it."""
        body = await json_body(request)
        quantity = quantity_of(body.get("qty")) if isinstance(body, Mapping) else None
        if quantity is None or not isinstance(body, Mapping) or not isinstance(body.get("symbol"), str):
            return answer(invalid('invalid assignment: send {"symbol": "AAPL081018P00160000", "qty": 1}'))
        refused = day_end.assign(request.scope["account"], body["symbol"], quantity)
        return answer({"assigned": True} if refused is None else refused)

    async def _drop_streams(self, request: Request) -> Response:
        dropped = self._control.listeners()
        self._control.drop_streams()
        return answer({"dropped": dropped})


class _Changes(BaseModel):
    """What a reset may change."""

    model_config = ConfigDict(extra="forbid")

    start: date | None = None
    seed: int | None = None
    cash_usd: float | None = None
    multiplier: int | None = None
    options_level: int | None = None
    holdings: dict[str, StrictInt] | None = None
    partial_fill_probability: float | None = None
    spread_bps: float | None = None
    with_fees: bool | None = None
    has_sip: bool | None = None
    requests_per_minute: int | None = None
    latency: Literal["zero", "measured"] | None = None
    not_fractionable: frozenset[str] | None = None
    not_shortable: frozenset[str] | None = None
    hard_to_borrow: frozenset[str] | None = None


def changed_config(config: ExchangeConfig, body: object) -> ExchangeConfig | Rejection:
    """`config` with what the body of a reset gives; an empty body changes nothing."""
    try:
        changes = _Changes.model_validate({} if body is None else body).model_dump(exclude_unset=True)
        if changes.get("latency") is not None:
            changes["latency"] = LATENCIES[changes["latency"]]
        if changes.get("holdings") is not None:
            changes["holdings"] = holdings_of(changes["holdings"])
        values: dict[str, Any] = {name: value for name, value in changes.items() if value is not None}
        if "requests_per_minute" in changes:
            values["requests_per_minute"] = changes["requests_per_minute"]
        return replace(config, **values)
    except ValidationError as error:
        first = error.errors()[0]
        return invalid(f"{'.'.join(str(part) for part in first['loc']) or 'body'}: {first['msg']}")
    except ConfigurationError as error:
        return invalid(str(error))


def quantity_of(value: object) -> Decimal | None:
    """A whole number above zero, as a number or as text."""
    try:
        quantity = Decimal(str(value))
        return quantity if 0 < quantity <= MOST_CONTRACTS and quantity == quantity.to_integral_value() else None
    except ArithmeticError:
        return None


def parse_instant(text: object) -> datetime | None:
    """An aware instant in UTC from RFC 3339 text; a bare date is midnight UTC. None when it is none."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def advance(exchange: Exchange, body: object) -> Json | Rejection:
    """{"to": RFC 3339}: move there, or to the first instant that sends a trade update."""
    to = parse_instant(body.get("to")) if isinstance(body, dict) else None
    if to is None:
        return invalid('invalid to: send {"to": "2008-09-02T13:30:00Z"}')
    reached = exchange.advance(to)
    if isinstance(reached, Rejection):
        return reached
    return {"now": instant(exchange.now), "events_emitted": events_emitted(exchange), "reached": reached}


def events_emitted(exchange: Exchange) -> int:
    """Trade updates of all accounts so far."""
    return sum(account.ledger.events_emitted for account in exchange.accounts.values())


def status(exchange: Exchange, listeners: int) -> Json:
    opened = exchange.sessions.from_day(exchange.opened_at.date())
    return {
        "now": instant(exchange.now),
        "events_emitted": events_emitted(exchange),
        "listeners": listeners,
        "accounts": len(exchange.accounts),
        "sessions": [session.day.isoformat() for session in opened],
    }


def window_json(window: BareWindow, account: Account) -> Json:
    """A time during which shares stood bare; `to` is null as long as they do."""
    is_open = window.symbol in account.bare and window.until == account.exchange.now
    return {
        "symbol": window.symbol,
        "from": instant(window.since),
        "to": None if is_open else instant(window.until),
        "most_shares": float(window.most_shares),
        "share_seconds": float(window.share_seconds),
    }


def report(account: Account) -> Json:
    """The exchange's own report on an account's run so far; dollars as numbers."""
    ledger, exposure = account.ledger, account.ledger.exposure
    return {
        "unprotected_share_seconds": float(sum(exposure.share_seconds.values())),
        "unprotected_by_symbol": {symbol: float(seconds) for symbol, seconds in sorted(exposure.share_seconds.items())},
        "unprotected_window_count": exposure.count,
        "unprotected_windows": [window_json(window, account) for window in exposure.newest()],
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
        "equity_usd": float(money(account.equity())),
        "cash_usd": float(money(account.book.cash_usd)),
        "gapped_stops": [
            {
                "symbol": stop.symbol,
                "at": instant(stop.at),
                "stop_price": float(stop.stop_price),
                "fill_price": float(stop.fill_price),
                "shares": float(stop.shares),
            }
            for stop in ledger.gapped
        ],
    }
