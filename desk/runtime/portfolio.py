"""Several strategies in one account: one Lumibot strategy that asks the others in their own time and gives each what it bought.

The broker nets positions and refuses orders of an account against itself, so the strategies are netted before the desk decides. A
hosted strategy is no Lumibot strategy of its own: it is asked for `signals`, `targets` and `hedge` with its part of the book, and
has nothing but these arguments, its parameters and its surroundings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from desk.core.netting import Asked, book_of, net
from desk.domain.decisions import Signal, Target
from desk.domain.errors import ConfigurationError
from desk.domain.market import Market
from desk.domain.trades import Book
from desk.runtime.cadence import period_seconds
from desk.runtime.strategy import DeskStrategy
from hedging.plan import HedgePlan

# A member is due a little early rather than an iteration late: iterations jitter by a second or two.
EARLY = timedelta(seconds=5)


@dataclass(frozen=True)
class PortfolioParameters:
    """Parameters of the members by name, and the share of the equity that each has for its weights."""

    members: Mapping[str, Any]
    budgets: Mapping[str, float]


class Portfolio(DeskStrategy):
    """Hosts other strategies in one account."""

    member_classes: ClassVar[Mapping[str, type[DeskStrategy]]] = {}

    @classmethod
    def parameters_from(cls, behaviour: Mapping[str, Any]) -> PortfolioParameters:
        members = {name: member.parameters_from(behaviour) for name, member in cls.member_classes.items()}
        return PortfolioParameters(members, budgets_of(tuple(members), behaviour.get("strategy_budgets") or {}))

    def prepare(self) -> None:
        parameters: PortfolioParameters = self.settings or self.parameters_from({})
        self.members = {name: self._hosted(name, parameters.members[name]) for name in self.member_classes}
        self.budgets = parameters.budgets
        self.asked_at: dict[str, datetime] = {}
        self.equity_usd = 0.0
        self.asked: list[Asked] = []

    def _hosted(self, name: str, settings: Any) -> DeskStrategy:
        cls = self.member_classes[name].bound(lambda strategy: self.corridor, settings, self.surroundings)
        # Lumibot's own parts are left out: there is one broker, one clock and one loop, and they are this strategy's.
        member = cls.__new__(cls)
        member.corridor = self.corridor
        member.prepare()
        return member

    def hedge(self, market: Market, book: Book, equity_usd: float) -> HedgePlan | None:
        """The hedge of the first member that has one, against all that is held."""
        self.equity_usd = equity_usd
        plans = (member.hedge(market, book, equity_usd) for member in self.members.values())
        return next((plan for plan in plans if plan is not None), None)

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        allocations = self.corridor.desk.allocations
        said: list[Signal] = []
        self.asked = []
        for name, member in self.members.items():
            if not self._is_due(name, member, market.now):
                continue
            own = book_of(name, book, allocations)
            found = member.signals(market, own)
            self.asked.append(Asked(name, self.budgets[name], tuple(member.targets(found, market, own))))
            self.asked_at[name] = market.now
            said += found
        return said

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        desk = self.corridor.desk
        netted = net(self.asked, desk.allocations, book, market, self.equity_usd)
        if netted.wanted:
            desk.want(netted.wanted)
        return netted.targets

    def _is_due(self, name: str, member: DeskStrategy, now: datetime) -> bool:
        before = self.asked_at.get(name)
        return before is None or now - before >= timedelta(seconds=period_seconds(member.sleeptime_setting)) - EARLY


def portfolio_of(members: Mapping[str, type]) -> type[Portfolio]:
    """A strategy that hosts these. Raises ConfigurationError for one that is not the desk's: its orders cannot be netted."""
    plain = [name for name, member in members.items() if not issubclass(member, DeskStrategy)]
    if plain:
        raise ConfigurationError(
            f"{', '.join(plain)}: a plain Lumibot strategy cannot share an account with others, as its orders cannot be netted. "
            "Run it alone"
        )
    hosted: list[type[DeskStrategy]] = list(members.values())
    periods = {period_seconds(member.sleeptime_setting): member.sleeptime_setting for member in hosted}
    bars = {member.bar_seconds: name for name, member in zip(members, hosted, strict=True) if member.bar_seconds is not None}
    if len(bars) > 1:
        told = ", ".join(f"{name} {seconds} seconds" for seconds, name in bars.items())
        raise ConfigurationError(f"the strategies want bars of different lengths ({told}): run those of each length together")
    tied = {
        "__doc__": f"Hosts {', '.join(members)} in one account.",
        "member_classes": dict(members),
        "sleeptime_setting": periods[min(periods)],
        "bar_seconds": next(iter(bars), None),
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
