"""Compares broker and journal after a schedule: journal rows and the exchange's own listings, none of the desk's logic."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from crash.broker_truth import ENDED, Json, Truth
from desk.journal.reader import JournalReader

# What the journal may call an order of which the exchange says this.
SAME = {
    "filled": {"filled"},
    "canceled": {"canceled"},
    "expired": {"expired"},
    "rejected": {"rejected"},
    "replaced": {"replaced"},
}


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that must not be; `kind` is a word to count by."""

    kind: str
    text: str


@dataclass
class Account:
    """The journal's word on every order: bodies of submits by key, refused keys, and by broker id what it heard: statuses in
    turn, shares filled, and how far their order's own count was told."""

    nonce: str
    submits: dict[str, Json] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    statuses: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    filled: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    told: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    shares: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    modes: list[str] = field(default_factory=list)
    damage: str | None = None
    rows: int = 0


def read(journal: Path) -> Account:
    """The journal's rows, as JSON."""
    with JournalReader(journal) as reader:
        account = Account(reader.nonce, damage=reader.damage())
        for stored in reader.rows():
            account.rows = stored.seq
            _READ.get(stored.kind, _nothing)(account, json.loads(stored.body))
    return account


def _submit(account: Account, body: Json) -> None:
    account.submits[body["spec"]["key"]] = body
    account.refused.discard(body["spec"]["key"])


def _refused(account: Account, body: Json) -> None:
    account.refused.add(body["key"])


def _sent_again(account: Account, body: Json) -> None:
    account.refused.discard(body["key"])


def _event(account: Account, body: Json) -> None:
    account.statuses[body["broker_id"]].append(body["status"])
    account.refused.discard(body["key"])  # given up, and there after all: from now on it is judged as any other
    fill = body["fill"]
    if fill is not None:
        # News of the same shares may be journaled twice, by a desk that died before it knew that it had them.
        fresh = min(fill["quantity"], max(0, fill["cumulative"] - account.told[body["broker_id"]]))
        account.told[body["broker_id"]] = max(fill["cumulative"], account.told[body["broker_id"]])
        account.filled[body["broker_id"]] += fresh
        account.shares[fill["symbol"]] += fresh if fill["side"] == "buy" else -fresh


def _mode(account: Account, body: Json) -> None:
    account.modes.append(f"{body['mode']}: {body['reason']}")


def _nothing(account: Account, body: Json) -> None:
    """A row that says nothing of orders."""


_READ = {
    "submit": _submit,
    "spread_order": _submit,
    "refused": _refused,
    "sent_again": _sent_again,
    "event": _event,
    "mode": _mode,
}


def verdict(account: Account, truth: Truth, final: Json) -> list[Failure]:
    """Everything that is wrong; `final` is what the desk believed when it was left."""
    checks = (lost, foreign, _fills, ends, _positions, _beliefs, _bare_now)
    found = [failure for check in checks for failure in check(account, truth, final)]
    return [*found, *([Failure("journal damaged", account.damage)] if account.damage else [])]


def _parents(truth: Truth) -> dict[str, Json]:
    return {order["client_order_id"]: order for order in truth.orders.values() if order["parent"] == order["id"]}


def lost(account: Account, truth: Truth, final: Json) -> Iterator[Failure]:
    """Journaled orders that are nowhere, and refused ones that are there."""
    parents = _parents(truth)
    for key in account.submits:
        if key not in parents and key not in account.refused:
            yield Failure("lost", f"{key} was journaled; the exchange never had it, and no refusal is journaled")
        if key in parents and key in account.refused and parents[key]["status"] != "rejected":
            yield Failure("refused but there", f"{key} counts as refused, and is {parents[key]['status']} at the exchange")


def foreign(account: Account, truth: Truth, final: Json) -> Iterator[Failure]:
    """Orders with our nonce that the journal does not have."""
    for key in _parents(truth):
        if key.startswith(account.nonce) and key not in account.submits:
            yield Failure("unjournaled", f"{key} is at the exchange and not in the journal")


def _fills(account: Account, truth: Truth, final: Json) -> Iterator[Failure]:
    """By executions: an order that replaces another is listed with what that one had filled."""
    traded: dict[str, int] = defaultdict(int)
    for execution in truth.executions:
        traded[execution.order_id] += abs(execution.shares)
    for broker_id in sorted({*traded, *account.filled}):
        there, here = traded.get(broker_id, 0), account.filled.get(broker_id, 0)
        if there != here:
            order = truth.orders.get(broker_id)
            name = broker_id if order is None else _name(order)
            yield Failure("fills differ", f"{name} filled {there} at the exchange, {here} in the journal")


def ends(account: Account, truth: Truth, final: Json) -> Iterator[Failure]:
    """An order that carries a key ends in the journal as at the exchange; exits that sleep may end without a word."""
    for key, parent in _parents(truth).items():
        order = _latest(parent, truth)
        said = account.statuses.get(str(order["id"]), [])
        last = said[-1] if said else "nothing"
        has_ended = order["status"] in ENDED
        if key in account.submits and (not SAME[order["status"]] & set(said) if has_ended else last in ENDED):
            yield Failure("unknown", f"{_name(order)} is {order['status']} at the exchange, {last} in the journal")


def _latest(order: Json, truth: Truth) -> Json:
    """The order itself, or the last of those that took its place."""
    successor = truth.orders.get(str(order.get("replaced_by")))
    return order if successor is None or successor["side"] != order["side"] else _latest(successor, truth)


def _positions(account: Account, truth: Truth, final: Json) -> Iterator[Failure]:
    held = {symbol: shares for symbol, shares in account.shares.items() if shares}
    for name, other in (("the journal", held), ("the desk's book", final["positions"])):
        if other != truth.positions:
            yield Failure("positions differ", f"{name} has {_unlike(other, truth.positions)}")
    for symbol, shares in truth.positions.items():
        if shares < 0:
            yield Failure("doubled", f"{symbol}: {-shares} shares short, sold twice")


def _unlike(one: dict[str, int], other: dict[str, int]) -> str:
    return ", ".join(
        f"{symbol} {one.get(symbol, 0)}, the exchange {other.get(symbol, 0)}"
        for symbol in sorted({*one, *other})
        if one.get(symbol, 0) != other.get(symbol, 0)
    )


def _beliefs(account: Account, truth: Truth, final: Json) -> Iterator[Failure]:
    """What the desk takes for alive is alive, and it is in doubt of nothing."""
    keys = defaultdict(list)
    for order in truth.orders.values():
        keys[order["key"]].append(order["status"])
    for trade in final["trades"]:
        for part, key in (("entry", trade["key"]), ("target", trade["exits_key"]), ("stop", trade["exits_key"])):
            if trade[part] in ("unknown", "sent", "journaled"):
                yield Failure("unknown", f"{part} of {trade['key']} is {trade[part]} to the desk")
            if trade[part] not in ENDED and not any(status not in ENDED for status in keys[key]):
                yield Failure("unknown", f"{part} of {trade['key']} is {trade[part]} to the desk, its group has ended")


def _bare_now(account: Account, truth: Truth, final: Json) -> Iterator[Failure]:
    exits: dict[str, int] = defaultdict(int)
    for group in _groups(truth):
        alive = [order for order in group if order["side"] == "sell" and order["status"] not in ENDED]
        awake = [order for order in alive if order["order_class"] != "bracket" or _is_complete(order, truth)]
        if awake:
            left = max(int(Decimal(str(order["qty"]))) - int(Decimal(str(order["filled_qty"] or 0))) for order in awake)
            exits[awake[0]["symbol"]] += left
    for symbol in sorted({*exits, *truth.positions}):
        held = truth.positions.get(symbol, 0)
        if held > exits[symbol]:
            yield Failure("bare", f"{held} {symbol} are held and exits for {exits[symbol]} work")
        if exits[symbol] > max(held, 0):
            yield Failure("doubled", f"exits for {exits[symbol]} {symbol} work and {held} are held")


def _is_complete(order: Json, truth: Truth) -> bool:
    parent = truth.orders.get(str(order["parent"]))
    return parent is None or parent["status"] == "filled"


def _groups(truth: Truth) -> Sequence[list[Json]]:
    groups: dict[Any, list[Json]] = defaultdict(list)
    for order in truth.orders.values():
        groups[order["parent"] or order["id"]].append(order)
    return list(groups.values())


def _name(order: Json) -> str:
    exit_of = "" if order["parent"] in (order["id"], None) else f", an exit of {order['key']}"
    return f"{order['side']} {order['qty']} {order['symbol']} ({order['client_order_id']}{exit_of})"
