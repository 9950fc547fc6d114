"""One life of a desk with option spreads, and what it believes of them at the end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import requests

from crash.broker_truth import connected, get
from crash.life import Life, SteppedExecutor, Whereabouts, Whims, last_iteration, moment, request_for, told
from crash.made_market import SYMBOLS
from crash.spread_schedule import Assignment, SpreadSchedule
from crash.spread_truth import is_option, underlying_of
from desk.brokers.alpaca import DeskAlpaca
from desk.core.ports import Journal
from desk.core.spread_book import SpreadBook
from desk.data import calendars
from desk.domain.decisions import FixedExit, Signal, Target
from desk.domain.errors import BrokerUnreachable
from desk.domain.market import Market
from desk.domain.spreads import Spread
from desk.domain.trades import Book
from desk.runtime.account import Splits
from desk.runtime.account_guardian import REPLAY_LOOKS, account_guardian
from desk.runtime.build import Cast, spread_team
from desk.runtime.guardian import REPLAY_EVERY, Guardian
from desk.runtime.ledger import Ledger
from desk.runtime.request import RunRequest
from desk.runtime.spread_build import SpreadTeam
from desk.runtime.spread_keeper import Pace
from desk.runtime.spread_opener import SpreadArm
from desk.settings.behaviour import Behaviour, Universe
from options import occ
from options.gates import Opportunity

ASSIGNED = "assigned.jsonl"
# Each look takes a schedule's real time, so there are fewer than in a replay.
PACE = Pace(timedelta(seconds=30), timedelta(minutes=60), timedelta(minutes=120))
# What is not over so long after the last expiration is stuck.
MOST_AFTER = timedelta(days=8)
# A credit that no roll brings: at the end what is open is left, or expires.
NO_ROLL_USD = 900.0
SETTLING_MINUTES = (30, 200, 375)
# What a close brings is told within this time, and made up for by a look where it is not.
AFTER_CLOSE = timedelta(minutes=1)
FAR = FixedExit(0.15, 0.15)


class SpreadWhims(Whims):
    """Wants spreads by chance, the same at the same moment of the same schedule, and shares of `stocks` likewise."""

    underlyings: tuple[str, ...] = ()
    stocks: tuple[str, ...] = ()
    opens_until = datetime.max.replace(tzinfo=UTC)

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        """Every other entry has exits so far off that its shares are still there when others come for contracts."""
        chance = np.random.default_rng([self.seed, 15, int(market.now.timestamp())])
        wanted = [target for target in super().targets(signals, market, book) if target.symbol in self.stocks]
        return [replace(target, exit_rule=FAR) if chance.random() < 0.5 else target for target in wanted]

    def opportunities(self, market: Market, book: Book) -> tuple[Opportunity, ...]:
        if self.wants != "trade" or market.now > self.opens_until:
            return ()
        chance = np.random.default_rng([self.seed, 13, int(market.now.timestamp())])
        wanted = [symbol for symbol in self.underlyings if chance.random() < 0.7]
        return tuple(Opportunity(symbol, score=9.0, confidence=0.9, reason="a whim") for symbol in wanted)


@dataclass
class SpreadLife(Life):
    """A desk whose strategy opens spreads, and which looks after them as in a run."""

    schedule: SpreadSchedule
    planner: ClassVar[type[Any]] = SpreadWhims

    def _request(self, settles: bool) -> RunRequest:
        schedule = self.schedule
        spreads = schedule.spreads
        if settles and schedule.dooms:
            spreads = spreads.model_copy(update={"min_roll_credit_usd": NO_ROLL_USD})
        behaviour = Behaviour(universe=Universe(exchange=SYMBOLS), sleeptime="65M", confidence_gate="report", spreads=spreads)
        return request_for(self.folder, schedule.seed, behaviour)

    def _universe(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.schedule.symbols, *self.schedule.stocks)))

    def _executor(self, request: RunRequest, stack: ExitStack) -> SteppedExecutor:
        executor = super()._executor(request, stack)
        schedule, strategy = self.schedule, self.strategy
        strategy.underlyings, strategy.stocks, strategy.opens_until = schedule.symbols, schedule.stocks, schedule.opens_until
        return executor

    def _arm(self, cast: Cast, broker: DeskAlpaca) -> SpreadArm:
        self.team: SpreadTeam = spread_team(cast, broker, PACE, lambda text: None)
        return self.team.arm

    def _guardian(self, cast: Cast, broker: DeskAlpaca) -> Guardian:
        splits = Splits(self.desk, broker.api, self.desk.past.last_at or self.clock.now(), lambda text: None)
        return account_guardian(cast, broker, REPLAY_EVERY, splits, REPLAY_LOOKS, self.team.keeper)

    def _play(self, last: datetime | None) -> None:
        begun = self.clock.now()
        moments = [due for due in self.schedule.moments if last is None or due > last]
        for due in sorted([*moments, *self._assignments()]):
            if due >= begun:
                self._live_until(due)

    def _assignments(self) -> dict[datetime, Assignment]:
        return {each.at: each for each in self.schedule.assignments}

    def _live_until(self, due: datetime) -> None:
        """Go on to a moment at which the strategy is asked, or somebody exercises."""
        self.stage.move_to(due)
        exercised = self._assignments().get(due)
        if exercised is None:
            self.executor.iterate()
        else:
            assign(self.where, self.folder, exercised)
        self.stage.settle()

    def _settle(self, journal: Journal) -> None:
        """Play what is left, then go on, opening nothing, until every contract has expired, the broker has told of it,
        nothing is left but shares that the schedule keeps, and the market is shut: their exits rest there."""
        self._play(last_iteration(journal))
        self.strategy.wants = "flat" if self.schedule.ends_flat else "nothing"
        over = self._over()
        for due in self._dues(over + MOST_AFTER):
            self._live_until(due)
            if due > over and not self.desk.spreads.open:
                break
        self._outlast_session()

    def _outlast_session(self) -> None:
        session = calendars.session_on(self.clock.now().astimezone(calendars.NEW_YORK).date())
        if session is not None and self.clock.now() < session.closes_at:
            self.stage.move_to(session.closes_at + AFTER_CLOSE)
            self.stage.settle()

    def _over(self) -> datetime:
        """The middle of the session after the last expiration."""
        book = self.desk.spreads
        every = [occ.parse(symbol).expiration for symbol in book.every_contract()]
        last = max(every, default=self.clock.now().date())
        session = calendars.next_session(max(last, self.clock.now().date()))
        return session.opens_at + timedelta(minutes=SETTLING_MINUTES[1])

    def _dues(self, until: datetime) -> Iterator[datetime]:
        """A few moments of each session from now on, and the assignments that are still to come."""
        now = self.clock.now()
        sessions = calendars.sessions(now.date(), until.date())
        minutes = [session.opens_at + timedelta(minutes=count) for session in sessions for count in SETTLING_MINUTES]
        yield from (due for due in sorted([*minutes, *self._assignments()]) if now < due <= until)

    def _tell(self, settles: bool) -> None:
        if settles:
            rebuilt = Ledger(self.journal.nonce)
            for row in self.journal.rows():
                rebuilt.replay(row)
            stocks = told(self.desk, self.broker) | {"stocks_cash_usd": str(stocks_cash(self.desk.book))}
            (self.folder / "final.json").write_text(json.dumps(stocks | told_of_spreads(self.desk.spreads, rebuilt.spreads)))


def stocks_cash(book: Book) -> Decimal:
    """Dollars that the desk's trades in shares brought, less what they cost."""
    return sum((trade.exit_value - trade.entry_value for trade in (*book.open.values(), *book.closed)), Decimal(0))


def told_of_spreads(book: SpreadBook, rebuilt: SpreadBook) -> dict[str, Any]:
    """What the desk believes of its spreads, and where a book made of the journal's rows is another one."""
    every = {**book.closed, **book.open}
    return {
        "spreads": {key: _told(spread) for key, spread in every.items()},
        "rebuilt": {key: spread.phase.value for key, spread in {**rebuilt.closed, **rebuilt.open}.items()},
        "unlike": [part.name for part in fields(book) if _differs(book, rebuilt, part.name)],
    }


def _differs(book: SpreadBook, rebuilt: SpreadBook, name: str) -> bool:
    return dict(getattr(book, name)) != dict(getattr(rebuilt, name))


def _told(spread: Spread) -> dict[str, Any]:
    return {
        "phase": spread.phase.value,
        "short": spread.short,
        "long": spread.long,
        "stock": spread.stock,
        "cash_usd": str(spread.cash_usd),
        "working": [each.spec.key for each in spread.working],
        "coming": list(spread.coming),
        "inferred": sum(spread.inferred.values()),
        "why": spread.why,
    }


def assign(where: Whereabouts, folder: Path, wanted: Assignment) -> None:
    """Have a sold put assigned as `wanted`, if there is one, rather of an underlying of which shares are held; written down
    before it is done. A silent exchange assigns none."""
    with connected(where.api_key, where.api_secret) as session:
        try:
            held = get(session, f"{where.url}/v2/positions", wait_seconds=1.0)
        except requests.RequestException:
            return
    counts = {str(each["symbol"]): -int(Decimal(each["qty"])) for each in held}
    sold = sorted(symbol for symbol, count in counts.items() if count > 0 and is_option(symbol))
    if not sold:
        return
    sold = [symbol for symbol in sold if underlying_of(symbol) in counts] or sold
    symbol = sold[int(wanted.which * len(sold))]
    contracts = 1 + int(wanted.part * (counts[symbol] - 1) + 0.5)
    admin = where.admin()
    line = {"at": moment(admin.status()["now"]).isoformat(), "symbol": symbol, "contracts": contracts}
    with (folder / ASSIGNED).open("a") as file:
        print(json.dumps(line), file=file, flush=True)
    try:
        admin.assign(symbol, contracts)
    except BrokerUnreachable:
        return  # the clock or the position moved on
    finally:
        admin.close()
