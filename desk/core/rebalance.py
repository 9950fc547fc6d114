"""From targets to intents: the changes that bring the book to what the strategy wants."""

from __future__ import annotations

from collections.abc import Sequence

from desk.core.targets import is_flat
from desk.domain.decisions import Intent, IntentKind, Shares, Target
from desk.domain.market import Market
from desk.domain.prices import Rounding, legal_price, whole_shares
from desk.domain.trades import Book

# How far above the offer an entry's limit goes: marketable in a calm market, never at any price in a fast one.
ENTRY_COLLAR_FRACTION = 0.002


def rebalance(targets: Sequence[Target], book: Book, equity_usd: float, market: Market) -> list[Intent]:
    """Intents in the order in which they may be sent: reductions first, then openings.

    A symbol already held or on its way gets no second entry here: adding to and trimming a protected position need
    tranches of their own. A symbol without a price gets no intent.
    """
    leaving = [intent for target in targets if (intent := _leaving(target, book, market)) is not None]
    opening = [intent for target in targets if (intent := _opening(target, book, equity_usd, market)) is not None]
    return leaving + opening


def _leaving(target: Target, book: Book, market: Market) -> Intent | None:
    trades = book.trades_of(target.symbol)
    bid = market.bid(target.symbol)
    if not is_flat(target) or not trades or bid is None:
        return None
    held = sum(trade.shares for trade in trades)
    return _intent(IntentKind.CLOSE, target, held, bid, market)


def _opening(target: Target, book: Book, equity_usd: float, market: Market) -> Intent | None:
    ask = market.ask(target.symbol)
    if is_flat(target) or book.trades_of(target.symbol) or ask is None:
        return None
    limit = float(legal_price(ask * (1 + ENTRY_COLLAR_FRACTION), Rounding.DOWN))
    amount = target.amount
    wanted = amount.count if isinstance(amount, Shares) else whole_shares(amount.fraction * equity_usd / limit)
    return _intent(IntentKind.OPEN, target, wanted, limit, market)


def _intent(kind: IntentKind, target: Target, quantity: int, price: float, market: Market) -> Intent:
    reference = market.last_price(target.symbol)
    return Intent(kind, target.symbol, quantity, price, target.exit_rule, target.reason, target.confidence, reference)
