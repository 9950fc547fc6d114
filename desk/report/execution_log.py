"""The execution log: what was ordered on a day, what became of it and why, as a JSON file a day that other programs read.

`execution_log_YYYYMMDD.json` is an array of objects, the day New York's of the decision. It is made from the journal's rows
alone, so it can be written again at any time; the journal stays the record.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from desk.domain.decisions import Denied
from desk.domain.journal import Acknowledged, BrokerRefusal, Row
from desk.domain.orders import LEG_ROLES, Fill, GroupRole, Leg, OrderEvent, OrderSpec, OrderStatus, Side
from desk.domain.steps import Cancel, NewOrder, Replace, SpreadOrder
from desk.report.files import write_whole
from desk.report.new_york import session_of

Entry = dict[str, Any]
LOCK = ".execution_log.lock"


def file_name(day: date) -> str:
    return f"execution_log_{day:%Y%m%d}.json"


@dataclass
class _Member:
    """One order at the broker: a whole order, an exit or a leg."""

    order_id: str | None = None
    status: str = OrderStatus.JOURNALED.value
    fills: dict[str, Fill] = field(default_factory=dict)

    @property
    def filled(self) -> int:
        told = max((fill.cumulative or 0 for fill in self.fills.values()), default=0)
        return max(told, 0) or sum(fill.quantity for fill in self.fills.values())

    @property
    def average_price(self) -> Decimal | None:
        shares = sum(fill.quantity for fill in self.fills.values())
        value = sum((fill.price * fill.quantity for fill in self.fills.values()), Decimal(0))
        return value / shares if shares else None


@dataclass
class _Order:
    """What is known of one order of the desk."""

    at: datetime
    step: NewOrder
    members: dict[GroupRole, _Member]
    changes: list[str] = field(default_factory=list)
    refusal: str | None = None

    @property
    def first(self) -> _Member:
        return self.members[self.step.spec.first_role]

    @property
    def legs(self) -> tuple[tuple[Leg, _Member], ...]:
        spec = self.step.spec
        return tuple((leg, self.members[role]) for leg, role in zip(spec.legs, LEG_ROLES, strict=False))

    @property
    def filled(self) -> int:
        """Shares, contracts, or whole units of a multi-leg order: executions are of its legs, the order itself has none."""
        return min((member.filled // leg.ratio for leg, member in self.legs), default=self.first.filled)

    @property
    def average_price(self) -> Decimal | None:
        """Of a unit where there are legs, signed as its limit is: a debit above zero, a credit below."""
        if not self.legs:
            return self.first.average_price
        if not self.filled:
            return None
        sides = ((leg.ratio if leg.side is Side.BUY else -leg.ratio, member.average_price) for leg, member in self.legs)
        return sum((ratio * price for ratio, price in sides if price is not None), Decimal(0))


class ExecutionLog:
    """Rows in, entries out by day. `run` is the name that stands in every entry."""

    def __init__(self, run: str) -> None:
        self.run = run
        self._orders: dict[str, _Order] = {}
        self._refusals: dict[tuple[date, str, str], Entry] = {}
        self._changed: set[date] = set()

    def read(self, rows: Iterable[Row]) -> None:
        """Take in rows, in the journal's order."""
        for row in rows:
            self._read(row)

    def changed_days(self) -> tuple[date, ...]:
        """Days whose entries changed since they were last asked for."""
        days, self._changed = tuple(sorted(self._changed)), set()
        return days

    def entries(self, day: date) -> list[Entry]:
        """Everything of one day, by time."""
        orders = [self._entry(key, order) for key, order in self._orders.items() if session_of(order.at) == day]
        denied = [entry for (denied_on, _, _), entry in self._refusals.items() if denied_on == day]
        return sorted([*orders, *denied], key=_place)

    # ---- rows ----------------------------------------------------------------------------------------------------------------

    def _read(self, row: Row) -> None:
        value = row.value
        if isinstance(value, NewOrder):
            self._orders[value.key] = _Order(row.at, value, {role: _Member() for role in value.spec.roles})
            self._changed.add(session_of(row.at))
        elif isinstance(value, Denied):
            self._deny(row.at, value)
        elif isinstance(value, Acknowledged | BrokerRefusal | OrderEvent):
            self._answer(value)
        elif isinstance(value, Cancel | Replace):
            self._change(value)

    def _answer(self, value: Acknowledged | BrokerRefusal | OrderEvent) -> None:
        order = self._orders.get(value.key)
        if order is None:
            return
        self._changed.add(session_of(order.at))
        if isinstance(value, OrderEvent):
            self._hear(order, value)
        elif isinstance(value, BrokerRefusal):
            order.refusal = value.message
            order.first.status = "not sent" if value.unsent else OrderStatus.REJECTED.value
        else:
            self._acknowledge(order, value)

    def _acknowledge(self, order: _Order, said: Acknowledged) -> None:
        for role, order_id in said.broker_ids.items():
            member = order.members.setdefault(GroupRole(role), _Member())
            member.order_id = order_id
            if member.status == OrderStatus.JOURNALED.value:
                member.status = OrderStatus.SENT.value

    def _hear(self, order: _Order, event: OrderEvent) -> None:
        member = order.members.setdefault(event.role, _Member())
        member.order_id, member.status = event.broker_id or member.order_id, event.status.value
        if event.fill is not None:
            member.fills[event.fill.execution_id] = event.fill
        if event.status is OrderStatus.REJECTED and event.text:
            order.refusal = event.text

    def _change(self, value: Cancel | Replace) -> None:
        order = self._orders.get(value.of_key)
        if order is not None:
            self._changed.add(session_of(order.at))
            order.changes.append(f"{'cancel' if isinstance(value, Cancel) else 'replace'}: {value.reason}")

    def _deny(self, at: datetime, denied: Denied) -> None:
        """Once a day for the same reason: an hourly strategy asks again every hour."""
        code = str(denied.detail.get("code", denied.reason.value))
        mark = (session_of(at), denied.symbol, code)
        if mark not in self._refusals:
            entry = {"kind": "refusal", "run": self.run, "at": at.isoformat(), "symbol": denied.symbol, "status": "refused"}
            self._refusals[mark] = entry | {"code": code, "reason": denied.text}
            self._changed.add(mark[0])

    # ---- entries -------------------------------------------------------------------------------------------------------------

    def _entry(self, key: str, order: _Order) -> Entry:
        step, spec, first = order.step, order.step.spec, order.first
        is_spread = isinstance(step, SpreadOrder)
        return {
            "kind": "order",
            "run": self.run,
            "at": order.at.isoformat(),
            "symbol": spec.symbol,
            "status": first.status,
            "reason": step.reason if isinstance(step, SpreadOrder) else step.intent.reason,
            "client_order_id": key,
            "order_id": first.order_id,
            "spread": step.spread if isinstance(step, SpreadOrder) else None,
            "side": None if spec.legs else spec.side.value,
            "quantity": spec.quantity,
            "type": spec.type.value,
            "order_class": spec.order_class.value,
            "limit_price": _dollars(spec.limit_price),
            "take_profit": None if is_spread else _dollars(spec.take_profit),
            "stop_loss": None if is_spread else _dollars(spec.stop_loss),
            "filled": order.filled,
            "average_price": _dollars(order.average_price),
            "legs": [_leg(spec, role, member) for role, member in order.members.items() if role is not spec.first_role],
            "changes": list(order.changes),
            "refusal": order.refusal,
        }


def _leg(spec: OrderSpec, role: GroupRole, member: _Member) -> Entry:
    leg = spec.leg(role)
    return {
        "role": role.value,
        "symbol": spec.symbol_of(role),
        "intent": None if leg is None else leg.intent.value,
        "ratio": None if leg is None else leg.ratio,
        "order_id": member.order_id,
        "status": member.status,
        "filled": member.filled,
        "average_price": _dollars(member.average_price),
    }


def _dollars(price: Decimal | None) -> float | None:
    return None if price is None else float(round(price, 6))


def write_days(log: ExecutionLog, folder: Path, days: Iterable[date]) -> tuple[Path, ...]:
    """Put the entries of `days` into their files, each replaced at once; those of other runs in it stay.

    Raises ConfigurationError when a file cannot be written, or holds something else.
    """
    return tuple(_write(log, folder, day) for day in days)


def _write(log: ExecutionLog, folder: Path, day: date) -> Path:
    path = folder / file_name(day)
    if not folder.is_dir():
        write_whole(path, "[]\n")
    # Two runs may write the same day.
    with (folder / LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        others = [entry for entry in _there(path) if entry.get("run") != log.run]
        entries = sorted([*others, *log.entries(day)], key=_place)
        text = json.dumps(entries, indent=2) + "\n"
        return path if path.is_file() and path.read_text(encoding="utf-8") == text else write_whole(path, text)


def _place(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """By time; what is of the same moment in an order that does not change."""
    return tuple(str(entry.get(name) or "") for name in ("at", "run", "client_order_id", "symbol", "code"))


def _there(path: Path) -> list[Mapping[str, Any]]:
    """What a file has; nothing for one that is missing or is no log: it is made again from the journal."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [entry for entry in said if isinstance(entry, dict)] if isinstance(said, list) else []
