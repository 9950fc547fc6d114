"""GET /v2/account/activities: fills and everything else that moved cash or positions, newest first unless asked otherwise.

Parameters and shapes: https://docs.alpaca.markets/reference/getaccountactivities
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from operator import attrgetter

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.exchange.api.answers import answer
from desk.exchange.api.data_params import parse_instant
from desk.exchange.api.trading import account_of
from desk.exchange.api.wire import Json, instant, number
from desk.exchange.ledger import Entry, Execution, Ledger, activity_id
from desk.exchange.rules.rejections import Rejection, invalid
from desk.exchange.venue import Exchange

LARGEST_PAGE = 100
FILL = "FILL"
# Names of groups in front, then all types (ActivityType of Alpaca's OpenAPI document).
GROUPS = {"TRANS": frozenset({"CSD", "CSW"})}
ACTIVITY_TYPES = frozenset(
    [
        "FILL",
        "ACATC",
        "ACATS",
        "CFEE",
        "CGD",
        "CSD",
        "CSW",
        "DIV",
        "DIVCGL",
        "DIVCGS",
        "DIVFEE",
        "DIVFT",
        "DIVNRA",
        "DIVROC",
        "DIVTW",
        "DIVTXEX",
        "FEE",
        "INT",
        "INTNRA",
        "INTTW",
        "JNL",
        "JNLC",
        "JNLS",
        "MA",
        "NC",
        "OPASN",
        "OPCA",
        "OPCSH",
        "OPEXC",
        "OPEXP",
        "OPTRD",
        "PTC",
        "PTR",
        "REO",
        "REORG",
        "SPIN",
        "SPLIT",
        "FOPT",
        "OCT",
    ]
)
DIVIDENDS = frozenset(kind for kind in ACTIVITY_TYPES if kind.startswith("DIV"))
MISC = ACTIVITY_TYPES - DIVIDENDS - GROUPS["TRANS"] - {FILL}
CATEGORIES = {"trade_activity": frozenset({FILL}), "non_trade_activity": ACTIVITY_TYPES - {FILL}}
TOKEN = re.compile(r"^\d{17}::[0-9a-fA-F-]{36}$")


@dataclass(frozen=True, slots=True)
class Activity:
    """A fill or an entry in the order of the listing."""

    id: str
    kind: str
    created_at: datetime
    source: Execution | Entry


@dataclass(frozen=True, slots=True)
class ActivityQuery:
    """Filters. `after` and `until` are exclusive and, as `day` (UTC), on the moment that clients first saw the activity."""

    kinds: frozenset[str] = ACTIVITY_TYPES
    order_id: str | None = None
    day: date | None = None
    after: datetime | None = None
    until: datetime | None = None
    is_ascending: bool = False
    size: int = LARGEST_PAGE
    token: str | None = None


class ActivityRoutes:
    """Activities of whoever asks."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def routes(self) -> list[Route]:
        return [
            Route("/v2/account/activities", self.activities, methods=["GET"]),
            Route("/v2/account/activities/{kind}", self.activities, methods=["GET"]),
        ]

    async def activities(self, request: Request) -> Response:
        query = parse_query(request.query_params, request.path_params.get("kind"))
        if isinstance(query, Rejection):
            return answer(query)
        return answer(listed(account_of(request).ledger, query, self.exchange.now))


def parse_query(params: Mapping[str, str], kind: str | None = None) -> ActivityQuery | Rejection:
    """The query of a request's parameters; `kind` is the path's."""
    kinds = _kinds(params, kind)
    if isinstance(kinds, Rejection):
        return kinds
    size, direction, token = (
        params.get("page_size") or str(LARGEST_PAGE),
        params.get("direction") or "desc",
        params.get("page_token"),
    )
    if not (size.isascii() and size.isdigit()) or not 1 <= int(size[:4]) <= LARGEST_PAGE or len(size) > 3:
        return invalid(f"invalid page_size: {size[:20]}; send a number from 1 to {LARGEST_PAGE}")
    if direction not in ("asc", "desc"):
        return invalid(f"invalid direction: {direction}; send asc or desc")
    if token and not TOKEN.match(token):
        return invalid(f"invalid page_token: {token[:60]}; send the id of the last activity")
    if params.get("date") and (params.get("after") or params.get("until")):
        return invalid("date cannot be combined with after or until")
    moments: dict[str, datetime | None] = {}
    for name in ("date", "after", "until"):
        moments[name] = parse_instant(params[name]) if params.get(name) else None
        if params.get(name) and moments[name] is None:
            return invalid(f"invalid {name}: {params[name][:40]}; send YYYY-MM-DD or RFC 3339")
    day = moments["date"]
    return ActivityQuery(
        kinds=kinds,
        order_id=params.get("order_id") or None,
        day=None if day is None else day.date(),
        after=moments["after"],
        until=moments["until"],
        is_ascending=direction == "asc",
        size=int(size),
        token=token or None,
    )


def _kinds(params: Mapping[str, str], kind: str | None) -> frozenset[str] | Rejection:
    """The activity types that are asked for, by path, by list or by category."""
    listed_kinds, category = params.get("activity_types"), params.get("category")
    if kind is None and listed_kinds and category:
        return invalid("category cannot be used with activity_types")
    if kind is None and category:
        return CATEGORIES.get(category) or invalid(f"invalid category: {category}; send trade_activity or non_trade_activity")
    if kind is None and not listed_kinds:
        return ACTIVITY_TYPES
    found: set[str] = set()
    for name in (kind or listed_kinds or "").split(","):
        members = {"MISC": MISC, "DIV": DIVIDENDS, **GROUPS}.get(name)
        if members is None and name not in ACTIVITY_TYPES:
            return invalid(f"invalid activity type: {name[:40]}")
        found |= members or {name}
    return frozenset(found)


def listed(ledger: Ledger, query: ActivityQuery, now: datetime) -> list[Json]:
    """One page. A token goes on after the activity of that id, or where it would stand."""
    found = [activity for activity in _all(ledger) if activity.created_at <= now and _fits(activity, query)]
    found.sort(key=attrgetter("created_at"))
    if not query.is_ascending:
        found.reverse()
    first = 0 if query.token is None else _after_token(found, query.token, query.is_ascending)
    return [activity_json(activity) for activity in found[first : first + query.size]]


def _all(ledger: Ledger) -> list[Activity]:
    fills = [Activity(activity_id(each.at, each.execution_id), FILL, each.at, each) for each in ledger.executions]
    return fills + [Activity(entry.id, entry.kind, entry.created_at, entry) for entry in ledger.entries]


def _fits(activity: Activity, query: ActivityQuery) -> bool:
    order_id = activity.source.order_id if isinstance(activity.source, Execution) else None
    created = activity.created_at
    return (
        activity.kind in query.kinds
        and (query.order_id is None or order_id == query.order_id)
        and (query.day is None or created.astimezone(UTC).date() == query.day)
        and (query.after is None or created > query.after)
        and (query.until is None or created < query.until)
    )


def _after_token(found: list[Activity], token: str, is_ascending: bool) -> int:
    exact = next((place for place, activity in enumerate(found) if activity.id == token), None)
    if exact is not None:
        return exact + 1
    stamp = token[:17]
    beyond = ((activity.id[:17] > stamp) if is_ascending else (activity.id[:17] < stamp) for activity in found)
    return next((place for place, is_beyond in enumerate(beyond) if is_beyond), len(found))


def activity_json(activity: Activity) -> Json:
    source = activity.source
    return fill_json(activity.id, source) if isinstance(source, Execution) else entry_json(source)


def fill_json(activity_of: str, execution: Execution) -> Json:
    return {
        "id": activity_of,
        "activity_type": FILL,
        "transaction_time": instant(execution.at),
        "type": execution.kind,
        "price": number(execution.price),
        "qty": number(execution.quantity),
        "side": execution.side,
        "symbol": execution.symbol,
        "leaves_qty": number(execution.leaves),
        "cum_qty": number(execution.cumulative),
        "order_id": execution.order_id,
        "order_status": execution.order_status,
    }


def entry_json(entry: Entry) -> Json:
    """An activity that is no trade; fields that it does not have are left out, as Alpaca does."""
    optional: Json = {
        "activity_sub_type": entry.sub_kind,
        "symbol": entry.symbol,
        "qty": number(entry.quantity),
        "price": number(entry.price),
        "per_share_amount": number(entry.per_share),
        "group_id": entry.group_id,
    }
    return {
        "id": entry.id,
        "activity_type": entry.kind,
        "date": entry.day.isoformat(),
        "created_at": instant(entry.created_at),
        "net_amount": number(entry.net_amount),
        "description": entry.description,
        "status": "executed",
        "currency": "USD",
        **{name: value for name, value in optional.items() if value is not None},
    }
