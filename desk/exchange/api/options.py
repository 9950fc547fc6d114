"""Option contracts, and what a holder may ask for: GET /v2/options/contracts, POST .../exercise and .../do-not-exercise.

https://docs.alpaca.markets/reference/get-options-contracts and optionexercise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import chain, groupby, islice
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.exchange.api.answers import answer
from desk.exchange.api.option_params import (
    ChainFilter,
    Params,
    Unreadable,
    chain_filter,
    choice,
    decoded,
    encoded,
    flag,
    whole,
)
from desk.exchange.api.wire import Json, number
from desk.exchange.machine.book import asset_id
from desk.exchange.machine.orders import CONTRACT_SHARES, UNIT_USD
from desk.exchange.market.options.contract import Contract
from desk.exchange.market.options.listing_dates import FRIDAY
from desk.exchange.rules.rejections import Rejection, invalid, not_found
from desk.exchange.venue import Exchange
from options import occ

DEFAULT_LIMIT, LARGEST_LIMIT = 100, 10_000
# How far back an open-ended search of inactive contracts goes: the older ones are thousands.
INACTIVE_SINCE = timedelta(days=31)
DELIVERABLE: Json = {
    "type": "equity",
    "amount": "100",
    "allocation_percentage": "100",
    "settlement_type": "T+1",
    "settlement_method": "CCC",
    "delayed_settlement": False,
}


class OptionRoutes:
    """The trading API's option endpoints of one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def routes(self) -> list[Route]:
        position = "/v2/positions/{symbol_or_contract_id}"
        return [
            Route("/v2/options/contracts", self.contracts, methods=["GET"]),
            Route("/v2/options/contracts/{symbol_or_id}", self.contract, methods=["GET"]),
            Route(f"{position}/exercise", self.exercise, methods=["POST"]),
            Route(f"{position}/do-not-exercise", self.do_not_exercise, methods=["POST"]),
        ]

    async def contracts(self, request: Request) -> Response:
        try:
            return answer(self._page(request.query_params))
        except Unreadable as error:
            return answer(invalid(str(error)))

    async def contract(self, request: Request) -> Response:
        named = request.path_params["symbol_or_id"]
        found = self._find(named)
        if found is None:
            return answer(not_found(f"option contract {named} not found"))
        return answer(self._shapes([found], with_deliverables=False)[0])

    async def exercise(self, request: Request) -> Response:
        return _done(request.scope["account"].exercise(self._symbol(request)))

    async def do_not_exercise(self, request: Request) -> Response:
        return _done(request.scope["account"].do_not_exercise(self._symbol(request)))

    def _symbol(self, request: Request) -> str:
        """The symbol of the named contract; what names none stays as it is, for the account to refuse."""
        named: str = request.path_params["symbol_or_contract_id"]
        found = self._find(named)
        return named if found is None else found.symbol

    def _find(self, named: str) -> Contract | None:
        """The contract of a symbol or an id, an expired one by its symbol only."""
        board, today = self.exchange.board, self.exchange.today
        try:
            return board.contract_by_id(str(UUID(named)), today)
        except ValueError:
            pass
        try:
            said = occ.parse(named)
        except ValueError:
            return None
        return board.contract(named, min(today, said.expiration))

    # listing

    def _page(self, params: Params) -> Json:
        limit, token = whole(params, "limit", DEFAULT_LIMIT, LARGEST_LIMIT), decoded(params) or "0"
        if not token.isdigit() or len(token) > 9:
            raise Unreadable("invalid page_token")
        first = int(token)
        found = list(islice(self._chosen(params), first, first + limit + 1))
        shapes = self._shapes(found[:limit], flag(params, "show_deliverables") is True)
        more = encoded(str(first + limit)) if len(found) > limit else None
        return {"option_contracts": shapes, "next_page_token": more}

    def _chosen(self, params: Params) -> Iterator[Contract]:
        """Every contract that fits, by underlying; all are American and in the penny program."""
        wanted, today = chain_filter(params), self.exchange.today
        status = choice(params, "status", ("active", "inactive")) or "active"
        is_excluded = choice(params, "style", ("american", "european")) == "european" or flag(params, "ppind") is False
        names = sorted({name for name in params.get("underlying_symbols", "").split(",") if name})
        underlyings = names or self.exchange.board.underlyings()
        if is_excluded:
            return iter(())
        if wanted.expiration is None and wanted.expires_until is None:
            wanted = replace(wanted, expires_until=before_next_weekend(today))
        return chain.from_iterable(self._of(name, status, wanted, today) for name in underlyings)

    def _of(self, underlying: str, status: str, wanted: ChainFilter, today: date) -> Sequence[Contract]:
        board = self.exchange.board
        if status == "active":
            return wanted.listed(board, underlying, today)
        first = self.exchange.sessions.days[0]
        since = max(first, wanted.expiration or wanted.expires_from or today - INACTIVE_SINCE)
        if not board.has_options(underlying) or since >= today:
            return ()
        return wanted.chosen(board.expired(underlying, today, since))

    def _shapes(self, contracts: Sequence[Contract], with_deliverables: bool) -> list[Json]:
        made = []
        for underlying, group in groupby(contracts, key=lambda contract: contract.underlying):
            same = list(group)
            closes, day = self._closes(underlying, same)
            interests = self.exchange.board.open_interests(same, self.exchange.today)
            for contract, interest in zip(same, interests, strict=True):
                shape = self._shape(contract, with_deliverables)
                if day is not None and shape["status"] == "active":
                    shape["open_interest"], shape["open_interest_date"] = str(interest), day.isoformat()
                if day is not None and contract.symbol in closes:
                    shape["close_price"] = number(closes[contract.symbol] * UNIT_USD)
                    shape["close_price_date"] = day.isoformat()
                made.append(shape)
        return made

    def _closes(self, underlying: str, contracts: Sequence[Contract]) -> tuple[dict[str, int], date | None]:
        """Closing prices in units by symbol of the last session before today, and its day."""
        session = self.exchange.sessions.last_before(self.exchange.today)
        path = None if session is None else self.exchange.market.path(underlying, session)
        if session is None or path is None:
            return {}, None
        board = self.exchange.board
        traded = board.listed(contracts, session.day)
        quotes = board.quotes_at(traded, session, path, len(path.seconds) - 1)
        return {contract.symbol: quote.last for contract, quote in zip(traded, quotes, strict=True)}, session.day

    def _shape(self, contract: Contract, with_deliverables: bool) -> Json:
        is_active = contract.expiration >= self.exchange.today
        shape: Json = {
            "id": contract.id,
            "symbol": contract.symbol,
            "name": contract.name,
            "status": "active" if is_active else "inactive",
            "tradable": self.exchange.now < contract.expires_at,
            "expiration_date": contract.expiration.isoformat(),
            "root_symbol": contract.root,
            "underlying_symbol": contract.underlying,
            "underlying_asset_id": asset_id(contract.underlying),
            "type": contract.type,
            "style": "american",
            "strike_price": number(contract.strike),
            "multiplier": str(CONTRACT_SHARES),
            "size": str(CONTRACT_SHARES),
            "ppind": True,
        }
        if with_deliverables:
            underlying: Json = {"symbol": contract.underlying, "asset_id": asset_id(contract.underlying)}
            shape["deliverables"] = [DELIVERABLE | underlying]
        return shape


def before_next_weekend(today: date) -> date:
    """The Friday before the upcoming weekend; on a weekend the one of the next week."""
    return today + timedelta(days=(FRIDAY - today.weekday()) % 7)


def _done(refused: Rejection | None) -> Response:
    return Response(status_code=200) if refused is None else answer(refused)
