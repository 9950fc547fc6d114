"""Risk review: each intent is approved or denied with a reason; each approval counts against the next."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date

from desk.domain.decisions import Approved, Denied, Intent, IntentKind, Mode, Reason
from desk.domain.trades import Account, Book

# Dust of float arithmetic must not refuse a position that is exactly as large as it may be.
HALF_CENT_USD = 0.005
SHRINKING = frozenset({IntentKind.REDUCE, IntentKind.CLOSE})


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one account. `min_confidence` is None when the gate only reports; inverse funds have a bound of their own, for
    all together."""

    max_position_fraction: float
    min_confidence: float | None = None
    inverse_symbols: frozenset[str] = frozenset()
    max_inverse_fraction: float = 0.20


@dataclass(frozen=True, slots=True)
class Situation:
    """What review knows beside the intents; `promised` grows with every approval of the same iteration: dollars by symbol."""

    book: Book
    account: Account
    limits: Limits
    mode: Mode
    session: date
    promised: tuple[tuple[str, float], ...] = ()

    def promised_usd_of(self, symbols: Collection[str]) -> float:
        return sum(usd for symbol, usd in self.promised if symbol in symbols)

    @property
    def committed_usd(self) -> float:
        return sum(usd for _, usd in self.promised)


MODE_WORDS = {
    Mode.REDUCING: "the desk opens nothing for now: the broker's updates do not come",
    Mode.HALTED: "the desk is halted: it opens nothing until a person says so",
}
Rule = Callable[[Intent, Situation], Denied | None]


def review(intents: Sequence[Intent], situation: Situation) -> list[Approved | Denied]:
    """One verdict for each intent, in the same order."""
    verdicts: list[Approved | Denied] = []
    for intent in intents:
        denied = _first_denial(intent, situation)
        verdicts.append(denied if denied is not None else Approved(intent))
        if denied is None and intent.kind not in SHRINKING:
            spent = (intent.symbol, intent.quantity * intent.price)
            situation = replace(situation, promised=(*situation.promised, spent))
    return verdicts


def _first_denial(intent: Intent, situation: Situation) -> Denied | None:
    if intent.kind in SHRINKING:
        return None
    return next((denied for rule in RULES if (denied := rule(intent, situation)) is not None), None)


def _mode(intent: Intent, situation: Situation) -> Denied | None:
    if situation.mode is Mode.ACTIVE:
        return None
    reason = Reason.HALTED if situation.mode is Mode.HALTED else Reason.REDUCING
    return Denied(intent.symbol, reason, MODE_WORDS[situation.mode])


def _foreign(intent: Intent, situation: Situation) -> Denied | None:
    held = situation.account.shares.get(intent.symbol, 0)
    if held == situation.book.shares_of(intent.symbol):
        return None
    # Alpaca takes a bracket only from flat, and the desk does not manage what it did not buy.
    return Denied(intent.symbol, Reason.FOREIGN_POSITION, f"the account holds {held} shares that the desk did not buy")


def _exited_today(intent: Intent, situation: Situation) -> Denied | None:
    # Buying back on the day of an exit undoes the stop; in a daily backtest it would also use a fill from later that day.
    if situation.book.last_exit.get(intent.symbol) != situation.session:
        return None
    return Denied(intent.symbol, Reason.EXITED_TODAY, "left this position today; no re-entry before the next session")


def _confidence(intent: Intent, situation: Situation) -> Denied | None:
    least = situation.limits.min_confidence
    if least is None or intent.confidence is None or intent.confidence >= least:
        return None
    detail = {"confidence": intent.confidence, "threshold": least}
    return Denied(intent.symbol, Reason.LOW_CONFIDENCE, f"confidence {intent.confidence:.2f} is below {least:.2f}", detail)


def _size(intent: Intent, situation: Situation) -> Denied | None:
    if intent.quantity <= 0:
        return Denied(intent.symbol, Reason.ZERO_SHARES, f"the target buys no whole share at {intent.price:.2f}")
    limits = situation.limits
    if intent.symbol in limits.inverse_symbols:
        held_usd, cap, reason = (
            _worth_usd(limits.inverse_symbols, intent, situation),
            limits.max_inverse_fraction,
            Reason.MAX_INVERSE,
        )
    else:
        held_usd, cap, reason = _worth_usd({intent.symbol}, intent, situation), limits.max_position_fraction, Reason.MAX_POSITION
    cap_usd = cap * situation.account.equity_usd
    notional_usd = intent.quantity * intent.price
    if held_usd + notional_usd <= cap_usd + HALF_CENT_USD:
        return None
    more = f" beside {held_usd:,.0f} held" if held_usd else ""
    text = f"{intent.quantity} shares cost {notional_usd:,.0f} dollars{more}, above the cap of {cap_usd:,.0f}"
    return Denied(intent.symbol, reason, text, {"notional_usd": notional_usd, "held_usd": held_usd, "cap_usd": cap_usd})


def _worth_usd(symbols: Collection[str], intent: Intent, situation: Situation) -> float:
    """What the book holds or is buying of `symbols`: at this intent's price where that is known, else at what was paid."""
    return situation.promised_usd_of(symbols) + sum(
        max(trade.shares, trade.spec.quantity if trade.is_entry_working else 0)
        * (intent.price if trade.symbol == intent.symbol else float(trade.entry_price or trade.spec.limit_price or 0))
        for trade in situation.book.open.values()
        if trade.symbol in symbols
    )


def _cash(intent: Intent, situation: Situation) -> Denied | None:
    free_usd = situation.account.cash_usd - situation.committed_usd - _working_usd(situation.book)
    notional_usd = intent.quantity * intent.price
    if notional_usd <= free_usd + HALF_CENT_USD:
        return None
    text = f"{intent.quantity} shares cost {notional_usd:,.0f} dollars, {max(free_usd, 0):,.0f} are free"
    return Denied(intent.symbol, Reason.CASH, text, {"notional_usd": notional_usd, "free_usd": free_usd})


def _working_usd(book: Book) -> float:
    working = (trade for trade in book.open.values() if trade.is_entry_working)
    return sum((t.spec.quantity - t.entered) * float(t.spec.limit_price or 0) for t in working)


# The cheapest and most final rules first: a halted desk gives that as the reason, not a lack of cash.
RULES: tuple[Rule, ...] = (_mode, _foreign, _exited_today, _confidence, _size, _cash)
