"""Cancels of groups: whatever is asked of whichever member, and whatever a fault holds up, nothing stays pending for ever."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from machine_story import Desk, kinds, quote, told

from desk.exchange.faults.machine_faults import MachineFaults
from desk.exchange.faults.plan import Fault, FaultKind, FaultPlan, Match
from desk.exchange.machine.book import MEASURED_LATENCY, Due, Latency, Timer
from desk.exchange.machine.commands import ConfirmCancels
from desk.exchange.machine.machine import apply
from desk.exchange.rules.rejections import Rejection
from desk.exchange.rules.reservations import available
from desk.exchange.switches import Switches
from desk.exchange.words import GroupRole, OrderType, Side, Status

New = Callable[..., Any]
MORNING = "2008-09-02T14:00:00Z"
BEGIN = datetime(2008, 9, 2, 14, 0, tzinfo=UTC)
EXITS = {"take_profit": {"limit_price": "150"}, "stop_loss": {"stop_price": "50"}}
BRACKET = {"order_class": "bracket", **EXITS}
RESTING = {"type": "limit", "limit_price": "90"}
PENDING = {Status.PENDING_CANCEL, Status.PENDING_REPLACE, Status.PENDING_NEW}
GROUPS: list[dict[str, Any]] = [
    BRACKET,
    {**BRACKET, "type": "limit", "limit_price": "60"},
    {"order_class": "oto", "stop_loss": {"stop_price": "50"}},
    {"order_class": "oto", "type": "limit", "limit_price": "60", "take_profit": {"limit_price": "150"}},
    {"order_class": "oco", "side": "sell", "type": "limit", **EXITS},
    {"order_class": "oco", "side": "sell", "type": "limit", **EXITS},
]
FIELDS = {GroupRole.ENTRY: "limit_price", GroupRole.TAKE_PROFIT: "limit_price", GroupRole.STOP_LOSS: "stop_price"}
FAULTS = [
    Fault(FaultKind.STUCK_PENDING_CANCEL),
    Fault(FaultKind.STUCK_PENDING_CANCEL, seconds=60, when=Match(nth=1)),
    Fault(FaultKind.STUCK_PENDING_CANCEL, when=Match(nth=2)),
    Fault(FaultKind.LEG_STUCK_HELD),
    Fault(FaultKind.LEG_STUCK_HELD, leg=GroupRole.TAKE_PROFIT),
]
# A cancel that is asked for after a replacement is answered before it.
CROSSING = Latency(*(timedelta(milliseconds=each) for each in (1, 5, 40, 10)))
roles = st.sampled_from(list(FIELDS))
asked = st.one_of(
    st.tuples(st.just("cancel"), roles, st.just(0)),
    st.tuples(st.just("replace"), roles, st.integers(1, 9)),
    st.tuples(st.just("wait"), st.just(GroupRole.ENTRY), st.sampled_from([1, 9, 14, 15, 30, 63])),
)


class Story:
    """One group at an exchange, and what is asked of its members."""

    def __init__(self, client: Any, group: dict[str, Any], faults: list[Fault]) -> None:
        client.to(MORNING)
        self.exchange, self.account = client.exchange, client.exchange.first
        if group["order_class"] == "oco":
            client.send()
        self.wait(1000)
        self.exchange.faults.extend(faults)
        status, body = client.send(**group)
        assert status == 200, body
        self.group_id = self.account.book.orders[body["id"]].group_id
        self.cancelled: list[str] = []

    def wait(self, milliseconds: int) -> None:
        to = self.exchange.now + timedelta(milliseconds=milliseconds)
        while self.exchange.advance(to) is not True:
            pass

    def do(self, what: str, role: GroupRole, number: int) -> None:
        if what == "wait":
            return self.wait(number)
        for order in self.members(role):
            if what == "cancel":
                self.cancelled += [] if isinstance(self.account.cancel(order.id), Rejection) else [order.id]
            else:
                name = FIELDS[role]
                price = getattr(order, name)
                if price is not None:
                    self.account.replace(order.id, {name: str(int(price) + number / 100)})
        return None

    def members(self, role: GroupRole | None = None) -> list[Any]:
        found = self.account.book.members(self.group_id)
        return [order for order in found if order.is_live and role in (None, order.group_role)]


def end(story: Story) -> None:
    story.wait(10_000)
    left = story.members()
    assert not PENDING & {order.status for order in left}, [(order.group_role, order.status) for order in left]
    orders = story.account.book.orders
    if any(orders[order_id].status is not Status.FILLED for order_id in story.cancelled):  # an entry may be faster
        assert left == []
        assert story.account.book.live == {} and story.account.book.unreleased == {}
    assert story.account.book.timers == []


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(group=st.sampled_from(GROUPS), steps=st.lists(asked, max_size=8), latency=st.sampled_from([MEASURED_LATENCY, CROSSING]))
def test_nothing_stays_pending_and_a_cancel_that_is_taken_ends_the_group(
    new_client: New, group: dict[str, Any], steps: list[tuple[str, GroupRole, int]], latency: Latency
) -> None:
    story = Story(new_client(latency=latency), group, [])
    for step in steps:
        story.do(*step)
    end(story)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    group=st.sampled_from(GROUPS),
    steps=st.lists(asked, max_size=8),
    latency=st.sampled_from([Latency(), MEASURED_LATENCY]),
    faults=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=2),
    after=st.lists(asked, max_size=2),
)
def test_what_faults_held_up_goes_on_when_they_are_cleared(
    new_client: New, group: dict[str, Any], steps: Any, latency: Latency, faults: list[Fault], after: Any
) -> None:
    story = Story(new_client(latency=latency), group, faults)
    for step in steps:
        story.do(*step)
    story.exchange.faults.clear()
    story.exchange.machine_faults.release(story.exchange.accounts.values())
    for step in after:
        story.do(*step)
    story.wait(61_000)  # a cancel that was to be stuck for a minute had its answer asked for then
    end(story)
    held = [order for order in story.members() if order.status is Status.HELD and order.armed]
    assert {order.group_role for order in held} <= {GroupRole.STOP_LOSS}
    assert not held or story.members(GroupRole.TAKE_PROFIT)


# the single stories


@pytest.fixture
def slow(new_client: New) -> Any:
    client = new_client(latency=MEASURED_LATENCY)
    client.to(MORNING)
    return client


def placed(client: Any, **body: Any) -> Any:
    status, said = client.send(**body)
    assert status == 200, said
    client.to("2008-09-02T14:05:00Z")
    return said


def legs(client: Any, order: Any) -> dict[str, Any]:
    nested = client.get(f"/v2/orders/{order['id']}", nested="true")
    return {leg["group_role"]: leg for leg in nested["legs"]}


def statuses(client: Any, order: Any) -> tuple[str, ...]:
    found = legs(client, order)
    return tuple(found[role]["status"] for role in ("take_profit", "stop_loss"))


def patch(client: Any, order: Any, **body: Any) -> tuple[int, Any]:
    answer = client.http.request("PATCH", f"/v2/orders/{order['id']}", json=body)
    return answer.status_code, answer.json()


def delete(client: Any, order: Any) -> int:
    status: int = client.http.delete(f"/v2/orders/{order['id']}").status_code
    return status


def test_a_cancel_follows_the_order_into_its_successor() -> None:
    """A held leg is replaced at once, even when the rest of its group is on its way out already."""
    desk = Desk(latency=MEASURED_LATENCY)
    desk.own()
    target, stop = desk.oco()
    desk.see({"ABC": quote(10_000)}, desk.at + timedelta(milliseconds=20))
    desk.cancel(stop)
    fresh, _ = desk.replace(stop, stop_price="96")
    assert told(desk.wait(15)) == [("canceled", "take_profit"), ("canceled", "stop_loss")]
    assert desk.statuses([target, stop, fresh]) == ["canceled", "replaced", "canceled"]


def test_a_hanging_cancel_of_one_member_is_not_passed_by_asking_another() -> None:
    desk = Desk()
    desk.own()
    target, stop = desk.oco()
    desk.tick(10_000)
    desk.book.stuck_cancels[target.id] = None
    desk.cancel(target)
    assert desk.cancel(stop) == []
    assert desk.statuses([target, stop]) == ["pending_cancel", "held"]
    desk.book.timers.append(Timer(desk.at, Due.CANCEL, target.id))
    assert kinds(desk.wait(1)) == ["canceled"]
    assert desk.book.stuck_cancels == {} and not desk.book.live


def test_asked_to_confirm_now_the_venue_cancels_and_lets_the_shares_go_at_once() -> None:
    desk = Desk(latency=MEASURED_LATENCY)
    desk.own()
    group = desk.oco(quantity=6)
    stuck = desk.limit("120", side=Side.SELL, quantity=4)
    desk.see({"ABC": quote(10_000)}, desk.at + timedelta(milliseconds=20))
    desk.book.stuck_cancels[stuck.id] = None
    desk.cancel(group[0])
    desk.cancel(stuck)
    assert kinds(apply(desk.book, ConfirmCancels(desk.at))) == ["canceled"]
    assert desk.statuses([*group, stuck]) == ["canceled", "canceled", "pending_cancel"]
    assert available(desk.book, "ABC") == 6 and desk.book.timers == []


def test_a_stuck_leg_can_be_cancelled(new_client: New) -> None:
    """What nobody watches is not what nobody cancels."""
    client = new_client()
    client.to(MORNING)
    client.http.post("/admin/faults", json={"kind": "leg_stuck_held"})
    bracket = placed(client, **BRACKET)
    assert delete(client, legs(client, bracket)["stop_loss"]) == 204
    assert statuses(client, bracket) == ("canceled", "canceled")


def test_a_stuck_target_goes_to_the_venue_when_the_faults_are_cleared(new_client: New) -> None:
    client = new_client()
    client.to(MORNING)
    client.http.post("/admin/faults", json={"kind": "leg_stuck_held", "leg": "take_profit"})
    bracket = placed(client, **BRACKET)
    assert statuses(client, bracket) == ("held", "held")
    client.http.delete("/admin/faults")
    client.to("2008-09-02T14:05:01Z")
    assert statuses(client, bracket) == ("new", "held")


def test_a_stuck_leg_stays_stuck_under_another_price_and_is_let_go_with_it(new_client: New) -> None:
    client = new_client()
    client.to(MORNING)
    client.http.post("/admin/faults", json={"kind": "leg_stuck_held", "leg": "take_profit"})
    bracket = placed(client, **BRACKET)
    assert patch(client, legs(client, bracket)["take_profit"], limit_price="140")[0] == 200
    client.to("2008-09-02T14:06:00Z")
    assert statuses(client, bracket) == ("held", "held")
    client.http.delete("/admin/faults")
    assert patch(client, legs(client, bracket)["take_profit"], limit_price="145")[0] == 200
    client.to("2008-09-02T14:06:01Z")
    assert statuses(client, bracket) == ("new", "held")


def test_a_stuck_only_leg_of_an_oto_goes_to_the_venue_when_the_faults_are_cleared(new_client: New) -> None:
    client = new_client()
    client.to(MORNING)
    client.http.post("/admin/faults", json={"kind": "leg_stuck_held"})
    oto = placed(client, order_class="oto", stop_loss={"stop_price": "95"})
    assert legs(client, oto)["stop_loss"]["status"] == "held"
    client.http.delete("/admin/faults")
    client.to("2008-09-02T14:05:01Z")
    assert legs(client, oto)["stop_loss"]["status"] == "new"


def test_a_hanging_cancel_of_a_held_leg_ends_the_group_when_the_faults_are_cleared(new_client: New) -> None:
    client = new_client()
    client.to(MORNING)
    bracket = placed(client, **BRACKET)
    client.http.post("/admin/faults", json={"kind": "stuck_pending_cancel"})
    assert delete(client, legs(client, bracket)["stop_loss"]) == 204
    assert statuses(client, bracket) == ("pending_cancel", "held")
    client.http.delete("/admin/faults")
    client.to("2008-09-02T14:05:01Z")
    assert statuses(client, bracket) == ("canceled", "canceled")


def test_cancelling_all_tells_of_members_that_it_takes_along(slow: Any) -> None:
    """A changed target is listed behind its stop, whose cancel takes it along."""
    bracket = placed(slow, **BRACKET)
    patch(slow, legs(slow, bracket)["take_profit"], limit_price="116")
    slow.to("2008-09-02T14:06:00Z")
    assert [told["status"] for told in slow.http.delete("/v2/orders").json()] == [200, 200]
    again = slow.http.delete("/v2/orders").json()
    assert sorted(told["status"] for told in again) == [200, 422]  # the held stop, and what is pending since before
    slow.to("2008-09-02T14:07:00Z")
    assert statuses(slow, bracket) == ("canceled", "canceled")


def test_cancelling_all_takes_a_replacement_on_its_way_along(slow: Any) -> None:
    bracket = placed(slow, **BRACKET)
    patch(slow, legs(slow, bracket)["take_profit"], limit_price="116")
    assert [told["status"] for told in slow.http.delete("/v2/orders").json()] == [200, 200, 200]
    slow.to("2008-09-02T14:07:00Z")
    assert slow.get("/v2/orders") == [] and slow.exchange.first.book.live == {}


def test_cancelling_all_leaves_a_plain_order_that_is_being_replaced(slow: Any) -> None:
    order = placed(slow, **RESTING)
    _, fresh = patch(slow, order, limit_price="91")
    assert [told["status"] for told in slow.http.delete("/v2/orders").json()] == [422, 422]
    slow.to("2008-09-02T14:07:00Z")
    assert [each["id"] for each in slow.get("/v2/orders")] == [fresh["id"]]


# closing a part of a position


@pytest.mark.parametrize("text", ["1e-5000000", "1e-10", "1_0", "0", "-1", "NaN", "inf", "", "1e10", "x" * 5000, "٣"])
@pytest.mark.parametrize("name", ["qty", "percentage"])
def test_a_part_to_close_is_a_number_like_every_other(client: Any, name: str, text: str) -> None:
    client.send()
    answer = client.http.request("DELETE", "/v2/positions/ABC", params={name: text})
    assert (answer.status_code, answer.json()) == (422, {"code": 40010001, "message": f"invalid {name}"})


@pytest.mark.parametrize(("text", "quantity"), [("2", "2"), ("2.50", "2.5"), ("1e0", "1"), ("0.000000001", "0.000000001")])
def test_a_part_of_a_position_is_closed(client: Any, text: str, quantity: str) -> None:
    client.send()
    answer = client.http.request("DELETE", "/v2/positions/ABC", params={"qty": text})
    assert answer.status_code == 200 and answer.json()["qty"] == quantity


# calendar


@pytest.mark.parametrize("path", ["/v3/calendar/NYSE", "/v2/calendar"])
@pytest.mark.parametrize("start", ["9999-12-31", "2030-01-01", "9999-12-31T23:59:59-12:00"])
def test_a_calendar_that_starts_after_its_last_year_is_empty(client: Any, path: str, start: str) -> None:
    found = client.get(path, start=start)
    assert (found if path == "/v2/calendar" else found["calendar"]) == []


# halts


def test_the_mark_of_a_trailing_stop_stands_still_while_its_symbol_is_halted() -> None:
    desk = Desk()
    desk.own()
    order = desk.send(type=OrderType.TRAILING_STOP, side=Side.SELL, trail_price="5")
    desk.tick(10_000)
    desk.book.halted = {"ABC": None}
    desk.tick(12_000)
    assert desk.now(order).high_water_mark == 100 and desk.now(order).stop_price == 95
    desk.book.halted = {}
    desk.tick(11_000)
    assert desk.now(order).high_water_mark == 110


HALTS = st.sampled_from(["ABC", "A*", "*", "?BC", "[AX]*", "ABC080909*", "Z"])


@given(patterns=st.lists(HALTS, max_size=3), known=st.sets(st.sampled_from(["ABC", "XYZ", "ABC080909P00095000"])))
def test_halts_match_symbols_as_every_fault_does(patterns: list[str], known: set[str]) -> None:
    plan = FaultPlan()
    plan.extend(Fault(FaultKind.HALTED_SYMBOL, Match(symbol=pattern)) for pattern in patterns)
    expected = {symbol for symbol in known if any(_matches(symbol, pattern) for pattern in patterns)}
    named = {pattern for pattern in patterns if pattern.isalnum()}
    assert MachineFaults(plan, lambda: known).halted(BEGIN) == expected | named


def _matches(symbol: str, pattern: str) -> bool:
    starts = {"*": "", "A*": "A", "ABC080909*": "ABC080909"}
    if pattern in starts:
        return symbol.startswith(starts[pattern])
    return {"?BC": symbol[1:] == "BC", "[AX]*": symbol[0] in "AX"}.get(pattern, symbol == pattern)


def test_a_halt_covers_its_time_alone() -> None:
    plan = FaultPlan()
    plan.add(Fault(FaultKind.HALTED_SYMBOL, Match(symbol="A*", since=BEGIN, until=BEGIN + timedelta(hours=1))))
    faults = MachineFaults(plan, lambda: {"ABC"})
    moments = [BEGIN - timedelta(seconds=1), BEGIN, BEGIN + timedelta(hours=1)]
    assert [faults.halted(at) for at in moments] == [frozenset(), {"ABC"}, frozenset()]


# switches


def test_a_stop_through_the_market_may_be_asked_for_by_a_change_too(new_client: New) -> None:
    client = new_client(switches=Switches(refuse_stops_through_market=False))
    client.to(MORNING)
    client.send()
    stop = placed(client, side="sell", type="stop", stop_price="90")
    assert patch(client, stop, stop_price="150")[0] == 200
