"""The judge of spreads sees each thing that must not be, from the exchange's own books."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

BACKTESTS = Path(__file__).parents[2] / "backtests"
NOON = datetime(2021, 3, 10, 17, 0, tzinfo=UTC)
CLOSE = datetime(2021, 3, 19, 20, 0, tzinfo=UTC)
SHORT, LONG, EARLIER = "ABC210319P00100000", "ABC210319P00095000", "ABC210312P00095000"
KEY, ENTRY, EXIT = "nonce-bullput", "nonce-bullput-1", "nonce-bullput-2"
OPENS, CLOSES = ("sell_to_open", "buy_to_open"), ("buy_to_close", "sell_to_close")


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BACKTESTS))
    return importlib.import_module("crash.spread_judge")


@pytest.fixture
def truths(judge: Any) -> Any:
    return importlib.import_module("crash.spread_truth")


def package(key: str, intents: tuple[str, str], limit: str, units: str = "2") -> dict[str, Any]:
    legs = [
        {"id": f"{key}/{name}", "symbol": symbol, "position_intent": intent, "ratio_qty": "1", "qty": units}
        for name, symbol, intent in zip(("short", "long"), (SHORT, LONG), intents, strict=True)
    ]
    return {"id": key, "parent": key, "key": key, "legs": legs, "limit_price": limit, "qty": units}


class Case:
    """Two contracts sold for 1.00 and bought back for 0.40, all of it journaled: nothing is wrong."""

    def __init__(self, judge: Any, truths: Any) -> None:
        self.judge, self.truths = judge, truths
        self.packages = {ENTRY: package(ENTRY, OPENS, "-1.00"), EXIT: package(EXIT, CLOSES, "0.40")}
        self.singles: list[dict[str, Any]] = []
        self.moves = [
            truths.Move(NOON, SHORT, -2, f"{ENTRY}/short"),
            truths.Move(NOON, LONG, 2, f"{ENTRY}/long"),
            truths.Move(NOON + timedelta(hours=1), SHORT, 2, f"{EXIT}/short"),
            truths.Move(NOON + timedelta(hours=1), LONG, -2, f"{EXIT}/long"),
        ]
        self.plan = {
            "key": KEY,
            "short": SHORT,
            "long": LONG,
            "underlying": "ABC",
            "contracts": 2,
            "manner": "atomic",
            "rolled_from": None,
        }
        self.given_up: set[str] = set()
        self.positions: dict[str, int] = {}
        self.cash_usd = Decimal(1120)
        spread = {"phase": "closed", "cash_usd": "120"}
        self.final: dict[str, Any] = {"spreads": {KEY: spread}, "rebuilt": {KEY: "closed"}, "unlike": []}

    def said(self) -> Any:
        crash_judge = importlib.import_module("crash.judge")
        broker_truth = importlib.import_module("crash.broker_truth")
        ended = {"status": "filled", "client_order_id": "", "side": "", "symbol": "", "replaced_by": None}
        orders: dict[str, dict[str, Any]] = {}
        for order in [*self.packages.values(), *self.singles]:
            orders[order["id"]] = {**ended, **order, "client_order_id": order["key"]}
            for leg in order.get("legs", ()):
                orders[leg["id"]] = {**ended, **leg, "parent": order["id"], "key": order["key"]}
        keys = [order["key"] for order in (*self.packages.values(), *self.singles)]
        account = crash_judge.Account("nonce", {key: {} for key in keys})
        account.statuses.update({order["id"]: ["filled"] for order in orders.values()})
        fills = [broker_truth.Execution(each.by, each.symbol, each.at, each.count) for each in self.moves if each.by in orders]
        for each in fills:
            account.filled[each.order_id] += abs(each.shares)
        told = self.judge.Told(self.plan, {key: {"spread": KEY, "into": None} for key in keys if key.startswith("nonce")})
        found = self.judge.SpreadAccount(account, {KEY: told}, self.given_up)
        truth = broker_truth.Truth(orders, tuple(fills), self.positions)
        moves = tuple(sorted(self.moves, key=lambda each: each.at))
        there = self.truths.OptionTruth(truth, moves, self.cash_usd, Decimal(0))
        return self.judge.verdict(found, there, self.final, Decimal(1000))

    def kinds(self) -> set[str]:
        return {failure.kind for failure in self.said().failures}


@pytest.fixture
def case(judge: Any, truths: Any) -> Case:
    return Case(judge, truths)


def test_what_agrees_is_no_failure(case: Case) -> None:
    assert case.kinds() == set()


def test_a_bought_put_that_goes_an_instant_before_the_sold_one_is_seen(case: Case) -> None:
    case.moves[3] = case.truths.Move(NOON + timedelta(minutes=59), LONG, -2, f"{EXIT}/long")
    assert case.kinds() == {"naked"}


def test_a_bought_put_that_expires_earlier_covers_nothing(truths: Any) -> None:
    assert truths.uncovered("ABC", {SHORT: -2, LONG: 2}) == 0
    assert truths.uncovered("ABC", {SHORT: -2, EARLIER: 2}) == 2
    assert truths.uncovered("ABC", {EARLIER: -2, LONG: 1}) == 1
    assert truths.uncovered("ABC", {SHORT: -2, "XYZ210319P00095000": 2}) == 2


def test_what_expires_together_is_one_instant_and_an_assignment_owes_nothing(case: Case) -> None:
    assigned = case.truths.Move(NOON + timedelta(minutes=30), SHORT, 1, "OPASN")
    case.moves = [
        *case.moves[:2],
        assigned,
        case.truths.Move(CLOSE, LONG, -2, "OPEXP"),
        case.truths.Move(CLOSE, SHORT, 1, "OPEXP"),
    ]
    assert case.kinds() == set()


def test_a_bought_put_that_the_broker_sold_is_counted_apart(case: Case) -> None:
    own = {"id": "broker", "parent": "broker", "key": "broker's", "symbol": LONG, "qty": "1"}
    case.singles.append(own)
    case.moves = [*case.moves[:2], case.truths.Move(NOON + timedelta(minutes=30), LONG, -1, "broker"), *case.moves[2:]]
    said = case.said()
    assert said.naked_by_broker == 1 and not [failure for failure in said.failures if failure.kind == "naked"]


def test_more_than_was_decided_is_seen_unless_an_order_that_was_given_up_came_late(case: Case) -> None:
    case.plan["contracts"] = 1
    assert case.kinds() == {"too many", "wrong order"}
    case.given_up.add(ENTRY)
    assert case.kinds() == {"wrong order"} and case.said().late_excess == 2


def test_an_entry_that_pays_and_an_exit_that_is_paid_are_seen(case: Case) -> None:
    case.packages[ENTRY] = package(ENTRY, OPENS, "1.00")
    assert case.kinds() == {"wrong order"}
    case.packages[ENTRY], case.packages[EXIT] = package(ENTRY, OPENS, "-1.00"), package(EXIT, CLOSES, "-0.40")
    assert case.kinds() == {"wrong order"}


def test_a_put_that_is_sold_alone_is_seen_in_a_spread_that_is_entered_as_a_whole(case: Case) -> None:
    name = "nonce-bullput-3"
    single = {"id": name, "parent": name, "key": name, "symbol": SHORT, "position_intent": "sell_to_open", "qty": "1"}
    case.singles.append(single)
    assert case.kinds() == {"wrong order"}
    case.plan["manner"] = "legged"
    assert case.kinds() == set()


def test_what_is_left_anywhere_is_seen(case: Case) -> None:
    case.positions = {LONG: 1, "ABC": 100}
    case.packages[EXIT]["status"] = "new"
    case.final["spreads"][KEY]["phase"] = "closing"
    assert case.kinds() >= {"left over", "shares left", "order left", "not closed"}


def test_a_cent_that_is_booked_otherwise_is_seen(case: Case) -> None:
    case.cash_usd += Decimal("0.01")
    assert case.kinds() == {"cash differs"}


def test_a_book_that_the_rows_do_not_give_again_is_seen(case: Case) -> None:
    case.final["unlike"] = ["closed"]
    assert case.kinds() == {"rebuilt otherwise"}
