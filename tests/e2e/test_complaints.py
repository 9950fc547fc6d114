"""What users of other bots complain of, class by class (docs/complaints.md): each would happen to a naive bot here, and does not
happen to the desk. The exchange is a process of its own, and so is the trader where one has to die."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alpaca.trading.requests import GetOptionContractsRequest
from fresh_exchange import MORNING
from lumibot.entities import Asset
from order_path import OrderPath, order_path

from desk.domain.decisions import Mode
from desk.domain.orders import GroupRole, OrderStatus
from desk.domain.steps import Cancel, Replace, Submit
from desk.exchange.process import ExchangeProcess
from options import occ

pytestmark = pytest.mark.slow
ENTRY, TARGET, STOP = GroupRole.ENTRY, GroupRole.TAKE_PROFIT, GroupRole.STOP_LOSS
TESTS = Path(__file__).parents[1]
SENDING = {"method": "POST", "path": "/v2/orders"}
FAR = 0.5
Json = dict[str, Any]


@pytest.fixture
def path(exchange: ExchangeProcess, journal: Path) -> Iterator[OrderPath]:
    with order_path(exchange, journal) as running:
        yield running


def holding(path: OrderPath, stop_fraction: float = FAR, target_fraction: float = FAR) -> None:
    """Ten shares with a target and a stop at the exchange, far away unless said otherwise."""
    path.hold("AAPL", 10, stop_fraction, target_fraction)
    path.wait_until(lambda: path.filled_shares(ENTRY) == 10, "the entry fills")
    path.quiet()


def until_flat(path: OrderPath) -> None:
    for _ in range(60):
        if not path.positions():
            return
        path.advance(hours=12)
    raise AssertionError("the position was never left")


# ---- P1: spreads of the wrong size or sign -----------------------------------------------------------------------------------


def credit_spread(path: OrderPath, lots: int) -> list[Any]:
    """A put near the money sold, the next one below it bought, of the month after this one."""
    day, price = MORNING.date(), path.price("AAPL")
    wanted = GetOptionContractsRequest(
        underlying_symbols=["AAPL"],
        type="put",
        expiration_date_gte=day + timedelta(days=20),
        expiration_date_lte=day + timedelta(days=60),
        limit=1000,
    )
    answer: Any = path.trading.get_option_contracts(wanted)
    contracts = [occ.parse(each.symbol) for each in answer.option_contracts]
    expiry = min(each.expiration for each in contracts)
    below = sorted(each.strike for each in contracts if each.expiration == expiry and each.strike < Decimal(str(price)))
    sides = ((below[-1], "sell_to_open"), (below[-2], "buy_to_open"))
    return [
        path.strategy.create_order(
            Asset("AAPL", asset_type="option", expiration=expiry, strike=float(strike), right="put"), lots, side
        )
        for strike, side in sides
    ]


def test_p1_a_credit_spread_goes_out_with_its_size_and_receives_at_least_its_credit(path: OrderPath) -> None:
    """A naive bot divides the quantity by the common factor of the legs and drops the sign, as stock Lumibot does: five lots
    go out as one, and "1.00" is a limit that pays up to a dollar for what should bring one, so that any price fills it."""
    cash = float(path.get("/v2/account")["cash"])
    (parent,) = path.strategy.submit_order(credit_spread(path, 5), is_multileg=True, order_type="credit", price=0.05)
    path.advance(seconds=2)
    path.wait_until(parent.is_filled, "the spread fills")
    (order,) = path.orders()
    assert (order["qty"], order["limit_price"], order["filled_qty"]) == ("5", "-0.05", "5")
    assert Decimal(order["filled_avg_price"]) <= Decimal("-0.05"), "what is below zero is received"
    assert sorted(path.positions().values()) == [-5, 5]
    assert float(path.get("/v2/account")["cash"]) >= cash + 5 * 100 * 0.05
    assert sorted((fill.quantity, fill.side.value) for fill in path.fills) == [(5, "buy"), (5, "sell")]


def test_p1_a_credit_that_the_market_does_not_give_does_not_fill(path: OrderPath) -> None:
    """With the sign lost it fills at once, at whatever credit there is."""
    legs = credit_spread(path, 1)
    width = legs[0].asset.strike - legs[1].asset.strike
    path.strategy.submit_order(legs, is_multileg=True, order_type="credit", price=width - 0.01)
    path.advance(minutes=30)
    path.quiet()
    assert [order["status"] for order in path.orders()] == ["new"]
    assert (path.fills, path.positions()) == ([], {})


# ---- P4: a restart forgets or doubles orders ---------------------------------------------------------------------------------

TRADER = """
import json, sys
sys.path[:0] = {path!r}
from order_path import At, OrderPath
path = OrderPath(At(*json.loads(sys.stdin.readline())), __import__("pathlib").Path({journal!r}))
path.hold("AAPL", 10, 0.5, 0.5)
"""


def killed_while_sending(exchange: ExchangeProcess, journal: Path, is_there: Callable[[], object]) -> None:
    """A trader process that is killed with an order on the wire; it never reads an answer."""
    script = TRADER.format(path=[str(TESTS), str(TESTS.parent)], journal=str(journal))
    child = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, text=True, cwd=journal.parent)
    try:
        assert child.stdin is not None
        child.stdin.write(json.dumps([exchange.url, exchange.api_key, exchange.api_secret]) + "\n")
        child.stdin.flush()
        for _ in range(1200):
            if is_there():
                break
            assert child.poll() is None, "the trader ended by itself"
            signal.sigtimedwait([], 0.05)
        assert is_there()
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()


def happened(exchange: ExchangeProcess) -> bool:
    """Whether the fault of this test has met its request."""
    return any(entry["hits"] for entry in exchange.admin.faults())


def test_p4_an_order_of_a_killed_process_is_found_again_and_not_sent_twice(exchange: ExchangeProcess, journal: Path) -> None:
    """A naive bot has its orders in memory, or writes an id down when it reads the answer. Killed in between, it starts without
    the order that was taken, and buys the same again."""
    exchange.admin.fault("hang", {**SENDING, "nth": 1}, taken=True)
    killed_while_sending(exchange, journal, lambda: happened(exchange))
    with order_path(exchange, journal) as path:
        (order,) = path.orders()
        path.adopt()
        trade = path.trade("AAPL")
        assert (trade.key, trade.entered, trade.is_protected) == (order["client_order_id"], 10, True)
        assert {leg["id"] for leg in order["legs"]} == {path.broker._intake.current((trade.key, role)) for role in (TARGET, STOP)}
        assert path.hold("AAPL", 10, FAR, FAR).steps == ()
        assert (len(path.orders()), path.positions(), path.desk.mode) == (1, {"AAPL": 10}, Mode.ACTIVE)


def test_p4_an_order_that_never_left_is_not_waited_for(exchange: ExchangeProcess, journal: Path) -> None:
    """A naive bot that writes down first and sends then believes, after such an end, in a position that it never opened."""
    exchange.admin.fault("hang", {**SENDING, "nth": 1}, taken=False)
    killed_while_sending(exchange, journal, lambda: happened(exchange))
    exchange.admin.clear_faults()
    with order_path(exchange, journal) as path:
        path.advance(minutes=2)
        path.adopt()
        assert (dict(path.desk.book.open), path.orders(), path.desk.mode) == ({}, [], Mode.ACTIVE)
        holding(path)
        assert (path.trade("AAPL").entered, len(path.orders())) == (10, 1)


# ---- P5: fills are lost while the stream is down -----------------------------------------------------------------------------


def test_p5_an_exit_that_fills_while_the_stream_is_down_is_booked_and_told_once(path: OrderPath) -> None:
    """A naive bot connects again and waits for the next message. Nothing is sent twice, so it holds for ever what is sold, and
    of the other exit, which ends without a message (alpaca-py issue 198), it never hears anyhow."""
    holding(path, stop_fraction=0.02)
    before = path.broker.stream_state.connections
    path.venue.admin.fault("dropped_stream", {"event": "fill", "nth": 1})
    until_flat(path)
    path.wait_for_new_connection(before)
    path.wait_until(lambda: path.desk.book.closed, "the exit is booked")
    (trade,) = path.desk.book.closed
    assert (trade.entered, trade.exited, trade.exit_role) == (10, 10, STOP)
    assert trade.target_status in (OrderStatus.CANCELED, OrderStatus.REPLACED)
    assert (path.callbacks["entry"], path.callbacks["stop"]) == (1, 1)
    assert path.positions() == {} and path.orders(status="open") == []


# ---- P6: protective legs are invisible ----------------------------------------------------------------------------------------


def test_p6_a_held_stop_is_known_though_no_list_of_open_orders_has_it(exchange: ExchangeProcess, journal: Path) -> None:
    """A naive bot asks for its open orders. A bracket's stop is `held` and not among them, so the position looks naked and gets
    a second stop, which is refused, or sells shares short when both trigger."""
    with order_path(exchange, journal) as first:
        holding(first)
        assert [order["type"] for order in first.orders(status="open", nested="false")] == ["limit"]
        assert first.trade("AAPL").is_protected
    with order_path(exchange, journal) as second:
        second.adopt()
        trade = second.trade("AAPL")
        (bracket,) = second.orders()
        stop = next(leg for leg in bracket["legs"] if leg["type"] == "stop")
        assert stop["status"] == "held"
        assert second.broker._intake.current((trade.key, STOP)) == stop["id"]
        assert (trade.is_protected, trade.stop_status) == (True, OrderStatus.HELD)
        second.hold("AAPL", 10, FAR, FAR)
        assert len(second.orders()) == 1, "nothing is sent for a position that is protected"


# ---- P7: a position with exits cannot be sold ----------------------------------------------------------------------------------


def test_p7_a_protected_position_is_left_without_a_naked_moment(path: OrderPath) -> None:
    """A naive bot sells, and is refused because the exits hold the shares; or it cancels them first, and when anything stops it
    there, the position is naked. The desk moves the target to the market: the stop stands until the shares are sold."""
    holding(path)
    refused = path.trading._session.post(
        path.venue.url + "/v2/orders",
        json={"symbol": "AAPL", "side": "sell", "qty": "10", "type": "market", "time_in_force": "day"},
        headers={"APCA-API-KEY-ID": path.venue.api_key, "APCA-API-SECRET-KEY": path.venue.api_secret},
        timeout=30,
    )
    assert (refused.status_code, refused.json()["held_for_orders"]) == (403, "10")

    decided = path.hold("AAPL", 0)
    assert [type(step) for step in decided.steps] == [Replace]
    path.advance(seconds=5)
    path.wait_until(lambda: path.desk.book.closed, "the position is left")
    (trade,) = path.desk.book.closed
    assert (trade.exited, trade.exit_role, path.positions()) == (10, TARGET, {})
    assert not [step for step in path.steps if isinstance(step, Cancel)] and path.refusals == []
    ended = [event for event in path.events if event.role is STOP and event.status is OrderStatus.CANCELED]
    sold = next(event for event in path.events if event.role is TARGET and event.fill)
    assert all(event.at >= sold.at for event in ended)
    assert path.orders(status="open") == []


# ---- P12: partial fills break the protection -----------------------------------------------------------------------------------


def test_p12_what_half_an_entry_bought_gets_exits_of_its_own(path: OrderPath) -> None:
    """A bracket's exits wake when its entry is complete. A naive bot whose entry ends after 4 of 10 holds 4 shares, and its
    exits ended with the entry; or it sends exits for the 10 that it ordered, and is short 6 when one fills."""
    path.venue.admin.fault("partial_fill", {"symbol": "AAPL"}, quantity=4)
    path.hold("AAPL", 10, FAR, FAR)
    path.wait_until(lambda: path.filled_shares(ENTRY) == 4, "a part fills")
    (entry,) = path.orders()
    path.ask("DELETE", f"/v2/orders/{entry['id']}")
    path.wait_until(lambda: len(path.orders()) == 2, "the shares are covered")
    path.quiet()
    cover = next(order for order in path.orders() if order["id"] != entry["id"])
    assert (cover["order_class"], cover["side"], cover["qty"]) == ("oco", "sell", "4")
    assert [leg["qty"] for leg in cover["legs"]] == ["4"]
    trade = path.trade("AAPL")
    assert (trade.shares, trade.is_protected, path.positions()) == (4, True, {"AAPL": 4})
    assert [step.spec.quantity for step in path.steps if isinstance(step, Submit)] == [10, 4]


def test_p12_a_target_that_fills_in_parts_leaves_a_stop_for_the_rest_and_nothing_short(path: OrderPath) -> None:
    """A naive bot takes the first message of the target for all of it, or keeps a stop for the whole quantity."""
    path.venue.admin.fault("partial_fill", {"symbol": "AAPL"}, leg="take_profit", quantity=4)
    holding(path, target_fraction=0.002)
    for _ in range(30):
        if path.positions() != {"AAPL": 10}:
            break
        path.venue.admin.advance(path.clock.now() + timedelta(hours=4))  # as far as the next update
    path.wait_until(lambda: path.filled_shares(TARGET) == 4, "a part of the target fills")
    trade = path.trade("AAPL")
    assert (trade.shares, trade.is_protected, path.positions()) == (6, True, {"AAPL": 6})
    assert {leg["type"]: leg["status"] for leg in path.orders()[0]["legs"]} == {"limit": "partially_filled", "stop": "held"}
    path.advance(minutes=1)
    path.wait_until(lambda: path.desk.book.closed, "the rest of it fills")
    (trade,) = path.desk.book.closed
    assert (trade.entered, trade.exited, path.filled_shares(TARGET)) == (10, 10, 10)
    assert (path.positions(), path.orders(status="open"), path.troubles) == ({}, [], [])
    assert [quantity for _, _, quantity in path.strategy.parts] == [4.0]
    assert path.callbacks["target"] == 1
