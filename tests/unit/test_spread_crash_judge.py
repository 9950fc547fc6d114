"""The judge of spreads sees each thing that must not be, from the exchange's own books."""

from __future__ import annotations

import importlib
from dataclasses import replace
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
        self.stocks: list[dict[str, Any]] = []
        self.unjournaled: list[dict[str, Any]] = []
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
        self.final |= {"positions": {}, "trades": [], "stocks_cash_usd": "0"}

    @property
    def owned(self) -> list[str]:
        return [order["key"] for order in (*self.packages.values(), *self.singles)]

    def told(self) -> Any:
        keys = [key for key in self.owned if key.startswith("nonce")]
        return self.judge.Told(self.plan, {key: {"spread": KEY, "into": None} for key in keys})

    def there(self) -> Any:
        broker_truth = importlib.import_module("crash.broker_truth")
        ended = {"status": "filled", "side": "", "symbol": "", "replaced_by": None, "order_class": "", "filled_qty": "0"}
        ended["position_intent"] = None
        orders: dict[str, dict[str, Any]] = {}
        for order in [*self.packages.values(), *self.singles, *self.stocks, *self.unjournaled]:
            orders[order["id"]] = {**ended, "client_order_id": order["key"], **order}
            for leg in order.get("legs", ()):
                orders[leg["id"]] = {**ended, "client_order_id": "", **leg, "parent": order["id"], "key": order["key"]}
        fills = [broker_truth.Execution(each.by, each.symbol, each.at, each.count) for each in self.moves if each.by in orders]
        truth = broker_truth.Truth(orders, tuple(fills), self.positions)
        moves = tuple(sorted(self.moves, key=lambda each: each.at))
        return self.truths.OptionTruth(truth, moves, self.cash_usd, Decimal(0))

    def found(self, there: Any) -> Any:
        crash_judge = importlib.import_module("crash.judge")
        keys = [*self.owned, *(order["key"] for order in self.stocks)]
        account = crash_judge.Account("nonce", {key: {} for key in keys})
        account.statuses.update({name: ["filled"] for name in there.truth.orders})
        for each in there.truth.executions:
            account.filled[each.order_id] += abs(each.shares)
        return self.judge.SpreadAccount(account, {KEY: self.told()}, self.given_up)

    def own(self) -> tuple[Any, Any]:
        there = self.there()
        return self.found(there).parts(there.truth)[0].truth, there

    def said(self) -> Any:
        there = self.there()
        return self.judge.verdict(self.found(there), there, self.final, Decimal(1000))

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


# ---- shares of the strategy's own beside the spreads --------------------------------------------------------------------------

BOUGHT, TARGET, SOLD = "nonce-enter", "nonce-enter/target", "nonce-bullput-9"


def stock_order(name: str, side: str, shares: int, status: str = "filled", key: str | None = None) -> dict[str, Any]:
    common = {"symbol": "ABC", "qty": str(shares), "side": side, "status": status, "order_class": "bracket"}
    return {"id": name, "parent": key or name, "key": key or name, **common}


@pytest.fixture
def beside(case: Case) -> Case:
    """Besides, 30 ABC bought at 50 under a target, and 100 more that an assignment brought at 100 and that were sold at 90."""
    exit_of_it = {**stock_order(TARGET, "sell", 30, "new", BOUGHT), "client_order_id": "target"}
    case.stocks = [stock_order(BOUGHT, "buy", 30), exit_of_it]
    sale = {"id": SOLD, "parent": SOLD, "key": SOLD, "symbol": "ABC", "side": "sell", "qty": "100"}
    case.singles.append(sale)
    later = NOON + timedelta(minutes=30)
    case.moves = [
        case.truths.Move(NOON, "ABC", 30, BOUGHT),
        *case.moves[:2],
        case.truths.Move(later, SHORT, 1, "OPASN"),
        case.truths.Move(later, "ABC", 100, "OPTRD"),
        case.truths.Move(later + timedelta(minutes=1), "ABC", -100, SOLD),
        case.truths.Move(CLOSE, SHORT, 1, "OPEXP"),
        case.truths.Move(CLOSE, LONG, -2, "OPEXP"),
    ]
    case.positions = {"ABC": 30}
    trade = {"key": BOUGHT, "exits_key": BOUGHT, "entry": "filled", "target": "working", "stop": "working"}
    case.final |= {"positions": {"ABC": 30}, "trades": [trade], "stocks_cash_usd": "-1500"}
    case.cash_usd = Decimal(1000 - 1500 + 120)
    return case


def test_own_shares_and_shares_that_came_for_contracts_are_told_apart(beside: Case) -> None:
    assert beside.kinds() == set()


def test_shares_that_came_for_contracts_and_stayed_are_seen_beside_own_ones(beside: Case) -> None:
    beside.singles, beside.moves = [], [move for move in beside.moves if move.by != SOLD]
    beside.positions = {"ABC": 130}
    assert beside.kinds() == {"shares left"}


def test_own_shares_that_a_spread_sold_with_its_own_are_seen(beside: Case) -> None:
    beside.positions = {}
    assert beside.kinds() == {"shares left"}


def test_own_shares_without_an_exit_are_seen_beside_spreads(beside: Case) -> None:
    beside.stocks[1]["status"] = "canceled"
    assert beside.kinds() == {"bare", "unknown"}


def test_own_shares_that_the_book_does_not_have_are_seen(beside: Case) -> None:
    beside.final["positions"] = {"ABC": 130}
    assert beside.kinds() == {"positions differ"}


def test_an_order_in_shares_that_nobody_journaled_is_seen(beside: Case) -> None:
    beside.unjournaled = [stock_order("nonce-nobodys", "buy", 10, "canceled")]
    assert beside.kinds() == {"unjournaled"}


def test_a_cent_of_the_stocks_that_is_booked_otherwise_is_seen(beside: Case) -> None:
    beside.final["stocks_cash_usd"] = "-1500.01"
    assert beside.kinds() == {"cash differs"}


def test_a_meeting_is_counted_and_shares_that_a_put_took_are_not_there_to_protect(beside: Case, judge: Any) -> None:
    stocks = importlib.import_module("crash.spread_stocks")
    own, there = beside.own()
    assert stocks.meetings(own, there) == 1
    assert stocks.to_protect(own, there).executions == own.executions
    took = beside.truths.Move(CLOSE, "ABC", -100, "OPTRD")
    back = beside.truths.Move(CLOSE + timedelta(days=3), "ABC", 100, SOLD)
    there = replace(there, moves=(*there.moves, took, back))
    taken = stocks.to_protect(own, there).executions[len(own.executions) :]
    assert [(each.at, each.shares) for each in taken] == [(took.at, -30), (back.at, 30)]


def test_a_spread_counts_as_filled_by_whole_units_of_both_legs(case: Case) -> None:
    told, there = case.told(), case.there()
    assert case.judge.units_opened(told, there) == 2
    one_leg = [move for move in there.moves if move.symbol == LONG]
    assert case.judge.units_opened(told, replace(there, moves=tuple(one_leg))) == 0


def test_an_order_that_the_exchange_did_not_end_disturbs_until_it_has(case: Case) -> None:
    """A cancel that hangs outlasts the minutes in which it was asked for; one that nobody made hang disturbs nothing."""
    case.packages[EXIT] |= {"status": "expired", "expired_at": CLOSE.isoformat()}
    there = case.there()
    found = case.found(there)
    found.asked[EXIT] = [NOON, NOON + timedelta(minutes=2), NOON + timedelta(minutes=30)]
    window = (NOON + timedelta(minutes=1), NOON + timedelta(minutes=10))
    assert case.judge.hung(found, there.truth, [window]) == [(NOON + timedelta(minutes=2), CLOSE)]
    assert case.judge.hung(found, there.truth, []) == []


def test_leaving_is_not_slow_while_an_exit_of_it_hangs(case: Case) -> None:
    evening, morning = datetime(2021, 3, 17, 18, 36, tzinfo=UTC), datetime(2021, 3, 18, 13, 30, tzinfo=UTC)
    case.moves[2] = case.truths.Move(morning, SHORT, 2, f"{EXIT}/short")
    case.moves[3] = case.truths.Move(morning, LONG, -2, f"{EXIT}/long")
    case.singles = [{"id": "hung", "parent": "hung", "key": f"{KEY}-9", "symbol": SHORT, "qty": "2", "status": "expired"}]
    case.singles[0]["expired_at"] = (evening + timedelta(minutes=84)).isoformat()
    there = case.there()
    found = case.found(there)
    found.spreads[KEY].turns.append((evening, "leave"))
    found.asked[f"{KEY}-9"] = [evening + timedelta(minutes=2)]
    window = (evening, evening + timedelta(minutes=17))
    (slow,) = case.judge.leavings(found, there, [window])
    assert slow.owed_seconds == 67 * 60
    (said,) = case.judge.leavings(found, there, [window, *case.judge.hung(found, there.truth, [window])])
    assert said.owed_seconds == 0.0
