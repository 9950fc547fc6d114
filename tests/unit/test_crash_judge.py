"""The judge of the crash harness sees each thing that must not be; a judge that is never against anybody proves nothing."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

BACKTESTS = Path(__file__).parents[2] / "backtests"
NOON = datetime(2021, 3, 10, 17, 0, tzinfo=UTC)
KEY = "nonce-open"


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BACKTESTS))
    return importlib.import_module("crash.judge")


@pytest.fixture
def truths(judge: Any) -> Any:
    return importlib.import_module("crash.broker_truth")


def order(name: str, status: str = "filled", **changes: Any) -> dict[str, Any]:
    plain = {
        "id": name,
        "client_order_id": KEY,
        "key": KEY,
        "parent": name,
        "replaces": None,
        "symbol": "ABC",
        "side": "buy",
        "qty": "10",
        "filled_qty": "10" if status == "filled" else "0",
        "status": status,
        "order_class": "",
        "created_at": NOON.isoformat(),
    }
    ends = dict.fromkeys(("filled_at", "canceled_at", "expired_at", "failed_at", "replaced_at"))
    return {**plain, **ends, **changes}


def exit_order(status: str = "new", **changes: Any) -> dict[str, Any]:
    return order("exit", status, **{"side": "sell", "client_order_id": "broker's", "parent": "entry", **changes})


class Case:
    """Ten shares bought under one journaled key and protected by one exit: nothing is wrong."""

    def __init__(self, judge: Any, truths: Any) -> None:
        self.judge, self.truths = judge, truths
        self.orders = [order("entry", filled_at=NOON.isoformat()), exit_order(order_class="oco")]
        self.bought = [truths.Execution("entry", "ABC", NOON, 10)]
        self.held = {"ABC": 10}
        self.account = judge.Account("nonce", {KEY: {}}, statuses={"entry": ["working", "filled"]})
        self.account.filled, self.account.shares = {"entry": 10}, {"ABC": 10}
        self.final: dict[str, Any] = {"positions": {"ABC": 10}, "trades": []}

    def truth(self) -> Any:
        return self.truths.Truth({each["id"]: each for each in self.orders}, tuple(self.bought), self.held)

    def kinds(self) -> set[str]:
        return {failure.kind for failure in self.judge.verdict(self.account, self.truth(), self.final)}


@pytest.fixture
def case(judge: Any, truths: Any) -> Case:
    return Case(judge, truths)


def test_what_agrees_is_no_failure(case: Case) -> None:
    assert case.kinds() == set()


def test_a_journaled_order_that_is_nowhere_is_lost_unless_it_was_refused(case: Case) -> None:
    case.account.submits["nonce-other"] = {}
    assert case.kinds() == {"lost"}
    case.account.refused.add("nonce-other")
    assert case.kinds() == set()


def test_an_order_of_ours_that_the_journal_does_not_have_is_seen(case: Case) -> None:
    case.orders.append(order("second", "canceled", client_order_id="nonce-second", key="nonce-second"))
    assert case.kinds() == {"unjournaled"}


def test_a_refused_order_that_works_is_seen(case: Case) -> None:
    case.account.refused.add(KEY)
    assert case.kinds() == {"refused but there"}


def test_a_fill_that_the_journal_missed_is_seen_in_order_and_position(case: Case) -> None:
    case.account.filled, case.account.shares = {"entry": 4}, {"ABC": 4}
    assert case.kinds() == {"fills differ", "positions differ"}


def test_an_end_that_the_journal_missed_is_seen(case: Case) -> None:
    case.account.statuses = {"entry": ["working"]}
    assert case.kinds() == {"unknown"}


def test_a_doubt_that_is_left_in_the_book_is_seen(case: Case) -> None:
    trade = {"key": KEY, "exits_key": KEY, "entry": "unknown", "target": "working", "stop": "held"}
    case.final["trades"] = [trade]
    assert case.kinds() == {"unknown"}


def test_exits_for_more_than_is_held_are_seen(case: Case) -> None:
    case.orders.append(order("again", "new", side="sell", client_order_id="nonce-cover", key="nonce-cover"))
    case.account.submits["nonce-cover"] = {}
    assert case.kinds() == {"doubled"}


def test_shares_without_a_live_exit_are_seen(case: Case) -> None:
    case.orders.pop()
    assert case.kinds() == {"bare"}


def test_the_time_between_a_fill_and_its_exit_is_measured_in_open_market(case: Case) -> None:
    bare = importlib.import_module("crash.bare")
    case.orders[1] = exit_order(order_class="oco", created_at=(NOON + timedelta(minutes=20)).isoformat())
    dead = [(NOON + timedelta(minutes=5), NOON + timedelta(minutes=15))]
    found = bare.stretches(case.truth(), NOON + timedelta(hours=1), dead)
    assert [(each.symbol, each.seconds, each.undisturbed_seconds) for each in found] == [("ABC", 1200.0, 600.0)]
