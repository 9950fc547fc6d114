"""One put spread on one underlying, quoted once a day as a test says, and its backtest under the desk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd

from desk.data.calendars import session_dates
from desk.data.source import Instrument, Source
from desk.domain.decisions import Signal, Target
from desk.domain.market import Market
from desk.domain.trades import Book
from desk.exchange.market.options.recorded import load_recorded_chains
from desk.runtime.desk_backtest import DeskBacktest, backtest_desk
from desk.runtime.option_history import OptionAssumptions
from desk.runtime.strategy import DeskStrategy
from desk.settings.behaviour import Behaviour
from desk.settings.spreads import SpreadSettings
from options.gates import Opportunity

FIRST, EXPIRATION, LAST = date(2024, 1, 8), date(2024, 2, 16), date(2024, 2, 21)
DAYS = session_dates(FIRST, LAST)
# Bid and ask of the sold and of the bought put, dollars a share.
Quotes = tuple[str, str, str, str]
ENTRY: Quotes = ("1.50", "1.60", "0.50", "0.60")
# No rule acts: it stays until it expires.
HELD: Mapping[str, object] = {
    "profit_fraction": None,
    "loss_multiple": None,
    "exit_days": None,
    "breach_delta": None,
    "exits_through_strike": False,
    "expiry_exit_minutes": 1,
    "pin_fraction": 0.0,
}


class OnTheFirstDay(DeskStrategy):
    """Asks for a spread on every name in the first session alone."""

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        return ()

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        return ()

    def opportunities(self, market: Market, book: Book) -> Sequence[Opportunity]:
        names = self.corridor.universe if market.session == FIRST else ()
        return [Opportunity(symbol, 10.0, 1.0) for symbol in names]


@dataclass(frozen=True)
class Story:
    """What a test lays down: quotes by day (a day without holds none), the underlying's open and close by day (100 otherwise)."""

    quotes: Mapping[date, Quotes]
    opens: Mapping[date, float] = field(default_factory=dict)
    closes: Mapping[date, float] = field(default_factory=dict)
    root: str = "XYZ"
    underlying: str = "XYZ"

    def source(self) -> Source:
        rows = [(self.opens.get(day, 100.0), self.closes.get(day, 100.0)) for day in DAYS]
        columns = {
            "open": [opened for opened, _ in rows],
            "high": [max(row) for row in rows],
            "low": [min(row) for row in rows],
            "close": [closed for _, closed in rows],
            "volume": [1e6] * len(rows),
        }
        frame = pd.DataFrame(columns, index=pd.DatetimeIndex([pd.Timestamp(day) for day in DAYS]))
        return Source("story", "a story", {self.underlying: frame}, {self.underlying: Instrument(self.underlying, "told")})

    def write(self, folder: Path) -> Path:
        lines = ["quote_at,symbol,underlying,bid,ask"]
        for day, (short_bid, short_ask, long_bid, long_ask) in self.quotes.items():
            symbols = f"{self.root}240216P00095000", f"{self.root}240216P00090000"
            for symbol, bid, ask in zip(symbols, (short_bid, long_bid), (short_ask, long_ask), strict=True):
                lines.append(f"{day},{symbol},{self.underlying},{bid},{ask}")
        (folder / "options").mkdir(exist_ok=True)
        (folder / "options" / "told.csv").write_text("\n".join(lines) + "\n")
        return folder


def played(
    story: Story,
    folder: Path,
    assumed: OptionAssumptions | None = None,
    budget_usd: float = 20_000.0,
    strategy: type[DeskStrategy] = OnTheFirstDay,
    **rules: object,
) -> DeskBacktest:
    """The story's backtest, without costs on shares; `rules` are settings of spreads."""
    chains = load_recorded_chains(story.write(folder))
    given = assumed or OptionAssumptions()
    assumed = OptionAssumptions(given.fills, given.slip_fraction, given.fee_usd, given.assigns_early, chains)
    spreads = SpreadSettings.model_validate({"min_open_interest": 0, "max_contracts": 1, **rules}, strict=False)
    behaviour = Behaviour(spreads=spreads, fee_bps=0.0, slippage_bps=0.0, hedging=False)
    options: dict[str, Any] = {"name": "story", "assumed": assumed, "budget_usd": budget_usd}
    return backtest_desk(strategy, behaviour, story.source(), (story.underlying,), FIRST, LAST, **options)


def gained_usd(done: DeskBacktest, budget_usd: float = 20_000.0) -> Decimal:
    """What the account's cash gained."""
    return Decimal(repr(done.record.equity[-1].cash_usd)) - Decimal(repr(budget_usd))
