"""The same five bull put spreads from the same plain Lumibot strategy: what stock Lumibot's Alpaca broker sends, and the desk's.

The strategy asks for five at a credit with `submit_order(legs, is_multileg=True, order_type="credit", price=...)`. Lumibot
4.6.30 divides the first leg's quantity by what the legs have in common and takes the result for the number of spreads, and its
limit stays above zero, which Alpaca reads as a price to pay (https://docs.alpaca.markets/docs/options-level-3-trading).
Both brokers talk to built-in exchanges of one seed at one moment; the request is the JSON that went over the wire.

    python backtests/stock_lumibot_spread.py
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import desk.runtime  # noqa: F401  # sets Lumibot's switches, so it comes before Lumibot

# isort: split
from lumibot.entities import Asset
from lumibot.strategies import Strategy
from lumibot.strategies.strategy_executor import StrategyExecutor
from rich.console import Console
from rich.table import Table
from stock_lumibot_after_a_bracket import BROKERS, Connect, endpoint_of, threaded_desk

from desk.brokers.alpaca_options import option_feed
from desk.domain.options import Chain
from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess
from desk.report.terminal import print_within
from desk.runtime.clock import VirtualClock
from desk.runtime.hosting import QUIET_ARGUMENTS, hosted
from options import occ

UNDERLYING, LOTS = "IBM", 5
MORNING = datetime(2008, 9, 2, 15, 0, tzinfo=UTC)
FIRST, LAST = date(2008, 9, 20), date(2008, 10, 31)
SHORT_OF_SPOT, LONG_OF_SPOT = 0.97, 0.92
# Of the middle's credit: more than the market pays, so that an order that means it rests.
ASKED_OF_MIDDLE = 1.25


class Asks(Strategy):
    """A plain strategy without rules of its own."""

    def initialize(self) -> None:
        self.sleeptime = "1H"


@dataclass(frozen=True)
class Sent:
    """The request's body, and how the exchange has the order a minute later; `status` is the HTTP answer's."""

    name: str
    credit: float
    body: Mapping[str, Any]
    status: int
    order: Mapping[str, Any]
    positions: Mapping[str, str]


class Wire:
    """Keeps what a client posts to /v2/orders, and the answers."""

    def __init__(self, client: Any) -> None:
        self.posted: list[tuple[dict[str, Any], Any]] = []
        self._send = client._session.send
        client._session.send = self._kept

    def _kept(self, request: Any, **options: Any) -> Any:
        answer = self._send(request, **options)
        if request.method == "POST" and request.url.endswith("/orders"):
            self.posted.append((json.loads(request.body), answer))
        return answer


def two_puts(chain: Chain) -> tuple[str, str]:
    """One a little below the market to sell, one further below to buy, of the first expiration."""
    listed = [occ.parse(symbol) for symbol in chain.quotes]
    day = min(each.expiration for each in listed)
    of_day = [each for each in listed if each.expiration == day]

    def nearest(fraction: float) -> str:
        return min(of_day, key=lambda each: abs(float(each.strike) - fraction * chain.spot)).symbol

    return nearest(SHORT_OF_SPOT), nearest(LONG_OF_SPOT)


def play(name: str, connect: Connect, folder: Path) -> Sent:
    """Ask for the spreads once, on a fresh exchange."""
    with ExitStack() as stack:
        config = ExchangeConfig("bundled", MORNING.date(), partial_fill_probability=0.0)
        exchange = stack.enter_context(ExchangeProcess(config, folder / "exchange.log"))
        advance(exchange, MORNING)
        endpoint, clock = endpoint_of(exchange), VirtualClock(MORNING)
        broker = connect(endpoint, stack.enter_context(threaded_desk(clock)), clock)
        stack.callback(broker.close)
        wire = Wire(broker.api)
        strategy: Any = hosted(Asks, StrategyExecutor)(broker=broker, name="asks", **QUIET_ARGUMENTS)
        chain = option_feed(endpoint, clock).chain(UNDERLYING, FIRST, LAST, 1.0, 1_000.0)
        credit = ask_for_spreads(strategy, chain)
        body, answer = wire.posted[0]
        advance(exchange, MORNING + timedelta(minutes=1))
        order = broker.api.get(f"/orders/{answer.json()['id']}", {"nested": "true"}) if answer.ok else answer.json()
        positions = {each["symbol"]: each["qty"] for each in broker.api.get("/positions")}
        return Sent(name, credit, body, answer.status_code, order, positions)


def ask_for_spreads(strategy: Any, chain: Chain) -> float:
    """Have the strategy sell the spreads. Returns the credit that it asks for, dollars a share."""
    short, long = two_puts(chain)
    middle = float(chain.quotes[short].mid - chain.quotes[long].mid)
    credit = round(middle * ASKED_OF_MIDDLE, 2)
    legs = [
        strategy.create_order(Asset.symbol2asset(symbol), LOTS, side)
        for symbol, side in ((short, "sell_to_open"), (long, "buy_to_open"))
    ]
    strategy.submit_order(legs, is_multileg=True, order_type="credit", price=credit)
    return credit


def advance(exchange: ExchangeProcess, moment: datetime) -> None:
    while not exchange.admin.advance(moment).reached:
        pass


def compare() -> list[Sent]:
    with TemporaryDirectory(prefix="spread-") as folder:
        return [play(name, connect, Path(folder)) for name, connect in BROKERS.items()]


def table(found: list[Sent]) -> Table:
    shown = Table("", *(each.name for each in found), box=None, pad_edge=False)
    shown.add_row("spreads that were asked for", *[str(LOTS)] * len(found))
    shown.add_row("credit that was asked for", *(f"{each.credit:.2f}" for each in found))
    for field in ("qty", "type", "limit_price", "side"):
        shown.add_row(f"sent as {field}", *(str(each.body.get(field, "-")) for each in found))
    for number in range(2):
        shown.add_row(f"sent as leg {number + 1}", *(leg_text(each.body["legs"][number]) for each in found))
    shown.add_row("answer", *(f"HTTP {each.status}" for each in found))
    shown.add_row("a minute later", *(str(each.order.get("status", each.order.get("message"))) for each in found))
    shown.add_row("a unit's price (below zero: received)", *(str(each.order.get("filled_avg_price") or "-") for each in found))
    shown.add_row("positions", *(", ".join(f"{qty} {symbol}" for symbol, qty in each.positions.items()) or "-" for each in found))
    return shown


def leg_text(leg: Mapping[str, Any]) -> str:
    return f"{leg['position_intent']} {leg['ratio_qty']} {leg['symbol']}"


def main() -> None:
    # alpaca-py tells of the end of its own websocket; the table tells the rest.
    for noisy in ("lumibot", "alpaca.trading.stream"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    print_within(Console(highlight=False), table(compare()))


if __name__ == "__main__":
    main()
