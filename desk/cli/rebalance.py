"""`desk rebalance`: every position beside its cap and its target, what the desk would do about it now, and by which orders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from desk.cli.journal import RunOption
from desk.cli.look_options import (
    JsonOption,
    Line,
    as_seen,
    folder_of,
    heading,
    looking,
    not_the_desks,
    section,
    sentences,
    settings_of,
    show,
    table,
)
from desk.cli.tables import print_json
from desk.cli.ways import Way, ways_of
from desk.core.lots import DISCLAIMER, LotReport, sale_report
from desk.core.rebalance import RebalanceRules
from desk.core.review import SHRINKING
from desk.domain.decisions import Approved, Denied, Intent, Shares, Target
from desk.domain.errors import UsageError
from desk.domain.market import Market
from desk.domain.trades import Account, Book
from desk.report.wording import dollars, percent, price
from desk.runtime.build import rules_of
from desk.runtime.decided import Decided, Plan
from desk.runtime.look import Look
from hedging.plan import hedge
from hedging.rules import symbols

NOT_IN_IT = (
    "The strategy's own new signals are not part of this: what it would buy or leave by itself shows in an iteration alone "
    "(`live_trader.py --dry-run` shows one)."
)


def rebalance(run: RunOption = None, as_json: JsonOption = False) -> None:
    """Show what the desk would change about each position now, by which orders, and why. Nothing is sent."""
    folder = folder_of(run, "desk rebalance")
    with looking(folder, settings_of(folder)) as look:
        seen = see(look)
        if as_json:
            print_json(as_object(seen, look))
        else:
            show([*sentences(heading(look)), *printed(seen)])


# ---- what there is to tell -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """Where one symbol stands: fractions of the equity, dollars, and None for what is not known or not there.

    `cap_fraction` of an inverse fund bounds all of them together. `drift_fraction` is how far the position is above its target
    (below zero: under it), or above its cap when there is no target; None when it may stay where it is.
    """

    symbol: str
    shares: int
    price: float | None
    weight: float | None
    cap_fraction: float
    is_inverse: bool
    target_shares: int | None
    drift_fraction: float | None
    intents: tuple[Intent, ...]
    refusals: tuple[Denied, ...]
    left_alone: tuple[Denied, ...]
    ways: tuple[Way, ...]
    lots: LotReport | str | None

    @property
    def sold(self) -> int:
        return sum(way.sold for way in self.ways)


@dataclass(frozen=True)
class Seen:
    """All places, and what the account comes to when everything fills at the prices seen, in dollars."""

    places: tuple[Place, ...]
    equity_usd: float
    cash_usd: float
    sales_usd: float
    purchases_usd: float
    not_ours: Mapping[str, int]
    hedge_off: str | None

    @property
    def cash_after_usd(self) -> float:
        return self.cash_usd + self.sales_usd - self.purchases_usd

    @property
    def turnover_fraction(self) -> float | None:
        return (self.sales_usd + self.purchases_usd) / self.equity_usd if self.equity_usd > 0 else None


def see(look: Look) -> Seen:
    """Have the desk decide on the account as it is, on its copy of the journal, with the hedge's targets alone."""
    rules, book = look.rules, look.desk.book
    look.desk.cover_bare_shares()  # as a start does before anything else
    market = look.market((*symbols(rules), *book.shares(), *(trade.symbol for trade in book.open.values())))
    off = look.why_no_hedge
    switched = replace(rules, is_on=look.settings.behaviour.hedging)
    # Switched off, the hedge that is held is sold; a strategy without one leaves such a fund alone.
    targets = () if off is not None and switched.is_on else hedge(market, book, look.account.equity_usd, switched).targets
    plan = look.desk.plan(market, look.account, targets)
    decided = look.desk.decide(market, look.account, targets)
    weighing = _Weighing(book, market, look.account, rules_of(look.settings.behaviour), targets, plan, decided, look)
    places = tuple(weighing.place(symbol) for symbol in _symbols(book, plan, decided))
    bought = [intent for place in places for intent in place.intents if intent.kind not in SHRINKING]
    return Seen(
        places,
        look.account.equity_usd,
        look.account.cash_usd,
        sum(way.sold * (place.price or 0.0) for place in places if place.intents for way in place.ways),
        sum(intent.quantity * intent.price for intent in bought),
        not_the_desks(look),
        off,
    )


def _symbols(book: Book, plan: Plan, decided: Decided) -> list[str]:
    held = sorted({trade.symbol for trade in book.open.values()})
    wanted = [verdict.intent.symbol for verdict in plan.verdicts if isinstance(verdict, Approved)]
    return list(dict.fromkeys((*held, *wanted, *(denied.symbol for denied in decided.denied))))


@dataclass(frozen=True)
class _Weighing:
    """What every place is made from."""

    book: Book
    market: Market
    account: Account
    rules: RebalanceRules
    targets: Sequence[Target]
    plan: Plan
    decided: Decided
    look: Look

    def place(self, symbol: str) -> Place:
        refused = tuple(each for each in self.decided.denied if each.symbol == symbol)
        ways = ways_of(symbol, self.book, self.look.notebook.steps)
        shares, bid = self.book.shares_of(symbol), self.market.bid(symbol)
        weight = None if bid is None or not self.account.equity_usd > 0 else shares * bid / self.account.equity_usd
        is_inverse = symbol in self.rules.inverse_symbols
        return Place(
            symbol=symbol,
            shares=shares,
            price=bid,
            weight=weight,
            cap_fraction=self.rules.max_inverse_fraction if is_inverse else self.rules.max_position_fraction,
            is_inverse=is_inverse,
            target_shares=(target := self._target_shares(symbol)),
            drift_fraction=self._drift(symbol, weight, target),
            intents=() if refused else self._intents(symbol),
            refusals=refused,
            left_alone=tuple(each for each in self.decided.left_alone if each.symbol == symbol),
            ways=ways,
            lots=self._lots(symbol, sum(way.sold for way in ways), bid),
        )

    def _intents(self, symbol: str) -> tuple[Intent, ...]:
        approved = (verdict.intent for verdict in self.plan.verdicts if isinstance(verdict, Approved))
        return tuple(intent for intent in approved if intent.symbol == symbol)

    def _target_shares(self, symbol: str) -> int | None:
        amounts = (target.amount for target in self.targets if target.symbol == symbol)
        return next((amount.count for amount in amounts if isinstance(amount, Shares)), None)

    def _drift(self, symbol: str, weight: float | None, target: int | None) -> float | None:
        if weight is None:
            return None
        if target is not None:
            return weight - target * (self.market.bid(symbol) or 0.0) / self.account.equity_usd
        above = weight - self.rules.max_position_fraction
        return above if above > 0 and symbol not in self.rules.inverse_symbols else None

    def _lots(self, symbol: str, sold: int, bid: float | None) -> LotReport | str | None:
        """What the sale realises, or why that cannot be told."""
        if not sold or bid is None:
            return None
        try:
            return sale_report(self.book, symbol, sold, Decimal(repr(bid)), self.look.trade_date)
        except UsageError as error:
            return f"what the sale of {sold} {symbol} realises cannot be told: {error}"


# ---- for people --------------------------------------------------------------------------------------------------------------

COLUMNS = ("symbol", "shares", "price", "value", "weight", "cap", "target", "drift", "now")
LEFT = ("symbol", "now")


def printed(seen: Seen) -> Iterator[RenderableType]:
    yield from section("Positions")
    if not seen.places:
        yield Text("The desk holds nothing: there is nothing to rebalance.")
    yield from table(COLUMNS, [Line(_cells(place), tuple(_told(place)), _style(place)) for place in seen.places], LEFT)
    yield from section("The account")
    yield from sentences(account_words(seen))
    reports = [place.lots for place in seen.places if place.lots is not None]
    if reports:
        yield from section("What the sales realise (an estimate, no tax advice)")
        yield from sentences(line for report in reports for line in _lot_lines(report))
        yield Text(DISCLAIMER)


def _cells(place: Place) -> tuple[str, ...]:
    return (
        place.symbol,
        f"{place.shares:,}",
        "unknown" if place.price is None else price(place.price),
        "" if place.price is None else dollars(place.shares * place.price),
        "" if place.weight is None else percent(place.weight),
        percent(place.cap_fraction) + (" all" if place.is_inverse else ""),
        "" if place.target_shares is None else f"{place.target_shares:,}",
        "" if place.drift_fraction is None else percent(place.drift_fraction, signed=True),
        deed(place),
    )


def deed(place: Place) -> str:
    """What would be done, in two words."""
    if place.refusals:
        return "refused"
    if not place.intents:
        return "orders only" if place.ways else "nothing"
    total = sum(intent.quantity for intent in place.intents)
    return f"{place.intents[0].kind.value} {total:,}"


def _style(place: Place) -> str:
    return "yellow" if place.refusals else "" if not place.intents else "bold"


def _told(place: Place) -> Iterator[str]:
    yield from (f"{intent.kind.value} {intent.quantity:,}: {intent.reason}." for intent in place.intents)
    yield from (f"refused by review ({each.reason.value}): {each.text}." for each in place.refusals)
    yield from (f"nothing ({each.reason.value}): {each.text}." for each in place.left_alone)
    yield from (way.words for way in place.ways)
    if not (place.intents or place.refusals or place.left_alone or place.ways):
        yield "nothing: " + _why_nothing(place)


def _why_nothing(place: Place) -> str:
    if place.target_shares is not None:
        return "it is at its target."
    if place.drift_fraction is not None:
        return "it is above its cap, and within the band around it."
    return "it is within its cap, and nothing asks for another size."


def account_words(seen: Seen) -> list[str]:
    """Turnover, cash, what is not part of it."""
    bare = sum(way.bare for place in seen.places for way in place.ways)
    turnover = "" if seen.turnover_fraction is None else f", a turnover of {percent(seen.turnover_fraction)} of the equity"
    lines = [
        f"Sales {dollars(seen.sales_usd)}, purchases {dollars(seen.purchases_usd)}{turnover}. Cash now {dollars(seen.cash_usd)}, "
        f"{dollars(seen.cash_after_usd)} after them, if all fills at these prices.",
    ]
    if bare:
        lines.append(
            f"For a moment {bare:,} shares would stand without a stop, while their exits are replaced; all others keep theirs."
        )
    if seen.not_ours:
        listed = ", ".join(f"{shares:,} {symbol}" for symbol, shares in seen.not_ours.items())
        lines.append(f"Not the desk's, so left as they are: {listed}.")
    if seen.hedge_off is not None:
        lines.append(f"No hedge is part of this: {seen.hedge_off}.")
    return [*lines, NOT_IN_IT]


def _lot_lines(report: LotReport | str) -> Sequence[str]:
    return (report,) if isinstance(report, str) else report.sentences()[:-1]


# ---- for programs ------------------------------------------------------------------------------------------------------------


def as_object(seen: Seen, look: Look) -> dict[str, Any]:
    """The same as JSON: fractions of the equity, money in dollars, null for what is not known."""
    return as_seen(look) | {
        "positions": [_place_object(place) for place in seen.places],
        "sales_usd": round(seen.sales_usd, 2),
        "purchases_usd": round(seen.purchases_usd, 2),
        "turnover_fraction": seen.turnover_fraction,
        "cash_after_usd": round(seen.cash_after_usd, 2),
        "not_the_desks": dict(seen.not_ours),
        "why_no_hedge": seen.hedge_off,
        "not_in_it": NOT_IN_IT,
    }


def _place_object(place: Place) -> dict[str, Any]:
    return {
        "symbol": place.symbol,
        "shares": place.shares,
        "price": place.price,
        "weight": place.weight,
        "cap_fraction": place.cap_fraction,
        "is_cap_of_all_inverse_funds": place.is_inverse,
        "target_shares": place.target_shares,
        "drift_fraction": place.drift_fraction,
        "deed": deed(place),
        "intents": [
            {"kind": each.kind, "shares": each.quantity, "price": each.price, "why": each.reason} for each in place.intents
        ],
        "refusals": [_denied_object(each) for each in place.refusals],
        "left_alone": [_denied_object(each) for each in place.left_alone],
        "ways": [asdict(way) for way in place.ways],
        "lots": _lots_object(place.lots),
    }


def _denied_object(denied: Denied) -> dict[str, Any]:
    return {"reason": denied.reason.value, "why": denied.text}


def _lots_object(report: LotReport | str | None) -> dict[str, Any] | None:
    if report is None:
        return None
    if isinstance(report, str):
        return {"problem": report}
    return {
        "gain_usd": float(report.gain_usd),
        "disallowed_usd": float(report.disallowed_usd),
        "sentences": list(report.sentences()),
    }
