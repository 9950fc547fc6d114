"""Shares of an account in which an option spread was assigned: a person's are given to the desk, and the spread's are not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from live_exchange import KEY, SECRET, LiveExchange, live_exchange
from recording_desk import RULE, Outbox
from spread_keeping import Market
from spread_worlds import FIRST, plan

from desk.brokers.alpaca_clients import trading_client
from desk.brokers.endpoint import Endpoint
from desk.cli.adopt import adopt_shares
from desk.cli.bare import not_the_desks
from desk.core.ports import Journal
from desk.core.reconcile import BrokerView
from desk.core.review import Limits
from desk.core.spread_entry import SpreadPolicy
from desk.core.spread_settlements import seen
from desk.domain.errors import UsageError
from desk.domain.journal import SharesAdopted
from desk.domain.options import OptionQuote
from desk.domain.orders import LEG_ROLES, Fill, GroupRole, OrderEvent, OrderStatus
from desk.domain.spreads import Settlement, SpreadPlan
from desk.domain.steps import SpreadOrder
from desk.exchange.admin_client import AdminClient
from desk.journal.memory import MemoryJournal
from desk.journal.sql import SqlJournal
from desk.runtime.account import held
from desk.runtime.build import market_hours
from desk.runtime.clock import VirtualClock
from desk.runtime.desk import Desk
from desk.runtime.found import FoundPositions
from desk.runtime.run_folder import RunFolder, RunIdentity, create
from desk.runtime.spread_keeper import LIVE_PACE, SpreadKeeper
from desk.settings.load import load_settings

pytestmark = pytest.mark.slow
SHARES, SHORT, LONG = "ABC", "ABC080905P00100000", "ABC080905P00095000"
MORNING = datetime(2008, 9, 2, 14, 0, tzinfo=UTC)
QUOTES = {SHORT: ("9.00", "9.20"), LONG: ("4.50", "4.70")}
Settled = list[tuple[str, Settlement]]
STOP = {"side": "sell", "type": "stop", "stop_price": "50"}


@pytest.fixture
def exchange() -> Iterator[LiveExchange]:
    """The account holds a spread of two contracts, and 50 shares that a person bought."""
    with live_exchange() as running:
        running.to(f"{MORNING:%Y-%m-%dT%H:%M:%SZ}")
        legs = [leg(SHORT, "sell_to_open"), leg(LONG, "buy_to_open")]
        running.order(symbol=None, side=None, order_class="mleg", qty="2", time_in_force="day", legs=legs)
        running.order(qty="50")
        yield running


def leg(symbol: str, intent: str) -> dict[str, str]:
    return {"symbol": symbol, "side": intent.partition("_")[0], "ratio_qty": "1", "position_intent": intent}


def endpoint(exchange: LiveExchange) -> Endpoint:
    return Endpoint(KEY, SECRET, True, exchange.url, exchange.url)


def api(exchange: LiveExchange) -> Any:
    return trading_client(endpoint(exchange))


def assigned(exchange: LiveExchange, contracts: int = 1) -> None:
    AdminClient(exchange.url, KEY, SECRET).assign(SHORT, contracts)


def decided() -> SpreadPlan:
    there = plan(2, decided_at=MORNING)
    return SpreadPlan(FIRST, SHARES, SHORT, LONG, 2, Decimal("4.50"), Decimal("4.00"), there.rules, "", MORNING)


def desk_with_the_spread(journal: Journal, exchange: LiveExchange) -> Desk:
    """Its journal has the entry with both legs filled, and the person's shares from a comparison."""
    desk = Desk(journal, VirtualClock(MORNING), Limits(0.15))
    outbox = Outbox(desk)
    desk.send_through(outbox)
    desk.about_spreads(lambda spreads: spreads.open(decided()))
    quotes = {symbol: OptionQuote(symbol, Decimal(bid), Decimal(ask), MORNING) for symbol, (bid, ask) in QUOTES.items()}
    market = Market(held={}, said=quotes)
    SpreadKeeper(desk, market, market, market_hours, LIVE_PACE, SpreadPolicy(), [].append).look(MORNING)
    (step,) = outbox.sent
    assert isinstance(step, SpreadOrder)
    for role in (*LEG_ROLES[:2], GroupRole.ENTRY):
        side = step.spec.leg(role)
        fill = side and Fill(f"{role}", step.key, side.symbol, side.side, 2, quotes[side.symbol].bid, MORNING, role, 2)
        desk.order_event(OrderEvent(step.key, role, OrderStatus.FILLED, MORNING, f"{role}", fill, ""))
    desk.compare(BrokerView(held(api(exchange))), None)
    return desk


def booked(desk: Desk, symbol: str = SHORT, kind: Settlement = Settlement.ASSIGNED) -> None:
    at = MORNING + timedelta(minutes=1)
    desk.about_spreads(lambda spreads: spreads.settle((seen(FIRST, symbol, kind, 1, at),), at))


# ---- the desk takes over what it finds -----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_booked", [False, True])
@pytest.mark.parametrize(("stopped", "count"), [(0, 50), (20, 30), (50, 0)])
def test_found_shares_are_the_persons_alone(exchange: LiveExchange, stopped: int, count: int, is_booked: bool) -> None:
    desk = desk_with_the_spread(MemoryJournal("f00d"), exchange)
    if stopped:
        exchange.order(qty=str(stopped), **STOP)
    assigned(exchange)
    if is_booked:
        booked(desk)
    there = held(api(exchange))
    assert there[SHARES] == 150
    desk.compare(BrokerView(there), None)
    adopted = FoundPositions(desk, api(exchange), "f00d", VirtualClock(MORNING), RULE, [].append).protect()
    assert sum(each.spec.quantity for each in adopted) == count
    assert desk.differences.foreign[SHARES] == 50 - count
    assert desk.compare(BrokerView(there), None) == ()


@pytest.mark.parametrize("is_booked", [False, True])
def test_what_stands_without_a_stop_is_the_persons_alone(exchange: LiveExchange, is_booked: bool) -> None:
    desk = desk_with_the_spread(MemoryJournal("f00d"), exchange)
    assigned(exchange)
    if is_booked:
        booked(desk)
    found = not_the_desks(desk, api(exchange).get_all_positions())
    assert [(position.symbol, count) for position, count in found] == [(SHARES, 50)]


# ---- a person gives shares to it -------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return create(tmp_path, "run", RunIdentity("bull_put_spread", "alpaca", "alpaca", None, None, None))


def given(exchange: LiveExchange, folder: RunFolder, count: int | None) -> SharesAdopted:
    settings = load_settings(environ={}, dotenv=None)
    return adopt_shares(folder, endpoint(exchange), settings, (SHARES, count), "mine")


def stopped_run(exchange: LiveExchange, folder: RunFolder, *settled: tuple[str, Settlement]) -> None:
    """The journal of a desk that stopped with these contracts booked as settled."""
    with closing(SqlJournal(folder.journal, "f00d")) as journal:
        desk = desk_with_the_spread(journal, exchange)
        for symbol, kind in settled:
            booked(desk, symbol, kind)


@pytest.mark.parametrize("settled", [[], [(SHORT, Settlement.ASSIGNED)]], ids=["not booked", "booked"])
def test_a_person_gives_no_shares_of_an_assignment(exchange: LiveExchange, folder: RunFolder, settled: Settled) -> None:
    stopped_run(exchange, folder, *settled)
    assigned(exchange)
    with pytest.raises(
        UsageError, match=r"of 150 shares in the account 50 are not the desk's.* Of the shares 100 belong to an option spread"
    ):
        given(exchange, folder, 51)
    some = given(exchange, folder, 20)
    assert (some.spec.quantity, some.left) == (20, 30)
    rest = given(exchange, folder, None)
    assert (rest.spec.quantity, rest.left) == (30, 0)
    with pytest.raises(UsageError, match=r" 0 are not the desk's.* Of the shares 100 belong to an option spread"):
        given(exchange, folder, None)


def test_what_a_persons_stop_leaves_free_is_the_spreads(exchange: LiveExchange, folder: RunFolder) -> None:
    stopped_run(exchange, folder)
    assigned(exchange)
    exchange.order(qty="45", **STOP)
    with pytest.raises(UsageError, match="open orders and an option spread hold all but 5 of the shares"):
        given(exchange, folder, None)
    assert given(exchange, folder, 5).left == 45


def test_a_hundred_shares_that_no_contract_explains_are_the_persons(exchange: LiveExchange, folder: RunFolder) -> None:
    stopped_run(exchange, folder)
    exchange.order(qty="100")
    assert given(exchange, folder, None).spec.quantity == 150


def test_shares_that_a_spread_owes_are_the_persons_and_not_there_to_give(exchange: LiveExchange, folder: RunFolder) -> None:
    """A bought put of the spread took 100 of his 150."""
    exchange.order(qty="100")
    stopped_run(exchange, folder, (LONG, Settlement.EXERCISED))
    exchange.order(qty="100", side="sell")
    with pytest.raises(UsageError, match=r"all but 50 of the shares.* An option spread owes 100 shares"):
        given(exchange, folder, None)
    assert given(exchange, folder, 50).left == 100


def test_shares_bought_while_the_run_was_stopped_are_told_from_an_assignment(exchange: LiveExchange, folder: RunFolder) -> None:
    stopped_run(exchange, folder)
    assigned(exchange)
    exchange.order(qty="30")
    adopted = given(exchange, folder, None)
    assert (adopted.spec.quantity, adopted.left) == (80, 0)
