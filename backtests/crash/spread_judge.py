"""Compares the exchange's books with the journal's rows after a schedule of option spreads; none of the desk's logic is used."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from crash import bare, judge
from crash.broker_truth import ENDED, Json, Truth, instant
from crash.judge import Account, Failure
from crash.spread_stocks import Part, parted
from crash.spread_truth import Move, OptionTruth, is_option, naked_stretches
from desk.journal.reader import JournalReader

Legs = frozenset[tuple[str, str]]
CENT = Decimal("0.01")


@dataclass
class Told:
    """The journal's word on one spread: its plan, the bodies of its orders by key, its turns with their moments."""

    plan: Json
    orders: dict[str, Json] = field(default_factory=dict)
    turns: list[tuple[datetime, str]] = field(default_factory=list)

    @property
    def legs(self) -> dict[str, str]:
        return {self.plan["short"]: "short", self.plan["long"]: "long", self.plan["underlying"]: "shares"}


@dataclass
class SpreadAccount:
    """The journal's word: `account` on every order, `spreads` by key, `given_up` orders that were taken for never sent, when each
    order was `asked` to end."""

    account: Account
    spreads: dict[str, Told] = field(default_factory=dict)
    given_up: set[str] = field(default_factory=set)
    refusals: Counter[str] = field(default_factory=Counter)
    settlements: Counter[str] = field(default_factory=Counter)
    asked: dict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))

    def parts(self, truth: Truth) -> tuple[Part, Part]:
        """The strategy's own shares, and the spreads."""
        return parted(self.account, truth, {key for told in self.spreads.values() for key in told.orders})


def read(journal: Path) -> SpreadAccount:
    """The journal's rows, as JSON."""
    found = SpreadAccount(judge.read(journal))
    with JournalReader(journal) as reader:
        for stored in reader.rows():
            body = json.loads(stored.body)
            if stored.kind in _READ:
                _READ[stored.kind](found, body, instant(stored.at))
    return found


def _opened(found: SpreadAccount, body: Json, at: datetime) -> None:
    found.spreads[body["plan"]["key"]] = Told(body["plan"])


def _order(found: SpreadAccount, body: Json, at: datetime) -> None:
    for key in (body["spread"], body["into"]):
        if key is not None:
            found.spreads[key].orders[body["spec"]["key"]] = body


def _turned(found: SpreadAccount, body: Json, at: datetime) -> None:
    found.spreads[body["key"]].turns.append((at, body["turn"]))


def _settled(found: SpreadAccount, body: Json, at: datetime) -> None:
    if body["contracts"]:
        found.settlements["inferred" if body["activity"].startswith("seen:") else body["kind"]] += 1


def _refused(found: SpreadAccount, body: Json, at: datetime) -> None:
    found.given_up |= {body["key"]} if body["unsent"] or body["http_status"] is None else set()
    found.refusals[f"{body['http_status']}: {body['message'][:60]}"] += 1


def _cancel(found: SpreadAccount, body: Json, at: datetime) -> None:
    found.asked[body["of_key"]].append(at)


_READ: Mapping[str, Any] = {
    "cancel": _cancel,
    "spread_opened": _opened,
    "spread_order": _order,
    "spread_turned": _turned,
    "spread_settled": _settled,
    "refused": _refused,
}


# ---- verdict ---------------------------------------------------------------------------------------------------------------


@dataclass
class Verdict:
    """What is wrong, and what is worth counting."""

    failures: list[Failure] = field(default_factory=list)
    late_excess: int = 0
    naked_by_broker: int = 0


def verdict(found: SpreadAccount, there: OptionTruth, final: Json, start_cash: Decimal) -> Verdict:
    """`final` is what the desk believed when it was left. Shares that a strategy holds beside them have their own judge."""
    said = Verdict()
    stocks, spreads = found.parts(there.truth)
    for check in (judge.lost, judge.foreign, judge.ends):
        said.failures += check(spreads.account, spreads.truth, final)
    said.failures += judge.verdict(stocks.account, stocks.truth, final)
    said.failures += _fills(spreads.account, spreads.truth)
    said.failures += _naked(there, found.account.nonce, said)
    for key, told in found.spreads.items():
        said.failures += _quantities(key, told, found, there, said)
    said.failures += _shapes(found, there)
    said.failures += _left(spreads.truth, stocks.truth.positions, final)
    said.failures += _cash(there, final, start_cash)
    if found.account.damage:
        said.failures.append(Failure("journal damaged", found.account.damage))
    return said


def _fills(account: Account, truth: Truth) -> Iterator[Failure]:
    """Executions of orders and of legs; what a whole multi-leg order filled is told by its legs."""
    traded: dict[str, int] = defaultdict(int)
    orders = truth.orders
    for execution in truth.executions:
        if str(orders[execution.order_id]["key"]).startswith(account.nonce):
            traded[execution.order_id] += abs(execution.shares)
    whole = {name for name, order in orders.items() if order.get("legs")}
    for name in sorted({*traded, *account.filled} - whole):
        if traded.get(name, 0) != account.filled.get(name, 0):
            text = f"{name} filled {traded.get(name, 0)} at the exchange, {account.filled.get(name, 0)} in the journal"
            yield Failure("fills differ", text)


def _naked(there: OptionTruth, nonce: str, said: Verdict) -> Iterator[Failure]:
    for each in naked_stretches(there, nonce):
        said.naked_by_broker = max(said.naked_by_broker, each.by_broker)
        if each.contracts:
            yield Failure("naked", f"{each.contracts} sold puts of {each.underlying} from {each.at:%Y-%m-%d %H:%M:%S}")


def _quantities(key: str, told: Told, found: SpreadAccount, there: OptionTruth, said: Verdict) -> Iterator[Failure]:
    """Contracts opened of each leg are no more than were decided, unless an order that was given up came after all."""
    opening = list(_opening(told, there))
    late = any(order["key"] in found.given_up for order, _ in opening)
    for symbol, count in opened(told, there).items():
        if count > told.plan["contracts"] and late:
            said.late_excess += count - told.plan["contracts"]
        elif count > told.plan["contracts"]:
            yield Failure("too many", f"{count} {symbol} were opened for {key}, {told.plan['contracts']} were decided")


def opened(told: Told, there: OptionTruth) -> Counter[str]:
    """Contracts of each leg that the orders of a spread opened."""
    found: Counter[str] = Counter()
    for _, move in _opening(told, there):
        found[move.symbol] += abs(move.count)
    return found


def units_opened(told: Told, there: OptionTruth) -> int:
    """Whole units of both legs that were opened."""
    found = opened(told, there)
    return min(found[told.plan["short"]], found[told.plan["long"]])


def _opening(told: Told, there: OptionTruth) -> Iterator[tuple[Json, Move]]:
    for _, order, move in _executed(told, there):
        if move.symbol in (told.plan["short"], told.plan["long"]) and str(order["position_intent"]).endswith("_to_open"):
            yield order, move


def _executed(told: Told, there: OptionTruth) -> Iterator[tuple[str, Json, Move]]:
    orders = there.truth.orders
    for move in there.moves:
        order = orders.get(move.by)
        if order is not None and order["key"] in told.orders:
            yield str(order["key"]), order, move


# What each kind of order may be: the intents of its legs.
PACKAGES = {
    ("sell_to_open", "buy_to_open"): "entry",
    ("buy_to_close", "sell_to_close"): "exit",
    ("buy_to_close", "sell_to_close", "sell_to_open", "buy_to_open"): "roll",
}
SINGLES = {
    "long": ("buy_to_open", "sell_to_close"),
    "short": ("sell_to_open", "buy_to_close"),
}


def _shapes(found: SpreadAccount, there: OptionTruth) -> Iterator[Failure]:
    """Each of our orders at the exchange is a package of one to one with the right sign, or one leg with the right intent."""
    owners = {key: name for name, told in found.spreads.items() for key in told.orders}
    for order in there.truth.orders.values():
        if order["parent"] != order["id"] or order["key"] not in owners:
            continue
        body = found.spreads[owners[order["key"]]].orders[order["key"]]
        told, into = found.spreads[body["spread"]], found.spreads.get(str(body["into"]))
        problem = _package(order, told, into) if order.get("legs") else _single(order, told, there)
        if problem:
            yield Failure("wrong order", f"{order['key']}: {problem}")


def _package(order: Json, told: Told, into: Told | None) -> str | None:
    legs, limit, units = order["legs"], Decimal(str(order["limit_price"])), int(Decimal(order["qty"]))
    if any(int(Decimal(str(leg["ratio_qty"]))) != 1 or leg["qty"] != order["qty"] for leg in legs):
        return "its legs are not one to one"
    kind = PACKAGES.get(tuple(leg["position_intent"] for leg in legs))
    wanted = {
        "entry": (told.plan["short"], told.plan["long"]),
        "exit": (told.plan["short"], told.plan["long"]),
        "roll": (told.plan["short"], told.plan["long"], *((into.plan["short"], into.plan["long"]) if into else ())),
    }
    if kind is None or tuple(leg["symbol"] for leg in legs) != wanted[kind]:
        return f"its legs are {[(leg['symbol'], leg['position_intent']) for leg in legs]}"
    if (limit < 0) != (kind != "exit"):
        return f"an {kind} at {limit}"
    most = (into or told).plan["contracts"]
    # An exit may be for more: what came late beside what was decided.
    return f"{units} units, {most} were decided" if units > most and kind != "exit" else None


def _single(order: Json, told: Told, there: OptionTruth) -> str | None:
    part, intent = told.legs.get(order["symbol"]), order.get("position_intent")
    if part == "shares":
        return None
    if part is None or intent not in SINGLES[part]:
        return f"{intent} of {order['symbol']}"
    is_entry = str(intent).endswith("_to_open")
    if is_entry and told.plan["manner"] != "legged":
        return f"{intent} alone, of a spread that is entered as a whole"
    too_many = is_entry and int(Decimal(order["qty"])) > told.plan["contracts"]
    return f"{order['qty']} contracts, {told.plan['contracts']} were decided" if too_many else None


def _left(truth: Truth, own: Mapping[str, int], final: Json) -> Iterator[Failure]:
    """Nothing is left of the spreads, `own` shares of the strategy aside, and a book made of the rows says the same as the one
    that lived."""
    for symbol in sorted({*truth.positions, *own}):
        count = truth.positions.get(symbol, 0) - own.get(symbol, 0)
        if count:
            beside = f" beside its own {own[symbol]}" if symbol in own else ""
            text = f"{count} {symbol} are held{beside} at the end"
            yield Failure("left over" if is_option(symbol) else "shares left", text)
    for order in truth.orders.values():
        if order["status"] not in ENDED:
            yield Failure("order left", f"{order['key']} is {order['status']}")
    for key, told in final["spreads"].items():
        if told["phase"] != "closed" or final["rebuilt"].get(key) != "closed":
            yield Failure("not closed", f"{key} is {told}, rebuilt {final['rebuilt'].get(key)}")
    if final["unlike"]:
        yield Failure("rebuilt otherwise", f"a book made of the rows has other {', '.join(final['unlike'])}")


def _cash(there: OptionTruth, final: Json, start_cash: Decimal) -> Iterator[Failure]:
    booked = sum((Decimal(told["cash_usd"]) for told in final["spreads"].values()), Decimal(0))
    stocks, came = Decimal(final["stocks_cash_usd"]), there.cash_usd - start_cash
    if abs(booked + stocks - came) >= CENT:
        text = f"the spreads booked {booked}, the stocks {stocks}, the exchange's cash changed by {came} beside its fees"
        yield Failure("cash differs", text)


# ---- how long leaving takes -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Leaving:
    """Seconds of open market from the first turn to leave until nothing is owed, and until nothing is held; those in which a
    desk lived and the exchange behaved."""

    key: str
    owed_seconds: float
    held_seconds: float


def leavings(found: SpreadAccount, there: OptionTruth, disturbed: Sequence[bare.Span]) -> Iterable[Leaving]:
    for key, told in found.spreads.items():
        left = [at for at, turn in told.turns if turn == "leave"]
        if left:
            owed, held = (_gone(told, there, left[0], legs) for legs in (("short",), ("short", "long")))
            yield Leaving(key, _undisturbed(left[0], owed, disturbed), _undisturbed(left[0], held, disturbed))


def hung(found: SpreadAccount, truth: Truth, windows: Sequence[bare.Span]) -> list[bare.Span]:
    """From when to when the exchange did not end orders that it was asked to, in `windows` in which it makes cancels hang: they
    keep their contracts, so that nobody can leave with another order, however long after the window."""
    ends = {order["client_order_id"]: bare.ended(order) for order in truth.orders.values() if order["parent"] == order["id"]}
    found_spans = []
    for key, asked in found.asked.items():
        stuck = [at for at in asked if any(since <= at < until for since, until in windows)]
        end = ends.get(key)
        if stuck and end is not None:
            found_spans.append((stuck[0], end))
    return found_spans


def _gone(told: Told, there: OptionTruth, since: datetime, legs: tuple[str, ...]) -> datetime:
    """When the last contracts of these legs went: by its own orders, or by what ended them without an order."""
    last = since
    for symbol in (told.plan[leg] for leg in legs):
        traded = [move for _, _, move in _executed(told, there) if move.symbol == symbol]
        if sum(move.count for move in traded):
            traded = [move for move in there.moves if move.symbol == symbol and move.by not in there.truth.orders]
        last = max((last, *(move.at for move in traded)))
    return last


def _undisturbed(begin: datetime, end: datetime, disturbed: Sequence[bare.Span]) -> float:
    return bare.undisturbed_seconds((begin, end), disturbed) if end - begin > timedelta(0) else 0.0
