"""From targets to intents: the changes that bring the book to what the strategy wants and to what it may hold.

A position is moved only when it is off by more than a tolerance, and then all the way to its target: each trade costs, and a
tranche more to protect. What is sold frees neither cash nor room before it is filled, so buys never count on the sales beside
them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from desk.core.exits import resolve
from desk.core.holdings import Holding, holdings
from desk.core.purse import Purse, affordable, covers
from desk.core.review import HALF_CENT_USD
from desk.core.targets import is_flat
from desk.domain.decisions import Denied, FixedExit, Intent, IntentKind, Reason, Shares, Target
from desk.domain.market import Market
from desk.domain.prices import Rounding, legal_price, whole_shares
from desk.domain.trades import Book, Trade

# How far above the offer an entry's limit goes: marketable in a calm market, never at any price in a fast one.
ENTRY_COLLAR_FRACTION = 0.002
# A sale needs no exits.
NO_EXITS = FixedExit(0.0, 0.0)
# The dust of float arithmetic in a number of shares, as in `whole_shares`.
DUST = 1e-9


@dataclass(frozen=True, slots=True)
class RebalanceRules:
    """Bands and bounds, all fractions of the equity.

    A single name is trimmed to `max_position_fraction` when it is above that and `trim_band_fraction`; the inverse funds are
    trimmed together in the same way to `max_inverse_fraction`. A held position is moved to its target when it is off by more
    than `tolerance_fraction` and the trade comes to `min_notional_usd`. `cash_buffer_fraction` is never spent, and additions and
    reductions of one iteration come to `max_turnover_fraction` at most; opening, closing and trimming are not limited by it.
    """

    max_position_fraction: float
    trim_band_fraction: float = 0.02
    tolerance_fraction: float = 0.02
    min_notional_usd: float = 100.0
    cash_buffer_fraction: float = 0.0
    max_turnover_fraction: float = 1.0
    inverse_symbols: frozenset[str] = frozenset()
    max_inverse_fraction: float = 0.20


@dataclass(frozen=True, slots=True)
class Rebalanced:
    """`intents` in the order in which they may be sent: CLOSE, REDUCE, OPEN, ADD. `left_alone` are the other symbols that are
    not where they should be, and why."""

    intents: tuple[Intent, ...]
    left_alone: tuple[Denied, ...]


def rebalance(
    targets: Sequence[Target], book: Book, equity_usd: float, cash_usd: float, market: Market, rules: RebalanceRules
) -> Rebalanced:
    """What to trade now, sells before buys; at most one intent a symbol, but for overdue trades, which are closed one by one.

    CLOSE and OPEN keep the targets' order, so that cash goes to the first signal; REDUCE and ADD have the largest first.
    """
    view = _View.of(targets, book, equity_usd, market, rules)
    purse = _purse(view, cash_usd)
    assessed = [each for holding in view.held.values() if (each := _assessed(view, holding)) is not None]
    changes = [each for each in assessed if isinstance(each, _Change)]
    said: list[Intent | Denied] = [
        *_closes(view),
        *(each for each in assessed if isinstance(each, Denied)),
        *_reductions(view, changes, purse),
        *_openings(view, purse),
        *_additions(view, changes, purse),
    ]
    intents = tuple(each for each in said if isinstance(each, Intent))
    traded = {intent.symbol for intent in intents}
    return Rebalanced(intents, tuple(each for each in said if isinstance(each, Denied) and each.symbol not in traded))


# ---- what there is -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _View:
    """What an iteration decides from: targets and holdings by symbol."""

    targets: Mapping[str, Target]
    held: Mapping[str, Holding]
    equity_usd: float
    market: Market
    rules: RebalanceRules

    @staticmethod
    def of(targets: Sequence[Target], book: Book, equity_usd: float, market: Market, rules: RebalanceRules) -> _View:
        wanted: dict[str, Target] = {}
        for target in targets:
            wanted.setdefault(target.symbol, target)
        return _View(wanted, holdings(book, market), equity_usd, market, rules)

    def usd(self, fraction: float) -> float:
        return fraction * self.equity_usd

    def is_leaving(self, symbol: str) -> bool:
        return symbol in self.targets and is_flat(self.targets[symbol])

    def bid(self, symbol: str) -> float | None:
        return _usable(self.market.bid(symbol))

    def wanted(self, target: Target, price: float) -> float:
        """Shares of a held symbol that the target comes to at `price`, within the cap of a single name."""
        amount = target.amount
        shares = amount.count if isinstance(amount, Shares) else self.usd(amount.fraction) / price
        is_inverse = target.symbol in self.rules.inverse_symbols
        return shares if is_inverse else min(shares, self.usd(self.rules.max_position_fraction) / price)

    def intent(self, kind: IntentKind, symbol: str, quantity: int, price: float, rule: FixedExit, reason: str) -> Intent:
        target = self.targets.get(symbol)
        confidence = None if target is None else target.confidence
        return Intent(kind, symbol, quantity, price, rule, reason, confidence, self.market.last_price(symbol))

    def unpriced(self, symbol: str) -> Denied:
        why = self.market.unusable.get(symbol, "the symbol is not in the universe")
        return Denied(symbol, Reason.NO_PRICE, f"no price to trade at: {why}")


def _usable(price: float | None) -> float | None:
    return price if price is not None and math.isfinite(price) and price > 0 else None


def entry_limit(market: Market, symbol: str) -> float | None:
    """Dollars a share that an entry may cost at most, by which it is sized; None without an offer."""
    ask = _usable(market.ask(symbol))
    return None if ask is None else float(legal_price(ask * (1 + ENTRY_COLLAR_FRACTION), Rounding.DOWN))


def _purse(view: _View, cash_usd: float) -> Purse:
    rules = view.rules
    inverse = [holding for symbol, holding in view.held.items() if symbol in rules.inverse_symbols]
    inverse_usd = sum(holding.shares * (view.bid(holding.symbol) or 0.0) + holding.working_usd for holding in inverse)
    working_usd = sum(holding.working_usd for holding in view.held.values())
    return Purse(
        cash_usd - view.usd(rules.cash_buffer_fraction) - working_usd,
        view.usd(rules.max_turnover_fraction),
        view.usd(rules.max_inverse_fraction) - inverse_usd,
    )


# ---- leaving -------------------------------------------------------------------------------------------------------------


def _closes(view: _View) -> Iterator[Intent | Denied]:
    leaving = (target for target in view.targets.values() if target.symbol in view.held and is_flat(target))
    yield from (_close(view, target, view.held[target.symbol].shares) for target in leaving)
    for holding in view.held.values():
        bid = view.bid(holding.symbol)
        if bid is not None and not view.is_leaving(holding.symbol):
            yield from (_close_late(view, trade, why, bid) for trade, why in holding.late)


def _close(view: _View, target: Target, shares: int) -> Intent | Denied:
    bid = view.bid(target.symbol)
    if bid is None:
        return view.unpriced(target.symbol)
    return view.intent(IntentKind.CLOSE, target.symbol, shares, bid, _rule_of(target), target.reason)


def _rule_of(target: Target | None) -> FixedExit:
    return target.exit_rule if target is not None and isinstance(target.exit_rule, FixedExit) else NO_EXITS


def _close_late(view: _View, trade: Trade, why: str, bid: float) -> Intent:
    close = view.intent(IntentKind.CLOSE, trade.symbol, trade.shares, bid, NO_EXITS, why)
    return replace(close, confidence=trade.confidence, trade=trade.key)


# ---- what is held --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Change:
    """What a settled position needs: `shares` to buy (below zero: to sell) at `price` to reach its target, `drift_usd` away, and
    `forced`, shares to sell in any case to be within the cap."""

    holding: Holding
    shares: int
    price: float
    drift_usd: float
    forced: int = 0


def _assessed(view: _View, holding: Holding) -> _Change | Denied | None:
    """What a held symbol needs, why it gets nothing, or None when it is where it should be or leaves altogether."""
    symbol = holding.symbol
    bid, target = view.bid(symbol), view.targets.get(symbol)
    if view.is_leaving(symbol):
        return None
    if bid is None:
        return view.unpriced(symbol)
    if not view.equity_usd > 0:
        text = f"no position can be weighed against an equity of {view.equity_usd:,.0f} dollars"
        return None if target is None else Denied(symbol, Reason.CASH, text)
    above = _above_cap(view, holding, bid)
    if holding.motion is not None:
        return Denied(symbol, Reason.ALREADY_WORKING, holding.motion) if target is not None or above else None
    if above and holding.shares == 1:
        text = f"one share is worth {bid:,.0f} dollars, above the cap; only a flat target can end that"
        return Denied(symbol, Reason.MAX_POSITION, text, {"notional_usd": bid})
    change = _change(holding, target, view, bid, min(above, holding.shares - 1))
    return view.unpriced(symbol) if change is None else _within(view, change)


def _above_cap(view: _View, holding: Holding, bid: float) -> int:
    """Shares above the cap of a single name, none unless they are above the band too."""
    cap_usd, worth_usd = view.usd(view.rules.max_position_fraction), holding.staying * bid
    band_usd = view.usd(view.rules.trim_band_fraction)
    if holding.symbol in view.rules.inverse_symbols or worth_usd <= cap_usd + band_usd + HALF_CENT_USD:
        return 0
    return holding.staying - whole_shares(cap_usd / bid)


def _change(holding: Holding, target: Target | None, view: _View, bid: float, forced: int) -> _Change | None:
    """A sale ends at the nearest whole number of shares, a purchase at what the target pays for; None without an offer."""
    held = holding.shares
    if target is None:
        return _Change(holding, 0, bid, 0.0, forced)
    above = held - view.wanted(target, bid)
    if above >= 0:
        cut = min(math.ceil(above - 0.5 - DUST), held - 1)
        return _Change(holding, -cut, bid, above * bid, max(forced, cut) if target.is_exact else forced)
    limit = entry_limit(view.market, holding.symbol)
    if limit is None:
        return None
    # Prices off the tick grid can put the limit below the bid; what was bought at it would be for sale again.
    dear = max(limit, bid)
    below = max(0.0, view.wanted(target, dear) - held)
    return _Change(holding, whole_shares(below), limit, below * dear, forced)


def _within(view: _View, change: _Change) -> _Change | Denied | None:
    tolerance_usd = view.usd(view.rules.tolerance_fraction)
    target = view.targets.get(change.holding.symbol)
    is_exact = target is not None and target.is_exact
    if change.forced or (change.shares and (is_exact or change.drift_usd > tolerance_usd + HALF_CENT_USD)):
        return change
    if not change.shares or change.drift_usd + HALF_CENT_USD < change.price:
        return None
    text = f"{change.drift_usd:,.0f} dollars off its target, within the band of {tolerance_usd:,.0f}"
    detail = {"drift_usd": change.drift_usd, "tolerance_usd": tolerance_usd}
    return Denied(change.holding.symbol, Reason.WITHIN_BAND, text, detail)


def _by_drift(changes: Iterable[_Change]) -> list[_Change]:
    return sorted(changes, key=lambda change: -change.drift_usd)


# ---- less ----------------------------------------------------------------------------------------------------------------


def _reductions(view: _View, changes: Sequence[_Change], purse: Purse) -> Iterator[Intent | Denied]:
    cuts: dict[str, int] = {}
    for change in _by_drift(change for change in changes if change.shares < 0 or change.forced):
        cut = _cut(change, purse, view.rules)
        if isinstance(cut, Denied):
            yield cut
        else:
            cuts[change.holding.symbol] = cut
    yield from _cut_inverse(view, cuts)
    intents = (_reduce(view, symbol, shares) for symbol, shares in cuts.items())
    yield from sorted(intents, key=lambda intent: -intent.quantity * intent.price)


def _cut(change: _Change, purse: Purse, rules: RebalanceRules) -> int | Denied:
    """Shares to sell: those above the cap, and of those above the target what the turnover leaves."""
    wanted = max(0, -change.shares - change.forced)
    cut = affordable(wanted, change.price, purse.turnover_usd)
    if not change.forced and (not cut or cut * change.price < rules.min_notional_usd):
        is_small = wanted * change.price < rules.min_notional_usd
        return _too_little(change, Reason.MIN_NOTIONAL if is_small else Reason.TURNOVER)
    purse.turnover_usd -= cut * change.price
    return change.forced + cut


def _cut_inverse(view: _View, cuts: dict[str, int]) -> Iterator[Denied]:
    """Add to `cuts` what brings the inverse funds together to their cap, the largest first, when they are above cap and band."""
    rules, worth = view.rules, _inverse_usd(view, cuts)
    excess_usd = sum(worth.values()) - view.usd(rules.max_inverse_fraction)
    band_usd = view.usd(rules.trim_band_fraction) + HALF_CENT_USD
    if not view.equity_usd > 0 or excess_usd <= band_usd:
        return
    largest = sorted(worth, key=lambda symbol: -worth[symbol])
    for symbol in largest:
        holding, bid = view.held[symbol], view.bid(symbol)
        if bid is None or holding.motion is not None:
            continue
        left = holding.shares - cuts.get(symbol, 0)
        more = max(0, min(math.ceil(excess_usd / bid - DUST), left - 1))
        if more:
            cuts[symbol] = cuts.get(symbol, 0) + more
        excess_usd -= more * bid
    if excess_usd > band_usd:
        text = f"the inverse funds stay {excess_usd:,.0f} dollars above their cap: what is left of them cannot be reduced now"
        yield Denied(largest[0], Reason.MAX_INVERSE, text, {"excess_usd": excess_usd})


def _inverse_usd(view: _View, cuts: Mapping[str, int]) -> dict[str, float]:
    """What stays of each inverse fund after `cuts`, in dollars."""
    return {
        symbol: (holding.staying - cuts.get(symbol, 0)) * (view.bid(symbol) or 0.0)
        for symbol, holding in view.held.items()
        if symbol in view.rules.inverse_symbols and not view.is_leaving(symbol)
    }


def _reduce(view: _View, symbol: str, shares: int) -> Intent:
    target, bid = view.targets.get(symbol), view.bid(symbol)
    assert bid is not None  # assessed before
    reason = "above its cap" if target is None else target.reason
    return view.intent(IntentKind.REDUCE, symbol, shares, bid, _rule_of(target), reason)


# ---- more ----------------------------------------------------------------------------------------------------------------

_TOO_LITTLE = {
    Reason.MIN_NOTIONAL: "too small to be worth its costs",
    Reason.TURNOVER: "more than the turnover of one iteration leaves",
    Reason.CASH: "more than the free cash pays for",
    Reason.MAX_INVERSE: "more than the cap of the inverse funds leaves",
}


def _too_little(change: _Change, reason: Reason) -> Denied:
    shares = abs(change.shares)
    text = f"{shares} shares, {shares * change.price:,.0f} dollars, {_TOO_LITTLE[reason]}"
    return Denied(change.holding.symbol, reason, text, {"notional_usd": shares * change.price})


def _openings(view: _View, purse: Purse) -> Iterator[Intent | Denied]:
    opening = (target for target in view.targets.values() if not is_flat(target) and target.symbol not in view.held)
    return (_opening(view, target, purse) for target in opening)


def _opening(view: _View, target: Target, purse: Purse) -> Intent | Denied:
    limit, amount = entry_limit(view.market, target.symbol), target.amount
    if limit is None:
        return view.unpriced(target.symbol)
    shares = amount.count if isinstance(amount, Shares) else max(0, whole_shares(view.usd(amount.fraction) / limit))
    bought = _buying(view, IntentKind.OPEN, target, shares, limit)
    cost_usd, is_inverse = shares * limit, target.symbol in view.rules.inverse_symbols
    if isinstance(bought, Denied):
        return bought
    if is_inverse and not covers(purse.inverse_usd, cost_usd):
        text = f"{shares} shares, {cost_usd:,.0f} dollars, {_TOO_LITTLE[Reason.MAX_INVERSE]}"
        return Denied(target.symbol, Reason.MAX_INVERSE, text, {"notional_usd": cost_usd})
    if covers(purse.cash_usd, cost_usd):
        purse.take(cost_usd, is_inverse)
    elif view.rules.cash_buffer_fraction > 0:
        free_usd = max(purse.cash_usd, 0.0)
        text = f"{shares} shares cost {cost_usd:,.0f} dollars, {free_usd:,.0f} are free beside the cash buffer"
        return Denied(target.symbol, Reason.CASH, text, {"notional_usd": cost_usd, "free_usd": free_usd})
    return bought


def _buying(view: _View, kind: IntentKind, target: Target, shares: int, limit: float) -> Intent | Denied:
    rule = resolve(target.exit_rule, limit, view.market.bars.get(target.symbol))
    if isinstance(rule, str):
        return Denied(target.symbol, Reason.BAD_TARGET, rule)
    return view.intent(kind, target.symbol, shares, limit, rule, target.reason)


def _additions(view: _View, changes: Sequence[_Change], purse: Purse) -> Iterator[Intent | Denied]:
    return (_addition(view, change, purse) for change in _by_drift(change for change in changes if change.shares > 0))


def _addition(view: _View, change: _Change, purse: Purse) -> Intent | Denied:
    """What turnover, cash and the inverse funds' cap leave of an addition."""
    target, shares, reason = view.targets[change.holding.symbol], change.shares, Reason.MIN_NOTIONAL
    is_inverse = target.symbol in view.rules.inverse_symbols
    room_usd = {Reason.TURNOVER: purse.turnover_usd, Reason.CASH: purse.cash_usd}
    room_usd |= {Reason.MAX_INVERSE: purse.inverse_usd} if is_inverse else {}
    if shares * change.price >= view.rules.min_notional_usd:
        shares, reason = min((affordable(shares, change.price, usd), each) for each, usd in room_usd.items())
    if not shares or shares * change.price < view.rules.min_notional_usd:
        return _too_little(change, reason)
    bought = _buying(view, IntentKind.ADD, target, shares, change.price)
    if isinstance(bought, Intent):
        purse.take(shares * change.price, is_inverse)
        purse.turnover_usd -= shares * change.price
    return bought
