"""Time without an exit: whatever happens, the windows add up to the whole, and are those of the exchange's clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.exchange.conftest import market

from desk.exchange.config import ExchangeConfig
from desk.exchange.exposure import MOST_WINDOWS, BareWindow, Exposure
from desk.exchange.machine.book import AT_ONCE, MEASURED_LATENCY, Latency
from desk.exchange.rules.reservations import unprotected_shares
from desk.exchange.trading_account import Account
from desk.exchange.venue import Exchange

BEGIN = datetime(2008, 9, 2, 14, 0, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SYMBOLS = ("ABC", "XYZ")
Step = tuple[dict[str, int], int]
STEPS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from(SYMBOLS), st.integers(1, 500)),
        st.sampled_from([0, 0, 1, 999, 63_000, 1_000_000, 86_400_000_000]),
    ),
    max_size=40,
)


def windows_of(symbol: str, steps: list[Step]) -> Iterator[tuple[datetime, datetime, int, int]]:
    """Beginning, end, most shares and share-microseconds of each unbroken time, worked out the plain way."""
    now, found = BEGIN, []
    for bare, microseconds in steps:
        until = now + microseconds * MICROSECOND
        if microseconds and symbol in bare:
            found.append((now, until, bare[symbol], bare[symbol] * microseconds))
        now = until
    while found:
        first, *rest = found
        if rest and rest[0][0] == first[1]:
            found = [(first[0], rest[0][1], max(first[2], rest[0][2]), first[3] + rest[0][3]), *rest[1:]]
        else:
            yield first
            found = rest


def exposed(steps: list[Step]) -> Exposure:
    exposure, now = Exposure(), BEGIN
    for bare, microseconds in steps:
        until = now + microseconds * MICROSECOND
        exposure.expose({symbol: Decimal(shares) for symbol, shares in bare.items()}, now, until)
        now = until
    return exposure


def total(windows: list[BareWindow]) -> Decimal:
    return sum((window.share_seconds for window in windows), Decimal(0))


@given(STEPS)
def test_windows_are_the_unbroken_times_and_add_up_to_the_whole(steps: list[Step]) -> None:
    exposure = exposed(steps)
    windows = exposure.newest()
    expected = [(symbol, *window) for symbol in SYMBOLS for window in windows_of(symbol, steps)]
    seen = [(each.symbol, each.since, each.until, each.most_shares, each.share_seconds * 1_000_000) for each in windows]
    assert sorted(seen) == sorted(expected)
    assert exposure.count == len(windows)
    assert total(windows) == sum(exposure.share_seconds.values())
    assert [window.since for window in windows] == sorted(window.since for window in windows)


def test_no_more_than_the_newest_windows_are_kept_and_one_that_goes_on_is_among_them() -> None:
    always = {"XYZ": 5}
    steps: list[Step] = [(always | ({"ABC": number} if number % 2 else {}), 1000) for number in range(1, 2 * MOST_WINDOWS + 200)]
    exposure = exposed(steps)
    windows = exposure.newest()
    assert (len(windows), exposure.count) == (MOST_WINDOWS, MOST_WINDOWS + 101)
    assert (windows[0].symbol, windows[0].since, windows[0].until) == ("XYZ", BEGIN, BEGIN + len(steps) * 1000 * MICROSECOND)
    assert [window.most_shares for window in windows[1:]] == list(range(203, 2 * MOST_WINDOWS + 200, 2))
    assert len(exposure.earlier) <= MOST_WINDOWS


# an account that lives

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("buy"), st.integers(1, 9)),
        st.tuples(st.just("bracket"), st.integers(1, 9)),
        st.tuples(st.just("oco"), st.integers(1, 9)),
        st.tuples(st.just("sell"), st.integers(1, 9)),
        st.tuples(st.just("cancel"), st.integers(0, 3)),
        st.tuples(st.just("wait"), st.sampled_from([0, 1, 5, 15, 63, 78, 1000, 3_600_000, 86_400_000])),
    ),
    max_size=25,
)
EXITS: dict[str, Any] = {"take_profit": {"limit_price": "150"}, "stop_loss": {"stop_price": "85"}}
BODIES: dict[str, dict[str, Any]] = {
    "buy": {"side": "buy", "type": "market"},
    "sell": {"side": "sell", "type": "market"},
    "bracket": {"side": "buy", "type": "market", "order_class": "bracket", **EXITS},
    "oco": {"side": "sell", "type": "limit", "order_class": "oco", **EXITS},
}


def do(account: Account, action: str, detail: int) -> None:
    exchange = account.exchange
    if action == "wait":
        exchange.advance(exchange.now + timedelta(milliseconds=detail))
    elif action == "cancel":
        for order in account.book.live_orders()[detail : detail + 1]:
            account.cancel(order.id)
    else:
        account.submit({"symbol": "ABC", "time_in_force": "gtc", "qty": str(detail), **BODIES[action]})


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(ACTIONS, st.sampled_from([AT_ONCE, MEASURED_LATENCY]), st.sampled_from([(), (("ABC", 7),)]))
def test_an_account_s_windows_add_up_to_what_its_books_show(
    actions: list[tuple[str, int]], latency: Latency, holdings: tuple[tuple[str, int], ...]
) -> None:
    exchange = Exchange(ExchangeConfig("small", date(2008, 9, 2), seed=5, latency=latency, holdings=holdings), market())
    account, seen = exchange.first, [Decimal(0)]

    def watch(since: datetime, until: datetime) -> None:
        """Between two instants the books stand still, so what they show at the second was so from the first on."""
        seconds = Decimal((until - since) // MICROSECOND) / 1_000_000
        seen.append(sum(unprotected_shares(account.book).values(), Decimal(0)) * seconds)

    exchange.on_advance.append(watch)
    exchange.advance(BEGIN)
    for action, detail in actions:
        do(account, action, detail)
    exposure = account.ledger.exposure
    windows = exposure.newest()
    assert total(windows) == sum(exposure.share_seconds.values()) == sum(seen)
    assert all(window.since < window.until <= exchange.now for window in windows)
    assert all(earlier.until < later.since for earlier, later in pairwise(windows))
