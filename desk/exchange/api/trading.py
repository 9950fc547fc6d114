"""The trading API's endpoints for the account, its orders and its positions: from a request to Alpaca's answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.exchange.api.answers import answer, json_body
from desk.exchange.api.listing import orders_json, parse_query
from desk.exchange.api.valuation import account_json, position_json, positions_json
from desk.exchange.api.wire import Json, order_json
from desk.exchange.machine.book import Book, asset_id
from desk.exchange.machine.commands import ConfirmCancels
from desk.exchange.machine.orders import Order
from desk.exchange.rules.fields import Refusal, is_multiple, number
from desk.exchange.rules.rejections import Rejection, invalid, not_found
from desk.exchange.trading_account import Account, View

Handler = Callable[[Request], Awaitable[Response]]
SMALLEST_PART = Decimal("0.000000001")


def account_of(request: Request) -> Account:
    """The account whose keys the request carries."""
    account: Account = request.scope["account"]
    return account


class TradingRoutes:
    """Account, orders and positions of whoever asks."""

    def routes(self) -> list[Route]:
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/v2/account", self.account),
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
        ]
        return [Route(path, handler, methods=[method]) for method, path, handler in table]

    async def account(self, request: Request) -> Response:
        return answer(account_json(account_of(request)))

    async def submit(self, request: Request) -> Response:
        body = await json_body(request)
        if isinstance(body, dict):
            request.scope["client_order_id"] = body.get("client_order_id")
        return _order_answer(request, account_of(request).submit(body))

    async def orders(self, request: Request) -> Response:
        query = parse_query(request.query_params)
        return answer(query if isinstance(query, Rejection) else orders_json(account_of(request), query))

    async def order(self, request: Request) -> Response:
        order_id = request.path_params["order_id"]
        return _found(request, account_of(request).find(order_id), order_id)

    async def order_by_client_id(self, request: Request) -> Response:
        client_order_id = request.query_params.get("client_order_id", "")
        return _found(request, account_of(request).find_by_client_id(client_order_id), client_order_id)

    async def replace(self, request: Request) -> Response:
        body = await json_body(request)
        return _order_answer(request, account_of(request).replace(request.path_params["order_id"], body))

    async def cancel(self, request: Request) -> Response:
        canceled = account_of(request).cancel(request.path_params["order_id"])
        if isinstance(canceled, Rejection):
            return answer(canceled)
        request.scope["client_order_id"] = canceled.client_order_id
        return Response(status_code=204)

    async def cancel_all(self, request: Request) -> Response:
        return answer(_cancel_all(account_of(request)), 207)

    async def positions(self, request: Request) -> Response:
        return answer(positions_json(account_of(request)))

    async def position(self, request: Request) -> Response:
        account, symbol = account_of(request), _symbol(request)
        holding = account.book.holdings.get(symbol)
        return answer(not_found("position does not exist") if holding is None else position_json(account, symbol, holding))

    async def close(self, request: Request) -> Response:
        amount = _close_amount(request)
        if isinstance(amount, Rejection):
            return answer(amount)
        return _order_answer(request, account_of(request).close_position(_symbol(request), *amount))

    async def close_all(self, request: Request) -> Response:
        """All positions at the market. With `cancel_orders` open orders are cancelled first, and nothing is naked in between: the
        request has the venue's answers before it closes, so their cancels and the release of their shares take no time here.
        What a fault keeps from being cancelled still has its shares, and the body for its symbol says so."""
        account = account_of(request)
        if request.query_params.get("cancel_orders", "").lower() == "true":
            _cancel_all(account)
            account.apply(ConfirmCancels(account.exchange.now))
        return answer([_closed(account, symbol) for symbol in sorted(account.book.holdings)], 207)


def _cancel_all(account: Account) -> list[Json]:
    """Ask for the end of every open order. One that is refused by itself may yet go with its group."""
    asked = [order for order in account.book.live_orders() if order.parent_id is None]
    refused: dict[str, int] = {}
    for order in asked:
        said = account.cancel(order.id) if account.book.orders[order.id].is_live else None
        if isinstance(said, Rejection):
            refused[order.id] = said.status
    going = {order.id for order in asked if account.book.orders[order.id].status is not order.status}
    return [
        {"id": order.id, "status": 200 if _place(account.book, order) in going else refused.get(order.id, 200)} for order in asked
    ]


def _place(book: Book, order: Order) -> str:
    """The id of the order, or of the one that it is to replace: with that it goes."""
    return (book.predecessor(book.orders[order.id]) or order).id


def _closed(account: Account, symbol: str) -> Json:
    closed = account.close_position(symbol)
    if isinstance(closed, Rejection):
        return {"symbol": symbol, "status": closed.status, "body": closed.body()}
    return {"symbol": symbol, "status": 200, "body": order_json(closed.order, closed.legs)}


def _found(request: Request, order: Order | None, wanted: str) -> Response:
    if order is None:
        return answer(not_found(f"order not found for {wanted}"))
    is_nested = request.query_params.get("nested", "").lower() == "true" or order.is_spread
    account = account_of(request)
    request.scope["client_order_id"] = order.client_order_id
    return answer(order_json(order, account.legs(order) if is_nested else None))


def _order_answer(request: Request, taken: View | Rejection) -> Response:
    if isinstance(taken, Rejection):
        return answer(taken)
    request.scope["client_order_id"] = taken.order.client_order_id
    return answer(order_json(taken.order, taken.legs))


def _symbol(request: Request) -> str:
    """The symbol of the path, which may also be an asset's id."""
    given: str = request.path_params["symbol"]
    held = account_of(request).book.holdings
    return next((symbol for symbol in held if asset_id(symbol) == given), given) if len(given) == 36 else given


def _close_amount(request: Request) -> tuple[Decimal | None, Decimal | None] | Rejection:
    """Shares to close, or the part of the position from 0 to 1; both None for all of it."""
    quantity, percentage = request.query_params.get("qty"), request.query_params.get("percentage")
    if quantity is not None and percentage is not None:
        return invalid("only one of qty or percentage is accepted")
    name, text = ("percentage", percentage) if percentage is not None else ("qty", quantity)
    if text is None:
        return None, None
    try:
        value = number(text, name)
    except Refusal as refusal:
        return refusal.rejection
    if value <= 0 or not is_multiple(value, SMALLEST_PART):
        return invalid(f"invalid {name}")
    if name == "percentage":
        return (None, value / 100) if value <= 100 else invalid(f"invalid {name}")
    return value, None
