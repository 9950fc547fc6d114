"""Option spreads of a run as a table tells them: what each brought, what it cost, and which rule ended it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from desk.core.spread_book import SpreadBook
from desk.domain.journal import Row
from desk.domain.spreads import ZERO, Settlement, Spread, SpreadSettled, SpreadTurned, Turn
from options.accounting import SpreadResult, result_of

NOT_FILLED = "not filled"
OPEN = "still open"


@dataclass(frozen=True, slots=True)
class SpreadTrade:
    """One spread that was decided. `credit` is what a share brought on average, None when it never filled; `result` is None while
    it is not closed, and for what never filled; `cash_usd` is what it has brought so far, without fees. `rule` is what ended it:
    an exit rule, "assigned", "expired", "rolled".
    """

    key: str
    underlying: str
    short: str
    long: str
    contracts: int
    decided_at: datetime
    opened_at: datetime | None
    closed_at: datetime | None
    credit: Decimal | None
    rule: str
    result: SpreadResult | None
    cash_usd: Decimal
    fees_usd: Decimal

    @property
    def is_filled(self) -> bool:
        return self.credit is not None


def spread_trades(book: SpreadBook, rows: Iterable[Row], fees_usd: Mapping[str, Decimal]) -> tuple[SpreadTrade, ...]:
    """All spreads of a book, the first decided first; `rows` are its journal, `fees_usd` what the broker took by spread."""
    said: dict[str, list[SpreadTurned | SpreadSettled]] = {}
    for row in rows:
        if isinstance(row.value, SpreadTurned | SpreadSettled):
            said.setdefault(row.value.key, []).append(row.value)
    every = sorted((*book.closed.values(), *book.open.values()), key=lambda each: (each.plan.decided_at, each.key))
    return tuple(_trade(each, said.get(each.key, []), fees_usd.get(each.key, ZERO)) for each in every)


def _trade(spread: Spread, said: Sequence[SpreadTurned | SpreadSettled], fees_usd: Decimal) -> SpreadTrade:
    plan = spread.plan
    return SpreadTrade(
        key=spread.key,
        underlying=plan.underlying,
        short=plan.short,
        long=plan.long,
        contracts=spread.sold,
        decided_at=plan.decided_at,
        opened_at=spread.opened_at,
        closed_at=spread.closed_at,
        credit=spread.credit,
        rule=_rule(spread, said),
        result=result_of(spread, fees_usd) if spread.is_closed else None,
        cash_usd=spread.cash_usd,
        fees_usd=fees_usd,
    )


# How the market, or somebody else, ended one, the first that there was.
ENDS = {
    Settlement.ASSIGNED: "assigned",
    Settlement.EXERCISED: "assigned",
    Settlement.TRADED: "closed elsewhere",
    Settlement.EXPIRED: "expired",
}


def _rule(spread: Spread, said: Sequence[SpreadTurned | SpreadSettled]) -> str:
    """What ended it: the market's settlement, else the last reason to leave, else a roll."""
    if not spread.sold:
        return NOT_FILLED
    if not spread.is_closed:
        return OPEN
    kinds = {each.kind for each in said if isinstance(each, SpreadSettled) and each.contracts}
    if kinds:
        return next(words for kind, words in ENDS.items() if kind in kinds)
    leaves = [each.reason.partition(":")[0] for each in said if isinstance(each, SpreadTurned) and each.turn is Turn.LEAVE]
    return leaves[-1] if leaves else "rolled"
