"""Reconciliation of the desk's book with what the broker holds."""

from __future__ import annotations

from collections.abc import Mapping

from desk.domain.breaks import Break
from desk.domain.trades import Book


def breaks(book: Book, broker_shares: Mapping[str, int], foreign: Mapping[str, int]) -> tuple[Break, ...]:
    """Differences in symbols that the desk has traded.

    `foreign` are shares that were in the account before the desk came; positions of other symbols belong to somebody else.
    """
    held = book.shares()
    expected = {symbol: held.get(symbol, 0) + foreign.get(symbol, 0) for symbol in book.symbols()}
    return tuple(
        Break(symbol, shares, broker_shares.get(symbol, 0))
        for symbol, shares in sorted(expected.items())
        if shares != broker_shares.get(symbol, 0)
    )
