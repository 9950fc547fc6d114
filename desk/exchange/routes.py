"""The trading API's endpoints over an exchange: from a request to Alpaca's answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from decimal import Decimal, InvalidOperation

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.data.source import Instrument
from desk.exchange.admin import parse_instant
from desk.exchange.jsontext import dumps, loads
from desk.exchange.listing import orders_json, parse_query
from desk.exchange.orders import Order
from desk.exchange.rejections import Rejection, invalid, not_found
from desk.exchange.valuation import account_json, position_json, positions_json
from desk.exchange.venue import Exchange, View
from desk.exchange.wire import Json, activity_json, asset_id, asset_json, calendar_json, clock_json, order_json

Handler = Callable[[Request], Awaitable[Response]]
LARGEST_PAGE = 100


def answer(value: object, status: int = 200) -> Response:
    """A JSON response; a rejection becomes its own status and body."""
    if isinstance(value, Rejection):
        status, value = value.status, value.body()
    return Response(dumps(value), status, media_type="application/json")


async def json_body(request: Request) -> object:
    """The request's JSON; None for what is no JSON."""
    try:
        return loads(await request.body())
    except ValueError:
        return None


class TradingRoutes:
    """Account, clock, calendar, assets, orders, positions and activities of one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def routes(self) -> list[Route]:
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/v2/account", self.account),
            ("GET", "/v2/clock", self.clock),
            ("GET", "/v2/calendar", self.calendar),
            ("GET", "/v2/assets", self.assets),
            ("GET", "/v2/assets/{symbol}", self.asset),
            ("POST", "/v2/orders", self.submit),
            ("GET", "/v2/orders", self.orders),
            ("DELETE", "/v2/orders", self.cancel_all),
            ("GET", "/v2/orders:by_client_order_id", self.order_by_client_id),
            ("GET", "/v2/orders/{order_id}", self.order),
            ("PATCH", "/v2/orders/{order_id}", self.replace),
            ("DELETE", "/v2/orders/{order_id}", self.cancel),
            ("GET", "/v2/positions", self.positions),
            ("DELETE", "/v2/positions", self.close_all),
            ("GET", "/v2/positions/{symbol}", self.position),
            ("DELETE", "/v2/positions/{symbol}", self.close),
            ("GET", "/v2/account/activities", self.activities),
            ("GET", "/v2/account/activities/{kind}", self.activities),
        ]
        return [Route(path, handler, methods=[method]) for method, path, handler in table]

    async def account(self, request: Request) -> Response:
        return answer(account_json(self.exchange))

    async def clock(self, request: Request) -> Response:
        now, table = self.exchange.now, self.exchange.sessions
        return answer(clock_json(now, table.is_open(now), table.next_open(now), table.next_close(now)))

    async def calendar(self, request: Request) -> Response:
        try:
            start = date.fromisoformat(request.query_params.get("start", "1970-01-01")[:10])
            end = date.fromisoformat(request.query_params.get("end", "2099-12-31")[:10])
        except ValueError:
            return answer(invalid("start and end must be dates such as 2008-09-02"))
        sessions = self.exchange.sessions.sessions
        pairs = zip(sessions, (*sessions[1:], sessions[-1]), strict=True)
        return answer([calendar_json(session, after) for session, after in pairs if start <= session.day <= end])

    async def assets(self, request: Request) -> Response:
        status = request.query_params.get("status")
        found = (self._asset(symbol) for symbol in self.exchange.market.source.symbols)
        return answer([asset for asset in found if status is None or asset["status"] == status])

    async def asset(self, request: Request) -> Response:
        symbol = self._symbol(request)
        if not self.exchange.market.has(symbol):
            return answer(not_found(f"asset not found for {symbol}"))
        return answer(self._asset(symbol))

    async def submit(self, request: Request) -> Response:
        body = await json_body(request)
        if isinstance(body, dict):
            request.scope["client_order_id"] = body.get("client_order_id")
        return _order_answer(request, self.exchange.submit(body))

    async def orders(self, request: Request) -> Response:
        query = parse_query(request.query_params)
        return answer(query if isinstance(query, Rejection) else orders_json(self.exchange, query))

    async def order(self, request: Request) -> Response:
        order_id = request.path_params["order_id"]
        return self._found(request, self.exchange.find(order_id), order_id)

    async def order_by_client_id(self, request: Request) -> Response:
        client_order_id = request.query_params.get("client_order_id", "")
        return self._found(request, self.exchange.find_by_client_id(client_order_id), client_order_id)

    async def replace(self, request: Request) -> Response:
        body = await json_body(request)
        return _order_answer(request, self.exchange.replace(request.path_params["order_id"], body))

    async def cancel(self, request: Request) -> Response:
        canceled = self.exchange.cancel(request.path_params["order_id"])
        if isinstance(canceled, Rejection):
            return answer(canceled)
        request.scope["client_order_id"] = canceled.client_order_id
        return Response(status_code=204)

    async def cancel_all(self, request: Request) -> Response:
        asked = [order.id for order in self.exchange.book.live_orders()]
        for order_id in asked:
            self.exchange.cancel(order_id)  # a sibling may have gone with an earlier one already
        return answer([{"id": order_id, "status": 200} for order_id in asked], 207)

    async def positions(self, request: Request) -> Response:
        return answer(positions_json(self.exchange))

    async def position(self, request: Request) -> Response:
        symbol = self._symbol(request)
        holding = self.exchange.book.holdings.get(symbol)
        return answer(not_found("position does not exist") if holding is None else position_json(self.exchange, symbol, holding))

    async def close(self, request: Request) -> Response:
        amount = _close_amount(request)
        if isinstance(amount, Rejection):
            return answer(amount)
        quantity, fraction = amount
        return _order_answer(request, self.exchange.close_position(self._symbol(request), quantity, fraction))

    async def close_all(self, request: Request) -> Response:
        if request.query_params.get("cancel_orders", "").lower() == "true":
            for order in self.exchange.book.live_orders():
                self.exchange.cancel(order.id)
        return answer([self._closed(symbol) for symbol in sorted(self.exchange.book.holdings)], 207)

    async def activities(self, request: Request) -> Response:
        kinds = request.path_params.get("kind") or request.query_params.get("activity_types") or "FILL"
        if "FILL" not in kinds.split(","):
            return answer([])
        params = request.query_params
        after, until = parse_instant(params.get("after")), parse_instant(params.get("until"))
        found = [
            activity_json(execution)
            for execution in self.exchange.ledger.executions
            if (after is None or execution.at > after) and (until is None or execution.at < until)
        ]
        return answer(_page(found if params.get("direction") == "asc" else found[::-1], params.get("page_token"), request))

    def _closed(self, symbol: str) -> Json:
        order = self.exchange.close_position(symbol)
        if isinstance(order, Rejection):
            return {"symbol": symbol, "status": order.status, "body": order.body()}
        return {"symbol": symbol, "status": 200, "body": order_json(order.order)}

    def _found(self, request: Request, order: Order | None, wanted: str) -> Response:
        if order is None:
            return answer(not_found(f"order not found for {wanted}"))
        is_nested = request.query_params.get("nested", "").lower() == "true"
        return _order_answer(request, self.exchange.view(order) if is_nested else View(order, ()))

    def _asset(self, symbol: str) -> Json:
        instrument = self.exchange.market.source.instruments.get(symbol) or Instrument(symbol, symbol)
        return asset_json(instrument, self.exchange.is_tradable(symbol))

    def _symbol(self, request: Request) -> str:
        """The symbol in the path, which may also be an asset id."""
        text: str = request.path_params["symbol"]
        by_id = {asset_id(symbol): symbol for symbol in self.exchange.market.source.symbols} if len(text) == 36 else {}
        return by_id.get(text, text)


def _order_answer(request: Request, view: View | Rejection) -> Response:
    if isinstance(view, Rejection):
        return answer(view)
    request.scope["client_order_id"] = view.order.client_order_id
    return answer(order_json(view.order, view.legs))


def _close_amount(request: Request) -> tuple[int | None, Decimal | None] | Rejection:
    """(whole shares, fraction of the position), either or none of them."""
    quantity, percentage = request.query_params.get("qty"), request.query_params.get("percentage")
    if quantity is not None and percentage is not None:
        return invalid("only one of qty or percentage is accepted")
    try:
        shares = None if quantity is None else Decimal(quantity)
        fraction = None if percentage is None else Decimal(percentage) / 100
    except InvalidOperation:
        return invalid("invalid qty or percentage")
    if shares is not None and (not shares.is_finite() or shares != shares.to_integral_value()):
        return invalid("invalid qty: whole shares only")
    if fraction is not None and not 0 <= fraction <= 1:
        return invalid("percentage must be between 0 and 100")
    return None if shares is None else int(shares), fraction


def _page(found: list[Json], token: str | None, request: Request) -> list[Json]:
    size = request.query_params.get("page_size", str(LARGEST_PAGE))
    count = min(LARGEST_PAGE, int(size)) if size.isdigit() and int(size) > 0 else LARGEST_PAGE
    first = next((place + 1 for place, item in enumerate(found) if item["id"] == token), 0)
    return found[first : first + count]
