"""What the account tells of contracts that ended without an order, and of its positions, as the desk's `OptionActivities`.

No stream tells of an assignment, an exercise or an expiration; activities do, at a paper account on the next day
(https://docs.alpaca.markets/docs/options-trading-overview), and positions do at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from desk.brokers.alpaca_activities import Raw, activities
from desk.brokers.alpaca_facts import moment
from desk.core.ports import OptionActivity
from desk.core.residue import whole
from desk.domain.options import CONTRACT_SHARES
from desk.domain.spreads import Settlement
from options.listing import contract_of

NEW_YORK = ZoneInfo("America/New_York")
KINDS: Mapping[str, Settlement] = {
    "OPASN": Settlement.ASSIGNED,
    "OPEXC": Settlement.EXERCISED,
    "OPEXP": Settlement.EXPIRED,
}
# An activity has a day for certain, so a broker may judge it by the beginning of its day.
A_DAY = timedelta(days=1)
TAKEN_BACK = "canceled"


class AlpacaOptionActivities:
    """Implements `desk.core.ports.OptionActivities` over a trading client; one request for each hundred activities."""

    def __init__(self, api: Any) -> None:
        self._api = api
        self._client_ids: dict[str, str] = {}

    def since(self, moment: datetime) -> tuple[OptionActivity, ...]:
        """Raises KeyError or ValueError for a row that cannot be read: contracts ended, and nobody knows how many."""
        rows = activities(self._api, ",".join(KINDS), moment - A_DAY)
        found = [read_activity(raw) for raw in rows if raw.get("status") != TAKEN_BACK]
        return tuple(sorted((each for each in found if each.at > moment), key=lambda each: (each.at, each.id)))

    def trades(self, symbols: Collection[str], moment: datetime) -> tuple[OptionActivity, ...]:
        """One request more for each order that was not asked for before: an execution does not tell its client order id."""
        rows = (raw for raw in activities(self._api, "FILL", moment - A_DAY) if raw.get("symbol") in symbols)
        found = (read_trade(raw, self._client_id(str(raw["order_id"]))) for raw in rows)
        return tuple(each for each in found if each.at > moment and each.contracts)

    def _client_id(self, order_id: str) -> str:
        if order_id not in self._client_ids:
            self._client_ids[order_id] = str(self._api.get(f"/orders/{order_id}").get("client_order_id") or "")
        return self._client_ids[order_id]

    def positions(self) -> Mapping[str, int]:
        """One request."""
        return {str(raw["symbol"]): read_position(raw) for raw in self._api.get("/positions")}


def read_activity(raw: Raw) -> OptionActivity:
    """One activity; its quantity is what the position changed by, so the sign says on which side it was."""
    return OptionActivity(str(raw["id"]), str(raw["symbol"]), KINDS[raw["activity_type"]], abs(whole(raw["qty"])), _happened(raw))


def read_trade(raw: Raw, client_id: str) -> OptionActivity:
    """One execution; what it paid is above zero for a sale. Of shares the whole ones count."""
    symbol, sign = str(raw["symbol"]), -1 if raw["side"] == "buy" else 1
    is_option = contract_of(symbol) is not None
    count = abs(whole(raw["qty"])) if is_option else abs(int(Decimal(str(raw["qty"]))))
    cash = sign * count * (CONTRACT_SHARES if is_option else 1) * Decimal(str(raw["price"]))
    at = moment(raw["transaction_time"])
    return OptionActivity(str(raw["id"]), symbol, Settlement.TRADED, count, at, cash, str(raw["order_id"]), client_id)


def _happened(raw: Raw) -> datetime:
    """When it was entered; of one with a day alone the end of that day in New York, so that no look of the day has seen it."""
    if raw.get("created_at"):
        return moment(raw["created_at"])
    day = date.fromisoformat(str(raw["date"])[:10])
    return datetime.combine(day + A_DAY, time(), NEW_YORK).astimezone(UTC)


def read_position(raw: Raw) -> int:
    """Contracts or whole shares, below zero for a short one, whether the quantity says so or the side alone does."""
    count = abs(whole(raw["qty"]))
    return -count if raw.get("side") == "short" or str(raw["qty"]).startswith("-") else count
