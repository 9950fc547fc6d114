"""Plays schedules of option spreads, with early assignments on the way, and has them judged."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from crash import spread_judge, spread_truth
from crash.broker_truth import Json
from crash.life import Life
from crash.spread_judge import SpreadAccount
from crash.spread_life import ASSIGNED, SpreadLife, assign
from crash.spread_schedule import SpreadSchedule, drawn
from crash.spread_stocks import meetings, to_protect
from crash.spread_truth import OptionTruth
from crash.worker import Playing, Run
from desk.data import calendars
from desk.exchange.faults.plan import FaultKind
from desk.exchange.ledger import next_morning


@dataclass
class SpreadRun(Run):
    """`spreads` were decided; `filled` are those of which at least one whole unit was opened, `complete` those with all that was
    decided. `rolls` and `rolls_filled` are the same of spreads that took another one's place. `meetings` counts instants at which
    shares came for contracts while the strategy held its own of that symbol.

    `moves` counts executions of contracts and shares, assignments, exercises and expirations by kind; `turns` those of the
    journal, `settled` its settlements, `refusals` what the broker did not take. `late_excess` are contracts that came late
    beside what was decided, `naked_by_broker` those that the broker itself left without protection."""

    spreads: int = 0
    filled: int = 0
    complete: int = 0
    rolls: int = 0
    rolls_filled: int = 0
    legged: int = 0
    has_stocks: bool = False
    stock_fills: int = 0
    meetings: int = 0
    moves: dict[str, int] = field(default_factory=dict)
    turns: dict[str, int] = field(default_factory=dict)
    settled: dict[str, int] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)
    late_excess: int = 0
    naked_by_broker: int = 0
    owed_seconds: float = 0.0
    held_seconds: float = 0.0
    fees_usd: float = 0.0


class SpreadPlaying(Playing):
    """One schedule of spreads while it is played."""

    drawn: ClassVar[Callable[[int], Any]] = staticmethod(drawn)
    longest_life_seconds: ClassVar[float] = 150.0
    _schedule: SpreadSchedule
    _run: SpreadRun

    def _begun(self) -> SpreadRun:
        return SpreadRun(self._schedule.seed)

    def _life(self) -> Life:
        return SpreadLife(self._schedule, self._where, self._place)

    def _terms(self) -> Json:
        schedule = self._schedule
        more = {"cash_usd": schedule.cash_usd, "multiplier": schedule.multiplier, "with_fees": schedule.with_fees}
        return {**super()._terms(), **more}

    def _pass(self, minutes: int) -> None:
        now = self._now()
        until = now + timedelta(minutes=minutes)
        for each in sorted(self._schedule.assignments, key=lambda each: each.at):
            if now < each.at <= until:
                self._advance(each.at)
                assign(self._where, self._place, each)
        if minutes:
            self._advance(until)

    def _judge(self) -> None:
        self._advance(fees_told_at(self._now()))
        journal, final = self._place / "journal.db", self._place / "final.json"
        if not journal.exists():
            return
        where = self._where
        there = spread_truth.ask(where.url, where.api_key, where.api_secret, self._place / ASSIGNED)
        found = spread_judge.read(journal)
        self._count(found, there)
        if final.exists():
            said = spread_judge.verdict(found, there, json.loads(final.read_text()), Decimal(str(self._schedule.cash_usd)))
            self._run.failures += said.failures
            self._run.late_excess, self._run.naked_by_broker = said.late_excess, said.naked_by_broker

    def _count(self, found: SpreadAccount, there: OptionTruth) -> None:
        run, now = self._run, self._now()
        run.orders, run.fills = len(there.truth.orders), len(there.truth.executions)
        run.halts, run.rows = found.account.modes, found.account.rows
        self._count_spreads(found, there)
        stocks, _ = found.parts(there.truth)
        run.has_stocks, run.stock_fills = bool(self._schedule.stocks), len(stocks.truth.executions)
        run.meetings = meetings(stocks.truth, there)
        self._measure(to_protect(stocks.truth, there))
        run.moves = dict(Counter(move.by for move in there.moves if move.by not in there.truth.orders))
        run.turns = dict(Counter(turn for told in found.spreads.values() for _, turn in told.turns))
        run.settled, run.refusals = dict(found.settlements), dict(found.refusals)
        run.fees_usd = float(there.fees_usd)
        hung = spread_judge.hung(found, there.truth, self._windows(FaultKind.STUCK_PENDING_CANCEL))
        left = list(spread_judge.leavings(found, there, [*self._disturbances(now), *hung]))
        run.owed_seconds = max((each.owed_seconds for each in left), default=0.0)
        run.held_seconds = max((each.held_seconds for each in left), default=0.0)

    def _count_spreads(self, found: SpreadAccount, there: OptionTruth) -> None:
        run, every = self._run, list(found.spreads.values())
        units = [spread_judge.units_opened(told, there) for told in every]
        run.spreads, run.legged = len(every), sum(told.plan["manner"] == "legged" for told in every)
        run.filled = sum(count > 0 for count in units)
        run.complete = sum(count >= told.plan["contracts"] for told, count in zip(every, units, strict=True))
        rolled = [count for told, count in zip(every, units, strict=True) if told.plan["rolled_from"] is not None]
        run.rolls, run.rolls_filled = len(rolled), sum(count > 0 for count in rolled)


def fees_told_at(now: datetime) -> datetime:
    """When the fees that the last close took are told, which is before the market opens again: nobody lives any more, and an exit
    that filled would be news to nobody."""
    day = now.astimezone(calendars.NEW_YORK).date()
    session = calendars.session_on(day)
    if session is None or now < session.closes_at:
        session = calendars.previous_session(day)
    return max(now, next_morning(session.day))
