"""A desk that keeps two option spreads, over a market that a test changes as it likes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Self

from held_spread import Broker
from recording_desk import Outbox
from spread_worlds import FIRST, GOOD, LONG, LONG_2, SHORT, SHORT_2, START, plan

from desk.core.review import Limits
from desk.core.spread_entry import SpreadPolicy
from desk.domain.options import Chain, OptionQuote
from desk.domain.orders import Fill, GroupRole, OrderEvent, OrderStatus
from desk.domain.spreads import Spread, SpreadPlan, SpreadTurned, Turn
from desk.domain.steps import SpreadOrder
from desk.journal.memory import MemoryJournal
from desk.runtime.build import market_hours
from desk.runtime.clock import VirtualClock
from desk.runtime.desk import Desk
from desk.runtime.spread_keeper import LIVE_PACE, SpreadKeeper

SECOND = "second"
LOSS = "loss limit: 2.30 of 2.20 lost"
LATER = START + timedelta(minutes=12)  # the first minutes of the session are over
PAIRS = {FIRST: (SHORT, LONG), SECOND: (SHORT_2, LONG_2)}


@dataclass
class Market(Broker):
    """`said` are the quotes that there are."""

    said: dict[str, OptionQuote] = field(default_factory=lambda: dict(GOOD))
    spot: float = 105.0

    def chain(self, underlying: str, first: date, last: date, lowest: float, highest: float) -> Chain:
        self._ask("chain")
        return super().chain(underlying, first, last, lowest, highest)

    def quotes(self, symbols: Sequence[str]) -> Mapping[str, OptionQuote]:
        self._ask("quotes")
        return {symbol: self.said[symbol] for symbol in symbols if symbol in self.said}

    def spots(self, underlyings: Sequence[str]) -> Mapping[str, float]:
        self._ask("spots")
        return dict.fromkeys(underlyings, self.spot)


class Keeping:
    """A desk with two spreads of one contract that are there, and a keeper whose words are written down. Only what a test has
    happen ends them: neither days nor a profit does."""

    def __init__(self, is_rolled: bool = False) -> None:
        self.market, self.clock = Market(held={}), VirtualClock(START)
        self.told: list[str] = []
        self.desk = Desk(MemoryJournal("f00d"), self.clock, Limits(0.15))
        self.outbox = Outbox(self.desk)
        self.desk.send_through(self.outbox)
        self.keeper = SpreadKeeper(self.desk, self.market, self.market, market_hours, LIVE_PACE, SpreadPolicy(), self.told.append)
        for key, underlying in ((FIRST, "SPY"), (SECOND, "QQQ")):
            self._open(self._plan(key, underlying, is_rolled))
        self.look(START)
        for step in tuple(self.outbox.sent):
            self.fill(step)
        self.look(START)
        self.outbox.sent.clear()
        self.told.clear()

    def _plan(self, key: str, underlying: str, is_rolled: bool) -> SpreadPlan:
        there, (short, long) = plan(1, is_rolled=is_rolled), PAIRS[key]
        rules = replace(there.rules, exit_days=None, profit_fraction=None)
        return replace(there, key=key, underlying=underlying, short=short, long=long, floor=Decimal("0.10"), rules=rules)

    def _open(self, found: SpreadPlan) -> None:
        self.desk.about_spreads(lambda spreads: spreads.open(found))

    def fill(self, step: object) -> None:
        """The broker fills all of an order at the bid."""
        assert isinstance(step, SpreadOrder)
        spec = step.spec
        roles = (*(role for role in spec.roles if role is not GroupRole.ENTRY), GroupRole.ENTRY)
        for role in roles:
            leg = spec.leg(role)
            symbol, side = (spec.symbol, spec.side) if leg is None else (leg.symbol, leg.side)
            is_told = leg is not None or not spec.legs
            fill = Fill(f"{spec.key}{role}", spec.key, symbol, side, 1, GOOD[symbol].bid, START, role, 1) if is_told else None
            self.desk.order_event(OrderEvent(spec.key, role, OrderStatus.FILLED, START, "id", fill, ""))
        self.market.held = {
            symbol: count for each in self.desk.spreads.open.values() for symbol, count in each.contracts().items()
        }

    def look(self, now: datetime) -> None:
        self.clock.move_to(now)
        self.keeper.look(now)

    def looks(self, first: datetime, minutes: float) -> None:
        """A look every half minute."""
        for step in range(int(minutes * 2) + 1):
            self.look(first + step * timedelta(seconds=30))

    def leave(self, key: str = FIRST, why: str = LOSS) -> None:
        self.desk.about_spreads(lambda spreads: spreads.turn(SpreadTurned(key, Turn.LEAVE, why), self.clock.now()))

    def quote(self, symbol: str, bid: str, ask: str) -> None:
        self.market.said[symbol] = OptionQuote(symbol, Decimal(bid), Decimal(ask), self.clock.now())

    def sent_for(self, key: str) -> list[SpreadOrder]:
        return [step for step in self.outbox.sent if isinstance(step, SpreadOrder) and step.spread == key]

    def spread(self, key: str = FIRST) -> Spread:
        return self.desk.spreads.open[key]

    def heard(self, words: str) -> list[str]:
        return [line for line in self.told if words in line]

    def bare(self) -> Self:
        """The sold put of the first was bought back alone, for nobody bids for the bought one."""
        self.leave()
        self.quote(LONG, "0", "0.20")
        self.look(LATER)
        self.fill(self.sent_for(FIRST)[0])
        return self
