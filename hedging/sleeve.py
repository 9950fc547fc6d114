"""What the sleeve holds, by the book's own trades, and for how many sessions it has."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

from desk.domain.market import Market
from desk.domain.trades import Book, Trade
from hedging.episodes import Span, beginning, sessions_since, spans
from hedging.exposure import paid_price
from hedging.prices import dear_price
from hedging.rules import HedgeRules, InverseFund


@dataclass(frozen=True, slots=True)
class Position:
    """One fund of the sleeve: `shares` held, `committed` with those still being bought, and their dollars.

    `staying` of the shares are not on their way out. `sessions` are the completed ones since the first fill of the fund, its
    own included, and `episode_sessions` those since `episode_since`, the first fill of the episode that it belongs to; 0 and
    None before it. `price_usd` is None when the market shows no usable price; the value is then that of what was paid.
    """

    fund: InverseFund
    shares: int
    staying: int
    committed: int
    value_usd: float
    price_usd: float | None
    sessions: int
    episode_sessions: int
    episode_since: date | None

    @property
    def is_leaving(self) -> bool:
        """Whether every share that is held was asked to go."""
        return self.shares > 0 and self.staying == 0


def positions(book: Book, market: Market, rules: HedgeRules) -> tuple[Position, ...]:
    """Funds with an open trade, a trade that still buys or sells is not gone: first those that stay, the largest first.

    Shares of a fund that a person bought and gave to the desk are no hedge of the sleeve's.
    """
    trades: dict[str, list[Trade]] = {fund.symbol: [] for fund in rules.inverse_etfs}
    for trade in book.open.values():
        if trade.symbol in trades and not trade.is_closed and not trade.is_adopted:
            trades[trade.symbol].append(trade)
    past = spans(book, rules) if any(trades.values()) else ()
    held = [_position(fund, trades[fund.symbol], past, market, rules) for fund in rules.inverse_etfs if trades[fund.symbol]]
    return tuple(sorted(held, key=lambda position: (position.is_leaving, -position.value_usd)))


def _position(fund: InverseFund, trades: Sequence[Trade], past: Sequence[Span], market: Market, rules: HedgeRules) -> Position:
    price = dear_price(market, fund.symbol)
    value = sum(_committed(trade) * (paid_price(trade) if price is None else price) for trade in trades)
    own = [span for span in past if span.symbol == fund.symbol]
    filled = min((span for span in own if span.last is None), key=lambda span: span.first, default=None)
    first = None if filled is None else beginning(filled, own, market, rules)
    since = None if filled is None else beginning(filled, past, market, rules)
    return Position(
        fund=fund,
        shares=sum(trade.shares for trade in trades),
        staying=sum(map(_staying, trades)),
        committed=sum(map(_committed, trades)),
        value_usd=value,
        price_usd=price,
        sessions=0 if first is None else sessions_since(first, market, rules),
        episode_sessions=0 if since is None else sessions_since(since, market, rules),
        episode_since=since,
    )


@dataclass(frozen=True, slots=True)
class Adopted:
    """What a person bought of one fund and gave to the desk, at the market or where that shows no price at what was paid."""

    shares: int
    value_usd: float


def adopted(book: Book, market: Market, rules: HedgeRules) -> dict[str, Adopted]:
    """By symbol. The sleeve leaves them alone, and they take room under the cap of the inverse funds."""
    found: dict[str, Adopted] = {}
    for trade in book.open.values():
        if trade.is_adopted and trade.shares > 0 and rules.fund(trade.symbol) is not None:
            price = dear_price(market, trade.symbol)
            usd = trade.shares * (paid_price(trade) if price is None else price)
            before = found.get(trade.symbol, Adopted(0, 0.0))
            found[trade.symbol] = Adopted(before.shares + trade.shares, before.value_usd + usd)
    return found


def buyable(market: Market, rules: HedgeRules, theirs: Collection[str], held: InverseFund | None = None) -> list[InverseFund]:
    """Funds with a price, and the one that is `held`; but for those of which a person has shares, the symbols in `theirs`: whose
    shares of a fund are sold could not be told apart."""
    return [
        fund
        for fund in rules.inverse_etfs
        if fund == held or (fund.symbol not in theirs and dear_price(market, fund.symbol) is not None)
    ]


def _committed(trade: Trade) -> int:
    return trade.shares + (max(trade.spec.quantity - trade.entered, 0) if trade.is_entry_working else 0)


def _staying(trade: Trade) -> int:
    if trade.is_being_sold or trade.exit_requested is not None:
        return 0
    return trade.keep if trade.is_renewing and trade.keep is not None else trade.shares
