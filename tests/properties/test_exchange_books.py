"""Whatever clients send and wherever prices go: cash and shares are conserved, nothing is oversold, no order ends twice."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.data.source import Source
from desk.exchange.account import available, reserved, unprotected_shares
from desk.exchange.agenda import next_instant
from desk.exchange.book import Book
from desk.exchange.config import ExchangeConfig
from desk.exchange.ledger import Ledger
from desk.exchange.matching import Tick, step
from desk.exchange.orders import TERMINAL, Order, Status
from desk.exchange.state import decode, encode
from desk.exchange.triggers import trigger_of
from desk.exchange.venue import Exchange

SYMBOLS = ("AAA", "BBB")
OFFSETS = st.sampled_from([-0.2, -0.05, -0.02, -0.005, 0.0, 0.005, 0.02, 0.05, 0.2])


@lru_cache(maxsize=1)
def market() -> Source:
    """Two wild walks over 40 sessions, around 20 and 100 dollars, with gaps."""
    days = pd.bdate_range("2008-09-02", periods=40)
    rng = np.random.default_rng(11)
    daily = {}
    for symbol, level in zip(SYMBOLS, (20.0, 100.0), strict=True):
        close = level * np.exp(np.cumsum(rng.normal(0, 0.04, len(days))))
        opened = np.append(level, close[:-1]) * np.exp(rng.normal(0, 0.03, len(days)))
        high = np.maximum(opened, close) * (1 + rng.uniform(0, 0.03, len(days)))
        low = np.minimum(opened, close) * (1 - rng.uniform(0, 0.03, len(days)))
        columns = {"open": opened, "high": high, "low": low, "close": close, "volume": np.full(len(days), 1e6)}
        daily[symbol] = pd.DataFrame(columns, index=days)
    return Source("walks", "two random walks", daily, {})


@st.composite
def order_bodies(draw: st.DrawFn) -> dict[str, Any]:
    """An order near the market; `offset` fields become prices when the last trade is known."""
    return {
        "symbol": draw(st.sampled_from(SYMBOLS)),
        "side": draw(st.sampled_from(["buy", "buy", "sell"])),
        "type": draw(st.sampled_from(["market", "limit", "stop"])),
        "order_class": draw(st.sampled_from(["simple", "bracket", "bracket", "oco"])),
        "time_in_force": draw(st.sampled_from(["day", "gtc"])),
        "qty": draw(st.integers(1, 3000)),
        "offset": draw(OFFSETS),
        "target": draw(st.sampled_from([0.01, 0.03, 0.1])),
        "stop": draw(st.sampled_from([0.01, 0.03, 0.1])),
    }


ACTIONS = st.one_of(
    st.tuples(st.just("submit"), order_bodies()),
    st.tuples(st.just("cancel"), st.integers(0, 50)),
    st.tuples(st.just("replace"), st.tuples(st.integers(0, 50), OFFSETS, st.none() | st.integers(1, 500))),
    st.tuples(st.just("close"), st.sampled_from(SYMBOLS)),
    st.tuples(st.just("advance"), st.sampled_from([30, 60, 3600, 6 * 3600, 86400, 5 * 86400])),
)


def do(exchange: Exchange, action: str, detail: Any) -> None:
    if action == "submit":
        exchange.submit(priced(exchange, detail))
    elif action == "cancel":
        if detail < len(exchange.book.live):
            exchange.cancel(exchange.book.live[detail])
    elif action == "replace":
        amend(exchange, *detail)
    elif action == "close":
        exchange.close_position(detail)
    else:
        exchange.advance(exchange.now + timedelta(seconds=detail))


def priced(exchange: Exchange, body: dict[str, Any]) -> dict[str, Any]:
    last = float(exchange.last(body["symbol"])) or 20.0
    price = round(last * (1 + body["offset"]), 2)
    sent = {name: body[name] for name in ("symbol", "side", "type", "order_class", "time_in_force", "qty")}
    if body["order_class"] == "oco":
        sent["type"] = "limit"
    elif body["type"] != "market":
        sent[f"{body['type']}_price"] = price
    if body["order_class"] != "simple":
        base = price if body["type"] != "market" and body["order_class"] == "bracket" else last
        sent["take_profit"] = {"limit_price": round(base * (1 + body["target"]), 2)}
        sent["stop_loss"] = {"stop_price": round(base * (1 - body["stop"]), 2)}
    return sent


def amend(exchange: Exchange, place: int, offset: float, quantity: int | None) -> None:
    if place >= len(exchange.book.live):
        return
    order = exchange.book.orders[exchange.book.live[place]]
    name = {"limit": "limit_price", "stop": "stop_price"}.get(order.type.value)
    body: dict[str, Any] = {"qty": quantity} if quantity is not None else {}
    if name is not None:
        body[name] = round(float(exchange.last(order.symbol)) * (1 + offset), 2)
    exchange.replace(order.id, body)


def check(exchange: Exchange, ended: dict[str, Order]) -> None:
    book, executions = exchange.book, exchange.ledger.executions
    spent = sum(
        ((e.price * e.quantity if e.side == "buy" else -e.price * e.quantity) for e in executions),
        Decimal(0),
    )
    assert book.cash_usd == Decimal(100_000) - spent
    assert book.cash_usd >= 0
    for symbol in SYMBOLS:
        signed = sum(e.quantity if e.side == "buy" else -e.quantity for e in executions if e.symbol == symbol)
        assert book.shares(symbol) == signed >= 0
        assert reserved(book, symbol).shares <= book.shares(symbol)
        assert 0 <= available(book, symbol) <= book.shares(symbol)
        assert 0 <= unprotected_shares(book).get(symbol, 0) <= book.shares(symbol)
    for order in book.orders.values():
        check_order(order, ended)
    assert set(book.live) == {order.id for order in book.orders.values() if order.is_live}


def check_order(order: Order, ended: dict[str, Order]) -> None:
    assert 0 <= order.filled_quantity <= order.quantity
    assert (order.status is Status.FILLED) == (order.filled_quantity == order.quantity)
    ends = (order.canceled_at, order.expired_at, order.failed_at, order.replaced_at)
    ends_by_status = {Status.CANCELED: 0, Status.EXPIRED: 1, Status.REJECTED: 2, Status.REPLACED: 3}
    assert [at is not None for at in ends] == [place == ends_by_status.get(order.status) for place in range(4)]
    if order.id in ended:
        assert order == ended[order.id], "an order that has ended changed"
    elif order.status in TERMINAL:
        ended[order.id] = order


def new_exchange(seed: int, partial: float) -> Exchange:
    return Exchange(ExchangeConfig("walks", date(2008, 9, 2), seed=seed, partial_fill_probability=partial), market())


@settings(max_examples=60)
@given(st.integers(0, 5), st.sampled_from([0.0, 0.5, 1.0]), st.lists(ACTIONS, max_size=25))
def test_cash_and_shares_are_conserved_and_no_order_ends_twice(seed: int, partial: float, actions: list[Any]) -> None:
    exchange = new_exchange(seed, partial)
    ended: dict[str, Order] = {}
    for action, detail in actions:
        do(exchange, action, detail)
        check(exchange, ended)
        expected = [serial for serial, _ in exchange.outbox]
        assert expected == list(range(1, exchange.ledger.events_emitted + 1))


@settings(max_examples=25)
@given(st.integers(0, 5), st.lists(ACTIONS, max_size=20))
def test_saved_state_comes_back_equal_and_goes_on_equally(seed: int, actions: list[Any]) -> None:
    one, other = new_exchange(seed, 0.5), new_exchange(seed, 0.5)
    for action, detail in actions:
        do(one, action, detail)
    book, ledger = decode(Book, encode(one.book)), decode(Ledger, encode(one.ledger))
    assert (book, ledger) == (one.book, one.ledger)
    other.take_over(one.now, book, ledger)
    for exchange in (one, other):
        exchange.submit(priced(exchange, {**BUY, "symbol": "AAA"}))
        while exchange.advance(one.opened_at + timedelta(days=50)) is False:
            pass
    assert encode(one.book) == encode(other.book)
    assert encode(one.ledger) == encode(other.ledger)


BUY = {"side": "buy", "type": "market", "order_class": "simple", "time_in_force": "day", "qty": 5, "offset": 0.0}
ENTRY = {**BUY, "order_class": "bracket", "time_in_force": "gtc", "target": 0.1, "stop": 0.03}


@settings(max_examples=25)
@given(st.integers(0, 5), st.lists(ACTIONS, max_size=15))
def test_looking_ahead_misses_no_crossing(seed: int, actions: list[Any]) -> None:
    """The search for the next instant, against a plain walk through the minutes: nothing may be due before it."""
    exchange = new_exchange(seed, 0.5)
    for action, detail in actions:
        do(exchange, action, detail)
        session = exchange.sessions.current(exchange.now)
        if session is None or exchange.now < session.opens_at:
            continue
        ahead = next_instant(exchange.book, exchange.market, session, exchange.now)
        minute = exchange.now + timedelta(minutes=1) - timedelta(seconds=exchange.now.second)
        while minute < min(ahead, session.closes_at):
            quotes = {symbol: quote for symbol in SYMBOLS if (quote := exchange.market.quote(symbol, minute))}
            assert step(exchange.book, Tick(minute, quotes))[1] == ()
            minute += timedelta(minutes=1)


def test_a_held_stop_is_never_left_behind_by_the_price() -> None:
    """After every advance, no armed stop is beyond its price without having been elected."""
    exchange = new_exchange(2, 0.5)
    for day in range(45):
        for symbol in SYMBOLS:
            exchange.submit(priced(exchange, {**ENTRY, "symbol": symbol}))
        while exchange.advance(exchange.opened_at + timedelta(days=day, hours=6)) is False:
            assert_no_stop_is_through(exchange)
    assert len(exchange.ledger.executions) > 50
    assert exchange.ledger.gapped


def assert_no_stop_is_through(exchange: Exchange) -> None:
    if not exchange.sessions.is_open(exchange.now):
        return
    for order in exchange.book.live_orders():
        quote, trigger = exchange.market.quote(order.symbol, exchange.now), trigger_of(order)
        if order.armed and trigger is not None and quote is not None and order.rest_at is None:
            assert not trigger.met_by(quote), order
