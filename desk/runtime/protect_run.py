"""Protects the account of a stopped run at Alpaca, once: what is bare gets its exits, what is found is taken over, nothing else.

It takes the way that a start of the desk takes, up to the first iteration, under the same lease and into the same journal, so
that the next start knows every order.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from desk.brokers.alpaca import DeskAlpaca
from desk.brokers.endpoint import Endpoint
from desk.core.ports import Clock
from desk.core.reconcile import HARMLESS
from desk.domain.breaks import Break
from desk.domain.errors import BrokerUnreachable, Refused
from desk.domain.journal import RunStopped, SharesAdopted
from desk.runtime.account import Patience, Reconciler, Splits
from desk.runtime.adoption import adopt
from desk.runtime.alpaca_run import STREAM_TIMEOUT_SECONDS
from desk.runtime.build import Cast, Tenancy, connect, exit_rule_of, host, open_desk
from desk.runtime.clock import SystemClock, stopwatch, wait_seconds
from desk.runtime.desk import Desk
from desk.runtime.found import FoundPositions
from desk.runtime.heartbeat import Rhythm, Vitals, pulse_of, stream_of
from desk.runtime.look import Idle, answered, check_keys, unheard_since
from desk.runtime.parting import is_open_ended
from desk.runtime.request import RunRequest
from desk.runtime.run_folder import RunFolder
from desk.settings.load import Settings

# A broker answers within a second or two; whoever waits longer should look for himself.
ACKNOWLEDGED_WITHIN_SECONDS = 20.0
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class OneSymbol:
    """The broker's positions in one symbol alone, or in all (None)."""

    api: Any
    symbol: str | None

    def get_all_positions(self) -> list[Any]:
        return [position for position in self.api.get_all_positions() if self.symbol in (None, position.symbol)]


@dataclass(frozen=True)
class Protected:
    """What was taken over, and differences between journal and broker that nothing explains."""

    adopted: tuple[SharesAdopted, ...]
    breaks: tuple[Break, ...]


@dataclass
class ProtectRun:
    """One protection at `endpoint`. `symbol` None takes over all that is found; `show` is told what happens."""

    folder: RunFolder
    settings: Settings
    endpoint: Endpoint
    symbol: str | None
    show: Callable[[str], None]
    clock: Clock = field(default_factory=SystemClock)
    rhythm: Rhythm = field(default_factory=Rhythm)

    def run(self) -> Protected:
        """Returns when the broker has answered, or has been waited for long enough.

        Raises Refused when a process trades the account, ReconciliationBreak for a journal that is not sound, BrokerUnreachable.
        """
        account = check_keys(self.folder, self.folder.identity(), self.endpoint)
        request = RunRequest(self.folder.identity().strategy, self.settings, self.folder.path.parent, once=True)
        with ExitStack() as stack:
            desk, journal = self._desk(stack, request, account)
            stack.callback(journal.close)
            stack.callback(desk.close)
            pulse = pulse_of(desk, journal, self.rhythm)
            if pulse is not None:
                stack.callback(pulse.stop)
                pulse.start()
            cast = Cast(Idle, request, desk, self.endpoint, self.clock, (), self.folder.models, lambda iteration: None)
            with answered("What was sent before is in the journal, and the next start knows of it"):
                broker = connect(cast)
                stack.callback(broker.close)
                _await_stream(broker)
                if pulse is not None:
                    pulse.follow(Vitals(lambda: stream_of(broker)))
                return self._protect(desk, broker, host(cast, broker, None), journal.nonce)

    def _desk(self, stack: ExitStack, request: RunRequest, account: str) -> tuple[Desk, Any]:
        where = self.folder.journal_with(self.settings.journal_url)
        tenancy = Tenancy(account, self.rhythm.lease_seconds, self.show, Event(), waits=False)
        try:
            stack.enter_context(self.folder.locked())
            return open_desk(request, where, self.clock, tenancy)
        except Refused as error:
            raise Refused(f"desk protect --yes: {error}. {PROTECTS_ITSELF}") from None

    def _protect(self, desk: Desk, broker: DeskAlpaca, strategy: Any, nonce: str) -> Protected:
        before = unheard_since(desk.past) or self.clock.now()
        Splits(desk, broker.api, before, self.show).look()  # exits are for as many shares as there are now
        adopt(desk, broker, strategy)
        desk.guard({}, is_last=True)  # what would buy shares without exits while nobody looks ends here
        patience = Patience(self.rhythm.looks_seconds, _went_on)
        found = Reconciler(desk, broker, strategy, before, lambda text: None, patience).look(self.clock.now())
        rule = exit_rule_of(self.settings.behaviour)
        adopted = FoundPositions(desk, OneSymbol(broker.api, self.symbol), nonce, self.clock, rule, self.show).protect()
        _await_answers(desk, broker)
        desk.record(RunStopped("desk protect", desk.iterations))
        return Protected(adopted, tuple(each for each in found if each.repair not in HARMLESS))


PROTECTS_ITSELF = (
    "A desk that lives covers its own shares by itself within seconds, and found ones too where found_positions is protect. "
    "`desk positions` tells what rests at the broker"
)


def _went_on(seconds: float) -> bool:
    wait_seconds(seconds)
    return False


def _await_stream(broker: DeskAlpaca) -> None:
    if not _until(broker.is_stream_running, STREAM_TIMEOUT_SECONDS):
        raise BrokerUnreachable(
            "the broker's order stream did not come up, and no order is sent without it; try again in a minute"
        )


def _await_answers(desk: Desk, broker: DeskAlpaca) -> bool:
    """Whether every order was answered, and every share has its exits, leaves, or is known to get none."""

    def settled() -> bool:
        desk.drain()
        broker._orders_queue.join()
        desk.drain()
        return not broker.has_doubts and not any(trade.is_renewing or is_open_ended(trade) for trade in desk.book.open.values())

    return _until(settled, ACKNOWLEDGED_WITHIN_SECONDS)


def _until(holds: Callable[[], bool], seconds: float) -> bool:
    deadline = stopwatch() + seconds
    while not holds():
        if stopwatch() > deadline:
            return False
        wait_seconds(POLL_SECONDS)
    return True
