"""A desk with one spread that is there, eleven days before it expires, and a broker that answers as a test tells it to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from recording_desk import Outbox
from requests import ConnectionError
from spread_worlds import FIRST, GOOD, LONG, SHORT, START, plan

from desk.core.ports import OptionActivity
from desk.core.review import Limits
from desk.core.spread_entry import SpreadPolicy
from desk.domain.options import Chain, OptionQuote
from desk.domain.orders import LEG_ROLES, Fill, GroupRole, OrderEvent, OrderStatus
from desk.domain.spreads import Spread, SpreadPhase
from desk.domain.steps import SpreadOrder
from desk.journal.memory import MemoryJournal
from desk.runtime.build import market_hours
from desk.runtime.clock import VirtualClock
from desk.runtime.desk import Desk
from desk.runtime.spread_keeper import LIVE_PACE, SpreadKeeper

EXPIRATION = datetime(2026, 1, 16, 21, tzinfo=START.tzinfo)
TUESDAY = datetime(2026, 1, 20, 15, tzinfo=START.tzinfo)  # the session after the expiration, a holiday between


@dataclass
class Broker:
    """Feed and account in one; what is set as broken is raised when it is asked for."""

    broken: dict[str, Exception] = field(default_factory=dict)
    told: tuple[OptionActivity, ...] = ()
    asked_since: list[datetime] = field(default_factory=list)
    executed: tuple[OptionActivity, ...] = ()
    held: Mapping[str, int] = field(default_factory=lambda: {SHORT: -1, LONG: 1})

    def _ask(self, what: str) -> None:
        if what in self.broken:
            raise self.broken[what]

    def chain(self, underlying: str, first: date, last: date, lowest: float, highest: float) -> Chain:
        raise ConnectionError("no chain")

    def quotes(self, symbols: Sequence[str]) -> Mapping[str, OptionQuote]:
        self._ask("quotes")
        return {symbol: GOOD[symbol] for symbol in symbols}

    def spots(self, underlyings: Sequence[str]) -> Mapping[str, float]:
        self._ask("spots")
        return dict.fromkeys(underlyings, 105.0)

    def since(self, moment: datetime) -> Sequence[OptionActivity]:
        self.asked_since.append(moment)
        self._ask("activities")
        return [each for each in self.told if each.at > moment]

    def positions(self) -> Mapping[str, int]:
        self._ask("positions")
        return dict(self.held)

    def trades(self, symbols: Collection[str], moment: datetime) -> Sequence[OptionActivity]:
        self._ask("trades")
        return [each for each in self.executed if each.symbol in symbols and each.at > moment]


@dataclass
class Held:
    """The rule of days wants the spread left. `resynced` counts how often the broker's orders were asked for."""

    broker: Broker = field(default_factory=Broker)
    contracts: int = 1

    def __post_init__(self) -> None:
        self.clock = VirtualClock(START)
        self.desk = Desk(MemoryJournal("f00d"), self.clock, Limits(0.15))
        self.outbox = Outbox(self.desk)
        self.desk.send_through(self.outbox)
        self.told: list[str] = []
        self.resynced = 0
        self.desk.about_spreads(lambda spreads: spreads.open(plan(self.contracts)))
        self.look(Broker())
        self.fills(self.outbox.sent.pop())
        assert self.spread.phase is SpreadPhase.OPEN

    @property
    def spread(self) -> Spread:
        found = self.desk.spreads.spread(FIRST)
        assert found is not None
        return found

    def look(self, broker: Broker | None = None) -> None:
        self.keeper(broker).look(self.clock.now())

    def look_often(self, first: datetime, minutes: Sequence[float]) -> None:
        """One keeper looks so many minutes after `first`."""
        keeper = self.keeper()
        for each in minutes:
            self.clock.move_to(first + timedelta(minutes=each))
            keeper.look(self.clock.now())

    def keeper(self, broker: Broker | None = None) -> SpreadKeeper:
        said = broker or self.broker
        return SpreadKeeper(self.desk, said, said, market_hours, LIVE_PACE, SpreadPolicy(), self.told.append, self.resync)

    def resync(self) -> None:
        self.resynced += 1

    def fills(self, step: object, units: int | None = None) -> None:
        """A package is filled at the bids, as a whole or so many units of it."""
        assert isinstance(step, SpreadOrder)
        count = units or step.spec.quantity
        status = OrderStatus.FILLED if count == step.spec.quantity else OrderStatus.PARTIALLY_FILLED
        for role in (*LEG_ROLES[:2], GroupRole.ENTRY):
            leg = step.spec.leg(role)
            now = self.clock.now()
            fill = leg and Fill(
                f"{step.key}{role}", step.key, leg.symbol, leg.side, count, GOOD[leg.symbol].bid, now, role, count
            )
            self.desk.order_event(OrderEvent(step.key, role, status, now, f"{step.key}{role}", fill or None, ""))

    def share_orders(self) -> list[tuple[str, int]]:
        orders = (each.spec for each in self.outbox.sent if isinstance(each, SpreadOrder))
        return [(str(spec.side), spec.quantity) for spec in orders if spec.symbol == "SPY" and not spec.legs]
