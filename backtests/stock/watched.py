"""A look at the broker's own books at each session's end, whatever strategy it is that trades."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from alpaca.trading.enums import OrderSide, OrderStatus, OrderType, QueryOrderStatus
from alpaca.trading.requests import GetOrdersRequest

from desk.exchange.admin_client import AdminClient

LARGEST_PAGE = 100
LARGEST_LISTING = 500
OVER = frozenset(
    [OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED, OrderStatus.REPLACED]
)  # states in which an order of these rules does nothing any more
STOPS = frozenset([OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP])


@dataclass(frozen=True)
class Held:
    """A position at a session's end: its share of the equity, sessions since it was opened or found, what works to leave it."""

    symbol: str
    share: float
    sessions: int
    has_stop: bool
    has_target: bool

    @property
    def has_exit(self) -> bool:
        return self.has_stop or self.has_target


@dataclass
class Watch:
    """What one run leaves at the broker. `found` are the shares that it begins with; `report` is the exchange's last one."""

    found: Mapping[str, int]
    admin: AdminClient | None = None
    followed: int = 0  # iterations in which the rules were followed to the end
    opened: int = 0  # times that a position grew from nothing
    held: list[Held] = field(default_factory=list)
    report: Mapping[str, Any] = field(default_factory=dict)
    _closes: int = 0

    def __post_init__(self) -> None:
        self._shares = Counter(self.found)
        self._opened_in = dict.fromkeys(self.found, 1)

    def attach(self, admin: AdminClient) -> None:
        self.admin = admin

    def look(self, strategy: Any) -> None:
        """Take down how things stand, by requests of our own: what the strategy believes is not asked for."""
        assert self.admin is not None, "a run begins with its exchange"
        api = strategy.broker.api
        self.report = self.admin.report()
        self._closes += 1
        for fill in fills_of(api, strategy.get_datetime().date().isoformat()):
            self._note(fill)
        exits = list(working_exits(api))
        stops = {order.symbol for order in exits if order.type in STOPS}
        targets = {order.symbol for order in exits if order.type is OrderType.LIMIT}
        for position in api.get_all_positions():
            symbol, share = position.symbol, float(position.market_value) / float(self.report["equity_usd"])
            sessions = self._closes - self._opened_in[symbol] + 1
            self.held.append(Held(symbol, share, sessions, symbol in stops, symbol in targets))

    def _note(self, fill: Mapping[str, Any]) -> None:
        symbol, sign = fill["symbol"], 1 if fill["side"] == "buy" else -1
        if self._shares[symbol] == 0:
            self.opened += 1
            self._opened_in[symbol] = self._closes
        self._shares[symbol] += sign * int(fill["qty"])

    def refused(self) -> dict[str, int]:
        """Refusals by code and message, without the figures in it; the most frequent first."""
        found: Sequence[Mapping[str, Any]] = self.report["rejections"]
        return dict(Counter(f"{each['code']} {each['message'].split(' (')[0]}" for each in found).most_common())


def fills_of(api: Any, day: str) -> list[dict[str, Any]]:
    """The account's fills of a day, oldest first."""
    query = {"date": day, "direction": "asc", "page_size": LARGEST_PAGE}
    found: list[dict[str, Any]] = api.get("/account/activities/FILL", query)
    assert len(found) < LARGEST_PAGE, f"{day}: more fills than one page holds"
    return found


def working_exits(api: Any) -> Iterator[Any]:
    """Orders that sell and are not over, legs included; but not those that wait for an entry to be filled completely."""
    listed = api.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL, nested=True, limit=LARGEST_LISTING))
    assert len(listed) < LARGEST_LISTING, "more orders than one listing holds"
    for order in listed:
        is_waiting = order.side is OrderSide.BUY and order.status is not OrderStatus.FILLED
        for each in () if is_waiting else (order, *(order.legs or ())):
            if each.side is OrderSide.SELL and each.status not in OVER:
                yield each


def watched(strategy_class: type, watch: Watch) -> type:
    """`strategy_class` that counts its iterations, and looks at the broker's books when the market has closed."""

    def on_trading_iteration(self: Any) -> None:
        strategy_class.on_trading_iteration(self)  # type: ignore[attr-defined]  # every Lumibot strategy has it
        watch.followed += 1

    def after_market_closes(self: Any) -> None:
        strategy_class.after_market_closes(self)  # type: ignore[attr-defined]  # as above
        watch.look(self)

    hooks = {"on_trading_iteration": on_trading_iteration, "after_market_closes": after_market_closes}
    return type(strategy_class.__name__, (strategy_class,), {"__doc__": strategy_class.__doc__, **hooks})
