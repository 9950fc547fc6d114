"""Open interest of puts from Alpaca's option contracts, which are of the trading API: no market data tells of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
CONTRACTS_A_PAGE = 10_000
Asked = tuple[str, date, date]


class OpenInterest:
    """Asks a trading client. It is counted once a day, so it is asked for once a day and window of expirations, of every strike:
    the strikes that are wanted move with the price."""

    def __init__(self, api: Any) -> None:
        self._api = api
        self._day: date | None = None
        self._known: dict[Asked, Mapping[str, int]] = {}

    def of_puts(self, underlying: str, first: date, last: date, now: datetime) -> Mapping[str, int]:
        """Contracts by symbol of the puts that expire from `first` to `last`; those that nobody counted are left out."""
        day = now.astimezone(NEW_YORK).date()
        if day != self._day:
            self._day, self._known = day, {}
        asked = (underlying, first, last)
        if asked not in self._known:
            self._known[asked] = {
                str(raw["symbol"]): int(raw["open_interest"])
                for raw in self._contracts(underlying, first, last)
                if raw.get("open_interest") is not None
            }
        return self._known[asked]

    def _contracts(self, underlying: str, first: date, last: date) -> Iterator[Mapping[str, Any]]:
        # Without dates only what expires before the next weekend is listed.
        filters = {
            "underlying_symbols": underlying,
            "status": "active",
            "type": "put",
            "expiration_date_gte": first.isoformat(),
            "expiration_date_lte": last.isoformat(),
            "limit": CONTRACTS_A_PAGE,
        }
        while True:
            page = self._api.get("/options/contracts", filters)
            yield from page.get("option_contracts") or ()
            if not page.get("next_page_token"):
                return
            filters["page_token"] = page["next_page_token"]
