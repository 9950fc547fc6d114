"""`desk options positions`: the spreads of a run, what they stand at, what would end each next, and what all of them move by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from desk.brokers.alpaca_options import asked_rightly, option_feed
from desk.cli.journal import RunOption
from desk.cli.look_options import (
    JsonOption,
    Line,
    as_seen,
    heading,
    looking,
    section,
    sentences,
    settings_of,
    show,
    spread_folder_of,
    table,
)
from desk.cli.tables import print_json
from desk.domain.options import CONTRACT_SHARES, OptionQuote
from desk.domain.records import SpreadTrip
from desk.domain.spreads import Spread
from desk.report.spread_words import per_share
from desk.report.spreads import endings_words, figures_words, spread_figures, spreads_line
from desk.report.wording import dollars, percent
from desk.runtime.clock import VirtualClock
from desk.runtime.look import Look, answered
from desk.runtime.record import spread_trips
from desk.runtime.spread_build import policy_of
from desk.runtime.spread_keeper import look_at
from options import occ
from options.accounting import BookGreeks, HeldOption, book_greeks, maintenance_usd
from options.exits import next_rule

AllOption = Annotated[bool, typer.Option("--all", help="Closed spreads too, and their figures.")]


def positions(
    symbol: Annotated[str | None, typer.Argument(help="This underlying alone.")] = None,
    run: RunOption = None,
    all_: AllOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show a run's option spreads: state, credit, debit now, gain, and the rule that would end each next. Sends nothing."""
    folder = spread_folder_of(run, "desk options positions")
    with looking(folder, settings_of(folder)) as look:
        told = told_of(look, None if symbol is None else symbol.upper(), all_)
        lines, seen = heading(look), as_seen(look)
    if as_json:
        print_json(seen | as_object(told))
    else:
        show([*sentences(lines), *printed(told, None if symbol is None else symbol.upper())])


# ---- what there is to tell -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Held:
    """One open spread. Prices in dollars a share, None for what nobody quotes; `next_rule` in words."""

    spread: Spread
    days: int
    debit_mid: Decimal | None
    debit_natural: Decimal | None
    to_strike_fraction: float | None
    next_rule: str | None

    @property
    def contracts(self) -> int:
        return max(self.spread.short, self.spread.long)

    @property
    def pnl_usd(self) -> Decimal | None:
        """Gain at the middle's price so far, before fees: all cash, less what closing the rest takes."""
        if self.debit_mid is None:
            return None
        return self.spread.cash_usd - self.debit_mid * CONTRACT_SHARES * min(self.spread.short, self.spread.long)

    @property
    def buying_power_usd(self) -> Decimal:
        short, long = (occ.parse(symbol).strike for symbol in (self.spread.plan.short, self.spread.plan.long))
        return maintenance_usd(short - long, max(0, min(self.spread.short, self.spread.long)))


@dataclass(frozen=True, slots=True)
class Told:
    """Everything that is told. `trips` are all spreads that were ever sold, open ones among them, None without `--all`."""

    as_of: datetime
    held: tuple[Held, ...]
    greeks: BookGreeks | None
    trips: tuple[SpreadTrip, ...] | None

    @property
    def buying_power_usd(self) -> Decimal:
        return sum((held.buying_power_usd for held in self.held), Decimal(0))


def told_of(look: Look, symbol: str | None, is_all: bool) -> Told:
    """What a look finds; while the market is closed the rules are read as they were at its close."""
    spreads = [each for each in look.desk.spreads.open.values() if symbol in (None, each.plan.underlying)]
    at = look.clock.now() if look.close is None else look.close
    quotes, spots = _quotes(look, spreads, at)
    policy = policy_of(look.settings.behaviour.spreads)
    held = []
    for spread in spreads:
        spot = spots.get(spread.plan.underlying)
        seen = look_at(spread, at, True, quotes, spot, policy)
        rule = next_rule(seen, spread.plan.rules)
        away = None if spot is None else 1.0 - float(seen.short_strike) / spot
        words = None if rule is None else f"{rule[0]}: {rule[1]}"
        held.append(Held(spread, seen.days, seen.debit_mid, seen.debit_natural, away, words))
    trips = tuple(trip for trip in spread_trips(look.desk.spreads) if symbol in (None, trip.underlying))
    greeks = _greeks(spreads, quotes, spots, at, policy.choice.rate)
    return Told(at, tuple(held), greeks, trips if is_all else None)


def _quotes(look: Look, spreads: Sequence[Spread], at: datetime) -> tuple[Mapping[str, OptionQuote], Mapping[str, float]]:
    if not spreads:
        return {}, {}
    feed = option_feed(look.endpoint, VirtualClock(at))
    symbols = sorted({symbol for spread in spreads for symbol in (spread.plan.short, spread.plan.long)})
    with answered(), asked_rightly():
        return feed.quotes(symbols), feed.spots(sorted({spread.plan.underlying for spread in spreads}))


def _greeks(
    spreads: Sequence[Spread], quotes: Mapping[str, OptionQuote], spots: Mapping[str, float], at: datetime, rate: float
) -> BookGreeks | None:
    held = [
        HeldOption(
            symbol, signed, spots[spread.plan.underlying], quote.implied_volatility if (quote := quotes.get(symbol)) else None
        )
        for spread in spreads
        for symbol, signed in ((spread.plan.short, -spread.short), (spread.plan.long, spread.long))
        if signed and spread.plan.underlying in spots
    ]
    return book_greeks(held, at, rate) if held else None


# ---- for people ----------------------------------------------------------------------------------------------------------------

COLUMNS = ("symbol", "puts", "expires", "days", "state", "n", "credit", "debit", "at once", "P&L", "to strike")
CLOSED_COLUMNS = ("symbol", "puts", "expires", "n", "opened", "closed", "credit", "debit", "fees", "P&L")
LEFT = ("symbol", "puts", "expires", "state", "opened", "closed")


def printed(told: Told, symbol: str | None = None) -> Iterator[RenderableType]:
    """`symbol` is the one that was asked for: a name that was mistyped must not look like a run without spreads."""
    yield from section("Open spreads")
    if not told.held:
        yield Text("None." if symbol is None else f"None on {symbol}; without a symbol all spreads of the run are shown.")
    yield from table(COLUMNS, [_line(held) for held in told.held], LEFT)
    if told.held:
        yield Text("")
        yield Text(f"Option buying power that they take: {dollars(float(told.buying_power_usd))}, their widths.")
    if told.greeks is not None:
        yield Text(greeks_words(told.greeks))
    if told.trips is not None:
        yield from _closed(told.trips)


def _line(held: Held) -> Line:
    spread = held.spread
    cells = (
        spread.plan.underlying,
        _puts(spread.plan.short, spread.plan.long),
        f"{occ.parse(spread.plan.short).expiration}",
        f"{held.days}",
        spread.phase.value,
        f"{held.contracts}",
        _price(spread.credit),
        _price(held.debit_mid) or "unknown",
        _price(held.debit_natural),
        "" if held.pnl_usd is None else dollars(float(held.pnl_usd), signed=True),
        "" if held.to_strike_fraction is None else percent(held.to_strike_fraction, signed=held.to_strike_fraction < 0),
    )
    says = [f"next: {held.next_rule}" if held.next_rule else "next: no rule can say anything", f"key {spread.key}"]
    if spread.naked:
        says.insert(0, f"{spread.naked} sold puts are without their bought ones")
    if spread.refused:
        says.append(f"the broker refused: {spread.refused}")
    is_late = held.to_strike_fraction is not None and held.to_strike_fraction < 0
    return Line(cells, tuple(says), "bold red" if spread.naked else "yellow" if is_late else "")


def greeks_words(greeks: BookGreeks) -> str:
    """What the whole book moves by."""
    unknown = "" if not greeks.unknown else f"; without {', '.join(greeks.unknown)}, whose volatility nobody tells"
    return (
        f"The book moves like {greeks.delta:+,.1f} shares ({dollars(greeks.delta_usd, signed=True)} of stock), gamma "
        f"{greeks.gamma:+,.2f}, theta {dollars(greeks.theta, signed=True)} a day, vega {dollars(greeks.vega, signed=True)} and "
        f"rho {dollars(greeks.rho, signed=True)} a point, by a European model{unknown}."
    )


def _closed(trips: Sequence[SpreadTrip]) -> Iterator[RenderableType]:
    closed = [trip for trip in trips if not trip.is_open]
    yield from section("Closed spreads")
    if not closed:
        yield Text("None.")
        return
    yield from table(CLOSED_COLUMNS, [_closed_line(trip) for trip in closed], LEFT)
    yield Text("")
    ended = endings_words(trips)
    for words in (spreads_line(trips), figures_words(spread_figures(trips)), ended and f"Ended by: {ended}"):
        if words:
            yield Text(f"{words}.")
    yield Text("So few spreads in one market say nothing about those to come.", style="italic")


def _closed_line(trip: SpreadTrip) -> Line:
    cells = (
        trip.underlying,
        f"{trip.short_strike:g}/{trip.long_strike:g}",
        f"{trip.expiration}",
        f"{trip.contracts}",
        f"{trip.opened_at:%Y-%m-%d}",
        "" if trip.closed_at is None else f"{trip.closed_at:%Y-%m-%d}",
        dollars(trip.credit_usd),
        dollars(trip.debit_usd or 0.0),
        dollars(trip.fees_usd),
        dollars(trip.pnl_usd or 0.0, signed=True),
    )
    return Line(cells, (trip.exit_reason or "",))


def _puts(short: str, long: str) -> str:
    return f"{float(occ.parse(short).strike):g}/{float(occ.parse(long).strike):g}"


def _price(value: Decimal | None) -> str:
    return "" if value is None else per_share(value)


# ---- for programs --------------------------------------------------------------------------------------------------------------


def as_object(told: Told) -> dict[str, Any]:
    """Prices in dollars a share, money in dollars, distances as fractions of the price, null for what is not known."""
    figures = None if told.trips is None else asdict(spread_figures(told.trips))
    return {
        "rules_as_of": told.as_of.isoformat(),
        "spreads": [_object(held) for held in told.held],
        "buying_power_usd": float(told.buying_power_usd),
        "greeks": None if told.greeks is None else asdict(told.greeks),
        "closed": None if told.trips is None else [asdict(trip) for trip in told.trips if not trip.is_open],
        "figures": figures and {name: float(value) if isinstance(value, Decimal) else value for name, value in figures.items()},
    }


def _object(held: Held) -> dict[str, Any]:
    spread = held.spread
    return {
        "key": spread.key,
        "underlying": spread.plan.underlying,
        "short": spread.plan.short,
        "long": spread.plan.long,
        "expiration": occ.parse(spread.plan.short).expiration.isoformat(),
        "days": held.days,
        "state": spread.phase.value,
        "why": spread.why,
        "contracts": held.contracts,
        "naked": spread.naked,
        "credit": _float(spread.credit),
        "debit_mid": _float(held.debit_mid),
        "debit_natural": _float(held.debit_natural),
        "pnl_usd": _float(held.pnl_usd),
        "to_strike_fraction": held.to_strike_fraction,
        "next_rule": held.next_rule,
        "buying_power_usd": float(held.buying_power_usd),
    }


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
