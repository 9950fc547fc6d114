"""Several strategies in one account: one Lumibot strategy that asks the others in their own time and gives each what it bought.

The broker nets positions and refuses orders of an account against itself, so the strategies are netted before the desk decides. A
hosted strategy is no Lumibot strategy of its own: it is asked for `signals`, `targets` and `hedge` with its part of the book and
the bars of its own length, and has nothing but these arguments, its parameters and its surroundings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from desk.core.netting import Asked, book_of, net
from desk.domain.decisions import Signal
from desk.domain.errors import ConfigurationError
from desk.domain.market import Market
from desk.domain.trades import Book
from desk.runtime.cadence import Look, period_seconds, sleeptime_for
from desk.runtime.corridor import Answer
from desk.runtime.strategy import DeskStrategy
from hedging.plan import HedgePlan
from options.gates import Opportunity


@dataclass(frozen=True)
class PortfolioParameters:
    """By the members' names: their parameters, the share of the equity that each has for its weights, and how often each is
    asked live."""

    members: Mapping[str, Any]
    budgets: Mapping[str, float]
    sleeptimes: Mapping[str, str]


class Portfolio(DeskStrategy):
    """Hosts other strategies in one account."""

    member_classes: ClassVar[Mapping[str, type[DeskStrategy]]] = {}

    @classmethod
    def parameters_from(cls, behaviour: Mapping[str, Any]) -> PortfolioParameters:
        members = {name: member.parameters_from(behaviour) for name, member in cls.member_classes.items()}
        sleeptime = behaviour.get("sleeptime", cls.sleeptime_setting)
        sleeptimes = {name: sleeptime_for(sleeptime, member) for name, member in cls.member_classes.items()}
        return PortfolioParameters(members, budgets_of(tuple(members), behaviour.get("strategy_budgets") or {}), sleeptimes)

    def prepare(self) -> None:
        parameters: PortfolioParameters = self.settings or self.parameters_from({})
        self.members = {name: self._hosted(name, parameters) for name in self.member_classes}
        self.budgets = parameters.budgets
        self.looks: dict[str, Look] = {}
        self.hedger: str | None = None

    def _hosted(self, name: str, parameters: PortfolioParameters) -> DeskStrategy:
        own = self.member_classes[name]
        cls = own.bound(lambda strategy: self.corridor, parameters.members[name], self.surroundings)
        # Lumibot's own parts are left out: there is one broker, one clock and one loop, and they are this strategy's.
        member = cls.__new__(cls)
        member.corridor = self.corridor
        member.sleeptime = own.backtest_sleeptime() if self.is_backtesting else parameters.sleeptimes[name]
        member.prepare()
        return member

    def answer(self, market: Market, shown: Market, book: Book, equity_usd: float) -> Answer:
        """What those want together that are due. Who wants what is journaled before anything is decided."""
        due = self._due(Look(market.now, market.session))
        desk = self.corridor.desk
        allocations = desk.allocations
        signals: list[Signal] = []
        asked: list[Asked] = []
        opportunities: list[Opportunity] = []
        for name, member in due.items():
            own, seen = book_of(name, book, allocations), shown.with_bars_of(member.bar_seconds)
            found = member.signals(seen, own)
            asked.append(Asked(name, self.budgets[name], tuple(member.targets(found, seen, own))))
            signals += found
            opportunities += member.opportunities(seen, own)
        hedge = self._hedge(due, market, book, equity_usd)
        netted = net(asked, allocations, book, shown, equity_usd)
        if netted.wanted:
            desk.want(netted.wanted)
        return Answer(tuple(signals), hedge, netted.targets, tuple(opportunities))

    def _due(self, now: Look) -> dict[str, DeskStrategy]:
        """The members that are to be asked now, which they then were."""
        looks = self.looks
        due = {
            name: member
            for name, member in self.members.items()
            if name not in looks or looks[name].is_followed_by(now, member.sleeptime)
        }
        looks |= dict.fromkeys(due, now)
        return due

    def _hedge(self, due: Mapping[str, DeskStrategy], market: Market, book: Book, equity_usd: float) -> HedgePlan | None:
        """The hedge of the first member that ever had one, against all that is held."""
        for name, member in due.items():
            if self.hedger in (None, name):
                plan = member.hedge(market.with_bars_of(member.bar_seconds), book, equity_usd)
                if plan is not None:
                    self.hedger = name
                    return plan
        return None


def portfolio_of(members: Mapping[str, type]) -> type[Portfolio]:
    """A strategy that hosts these. Raises ConfigurationError for one that is not the desk's: its orders cannot be netted."""
    hosted = {name: member for name, member in members.items() if issubclass(member, DeskStrategy)}
    plain = [name for name in members if name not in hosted]
    if plain:
        raise ConfigurationError(
            f"{', '.join(plain)}: a plain Lumibot strategy cannot share an account with others, as its orders cannot be netted. "
            "Run it alone"
        )
    lengths = sorted({member.bar_seconds for member in hosted.values() if member.bar_seconds is not None})
    sleeptimes = [member.sleeptime_setting for member in hosted.values() if member.bar_seconds is not None]
    tied = {
        "__doc__": f"Hosts {', '.join(members)} in one account.",
        "member_classes": hosted,
        "sleeptime_setting": min(sleeptimes, key=period_seconds, default=DeskStrategy.sleeptime_setting),
        "bar_seconds": next(iter(lengths), None),
        "longer_bar_seconds": tuple(lengths[1:]),
    }
    return type("Portfolio", (Portfolio,), tied)


def budgets_of(names: Sequence[str], given: Mapping[str, float]) -> dict[str, float]:
    """Share of the equity for each strategy: as given, and what is left in equal parts for the others.

    Raises ConfigurationError for a name that is not traded, and for shares that come to more than the whole.
    """
    unknown = [name for name in given if name not in names]
    if unknown:
        raise ConfigurationError(f"strategy_budgets names {', '.join(unknown)}, which is not traded: give {', '.join(names)}")
    left = 1.0 - sum(given.values())
    if left < -1e-9:
        raise ConfigurationError(
            f"strategy_budgets come to {sum(given.values()):g}: they are shares of the equity, at most 1 in all"
        )
    others = [name for name in names if name not in given]
    return {name: given.get(name, max(left, 0.0) / max(len(others), 1)) for name in names}
