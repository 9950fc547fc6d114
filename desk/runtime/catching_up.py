"""What a replay does when trade updates went missing: it asks the broker, and goes on from what is true.

Which updates will never come nobody can know. So the exchange is asked how many it has sent, then the broker how every order
stands: after that answer nothing of what was sent before matters, whether it comes late, twice or never.
"""

from __future__ import annotations

from alpaca.common.exceptions import APIError
from requests import RequestException

from desk.brokers.alpaca import DeskAlpaca
from desk.domain.errors import BrokerUnreachable
from desk.exchange.admin_client import AdminClient
from desk.exchange.faults.plan import FaultKind
from desk.runtime.clock import stopwatch, wait_seconds

# Long enough for a circuit breaker to find out that the broker is back.
TRUTH_TIMEOUT_SECONDS = 120.0
# A stream that the exchange is about to break is down, and up again, well within this.
BREAK_SECONDS = 2.0
LOOK_AGAIN_SECONDS = 0.01


class CatchingUp:
    """Used by the thread that moves the clock. `has_faults` as far as it is known: the exchange was asked to misbehave."""

    def __init__(self, admin: AdminClient, broker: DeskAlpaca) -> None:
        self._admin = admin
        self._broker = broker
        self._connections = broker.stream_state.connections
        self._breaks = 0
        self.has_faults = False
        self._breaks = self._count_breaks()

    def learn(self) -> bool:
        """Ask whether the exchange has faults switched on."""
        self.has_faults = bool(self._admin.faults())
        return self.has_faults

    @property
    def was_cut_off(self) -> bool:
        """Whether the stream is another one than at the last look, or is down; costs nothing."""
        return self._broker.stream_state.connections != self._connections or not self._broker.is_stream_running()

    def is_called_for(self) -> bool:
        """Whether something may be missing although every update came. Without faults that costs nothing."""
        if not self.has_faults:
            return self.was_cut_off
        return self._saw_it_break() or self.was_cut_off or self._broker.has_doubts

    def run(self, patience_seconds: float = TRUTH_TIMEOUT_SECONDS) -> int:
        """Bring the desk to the broker's truth. Returns how many updates the exchange had sent before the look.

        Raises BrokerUnreachable when there was no answer in time.
        """
        deadline = stopwatch() + patience_seconds
        while True:
            emitted = self._look()
            if emitted is not None:
                self._broker.updates.start_at(emitted)
                return emitted
            if stopwatch() > deadline:
                raise BrokerUnreachable(
                    f"trade updates are missing, and for {patience_seconds:g} seconds the exchange did not say how its orders "
                    "stand; see exchange.log in the run's folder"
                )
            wait_seconds(LOOK_AGAIN_SECONDS)

    def _look(self) -> int | None:
        """One look while a stream listens from before it until after it; None when there was no complete one."""
        connections = self._broker.stream_state.connections
        status = self._admin.status()
        if not (self._broker.is_stream_running() and status["listeners"]):
            return None
        try:
            self._broker.resync()
        except (APIError, RequestException):
            return None  # the transport has tried several times
        if self._broker.stream_state.connections != connections:
            return None
        self._connections = connections
        return int(status["events_emitted"])

    def _saw_it_break(self) -> bool:
        """Wait for breaks of the stream that the exchange has begun: they come a moment after the update that they hit."""
        breaks = self._count_breaks()
        fresh, self._breaks = breaks - self._breaks, breaks
        if fresh <= 0:
            return False
        deadline = stopwatch() + BREAK_SECONDS
        while self._broker.stream_state.connections < self._connections + fresh and stopwatch() < deadline:
            wait_seconds(LOOK_AGAIN_SECONDS)
        return True

    def _count_breaks(self) -> int:
        faults = self._admin.faults()
        self.has_faults = bool(faults)
        return sum(int(each["hits"]) for each in faults if each["kind"] == FaultKind.DROPPED_STREAM)
