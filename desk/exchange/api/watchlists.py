"""The watchlist endpoints, by id and by name (https://docs.alpaca.markets/reference/getwatchlists)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.exchange import watchlists
from desk.exchange.api.answers import answer, json_body
from desk.exchange.api.assets import asset_json_of
from desk.exchange.api.trading import account_of
from desk.exchange.api.wire import Json, instant
from desk.exchange.rules.rejections import Rejection
from desk.exchange.trading_account import Account
from desk.exchange.venue import Exchange
from desk.exchange.watchlists import Watchlist

Handler = Callable[[Request], Awaitable[Response]]


class WatchlistRoutes:
    """Watchlists of whoever asks."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def routes(self) -> list[Route]:
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/v2/watchlists", self.every),
            ("POST", "/v2/watchlists", self.create),
        ]
        for path in ("/v2/watchlists:by_name", "/v2/watchlists/{list_id}"):
            table += [
                ("GET", path, self.one),
                ("PUT", path, self.update),
                ("POST", path, self.add),
                ("DELETE", path, self.delete),
            ]
        table.append(("DELETE", "/v2/watchlists/{list_id}/{symbol:path}", self.remove))
        return [Route(path, handler, methods=[method]) for method, path, handler in table]

    async def every(self, request: Request) -> Response:
        account = account_of(request)
        return answer([_head(account, each) for each in account.watchlists.values()])

    async def create(self, request: Request) -> Response:
        account = account_of(request)
        body = await json_body(request)
        return self._kept(account, watchlists.created(account.watchlists, body, account.id, self.exchange.now, self._is_known))

    async def one(self, request: Request) -> Response:
        found = _asked_for(request)
        return answer(found if isinstance(found, Rejection) else self._json(account_of(request), found))

    async def update(self, request: Request) -> Response:
        account, old = account_of(request), _asked_for(request)
        if isinstance(old, Rejection):
            return answer(old)
        body = await json_body(request)
        return self._kept(account, watchlists.updated(account.watchlists, old, body, self.exchange.now, self._is_known))

    async def add(self, request: Request) -> Response:
        old = _asked_for(request)
        if isinstance(old, Rejection):
            return answer(old)
        changed = watchlists.with_symbol(old, await json_body(request), self.exchange.now, self._is_known)
        return self._kept(account_of(request), changed)

    async def remove(self, request: Request) -> Response:
        old = _asked_for(request)
        if isinstance(old, Rejection):
            return answer(old)
        return self._kept(account_of(request), watchlists.without_symbol(old, request.path_params["symbol"], self.exchange.now))

    async def delete(self, request: Request) -> Response:
        found = _asked_for(request)
        if isinstance(found, Rejection):
            return answer(found)
        del account_of(request).watchlists[found.id]
        return Response(status_code=204)

    def _kept(self, account: Account, changed: Watchlist | Rejection) -> Response:
        """Put the new or changed list in its place, and show it."""
        if isinstance(changed, Rejection):
            return answer(changed)
        account.watchlists[changed.id] = changed
        return answer(self._json(account, changed))

    def _json(self, account: Account, watchlist: Watchlist) -> Json:
        return {**_head(account, watchlist), "assets": [asset_json_of(self.exchange, symbol) for symbol in watchlist.symbols]}

    def _is_known(self, symbol: str) -> bool:
        return symbol in self.exchange.market.source.daily


def _asked_for(request: Request) -> Watchlist | Rejection:
    lists = account_of(request).watchlists
    list_id = request.path_params.get("list_id")
    if list_id is not None:
        return watchlists.find(lists, list_id)
    return watchlists.find_by_name(lists, request.query_params.get("name"))


def _head(account: Account, watchlist: Watchlist) -> Json:
    return {
        "id": watchlist.id,
        "account_id": account.id,
        "created_at": instant(watchlist.created_at),
        "updated_at": instant(watchlist.updated_at),
        "name": watchlist.name,
    }
