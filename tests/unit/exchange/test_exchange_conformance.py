"""The scenario that compares the exchange with Alpaca: it reads, it is safe on somebody's account, and it tells differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from desk.domain.errors import BrokerUnreachable, ConfigurationError, Refused
from desk.exchange.conformance import differences, safety
from desk.exchange.conformance.runner import Outcome, Runner
from desk.exchange.conformance.safety import Made, Purse
from desk.exchange.conformance.scenario import Scenario, filled, load, look
from desk.exchange.conformance.targets import Answer

STEPS = load()
LAST = Decimal(100)


class InProcess:
    """The exchange of this process as a target; it keeps what it was sent."""

    def __init__(self, client: Any, streams: str = "authorized, HTTP 429") -> None:
        self.client, self.streams = client, streams
        self.sent: list[tuple[str, str, Any]] = []

    name = "the exchange in this process"

    def send(self, method: str, path: str, params: Mapping[str, Any], body: Any) -> Answer:
        self.sent.append((method, path, body))
        answer = self.client.http.request(method, path, params=dict(params), **({} if body is None else {"json": body}))
        return Answer(answer.status_code, answer.json() if answer.content else None)

    def open_streams(self, count: int) -> list[str]:
        return self.streams.split(", ")

    def pass_time(self, seconds: float) -> None:
        now = datetime.fromisoformat(self.client.http.get("/admin/status").json()["now"])
        self.client.to((now + timedelta(seconds=seconds)).isoformat())


class Changed(InProcess):
    """The same exchange with answers changed on their way, as another server's would be."""

    def __init__(self, client: Any, change: Callable[[str, str, Answer], Answer]) -> None:
        super().__init__(client)
        self.change = change

    def send(self, method: str, path: str, params: Mapping[str, Any], body: Any) -> Answer:
        return self.change(method, path, super().send(method, path, params, body))


def run(target: InProcess, steps: Scenario = STEPS, symbol: str = "ABC") -> list[Outcome]:
    return Runner(target, steps, symbol, "run-1").run()


def scenario(*steps: str) -> Scenario:
    return load("steps:\n" + "\n".join(f"  - {step}" for step in steps))


def test_this_exchange_answers_every_step_as_expected(client: Any) -> None:
    rows = differences.compare(run(InProcess(client)), None)
    assert [(row.step, row.expected, row.ours) for row in rows if row.verdict != "as expected"] == []


def test_the_run_stays_within_its_requests_and_leaves_nothing_behind(client: Any) -> None:
    target = InProcess(client)
    run(target)
    assert len(target.sent) <= safety.MOST_REQUESTS
    assert client.get("/v2/orders", status="open") == []
    assert client.get("/v2/positions") == []


def test_two_runs_of_the_same_exchange_do_not_differ(new_client: Callable[..., Any]) -> None:
    outcomes = []
    for seed in (1, 2):
        client = new_client(seed=seed)
        client.to("2008-09-02T14:00:00Z")
        outcomes.append(run(InProcess(client)))
    assert differences.wrong(differences.compare(*outcomes)) == []


def test_another_answer_is_a_difference_and_settles_its_question(new_client: Callable[..., Any]) -> None:
    def other(method: str, path: str, answer: Answer) -> Answer:
        refused = {"code": 40310000, "message": "bracket orders must be entry orders"}
        return Answer(403, refused) if (answer.message or "").startswith("bracket orders must be") else answer

    outcomes = []
    for change in (None, other):
        client = new_client()
        client.to("2008-09-02T14:00:00Z")
        outcomes.append(run(InProcess(client) if change is None else Changed(client, change)))
    rows = differences.compare(*outcomes)
    assert [row.step for row in differences.wrong(rows)] == ["bracket-beside-order", "second-bracket"]
    answered = {row.settles: row.theirs for row in differences.settled(rows)}
    assert answered["whether brackets can be stacked before the first has filled"].startswith("403 40310000")


def test_a_closed_market_leaves_out_what_needs_an_open_one(new_client: Callable[..., Any]) -> None:
    client = new_client()
    outcomes = run(InProcess(client))
    skipped = {outcome.step.id for outcome in outcomes if outcome.skipped == "market closed"}
    assert skipped == {step.id for step in STEPS.steps if step.needs_open}
    assert client.get("/v2/orders", status="open") == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"account_number": "817263"}, "no active paper account"),
        ({"status": "ACCOUNT_CLOSED"}, "no active paper account"),
        ({"trading_blocked": True}, "no active paper account"),
    ],
)
def test_an_account_that_is_not_an_active_paper_account_gets_one_question_and_no_order(
    client: Any, change: dict[str, object], told: str
) -> None:
    target = Changed(client, lambda method, path, answer: Answer(answer.status, {**answer.body, **change}))
    with pytest.raises(Refused, match=told):
        run(target)
    assert [path for _, path, _ in target.sent] == ["/v2/account"]


def test_a_held_symbol_is_left_alone(client: Any) -> None:
    assert client.send()[0] == 200
    client.to("2008-09-02T14:01:00Z")
    target = InProcess(client)
    with pytest.raises(Refused, match="position in ABC"):
        run(target)
    assert {method for method, _, _ in target.sent} == {"GET"}


def test_a_symbol_with_open_orders_is_left_alone(client: Any) -> None:
    assert client.send(type="limit", limit_price="50")[0] == 200
    target = InProcess(client)
    with pytest.raises(Refused, match="open orders in ABC"):
        run(target)
    assert {method for method, _, _ in target.sent} == {"GET"}


def test_orders_are_taken_away_when_the_run_breaks_off(client: Any) -> None:
    def breaks(method: str, path: str, answer: Answer) -> Answer:
        if path == "/v2/orders:by_client_order_id":
            raise BrokerUnreachable("gone for a moment")
        return answer

    with pytest.raises(BrokerUnreachable):
        run(Changed(client, breaks))
    assert client.get("/v2/orders", status="open") == []


def test_orders_that_cannot_be_cancelled_are_named(client: Any) -> None:
    def stuck(method: str, path: str, answer: Answer) -> Answer:
        if method == "GET" and path == "/v2/orders" and isinstance(answer.body, list):
            # The same list at the start, empty, as the scenario wants it; afterwards nobody knows.
            return answer if not target.made_something() else Answer(500)
        return answer

    class Watching(Changed):
        def made_something(self) -> bool:
            return any(method == "POST" for method, _, _ in self.sent)

    target = Watching(client, stuck)
    with pytest.raises(Refused, match="cancel them by hand"):
        run(target)


def test_requests_run_out_before_the_cleaning_does(client: Any) -> None:
    target = InProcess(client)
    outcomes = Runner(target, STEPS, "ABC", "run-1", Purse(left=28)).run()
    assert {outcome.skipped for outcome in outcomes[-20:]} == {"out of requests"} | {
        outcome.skipped for outcome in outcomes[-20:] if (outcome.skipped or "").startswith("no ")
    }
    assert len(target.sent) <= 28
    assert client.get("/v2/orders", status="open") == []


FAR_BUY = {"symbol": "ABC", "side": "buy", "type": "limit", "qty": "1", "limit_price": "50"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"limit_price": "90"}, "near the market"),
        ({"side": "sell"}, "near the market"),
        ({"type": "market"}, "without a price"),
        ({"type": "stop", "stop_price": "50", "side": "sell"}, "without a price"),
        ({"type": "stop_limit", "stop_price": "50"}, "near the market"),
        ({"type": "trailing_stop", "trail_percent": "1"}, "near the market"),
        ({"qty": "3"}, "at most 2"),
        ({"qty": None, "notional": "500"}, "at most 2"),
        ({"symbol": "XYZ"}, "only ABC"),
        ({"limit_price": None}, "without a price"),
        ({"order_class": "oco", "side": "sell", "take_profit": {"limit_price": "101"}}, "near the market"),
    ],
    ids=str,
)
def test_an_order_that_could_trade_is_never_sent(change: dict[str, Any], told: str) -> None:
    safety.check("far", "POST", "/v2/orders", FAR_BUY, "ABC", LAST, Made())
    with pytest.raises(Refused, match=told):
        safety.check("near", "POST", "/v2/orders", {**FAR_BUY, **change}, "ABC", LAST, Made())


def test_an_order_before_the_last_trade_is_known_is_never_sent() -> None:
    with pytest.raises(Refused, match="no last trade"):
        safety.check("early", "POST", "/v2/orders", FAR_BUY, "ABC", None, Made())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/v2/orders"),
        ("DELETE", "/v2/positions"),
        ("DELETE", "/v2/positions/ABC"),
        ("DELETE", "/v2/orders/61e69015-8549-4bfd-b9c3-01e75843f47d"),
        ("PATCH", "/v2/orders/61e69015-8549-4bfd-b9c3-01e75843f47d"),
        ("PATCH", "/v2/account/configurations"),
        ("POST", "/v2/positions/ABC/exercise"),
    ],
)
def test_what_the_scenario_did_not_make_is_never_touched(method: str, path: str) -> None:
    with pytest.raises(Refused):
        safety.check("alien", method, path, {}, "ABC", LAST, Made())


def test_a_working_order_is_not_moved_to_the_market() -> None:
    made = Made()
    made.note({"id": "mine", "symbol": "ABC", "side": "buy"})
    safety.check("move", "PATCH", "/v2/orders/mine", {"limit_price": "40"}, "ABC", LAST, made)
    with pytest.raises(Refused, match="near the market"):
        safety.check("move", "PATCH", "/v2/orders/mine", {"limit_price": "99"}, "ABC", LAST, made)


def test_every_order_of_the_scenario_is_safe_by_itself() -> None:
    """Each POST of the file, its variables filled in, passes the guard that stands before every request."""
    prices = {name: str(LAST * derived.times) for step in STEPS.steps for name, derived in step.derive.items()}
    variables = {**prices, "symbol": "ABC", "run": "run-1"}
    posts = [step for step in STEPS.steps if step.method == "POST"]
    assert len(posts) > 15
    for step in posts:
        safety.check(step.id, "POST", step.path, filled(step.body, variables), "ABC", LAST, Made())


def test_the_scenario_asks_what_can_be_settled_without_a_fill_and_names_the_rest() -> None:
    assert sum(step.settles is not None for step in STEPS.steps) >= 10
    assert len(STEPS.unsettled) >= 5


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("steps: []", "no steps"),
        ("[", "no YAML"),
        ("steps: [7]", "no step"),
        ("steps: [{id: a, tells: x, get: /, post: /, expect: {status: 200}}]", "exactly one of"),
        ("steps: [{id: a, tells: x, expect: {status: 200}}]", "no request"),
        ("steps: [{id: a, get: /, expect: {status: 200}}]", "tells"),
        ("steps: [{id: a, tells: x, get: /}]", "expect None"),
        ("steps: [{id: a, tells: x, get: /, expect: {colour: red}}]", "colour"),
        ("steps: [{id: a, tells: x, get: /, colour: red, expect: {status: 200}}]", "colour is not known"),
        ("steps: [{id: a, tells: x, get: /, expect: {status: 1}}, {id: a, tells: x, get: /, expect: {status: 1}}]", "twice"),
    ],
)
def test_a_scenario_that_is_off_is_refused_in_words(text: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        load(text)


def test_answers_are_looked_into_by_dotted_paths() -> None:
    answer = {"legs": [{"status": "held"}, {"status": "new"}], "qty": "1"}
    assert [look(answer, path) for path in ("legs.1.status", "legs.#", "qty", "legs.7.status", "no.such")] == [
        "new",
        2,
        "1",
        None,
        None,
    ]
    assert look([], "#") == 0


def test_ids_prices_and_instants_of_two_servers_are_no_difference() -> None:
    step = scenario("{id: a, tells: x, get: /, expect: {status: 403}}").steps[0]
    ours = Outcome(step, "422 42210000 order 61e69015-8549-4bfd-b9c3-01e75843f47d at $101.25", False)
    same = Outcome(step, "422 42210000 order 71e69015-8549-4bfd-b9c3-01e75843f47d at $271.31", False)
    other = Outcome(step, "403 42210000 order 71e69015-8549-4bfd-b9c3-01e75843f47d at $271.31", False)
    assert [differences.compare([ours], [each])[0].verdict for each in (same, other)] == ["same", "differs"]
