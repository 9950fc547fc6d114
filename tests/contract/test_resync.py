"""The desk finds the broker's truth whatever its stream, its requests or its own process did: each fill once, each end known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alpaca.trading.client import TradingClient
from fresh_exchange import MORNING
from late_arrivals import journaled_only
from order_path import LOOKING, NONCE, OrderPath, order_path

from desk.brokers.alpaca_orders import order_request
from desk.brokers.guarded.outcomes import Outcome
from desk.core.keys import order_key
from desk.domain.decisions import Mode
from desk.domain.orders import GroupRole, OrderSpec
from desk.exchange.process import ExchangeProcess

pytestmark = pytest.mark.slow
ENTRY, TARGET, STOP = GroupRole.ENTRY, GroupRole.TAKE_PROFIT, GroupRole.STOP_LOSS
ORDERS = {"method": "POST", "path": "/v2/orders"}
FAR = 0.5


@pytest.fixture
def path(exchange: ExchangeProcess, journal: Path) -> Iterator[OrderPath]:
    with order_path(exchange, journal) as running:
        yield running


def entered(path: OrderPath) -> int:
    return path.filled_shares(ENTRY)


# ---- what the stream did -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delivered", [False, True])
def test_a_stream_that_breaks_at_the_fill_leaves_it_booked_once_and_told_once(path: OrderPath, delivered: bool) -> None:
    path.venue.admin.fault("dropped_stream", {"event": "fill", "nth": 1}, delivered=delivered)
    before = path.broker.stream_state.connections
    path.hold("AAPL", 10)
    path.wait_for_new_connection(before)
    path.wait_until(lambda: entered(path) >= 10, "the fill is known")
    path.resync()
    assert (entered(path), path.trade("AAPL").entered, path.callbacks["entry"]) == (10, 10, 1)
    assert path.positions() == {"AAPL": 10}


@pytest.mark.parametrize(
    ("kind", "when", "parameters"),
    [
        ("duplicate_event", {}, {}),
        ("late_event", {"event": "fill"}, {"seconds": 0.3}),
        ("reordered_event", {"event": "new"}, {"behind": 1}),
        ("lost_event", {"event": "fill"}, {}),
        ("lost_event", {}, {}),
    ],
)
def test_what_the_stream_repeats_delays_or_loses_is_booked_once(
    exchange: ExchangeProcess, journal: Path, kind: str, when: dict[str, Any], parameters: dict[str, Any]
) -> None:
    with order_path(exchange, journal, LOOKING) as path:
        exchange.admin.fault(kind, when, **parameters)
        path.hold("AAPL", 10)
        path.wait_until(lambda: entered(path) >= 10, "the fill is known")
        path.quiet()
        path.resync()
        path.quiet()
        assert (entered(path), path.trade("AAPL").entered) == (10, 10)
        assert path.callbacks == Counter(entry=1)
        assert path.trade("AAPL").is_protected
        assert path.troubles == []


def test_parts_of_a_fill_of_which_some_are_lost_add_up(exchange: ExchangeProcess, journal: Path) -> None:
    with order_path(exchange, journal, LOOKING) as path:
        exchange.admin.fault("partial_fill", {"symbol": "AAPL"}, quantity=3)
        exchange.admin.fault("lost_event", {"event": "partial_fill"})
        path.hold("AAPL", 10)
        path.advance(minutes=5)
        path.wait_until(lambda: entered(path) >= 10, "all parts are known")
        path.quiet()
        (order,) = path.orders()
        trade = path.trade("AAPL")
        assert (trade.entered, trade.entry_price) == (10, Decimal(order["filled_avg_price"]))
        assert path.callbacks["entry"] == 1


@pytest.mark.parametrize("is_running", [True, False], ids=["stream down", "process down"])
def test_a_stop_that_fills_unseen_ends_its_sibling_and_the_trade(
    exchange: ExchangeProcess, journal: Path, is_running: bool
) -> None:
    with order_path(exchange, journal) as first:
        first.hold("AAPL", 10, stop_fraction=0.02, target_fraction=FAR)
        first.wait_until(lambda: entered(first) == 10, "the entry fills")
        if is_running:
            before = first.broker.stream_state.connections
            exchange.admin.fault("dropped_stream", {"event": "fill", "nth": 1})
            sell_off(first)
            first.wait_for_new_connection(before)
            assert_stopped_out(first)
            assert first.callbacks == Counter(entry=1, stop=1)
            return
    sell_off(first)
    with order_path(exchange, journal) as second:
        second.adopt()
        assert_stopped_out(second)
        assert second.callbacks == Counter(stop=1)


def sell_off(path: OrderPath) -> None:
    """Days go by until nothing is held."""
    for _ in range(60):
        if not path.positions():
            return
        path.advance(hours=12)
    raise AssertionError("the stop was never reached")


def assert_stopped_out(path: OrderPath) -> None:
    path.resync()
    (trade,) = path.desk.book.closed
    assert (trade.exited, trade.exit_role) == (trade.entered, STOP)
    assert path.orders(status="open") == []
    (order,) = path.orders()
    assert {leg["type"]: leg["status"] == "filled" for leg in order["legs"]} == {"limit": False, "stop": True}
    assert path.filled_shares(STOP) == 10
    assert path.troubles == []


# ---- a change of price that nobody saw ---------------------------------------------------------------------------------------


def test_a_target_that_was_moved_unseen_is_followed_under_its_new_id(path: OrderPath) -> None:
    path.hold("AAPL", 10, stop_fraction=FAR, target_fraction=0.4)
    path.wait_until(lambda: entered(path) == 10, "the entry fills")
    (bracket,) = path.orders()
    old = next(leg["id"] for leg in bracket["legs"] if leg["type"] == "limit")
    path.venue.admin.fault("lost_event", {"event": "replaced"})
    path.venue.admin.fault("lost_event", {"event": "new"})
    price = round(path.price("AAPL") * 1.005, 2)
    new = path.ask("PATCH", f"/v2/orders/{old}", json={"limit_price": str(price)})["id"]
    path.advance(seconds=1)
    path.resync()
    key = path.steps[0].key
    assert path.broker._intake.current((key, TARGET)) == new != old
    sell_off(path)
    path.wait_until(lambda: path.filled_shares(TARGET) == 10, "the moved target's fill is known")
    (trade,) = path.desk.book.closed
    assert (trade.exit_role, trade.exited) == (TARGET, 10)
    assert path.callbacks == Counter(entry=1, target=1)
    assert path.troubles == []


def test_a_target_that_was_moved_twice_unseen_is_followed_to_where_it_is(path: OrderPath) -> None:
    path.hold("AAPL", 10, stop_fraction=FAR, target_fraction=0.4)
    path.wait_until(lambda: entered(path) == 10, "the entry fills")
    (bracket,) = path.orders()
    target = next(leg["id"] for leg in bracket["legs"] if leg["type"] == "limit")
    path.venue.admin.fault("lost_event", {"event": "replaced"})
    path.venue.admin.fault("lost_event", {"event": "new"})
    for fraction in (1.3, 1.2):
        price = round(path.price("AAPL") * fraction, 2)
        target = path.ask("PATCH", f"/v2/orders/{target}", json={"limit_price": str(price)})["id"]
        path.advance(seconds=1)
    path.resync()
    assert path.broker._intake.current((path.steps[0].key, TARGET)) == target
    assert (path.trade("AAPL").is_protected, path.troubles) == (True, [])


def test_the_end_of_one_exit_has_the_desk_ask_for_the_other(path: OrderPath) -> None:
    path.hold("AAPL", 10, stop_fraction=FAR, target_fraction=0.4)
    path.wait_until(lambda: entered(path) == 10, "the entry fills")
    (bracket,) = path.orders()
    target = next(leg["id"] for leg in bracket["legs"] if leg["type"] == "limit")
    path.venue.admin.fault("lost_event", {"event": "canceled", "nth": 2})
    path.ask("DELETE", f"/v2/orders/{target}")
    path.wait_until(lambda: path.trade("AAPL").covers, "the desk has sent exits anew")
    path.broker._orders_queue.join()
    path.advance(seconds=1)
    path.quiet()
    assert [order["order_class"] for order in path.orders(status="open")] == ["oco"]
    assert (path.trade("AAPL").is_protected, path.troubles) == (True, [])


def test_a_restart_after_a_moved_target_goes_on_with_it(exchange: ExchangeProcess, journal: Path) -> None:
    with order_path(exchange, journal) as first:
        first.hold("AAPL", 10, stop_fraction=FAR, target_fraction=0.4)
        first.wait_until(lambda: entered(first) == 10, "the entry fills")
        (bracket,) = first.orders()
        old = next(leg["id"] for leg in bracket["legs"] if leg["type"] == "limit")
        price = round(first.price("AAPL") * 1.2, 2)
        new = first.ask("PATCH", f"/v2/orders/{old}", json={"limit_price": str(price)})["id"]
        first.quiet()
    with order_path(exchange, journal) as second:
        second.adopt()
        assert second.troubles == []
        assert second.broker._intake.current((second.steps[0].key, TARGET)) == new
        assert second.trade("AAPL").is_protected


def test_an_order_past_the_corridor_is_followed_by_the_next_process(exchange: ExchangeProcess, journal: Path) -> None:
    with order_path(exchange, journal) as first:
        resting = round(first.price("AAPL") * 0.999, 2)
        first.strategy.submit_order(first.strategy.create_order("AAPL", 7, "buy", limit_price=resting))
        first.broker._orders_queue.join()
        first.quiet()
        assert [order["status"] for order in first.orders()] == ["new"]
        somebody = TradingClient(exchange.api_key, exchange.api_secret, url_override=exchange.url)
    for minutes in range(5, 300, 5):
        if somebody.get_all_positions():
            break
        exchange.admin.advance(MORNING + timedelta(minutes=minutes))
    with order_path(exchange, journal) as second:
        second.adopt()
        assert second.filled_shares(ENTRY) == 7
        assert second.callbacks == Counter(entry=1)
        assert second.desk.living_foreign() == ()
        assert second.troubles == []


def test_a_foreign_bracket_is_booked_and_told_once_however_often_the_desk_starts(
    exchange: ExchangeProcess, journal: Path
) -> None:
    with order_path(exchange, journal) as first:
        price = first.price("AAPL")
        prices = {"limit_price": 1.01, "secondary_limit_price": 1.2, "secondary_stop_price": 0.8}
        exits = {name: round(price * factor, 2) for name, factor in prices.items()}
        first.strategy.submit_order(first.strategy.create_order("AAPL", 7, "buy", order_class="bracket", **exits))
        first.broker._orders_queue.join()
        first.wait_until(lambda: entered(first) == 7, "the entry fills")
        assert first.callbacks == Counter(entry=1)
    for _ in range(2):
        with order_path(exchange, journal) as again:
            again.adopt()
            again.quiet()
            assert (entered(again), again.callbacks, again.troubles) == (7, Counter(), [])
            assert [each.spec.quantity for each in again.desk.living_foreign()] == [7]


def test_an_order_that_is_sent_for_longer_than_a_look_waits_is_not_taken_for_lost(path: OrderPath) -> None:
    sender = path.broker._sending._sender
    send = sender.send

    def slowly(spec: OrderSpec, request: Any, meant_at: datetime | None) -> Outcome:
        path.advance(seconds=61)
        path.broker.resync()
        return send(spec, request, meant_at)

    sender.send = slowly  # type: ignore[method-assign]  # a rate limit that lets nothing through for a minute
    path.hold("AAPL", 10)
    path.wait_until(lambda: entered(path) == 10, "the entry fills")
    assert (path.desk.book.shares(), path.positions()) == ({"AAPL": 10}, {"AAPL": 10})
    assert (path.refusals, path.troubles) == ([], [])


def test_somebody_elses_order_that_nobody_can_read_hides_none_of_ours(path: OrderPath) -> None:
    path.venue.admin.fault("lost_event", {"event": "fill"})
    path.hold("AAPL", 10)
    api: Any = path.broker._client
    get = api.get
    strange = {"id": "strange", "client_order_id": "theirs", "status": "a new word", "legs": None, "updated_at": None}

    def with_strange(where: str, data: Any = None, **more: Any) -> Any:
        found = get(where, data, **more)
        return [strange, *found] if where == "/orders" and isinstance(found, list) else found

    api.get = with_strange
    path.resync()
    assert (entered(path), path.desk.book.shares(), path.troubles) == (10, {"AAPL": 10}, [])


# ---- what became of a request --------------------------------------------------------------------------------------------------


def test_an_order_whose_answer_was_a_504_is_adopted(path: OrderPath) -> None:
    path.venue.admin.fault("timeout_after_taken", {**ORDERS, "nth": 1})
    path.hold("AAPL", 10)
    path.wait_until(lambda: entered(path) == 10, "the fill is known")
    (order,) = path.orders()
    assert order["client_order_id"] == path.steps[0].key
    assert {leg["id"] for leg in order["legs"]} == {
        path.broker._intake.current((path.steps[0].key, role)) for role in (TARGET, STOP)
    }
    assert (path.callbacks["entry"], path.trade("AAPL").is_protected, path.refusals) == (1, True, [])


def test_an_order_that_was_never_sent_is_refused_as_unsent(exchange: ExchangeProcess, journal: Path) -> None:
    step = journaled_only(exchange, journal)
    with order_path(exchange, journal) as path:
        path.advance(minutes=2)
        path.adopt()
        (refusal,) = path.refusals
        assert (refusal.key, refusal.unsent, refusal.explained) == (step.key, True, True)
        assert dict(path.desk.book.open) == {} and path.desk.mode is Mode.ACTIVE
        path.resync()
        assert len(path.refusals) == 1
        assert path.hold("AAPL", 10).steps, "the next iteration decides anew"


def test_an_order_that_is_still_on_its_way_is_not_given_up(exchange: ExchangeProcess, journal: Path) -> None:
    step = journaled_only(exchange, journal)
    with order_path(exchange, journal) as path:
        path.adopt()
        assert path.refusals == []
        path.broker._sending._sender.send(step.spec, order_request(step.spec))
        path.resync()
        path.quiet()
        assert (path.trade("AAPL").entered, path.trade("AAPL").is_protected, path.refusals) == (10, True, [])


OTHER = {"symbol": "IBM", "side": "buy", "type": "limit", "qty": "7", "limit_price": "20", "time_in_force": "gtc"}


def test_another_order_under_the_key_of_a_new_one_is_trouble(path: OrderPath) -> None:
    key = order_key(NONCE, path.clock.now(), "AAPL", "open")
    path.ask("POST", "/v2/orders", json={**OTHER, "client_order_id": key})
    decided = path.hold("AAPL", 10)
    assert [step.key for step in decided.steps] == [key]
    assert path.desk.mode is Mode.HALTED
    assert "symbol: meant AAPL, found IBM" in path.troubles[0] and "qty: meant 10.0, found 7" in path.troubles[0]
    assert len(path.orders()) == 1


def test_another_order_under_a_journaled_key_is_trouble_after_a_restart(exchange: ExchangeProcess, journal: Path) -> None:
    step = journaled_only(exchange, journal)
    with order_path(exchange, journal) as path:
        path.ask("POST", "/v2/orders", json={**OTHER, "client_order_id": step.key})
        path.adopt()
        assert path.desk.mode is Mode.HALTED
        assert "symbol: meant AAPL, found IBM" in path.troubles[0]
        assert path.events == [] and path.refusals == []


# ---- many orders ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spread_seconds", [0, 1], ids=["at one instant", "over minutes"])
def test_among_more_orders_than_a_page_holds_every_one_of_ours_is_found(path: OrderPath, spread_seconds: int) -> None:
    path.venue.admin.fault("lost_event", {"event": "fill", "symbol": "AAPL"})
    for number in range(520):
        path.ask("POST", "/v2/orders", json={**OTHER, "qty": "1", "client_order_id": f"by hand {number}"})
        if number % 104 == 0:
            path.advance(seconds=spread_seconds)
    path.hold("AAPL", 10)
    path.quiet()
    assert entered(path) == 0
    path.resync()
    assert (entered(path), path.trade("AAPL").entered, path.callbacks["entry"]) == (10, 10, 1)
    assert len({event.key for event in path.events}) == 1
    assert path.clock.now() - MORNING < timedelta(minutes=4), "all of it lies within the time that a resync looks back"
