"""The prices that an order goes through, one after the other, from what we wish to what the market takes; on the cent grid."""

from __future__ import annotations

from decimal import Decimal

from desk.domain.prices import PENNY, Rounding
from options.money import cents


def entry_credits(mid: Decimal, natural: Decimal, floor: Decimal, rungs: int) -> tuple[Decimal, ...]:
    """Credits to ask for a spread, never rising, `rungs` of them: from the middle down to the natural price or the floor.

    Dollars a share. The first is the middle rounded up to a cent, the last not below `natural` and `floor`, each at least a
    cent. With a floor above the middle all of them are the floor. Neighbours may be equal: that step needs no new order.
    """
    least = max(cents(floor, Rounding.UP), PENNY)
    first = max(cents(mid, Rounding.UP), least)
    last = min(first, max(cents(natural, Rounding.UP), least))
    return falling(first, last, rungs)


def exit_debits(
    mid: Decimal, natural: Decimal, width: Decimal, rungs: int, beyond: Decimal = Decimal("0.05")
) -> tuple[Decimal, ...]:
    """Debits to offer for a spread, never falling, `rungs` of them: from the middle up to the natural price, then `beyond` it.

    Dollars a share. The first is the middle rounded down to a cent, the last but one the natural price, the last that and
    `beyond`; each at least a cent and at most `width`, more than which no vertical spread is worth. A single rung is the last.
    """
    _check(rungs)
    most = max(cents(width, Rounding.DOWN), PENNY)
    first = min(max(cents(mid, Rounding.DOWN), PENNY), most)
    top = min(max(cents(natural, Rounding.UP), first), most)
    last = min(cents(top + beyond, Rounding.UP), most)
    return (*(rising(first, top, rungs - 1) if rungs > 1 else ()), last)


def falling(first: Decimal, last: Decimal, rungs: int) -> tuple[Decimal, ...]:
    """Even steps from `first` down to `last`, each rounded up to a cent: a seller's. `first` alone when `rungs` is one."""
    _check(rungs)
    return tuple(cents(first - (first - last) * _share(step, rungs), Rounding.UP) for step in range(rungs))


def rising(first: Decimal, last: Decimal, rungs: int) -> tuple[Decimal, ...]:
    """Even steps from `first` up to `last`, each rounded down to a cent: a buyer's. `first` alone when `rungs` is one."""
    _check(rungs)
    return tuple(cents(first + (last - first) * _share(step, rungs), Rounding.DOWN) for step in range(rungs))


def _share(step: int, rungs: int) -> Decimal:
    return Decimal(step) / Decimal(max(rungs - 1, 1))


def _check(rungs: int) -> None:
    if rungs < 1:
        raise ValueError(f"rungs {rungs}: an order has at least one price")
