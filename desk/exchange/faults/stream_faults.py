"""Faults of the trading stream: updates that come twice, late, in another order or never, and a connection that drops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from desk.exchange.faults.plan import EVENT_KINDS, Fault, FaultKind, FaultPlan, Occasion
from desk.exchange.machine.orders import Event

Act = Callable[[], None]
# What has been queued for a client gets this long to leave before its connection breaks.
LEAVES_WITHIN_SECONDS = 0.05


class StreamFaults:
    """Passes each trade update on as the plan says. One event loop owns it."""

    def __init__(self, plan: FaultPlan) -> None:
        self._plan = plan
        # By account: updates that wait until so many others have passed them.
        self._behind: dict[int, list[tuple[int, Act]]] = {}
        self._timers: set[asyncio.TimerHandle] = set()
        # Accounts whose connection is about to break: what is sent to them now is lost.
        self._breaking: set[int] = set()

    def pass_on(self, account_number: int, event: Event, send: Act, drop: Act) -> None:
        """Call `send` for the update once, twice, later or not at all, and `drop` when the stream is to break here."""
        if account_number in self._breaking:
            return
        order = event.order
        occasion = Occasion(
            event.at,
            account_number,
            symbol=order.symbol,
            client_order_id=order.client_order_id,
            event=event.kind.value,
        )
        fault = self._plan.due(EVENT_KINDS, occasion)
        if fault is not None and fault.kind is FaultKind.REORDERED_EVENT:
            self._behind.setdefault(account_number, []).append((fault.behind, send))
            return
        if fault is not None and fault.kind is FaultKind.DROPPED_STREAM:
            self._break(account_number, drop)
        self._act(fault, send)
        if self._behind:
            self._let_pass(account_number)

    def forget(self) -> None:
        """Drop what waits, as when the exchange is reset."""
        self._behind.clear()
        self._breaking.clear()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _let_pass(self, account_number: int) -> None:
        """One update more has gone out: what has waited long enough follows it."""
        waiting = [(left - 1, send) for left, send in self._behind.pop(account_number, ())]
        still = [(left, send) for left, send in waiting if left > 0]
        if still:
            self._behind[account_number] = still
        for left, send in waiting:
            if left <= 0:
                send()

    def _act(self, fault: Fault | None, send: Act) -> None:
        if fault is None or fault.kind is FaultKind.DUPLICATE_EVENT or fault.delivered:
            send()
        if fault is not None and fault.kind is FaultKind.DUPLICATE_EVENT:
            send()
        if fault is not None and fault.kind is FaultKind.LATE_EVENT:
            self._later(fault.delay_seconds, send)

    def _break(self, account_number: int, drop: Act) -> None:
        def broken() -> None:
            self._breaking.discard(account_number)
            drop()

        self._breaking.add(account_number)
        self._later(LEAVES_WITHIN_SECONDS, broken)

    def _later(self, seconds: float, act: Act) -> None:
        def run() -> None:
            self._timers.discard(timer)
            act()

        timer = asyncio.get_running_loop().call_later(seconds, run)
        self._timers.add(timer)
