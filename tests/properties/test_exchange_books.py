"""Whatever clients send as JSON and wherever prices go: an account's money and shares are conserved, and nothing is oversold."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.data.source import Instrument, Source
from desk.exchange.agenda import next_instant
from desk.exchange.codec import decode, encode
from desk.exchange.config import ExchangeConfig
from desk.exchange.ledger import Ledger
from desk.exchange.machine.book import AT_ONCE, MEASURED_LATENCY, Book, Latency, multiplier
from desk.exchange.machine.commands import Tick
from desk.exchange.machine.machine import apply
from desk.exchange.machine.orders import UNIT_USD, ZERO, Order
from desk.exchange.machine.triggers import trigger_of
from desk.exchange.rules.expiring import has_expired
from desk.exchange.rules.rejections import Rejection
from desk.exchange.rules.reservations import available, reserved, unprotected_shares
from desk.exchange.trading_account import Account
from desk.exchange.venue import Exchange
from desk.exchange.words import TERMINAL, Side, Status
from options.occ import parse

STOCKS = ("AAA", "BBB")
START = date(2008, 9, 12)
OFFSETS = st.sampled_from([-0.2, -0.05, -0.02, -0.005, 0.0, 0.005, 0.02, 0.05, 0.2])
NEAR = st.sampled_from([0.01, 0.03, 0.1])
SPREADS = st.tuples(
    st.integers(-2, 2), st.sampled_from([-1, 1]), st.sampled_from([-20, 0, 5, 40]), st.sampled_from(["day", "gtc"])
)


@lru_cache(maxsize=1)
def market() -> Source:
    """Two wild walks over 40 sessions, around 20 and 100 dollars, with gaps."""
    days = pd.bdate_range("2008-09-02", periods=40)
    rng = np.random.default_rng(11)
    daily = {}
    for symbol, level in zip(STOCKS, (20.0, 100.0), strict=True):
        close = level * np.exp(np.cumsum(rng.normal(0, 0.04, len(days))))
        opened = np.append(level, close[:-1]) * np.exp(rng.normal(0, 0.03, len(days)))
        high = np.maximum(opened, close) * (1 + rng.uniform(0, 0.03, len(days)))
        low = np.minimum(opened, close) * (1 - rng.uniform(0, 0.03, len(days)))
        columns = {"open": opened, "high": high, "low": low, "close": close, "volume": np.full(len(days), 1e6)}
        daily[symbol] = pd.DataFrame(columns, index=days)
    return Source("walks", "two random walks", daily, {symbol: Instrument(symbol, symbol) for symbol in STOCKS})


@st.composite
def order_bodies(draw: st.DrawFn) -> dict[str, Any]:
    """An order near the market; `offset`, `target` and `stop` become prices when the last trade is known."""
    return {
        "symbol": draw(st.sampled_from(STOCKS)),
        "side": draw(st.sampled_from(["buy", "buy", "sell"])),
        "type": draw(st.sampled_from(["market", "limit", "stop", "stop_limit", "trailing_stop"])),
        "order_class": draw(st.sampled_from(["simple", "simple", "bracket", "bracket", "oco", "oto"])),
        "time_in_force": draw(st.sampled_from(["day", "day", "gtc", "gtc", "ioc", "fok", "opg", "cls"])),
        "extended_hours": draw(st.sampled_from([False, False, False, True])),
        "qty": draw(st.sampled_from([1, 7, 50, 300, 3000, "0.5", "12.25"])),
        "offset": draw(OFFSETS),
        "target": draw(NEAR),
        "stop": draw(NEAR),
    }


ACTIONS = st.one_of(
    st.tuples(st.just("submit"), order_bodies()),
    st.tuples(st.just("spread"), SPREADS),
    st.tuples(st.just("cancel"), st.integers(0, 50)),
    st.tuples(st.just("replace"), st.tuples(st.integers(0, 50), OFFSETS, st.none() | st.integers(1, 500))),
    st.tuples(st.just("close"), st.sampled_from(STOCKS)),
    st.tuples(st.just("advance"), st.sampled_from([0.05, 30, 60, 3600, 6 * 3600, 86400, 5 * 86400])),
)
SETTINGS = (st.integers(0, 5), st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([AT_ONCE, MEASURED_LATENCY]))


def do(account: Account, action: str, detail: Any) -> None:
    exchange = account.exchange
    doings: dict[str, Callable[[], object]] = {
        "submit": lambda: account.submit(priced(account, detail)),
        "spread": lambda: account.submit(vertical(account, *detail)),
        "cancel": lambda: [account.cancel(order.id) for order in account.book.live_orders()[detail : detail + 1]],
        "replace": lambda: amend(account, *detail),
        "close": lambda: account.close_position(detail),
        "advance": lambda: exchange.advance(exchange.now + timedelta(seconds=detail)),
    }
    doings[action]()


def priced(account: Account, body: dict[str, Any]) -> dict[str, Any]:
    """The order as a client sends it."""
    last = float(account.last(body["symbol"])) or 20.0
    price = round(last * (1 + body["offset"]), 2)
    sent = {name: body[name] for name in ("symbol", "side", "type", "order_class", "time_in_force", "qty")}
    if body.get("extended_hours"):
        sent["extended_hours"] = True
    if body["order_class"] == "oco":
        sent["type"] = "limit"
    elif body["type"] == "trailing_stop":
        sent["trail_percent"] = 2.5
    else:
        sent |= {f"{name}_price": price for name in ("stop", "limit") if name in body["type"]}
    way = 1 if (body["side"] == "buy") == (body["order_class"] != "oco") else -1
    if body["order_class"] != "simple":
        base = price if "limit" in body["type"] and body["order_class"] != "oco" else last
        sent["take_profit"] = {"limit_price": round(base * (1 + way * body["target"]), 2)}
        sent["stop_loss"] = {"stop_price": round(base * (1 - way * body["stop"]), 2)}
    if body["order_class"] == "oto":
        del sent["take_profit"]
    return sent


def vertical(account: Account, place: int, way: int, cents: int, lifetime: str) -> dict[str, Any]:
    """A spread of two neighbouring calls of the nearest expiration, bought or sold, to open or to close what is held of them."""
    exchange = account.exchange
    calls = [each for each in exchange.board.contracts("AAA", exchange.today) if each.is_call]
    calls = [each for each in calls if each.expiration == calls[0].expiration]
    middle = len(calls) // 2 + place
    legs, net = [], 0
    for contract, sign in zip(calls[middle : middle + 2], (way, -way), strict=False):
        side, quote = ("buy" if sign > 0 else "sell"), exchange.market.quote(contract.symbol, exchange.now)
        closes = account.book.shares(contract.symbol) * sign < 0
        net += sign * (quote.last if quote else 0)
        intent = f"{side}_to_{'close' if closes else 'open'}"
        legs.append({"symbol": contract.symbol, "side": side, "ratio_qty": 1, "position_intent": intent})
    shape = {"order_class": "mleg", "type": "limit", "qty": 2, "time_in_force": lifetime}
    return {**shape, "limit_price": round(net / 10_000 + cents / 100, 2), "legs": legs}


def amend(account: Account, place: int, offset: float, quantity: int | None) -> None:
    for order in account.book.live_orders()[place : place + 1]:
        name = {"limit": "limit_price", "stop": "stop_price", "stop_limit": "limit_price"}.get(order.type or "")
        body: dict[str, Any] = {"qty": quantity} if quantity is not None else {}
        if name is not None:
            body[name] = round(float(account.last(order.symbol)) * (1 + offset), 2)
        account.replace(order.id, body)


def check(account: Account, ended: dict[str, Order]) -> None:
    book, ledger = account.book, account.ledger
    spent = sum((e.price * e.signed_quantity * multiplier(e.symbol) for e in ledger.executions), ZERO)
    assert book.cash_usd == Decimal(100_000) - spent + sum((entry.net_amount for entry in ledger.entries), ZERO)
    for symbol in {e.symbol for e in ledger.executions} | set(book.holdings):
        traded = sum((e.signed_quantity for e in ledger.executions if e.symbol == symbol), ZERO)
        moved = sum((entry.position_change for entry in ledger.entries if entry.symbol == symbol), ZERO)
        assert book.shares(symbol) == traded + moved
        assert not ledger.entries or abs(available(book, symbol)) <= abs(book.shares(symbol))
        if not ledger.entries:  # assigned shares may go from under their exits
            assert 0 <= reserved(book, symbol).shares <= abs(book.shares(symbol))
        assert 0 <= unprotected_shares(book).get(symbol, ZERO) <= max(ZERO, book.shares(symbol))
    for order in book.orders.values():
        check_order(order, ended)
    assert set(book.live) == {order.id for order in book.orders.values() if order.is_live}
    for order in book.live_orders():
        assert not order.is_option or not order.symbol or not has_expired(parse(order.symbol).expiration, account.exchange.now)


def check_order(order: Order, ended: dict[str, Order]) -> None:
    assert order.quantity is not None and 0 <= order.filled_quantity <= order.quantity
    assert (order.status is Status.FILLED) == (order.filled_quantity == order.quantity)
    ends = (order.canceled_at, order.expired_at, order.failed_at, order.replaced_at)
    ends_by_status = {Status.CANCELED: 0, Status.EXPIRED: 1, Status.REJECTED: 2, Status.REPLACED: 3}
    assert [at is not None for at in ends] == [place == ends_by_status.get(order.status) for place in range(4)]
    if order.id in ended:
        assert order.status is ended[order.id].status, "an order that has ended changed"
    elif order.status in TERMINAL:
        ended[order.id] = order


def new_exchange(seed: int, partial: float, latency: Latency = AT_ONCE) -> Exchange:
    """Half an hour into the first session."""
    config = ExchangeConfig("walks", START, seed=seed, partial_fill_probability=partial, latency=latency)
    exchange = Exchange(config, market())
    assert exchange.advance(exchange.opened_at + timedelta(hours=2)) is True
    return exchange


@settings(max_examples=60)
@given(*SETTINGS, st.lists(ACTIONS, max_size=20))
def test_money_and_shares_are_conserved_and_no_order_ends_twice(
    seed: int, partial: float, latency: Latency, actions: list[Any]
) -> None:
    account = new_exchange(seed, partial, latency).first
    ended: dict[str, Order] = {}
    for action, detail in actions:
        do(account, action, detail)
        check(account, ended)
        assert [serial for serial, _ in account.outbox] == list(range(1, account.ledger.events_emitted + 1))


@pytest.mark.slow
@pytest.mark.timeout(600)  # the market of each example is made anew
@settings(max_examples=300)
@given(*SETTINGS, st.lists(ACTIONS, min_size=20, max_size=120))
def test_long_stories_conserve_money_and_shares(seed: int, partial: float, latency: Latency, actions: list[Any]) -> None:
    account = new_exchange(seed, partial, latency).first
    ended: dict[str, Order] = {}
    for action, detail in actions:
        do(account, action, detail)
        check(account, ended)


@settings(max_examples=30)
@given(*SETTINGS, st.lists(ACTIONS, max_size=15))
def test_a_saved_account_comes_back_equal_and_goes_on_equally(
    seed: int, partial: float, latency: Latency, actions: list[Any]
) -> None:
    one, other = new_exchange(seed, partial, latency), new_exchange(seed, partial, latency)
    for action, detail in actions:
        do(one.first, action, detail)
    book, ledger = decode(Book, encode(one.first.book)), decode(Ledger, encode(one.first.ledger))
    assert (book, ledger) == (one.first.book, one.first.ledger)
    other.first.book, other.first.ledger = book, ledger
    other.take_over(one.now)
    for exchange in (one, other):
        exchange.first.submit(priced(exchange.first, {**BUY, "symbol": "AAA"}))
        while exchange.advance(one.opened_at + timedelta(days=35)) is False:
            pass
    assert encode(one.first.book) == encode(other.first.book)
    assert encode(one.first.ledger) == encode(other.first.ledger)


BUY = {"side": "buy", "type": "market", "order_class": "simple", "time_in_force": "day", "qty": 5, "offset": 0.0}
ENTRY = {**BUY, "order_class": "bracket", "time_in_force": "gtc", "target": 0.1, "stop": 0.03}


@settings(max_examples=40)
@given(st.integers(0, 5), st.lists(ACTIONS, max_size=12))
def test_looking_ahead_misses_no_crossing(seed: int, actions: list[Any]) -> None:
    """The search for the next instant, against a plain walk through the minutes: nothing may be due before it."""
    exchange = new_exchange(seed, 0.5)
    for action, detail in actions:
        do(exchange.first, action, detail)
        session = exchange.sessions.at(exchange.now)
        if session is None or exchange.now == session.closes_at:
            continue
        book = decode(Book, encode(exchange.first.book))
        ahead = next_instant(book, exchange.market, session, exchange.now)
        minute = exchange.now + timedelta(minutes=1) - timedelta(seconds=exchange.now.second)
        symbols = {order.symbol for order in book.live_orders() if order.symbol}
        while minute < min(ahead, session.closes_at):
            quotes = {symbol: quote for symbol in symbols if (quote := exchange.market.quote(symbol, minute))}
            assert apply(book, Tick(minute, quotes)) == []
            minute += timedelta(minutes=1)


@settings(max_examples=40)
@given(st.integers(0, 5), st.lists(ACTIONS, max_size=12))
def test_stopping_on_the_way_changes_nothing(seed: int, actions: list[Any]) -> None:
    """How often a client looks at the clock is no part of what happens."""
    one, other = new_exchange(seed, 0.5), new_exchange(seed, 0.5)
    for action, detail in actions:
        do(one.first, action, detail)
        if action == "advance":
            while other.now < one.now:
                other.advance(min(one.now, other.now + timedelta(seconds=max(1.0, detail / 7))))
        else:
            do(other.first, action, detail)
    assert encode(one.first.book.orders) == encode(other.first.book.orders)
    assert one.first.book.cash_usd == other.first.book.cash_usd


def test_a_held_stop_is_never_left_behind_by_the_price() -> None:
    """After every advance, no armed stop is beyond its price without having been elected."""
    exchange = new_exchange(2, 0.5)
    account = exchange.first
    for day in range(38):
        for symbol in STOCKS:
            account.submit(priced(account, {**ENTRY, "symbol": symbol}))
        while exchange.advance(exchange.opened_at + timedelta(days=day, hours=6)) is False:
            assert_no_stop_is_through(exchange)
    assert len(account.ledger.executions) > 40
    assert account.ledger.gapped


def assert_no_stop_is_through(exchange: Exchange) -> None:
    if not exchange.sessions.is_open(exchange.now):
        return
    for order in exchange.first.book.live_orders():
        quote, trigger = exchange.market.quote(order.symbol, exchange.now), trigger_of(order)
        if order.armed and trigger is not None and quote is not None and order.due_at is None:
            assert not trigger.met_by(quote), order


def test_stories_are_full_of_life() -> None:
    """The properties above say little when everything is refused."""
    exchange = new_exchange(3, 0.3)
    account, rng = exchange.first, np.random.default_rng(3)
    taken = 0
    for step in range(60):
        way, place = int(rng.choice([-1, 1])), int(rng.integers(-2, 3))
        taken += not isinstance(account.submit(vertical(account, place, way, 5, "gtc")), Rejection)
        account.submit(priced(account, {**ENTRY, "symbol": STOCKS[step % 2], "qty": 20}))
        exchange.advance(exchange.now + timedelta(hours=7))
    kinds = {entry.kind for entry in account.ledger.entries}
    assert taken > 20 and kinds & {"OPEXC", "OPASN", "OPEXP"}
    assert {side.value for side in Side} == {e.side for e in account.ledger.executions}
    assert account.equity() * 10_000 % (UNIT_USD * 10_000) == 0
