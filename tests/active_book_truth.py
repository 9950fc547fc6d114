"""What an exchange says of an account in which a desk and a person trade, and how long the desk's shares stand bare there."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import requests
from active_book import BY_HAND, NONCE, REGULAR_LOOK, SYMBOLS, Json, Life, moment
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import MarketOrderRequest

from desk.brokers.resync import LOST_AFTER
from desk.data import calendars
from desk.domain.orders import OrderStatus
from desk.domain.trades import Book
from desk.exchange.process import ExchangeProcess

# An order whose answer got lost counts as lost itself at the first regular look after a while.
DOUBTED_SECONDS = (LOST_AFTER + REGULAR_LOOK).total_seconds()
ENDED = frozenset({"filled", "canceled", "expired", "rejected", "replaced"})


# ---- time ----------------------------------------------------------------------------------------------------------------


def open_seconds(since: datetime, until: datetime) -> float:
    """Seconds of `since` to `until` in which the market was open."""
    sessions = calendars.sessions(since.date(), until.date())
    spans = ((max(each.opens_at, since), min(each.closes_at, until)) for each in sessions)
    return sum(max(timedelta(0), end - begin).total_seconds() for begin, end in spans)


def closing(now: datetime) -> datetime:
    """The next instant at which a session closes."""
    sessions = calendars.sessions(now.date(), now.date() + timedelta(days=5))
    return next(each.closes_at for each in sessions if each.closes_at > now)


def opening(now: datetime) -> datetime:
    """The next instant at which a session opens."""
    sessions = calendars.sessions(now.date(), now.date() + timedelta(days=6))
    return next(each.opens_at for each in sessions if each.opens_at > now)


# ---- what is true --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Truth:
    """The exchange's books at one moment: whole shares by symbol, and every order, flat, as Alpaca writes it."""

    at: datetime
    shares: Mapping[str, int]
    orders: Sequence[Json]
    keys: Mapping[str, str] = field(default_factory=dict)

    def by_hand(self) -> dict[str, int]:
        """Shares by symbol that came and went by hand."""
        net: dict[str, int] = defaultdict(int)
        for order in self.orders:
            if order["client_order_id"].startswith(BY_HAND):
                net[order["symbol"]] += int(order["filled_qty"]) * (1 if order["side"] == "buy" else -1)
        return net

    def key(self, order: Json) -> str | None:
        """The key of the desk's group that an order is in, None for somebody else's."""
        return self.keys.get(str(order.get("group_id") or order["id"]))

    def open_orders(self) -> list[Json]:
        """What of the desk's is open, exits that sleep too."""
        return [order for order in self.orders if order["status"] not in ENDED and self.key(order) is not None]

    def resting(self, symbol: str) -> dict[str, int]:
        """Shares that each group of live exits guards, by the group's key; a limit to sell without a stop is none."""
        return self._left([each for each in self._sales(symbol) if each.get("group_id") and self._is_awake(each)])

    def selling(self, symbol: str) -> dict[str, int]:
        """Shares that plain orders to sell at the market or at a limit still take, by key."""
        return self._left([each for each in self._sales(symbol) if not each.get("group_id")])

    def at_market(self, symbol: str) -> int:
        return sum(self._left([each for each in self._sales(symbol) if each["type"] == "market"]).values())

    def _sales(self, symbol: str) -> list[Json]:
        return [order for order in self.open_orders() if order["symbol"] == symbol and order["side"] == "sell"]

    def _left(self, sales: Sequence[Json]) -> dict[str, int]:
        left: dict[str, int] = {}
        for order in sales:
            key = str(self.key(order))
            left[key] = max(left.get(key, 0), int(order["qty"]) - int(order["filled_qty"]))
        return left

    def _is_awake(self, leg: Json) -> bool:
        entries = [each for each in self.orders if each.get("group_id") == leg["group_id"] and each["group_role"] == "entry"]
        return all(each["status"] == "filled" for each in entries)


def truth(exchange: ExchangeProcess, session: requests.Session, at: datetime) -> Truth:
    held = _get(session, f"{exchange.url}/v2/positions")
    orders = _get(session, f"{exchange.url}/v2/orders?status=all&limit=500&direction=desc")
    assert len(orders) < 500, "more orders than a page holds: take fewer steps"
    mine = [order for order in orders if str(order["client_order_id"]).startswith(f"{NONCE}-")]
    keys = {str(order.get("group_id") or order["id"]): str(order["client_order_id"]) for order in mine}
    return Truth(at, {str(each["symbol"]): int(each["qty"]) for each in held}, orders, keys)


def _get(session: requests.Session, address: str) -> Any:
    answer = session.get(address, timeout=20)
    answer.raise_for_status()
    return answer.json()


def is_doubted(book: Book, symbol: str) -> bool:
    """Whether nobody knows of an exit of `symbol` if it reached the broker."""
    return any(OrderStatus.UNKNOWN in (trade.target_status, trade.stop_status) for trade in book.trades_of(symbol))


@dataclass
class Watch:
    """Looks at the exchange whenever something happened there, and adds up how long shares of the desk's stand bare.

    A market order is the end of a position and no bare one, a limit to sell without a stop is. `most_seconds` is how long shares
    may stand bare while the market is open, unless the desk is halted and says so; until an order counts as lost whose answer
    got lost comes on top. Raises AssertionError.
    """

    exchange: ExchangeProcess
    most_seconds: float

    def __post_init__(self) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.update({"APCA-API-KEY-ID": self.exchange.api_key, "APCA-API-SECRET-KEY": self.exchange.api_secret})
        self._seen: tuple[int, int] | None = None
        self._bare: dict[str, int] = dict.fromkeys(SYMBOLS, 0)
        self.seconds: dict[str, float] = dict.fromkeys(SYMBOLS, 0.0)
        self.truth: Truth

    def look(self, life: Life) -> None:
        status = self.exchange.admin.status()
        now, seen = moment(status["now"]), (int(status["events_emitted"]), life.broker.sent)
        if self._seen is not None:
            self._add(open_seconds(self.truth.at, now), life)
        self.truth = truth(self.exchange, self._session, now) if seen != self._seen else replace(self.truth, at=now)
        self._seen = seen
        foreign = self.theirs(life.desk.book)
        for symbol in SYMBOLS:
            self._judge(symbol, self.truth.shares.get(symbol, 0) - foreign[symbol])

    def theirs(self, book: Book) -> Counter[str]:
        """Shares by symbol that are somebody else's: came and went by hand, and the desk did not take them over."""
        net = Counter(self.truth.by_hand())
        for trade in (*book.open.values(), *book.closed):
            if re.search(r"-adopt[0-9]*$", trade.key):
                net[trade.symbol] -= trade.spec.quantity
        return net

    def _add(self, seconds: float, life: Life) -> None:
        for symbol in SYMBOLS:
            self.seconds[symbol] = self.seconds[symbol] + seconds if self._bare[symbol] else 0.0
            doubted = DOUBTED_SECONDS if is_doubted(life.desk.book, symbol) else 0.0
            if self.seconds[symbol] > self.most_seconds + doubted:
                told = f"{self._bare[symbol]} {symbol} stand bare for {self.seconds[symbol]:.0f} seconds"
                assert symbol in life.why_halted(), f"{told}; the desk is {life.desk.mode}: {life.why_halted()}"

    def _judge(self, symbol: str, ours: int) -> None:
        guarded, sold = sum(self.truth.resting(symbol).values()), sum(self.truth.selling(symbol).values())
        assert ours >= 0, f"the desk is {-ours} {symbol} short"
        assert guarded + sold <= ours, f"exits for {guarded} {symbol} rest and {sold} are for sale, of {ours}"
        self._bare[symbol] = ours - guarded - self.truth.at_market(symbol)


# ---- a person ------------------------------------------------------------------------------------------------------------


class Person:
    """Trades in the same account with alpaca-py's own client."""

    def __init__(self, exchange: ExchangeProcess) -> None:
        self._client: Any = TradingClient(exchange.api_key, exchange.api_secret, url_override=exchange.url)
        self._client._session.trust_env = False
        self._count = 0

    def trade(self, symbol: str, side: OrderSide, shares: int) -> bool:
        """At the market; False when the exchange does not take it."""
        self._count += 1
        order = MarketOrderRequest(
            symbol=symbol, qty=shares, side=side, time_in_force=TimeInForce.DAY, client_order_id=f"{BY_HAND}-{self._count}"
        )
        return self._does(lambda: self._client.submit_order(order))

    def cancel(self, order_id: str) -> bool:
        return self._does(lambda: self._client.cancel_order_by_id(order_id))

    def free(self, symbol: str) -> int:
        """Shares that no order holds."""
        return next((int(each.qty_available) for each in self._client.get_all_positions() if each.symbol == symbol), 0)

    @staticmethod
    def _does(what: Any) -> bool:
        try:
            what()
        except APIError:
            return False
        return True
