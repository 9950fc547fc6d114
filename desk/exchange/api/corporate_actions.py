"""Corporate actions: the announcements of the trading API and the market data API's newer endpoint.

https://docs.alpaca.markets/reference/get-v2-corporate_actions-announcements-1 and https://docs.alpaca.markets/reference/corporateactions-1.
The source has no CUSIPs, so those fields are empty. Alpaca's document writes the trading API's types with a capital, alpaca-py
reads and sends them in lower case only: they are answered as they were asked for, and to alpaca-py in lower case always.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.exchange.api.answers import answer
from desk.exchange.api.calendar import parse_day
from desk.exchange.api.data_params import bad
from desk.exchange.api.wire import Json, number
from desk.exchange.market.corporate import Action, Dividend, Split
from desk.exchange.rules.rejections import Rejection, invalid, not_found
from desk.exchange.venue import Exchange

LONGEST_SPAN = timedelta(days=90)
CA_TYPES = frozenset({"dividend", "merger", "spinoff", "split", "reorg"})
DATE_TYPES = frozenset({"declaration_date", "ex_date", "record_date", "payable_date"})
# Types of the market data API; the ones after the first three do not happen here.
TYPES = frozenset(
    [
        "cash_dividend",
        "forward_split",
        "reverse_split",
        "unit_split",
        "stock_dividend",
        "spin_off",
        "cash_merger",
        "stock_merger",
        "stock_and_cash_merger",
        "redemption",
        "name_change",
        "worthless_removal",
        "rights_distribution",
        "partial_call",
        "reorganization",
        "capital_gains_distribution",
    ]
)
DEFAULT_LIMIT, LARGEST_LIMIT = 100, 1000
NO_CUSIP = ""


@dataclass(frozen=True, slots=True)
class ActionQuery:
    """A query of the market data API. `start` and `end` inclusive, on the day that an action is processed."""

    start: date
    end: date
    symbols: frozenset[str] = frozenset()
    types: frozenset[str] = TYPES
    ids: frozenset[str] = frozenset()
    limit: int = DEFAULT_LIMIT
    newest_first: bool = False
    token: str | None = None


class CorporateActionRoutes:
    """Dividends and splits that have been announced by now."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def routes(self) -> list[Route]:
        return [
            Route("/v2/corporate_actions/announcements", self.announcements, methods=["GET"]),
            Route("/v2/corporate_actions/announcements/{action_id}", self.announcement, methods=["GET"]),
            Route("/v1/corporate-actions", self.actions, methods=["GET"]),
        ]

    async def announcements(self, request: Request) -> Response:
        params = request.query_params
        refusal = _objection(params)
        if refusal is not None:
            return answer(refusal)
        since, until = parse_day(params["since"]), parse_day(params["until"])
        assert since is not None and until is not None
        kinds, date_type = set(params["ca_types"].lower().split(",")), params.get("date_type") or "ex_date"
        has_capital = params["ca_types"] != params["ca_types"].lower() and not _is_alpaca_py(request)
        found = [
            announcement_json(action, has_capital)
            for action in self._known()
            if ("dividend" if isinstance(action, Dividend) else "split") in kinds
            and params.get("symbol", action.symbol) == action.symbol
            and not params.get("cusip")
        ]
        return answer([shape for shape in found if since.isoformat() <= str(shape[date_type]) <= until.isoformat()])

    async def announcement(self, request: Request) -> Response:
        action_id = request.path_params["action_id"]
        found = next((action for action in self._known() if action.id == action_id), None)
        return answer(
            not_found("announcement not found") if found is None else announcement_json(found, not _is_alpaca_py(request))
        )

    async def actions(self, request: Request) -> Response:
        query = parse_query(request.query_params, self.exchange.today)
        if isinstance(query, Rejection):
            return answer(query)
        return answer(actions_json(self._known() if not request.query_params.get("cusips") else (), query))

    def _known(self) -> tuple[Action, ...]:
        return self.exchange.actions.known(self.exchange.today)


def _objection(params: Mapping[str, str]) -> Rejection | None:
    """What is wrong with a request for announcements."""
    kinds = (params.get("ca_types") or "").lower().split(",")
    unknown = next((kind for kind in kinds if kind not in CA_TYPES), None)
    if unknown is not None:
        return invalid(f"invalid ca_types: {unknown[:40]!r}; send some of {', '.join(sorted(CA_TYPES))}")
    days: list[date] = []
    for name in ("since", "until"):
        day = parse_day(params.get(name) or "")
        if day is None:
            return invalid(f"invalid {name}: {(params.get(name) or '')[:40]!r}; send YYYY-MM-DD")
        days.append(day)
    if not timedelta(0) <= days[1] - days[0] <= LONGEST_SPAN:
        return invalid("since must not be after until, and the date range is limited to 90 days")
    if (params.get("date_type") or "ex_date") not in DATE_TYPES:
        return invalid(f"invalid date_type: send one of {', '.join(sorted(DATE_TYPES))}")
    return None


def _is_alpaca_py(request: Request) -> bool:
    return request.headers.get("user-agent", "").startswith("APCA-PY")


def announcement_json(action: Action, has_capital: bool) -> Json:
    """The trading API's shape. The record date is the ex-date: trades settle within a day."""
    is_dividend = isinstance(action, Dividend)
    kind = "dividend" if is_dividend else "split"
    pays = action.pay_date if isinstance(action, Dividend) else action.ex_date
    return {
        "id": action.id,
        "corporate_action_id": f"{action.symbol}_{action.ex_date:%Y%m%d}",
        "ca_type": kind.capitalize() if has_capital else kind,
        "ca_sub_type": "cash" if is_dividend else ("stock_split" if _type_of(action) == "forward_split" else "reverse_split"),
        "initiating_symbol": action.symbol,
        "initiating_original_cusip": NO_CUSIP,
        "target_symbol": action.symbol,
        "target_original_cusip": NO_CUSIP,
        "declaration_date": action.announced_on.isoformat(),
        "effective_date": action.ex_date.isoformat(),
        "ex_date": action.ex_date.isoformat(),
        "record_date": action.ex_date.isoformat(),
        "payable_date": pays.isoformat(),
        "cash": number(action.cash_usd) if isinstance(action, Dividend) else "0",
        "old_rate": number(action.old_rate) if isinstance(action, Split) else "1",
        "new_rate": number(action.new_rate) if isinstance(action, Split) else "1",
    }


def parse_query(params: Mapping[str, str], today: date) -> ActionQuery | Rejection:
    """The query of a market data request; every wrong value is a 400."""
    sets = {name: frozenset(part for part in (params.get(name) or "").split(",") if part) for name in ("symbols", "types", "ids")}
    if sets["ids"] and (sets["symbols"] or sets["types"] or params.get("start") or params.get("end")):
        return bad("ids cannot be combined with other filters")
    unknown = next((kind for kind in sorted(sets["types"]) if kind not in TYPES), None)
    if unknown is not None:
        return bad(f"invalid types: {unknown[:40]}")
    start, end = (parse_day(params[name]) if params.get(name) else today for name in ("start", "end"))
    if start is None or end is None or start > end:
        return bad("invalid start or end: send YYYY-MM-DD, start not after end")
    limit, sort = params.get("limit") or str(DEFAULT_LIMIT), params.get("sort") or "asc"
    if not (limit.isascii() and limit.isdigit()) or len(limit) > 4 or not 1 <= int(limit) <= LARGEST_LIMIT:
        return bad(f"invalid limit: {limit[:20]}; send a number from 1 to {LARGEST_LIMIT}")
    if sort not in ("asc", "desc"):
        return bad(f"invalid sort: {sort[:20]}; send asc or desc")
    kinds = sets["types"] or TYPES
    return ActionQuery(
        start, end, sets["symbols"], kinds, sets["ids"], int(limit), sort == "desc", params.get("page_token") or None
    )


def actions_json(known: tuple[Action, ...], query: ActionQuery) -> Json | Rejection:
    """One page by type. The limit counts over all types; the token is the id of the page's last action."""
    found = [action for action in known if _fits(action, query)]
    found.sort(key=lambda action: (_processed_on(action), action.symbol, action.id), reverse=query.newest_first)
    first = 0
    if query.token is not None:
        seen = next((place for place, action in enumerate(found) if action.id == query.token), None)
        if seen is None:
            return bad(f"invalid page_token: {query.token[:60]}")
        first = seen + 1
    page, left = found[first : first + query.limit], found[first + query.limit :]
    shapes: dict[str, list[Json]] = {}
    for action in page:
        shapes.setdefault(f"{_type_of(action)}s", []).append(action_json(action))
    return {"corporate_actions": shapes, "next_page_token": page[-1].id if left else None}


def _fits(action: Action, query: ActionQuery) -> bool:
    if query.ids:
        return action.id in query.ids
    return (
        query.start <= _processed_on(action) <= query.end
        and _type_of(action) in query.types
        and (not query.symbols or action.symbol in query.symbols)
    )


def _type_of(action: Action) -> str:
    if isinstance(action, Dividend):
        return "cash_dividend"
    return "forward_split" if action.is_forward else "reverse_split"


def _processed_on(action: Action) -> date:
    """Dividends are processed when they pay, splits on their ex-date."""
    return action.pay_date if isinstance(action, Dividend) else action.ex_date


def action_json(action: Action) -> Json:
    """The market data API's shape: rates are numbers."""
    shape: Json = {
        "id": action.id,
        "symbol": action.symbol,
        "process_date": _processed_on(action).isoformat(),
        "ex_date": action.ex_date.isoformat(),
        "record_date": action.ex_date.isoformat(),
        "payable_date": _processed_on(action).isoformat(),
    }
    if isinstance(action, Dividend):
        return {**shape, "cusip": NO_CUSIP, "rate": float(action.cash_usd), "special": False, "foreign": False}
    rates: Json = {"new_rate": float(action.new_rate), "old_rate": float(action.old_rate)}
    cusips: Json = {"cusip": NO_CUSIP} if action.is_forward else {"old_cusip": NO_CUSIP, "new_cusip": NO_CUSIP}
    return {**shape, **cusips, **rates}
