"""What closed spreads brought, what a book of open ones moves by, and what the broker keeps aside for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import numpy as np

from desk.domain.options import CONTRACT_SHARES
from desk.domain.spreads import ZERO, Spread
from options import black_scholes
from options.expirations import years_left
from options.listing import contract_of


@dataclass(frozen=True, slots=True)
class SpreadResult:
    """Money of one closed spread in dollars, all above zero: what its entry brought, what all after it took, and fees."""

    credit_usd: Decimal
    debit_usd: Decimal
    fees_usd: Decimal = ZERO

    @property
    def pnl_usd(self) -> Decimal:
        return self.credit_usd - self.debit_usd - self.fees_usd


@dataclass(frozen=True, slots=True)
class SpreadFigures:
    """Figures over closed spreads, dollars; None where nothing stands to divide by. A spread that ends at zero is no win.

    `expectancy_usd` is what a spread brought on average, `profit_factor` the sum of wins over the size of the sum of losses.
    """

    count: int
    wins: int
    win_rate: float | None
    expectancy_usd: Decimal | None
    average_win_usd: Decimal | None
    average_loss_usd: Decimal | None
    profit_factor: float | None
    credit_usd: Decimal
    debit_usd: Decimal
    fees_usd: Decimal
    pnl_usd: Decimal


def result_of(spread: Spread, fees_usd: Decimal = ZERO) -> SpreadResult | None:
    """What a closed spread brought; None for one that never filled. Raises ValueError while it is not closed."""
    if not spread.is_closed:
        raise ValueError(f"spread {spread.key} is {spread.phase}: it has no result before it is closed")
    return SpreadResult(spread.credit_usd, spread.credit_usd - spread.cash_usd, fees_usd) if spread.sold else None


def figures(results: Collection[SpreadResult]) -> SpreadFigures:
    """The figures of all `results` together."""
    pnl = [result.pnl_usd for result in results]
    wins, losses = [gain for gain in pnl if gain > 0], [gain for gain in pnl if gain < 0]
    total, lost = sum(pnl, ZERO), -sum(losses, ZERO)
    return SpreadFigures(
        count=len(pnl),
        wins=len(wins),
        win_rate=len(wins) / len(pnl) if pnl else None,
        expectancy_usd=_average(pnl),
        average_win_usd=_average(wins),
        average_loss_usd=_average(losses),
        profit_factor=float(sum(wins, ZERO) / lost) if lost else None,
        credit_usd=sum((result.credit_usd for result in results), ZERO),
        debit_usd=sum((result.debit_usd for result in results), ZERO),
        fees_usd=sum((result.fees_usd for result in results), ZERO),
        pnl_usd=total,
    )


def _average(amounts: list[Decimal]) -> Decimal | None:
    return sum(amounts, ZERO) / len(amounts) if amounts else None


def maintenance_usd(width: Decimal, contracts: int) -> Decimal:
    """What the broker keeps aside for open spreads: the whole width, premiums left out (Alpaca's universal spread rule)."""
    return width * CONTRACT_SHARES * contracts


@dataclass(frozen=True, slots=True)
class HeldOption:
    """`contracts` of one symbol, below zero when owed; `spot` of its underlying; volatility a fraction a year."""

    symbol: str
    contracts: int
    spot: float
    implied_volatility: float | None


@dataclass(frozen=True, slots=True)
class BookGreeks:
    """Of all contracts held, times 100 shares each: `delta` and `gamma` in shares (a dollar's move of every underlying),
    `delta_usd` what all underlyings move by in dollars of stock, `theta` in dollars a calendar day, `vega` and `rho` in
    dollars a point. `unknown` names contracts without a volatility or without time left, which count for nothing here.
    """

    delta: float
    delta_usd: float
    gamma: float
    theta: float
    vega: float
    rho: float
    unknown: tuple[str, ...]


def book_greeks(held: Iterable[HeldOption], now: datetime, rate: float) -> BookGreeks:
    """Sum over all contracts at `now` (aware), by the European model. Raises ValueError for what is no option symbol."""
    rows, unknown = [], []
    for option in held:
        said = contract_of(option.symbol)
        if said is None:
            raise ValueError(f"{option.symbol!r} is no option symbol")
        years, volatility = years_left(said.expiration, now), option.implied_volatility or np.nan
        if years > 0 and volatility > 0:
            shares = float(option.contracts * CONTRACT_SHARES)
            rows.append((said.type == "call", option.spot, float(said.strike), years, volatility, shares))
        else:
            unknown.append(option.symbol)
    is_call, spot, strike, time, volatilities, shares_of = np.array(rows, dtype=np.float64).reshape(-1, 6).T
    each = black_scholes.greeks(is_call > 0, spot, strike, time, volatilities, rate)
    return BookGreeks(
        delta=float(each.delta @ shares_of),
        delta_usd=float(each.delta @ (shares_of * spot)),
        gamma=float(each.gamma @ shares_of),
        theta=float(each.theta @ shares_of),
        vega=float(each.vega @ shares_of),
        rho=float(each.rho @ shares_of),
        unknown=tuple(unknown),
    )
