"""Tax lots of the book, and what a sale out of them would realise: an estimate for people, no tax advice.

US brokers sell the oldest shares first unless they are told otherwise, whichever trade of the desk a sale belongs to; so the
whole history of a symbol is gone through. Rules: IRS Publication 550, "Investment Income and Expenses", chapter 4: basis of
stocks (first in, first out when the shares sold are not identified), holding period, wash sales.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from desk.domain.errors import UsageError
from desk.domain.trades import ZERO, Book, Trade

NEW_YORK = ZoneInfo("America/New_York")
# A loss is not deductible when the same stock is bought so shortly before or after the sale.
WASH_WINDOW = timedelta(days=30)
DISCLAIMER = (
    "An estimate from this book alone: first in, first out, average prices of each trade, no fees, no other accounts, and the "
    "cost of shares is not adjusted for earlier wash sales. It is no tax advice."
)


class Term(StrEnum):
    SHORT = "short-term"
    LONG = "long-term"


@dataclass(frozen=True, slots=True)
class Lot:
    """Shares of one purchase at their average price in dollars; `acquired` is its trade date in New York."""

    symbol: str
    shares: int
    price: Decimal
    acquired: date


@dataclass(frozen=True, slots=True)
class SoldLot:
    """The part of a lot that a sale takes, at the sale's price in dollars and trade date."""

    lot: Lot
    price: Decimal
    on: date

    @property
    def gain_usd(self) -> Decimal:
        """Below zero for a loss."""
        return (self.price - self.lot.price) * self.lot.shares

    @property
    def term(self) -> Term:
        """Long-term when held for more than a year: days count from the one after the purchase to that of the sale."""
        return Term.LONG if self.on >= _year_after(self.lot.acquired + timedelta(days=1)) else Term.SHORT


@dataclass(frozen=True, slots=True)
class LotReport:
    """What a sale realises, lot by lot, in dollars before fees. `disallowed_usd` (zero or more) is the part of the losses that is
    not deductible now, because shares bought within 30 days before the sale stay."""

    symbol: str
    on: date
    sold: tuple[SoldLot, ...]
    disallowed_usd: Decimal
    warnings: tuple[str, ...]

    @property
    def gain_usd(self) -> Decimal:
        return sum((each.gain_usd for each in self.sold), ZERO)

    def gain_usd_of(self, term: Term) -> Decimal:
        return sum((each.gain_usd for each in self.sold if each.term is term), ZERO)

    def sentences(self) -> tuple[str, ...]:
        """The report for people, the disclaimer last."""
        return (*(_told(each) for each in self.sold), self._total(), *self.warnings, DISCLAIMER)

    def _total(self) -> str:
        shares = sum(each.lot.shares for each in self.sold)
        terms = ", ".join(f"{self.gain_usd_of(term):+,.2f} {term}" for term in Term)
        return f"{shares} {self.symbol} realise {self.gain_usd:+,.2f} dollars: {terms}."


def lots(book: Book, symbol: str) -> tuple[Lot, ...]:
    """What is held of a symbol, the oldest first."""
    return tuple(_history(book, symbol)[0])


def sale_report(book: Book, symbol: str, quantity: int, price: Decimal, on: date) -> LotReport:
    """What selling `quantity` shares at `price` dollars on the trade date `on` would realise.

    Raises UsageError when the book does not hold so many then, or for a price that is none.
    """
    held, past = _history(book, symbol)
    _check(symbol, quantity, price, on, held)
    taken, left = _first(held, quantity)
    sold = tuple(SoldLot(lot, price, on) for lot in taken)
    disallowed_usd = _disallowed_usd(sold, _recent(left, on))
    warnings = (*_wash_now(sold, left, on, disallowed_usd), *_wash_before(sold, past))
    return LotReport(symbol, on, sold, disallowed_usd, warnings)


def purchase_warning(book: Book, symbol: str, on: date) -> str | None:
    """What a purchase on the trade date `on` would do to losses realised in the 30 days before it; None when there are none."""
    losses = [each for each in _history(book, symbol)[1] if each.gain_usd < 0 and each.on <= on <= each.on + WASH_WINDOW]
    if not losses:
        return None
    total, last = sum((each.gain_usd for each in losses), ZERO), max(each.on for each in losses)
    return (
        f"{symbol} was sold at a loss of {-total:,.2f} dollars within 30 days: a purchase up to {last + WASH_WINDOW} makes that "
        "a wash sale, as far as it buys as many shares."
    )


# ---- history -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Execution:
    at: datetime
    is_sale: bool
    shares: int
    price: Decimal


def _history(book: Book, symbol: str) -> tuple[list[Lot], list[SoldLot]]:
    """Lots held now and those sold, in order."""
    trades = (trade for trade in (*book.closed, *book.open.values()) if trade.symbol == symbol)
    executions = (each for trade in trades for each in _executions(trade))
    held: list[Lot] = []
    sold: list[SoldLot] = []
    for each in sorted(executions, key=lambda each: (each.at, each.is_sale)):
        on = each.at.astimezone(NEW_YORK).date()
        if each.is_sale:
            taken, held = _first(held, each.shares)
            sold += (SoldLot(lot, each.price, on) for lot in taken)
        else:
            held.append(Lot(symbol, each.shares, each.price, on))
    return held, sold


def _executions(trade: Trade) -> Iterator[_Execution]:
    bought_at = trade.entered_at or trade.decided_at
    if trade.entry_price is not None:
        yield _Execution(bought_at, False, trade.entered, trade.entry_price)
    if trade.exit_price is not None:
        yield _Execution(trade.exited_at or bought_at, True, trade.exited, trade.exit_price)


def _first(held: Sequence[Lot], shares: int) -> tuple[list[Lot], list[Lot]]:
    """The oldest `shares` of the lots, and what is left."""
    taken: list[Lot] = []
    left: list[Lot] = []
    for lot in held:
        part = min(lot.shares, shares)
        shares -= part
        taken += [replace(lot, shares=part)] if part else []
        left += [replace(lot, shares=lot.shares - part)] if part < lot.shares else []
    return taken, left


def _check(symbol: str, quantity: int, price: Decimal, on: date, held: Sequence[Lot]) -> None:
    there = sum(lot.shares for lot in held if lot.acquired <= on)
    if not 1 <= quantity <= there:
        raise UsageError(f"quantity {quantity}: the book holds {there} {symbol} on {on}; give a number from 1 to that")
    if not (price.is_finite() and price > 0):
        raise UsageError(f"price {price} is no price: give dollars a share, above 0")


def _year_after(day: date) -> date:
    try:
        return day.replace(year=day.year + 1)
    except ValueError:  # 29 February
        return date(day.year + 1, 3, 1)


# ---- wash sales ----------------------------------------------------------------------------------------------------------


def _recent(left: Sequence[Lot], on: date) -> int:
    """Shares that stay and were bought within 30 days before the sale: they replace what was sold."""
    return sum(lot.shares for lot in left if on - WASH_WINDOW <= lot.acquired <= on)


def _disallowed_usd(sold: Sequence[SoldLot], replaced: int) -> Decimal:
    """Losses on as many shares as were replaced, in the order in which they are sold."""
    losing, _ = _first([each.lot for each in sold if each.gain_usd < 0], replaced)
    return sum(((lot.price - sold[0].price) * lot.shares for lot in losing), ZERO)


def _wash_now(sold: Sequence[SoldLot], left: Sequence[Lot], on: date, disallowed_usd: Decimal) -> Iterator[str]:
    losing = sum(each.lot.shares for each in sold if each.gain_usd < 0)
    if not losing:
        return
    washed = min(losing, _recent(left, on))
    if washed:
        yield (
            f"Wash sale: {_recent(left, on)} shares bought within 30 days before it stay, so the loss on {washed} of the shares "
            f"sold, {disallowed_usd:,.2f} dollars, is added to their cost instead of being deducted."
        )
    if washed < losing:
        yield f"A purchase of {sold[0].lot.symbol} up to {on + WASH_WINDOW} makes the loss on as many shares a wash sale."


def _wash_before(sold: Sequence[SoldLot], past: Sequence[SoldLot]) -> Iterator[str]:
    """Lots whose cost an earlier wash sale has raised, by an amount that the estimate leaves out."""
    losses = [each.on for each in past if each.gain_usd < 0]
    for each in sold:
        near = [on for on in losses if abs(each.lot.acquired - on) <= WASH_WINDOW]
        if near:
            yield (
                f"The {each.lot.shares} shares of {each.lot.acquired} were bought within 30 days of a sale at a loss on "
                f"{near[-1]}: that loss may belong to their cost, which makes the gain smaller than it says here."
            )


def _told(each: SoldLot) -> str:
    lot = each.lot
    return (
        f"{lot.shares} {lot.symbol} bought on {lot.acquired} at {lot.price:,.2f}, sold at {each.price:,.2f}: "
        f"{each.gain_usd:+,.2f} dollars, {each.term}."
    )
