"""What a comparison of backtest and live path found: in lines, as an object, and as a page that needs nothing else."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from desk.data.calendars import NEW_YORK, session_on
from desk.domain.orders import GroupRole
from desk.report.markup import element, table
from desk.report.page import bullets, document, facts
from desk.report.wording import NO_PROMISE, count, percent
from desk.research.parity import Line, Pair, Told, equal_fraction, paired, told
from desk.research.parity_reasons import MEANING, Cause, Difference, Evidence
from desk.research.parity_runs import BothRuns, Setting
from desk.runtime.desk_backtest import costs_of

HEADS = ("What", "Backtest", "Live path", "Class", "Why")
EQUITY_HEADS = ("Session", "Backtest", "Live path", "Difference", "bps")
HOW = (
    "Chance is switched off: the exchange fills no order in part (partial_fill_probability 0).",
    "Fees are zero on both sides, since the exchange charges none.",
    "Both decide when a bar has ended, and not at the opening: only the live path sees the first trade.",
    "The backtest's strategy is shown the exchange's bars, its orders meet the exchange's quotes and trades, each of which holds "
    "until the next; all are asked for over HTTP. No slippage is assumed.",
    "A fill is equal in minute, side, quantity, and in price within a tick of one cent.",
    "A backtest on these bars alone, as `make backtest` runs it, assumes a slippage and guesses what happens inside a bar.",
)
Equity = tuple[tuple[date, float, float], ...]


@dataclass(frozen=True)
class Assumed:
    """The live path beside a backtest that knows bars alone: `equal_fills_fraction` with prices within the assumed slippage.

    `differs` counts what differs in the others: "alone", "time", "quantity", "price".
    """

    equal_fills_fraction: float
    differs: Mapping[str, int]
    largest_equity_difference_bps: float


@dataclass(frozen=True)
class Parity:
    """The findings. `equity` is (session, backtest, live) in dollars at the last common stamp of each session."""

    setting: Setting
    sessions: tuple[date, ...]
    symbols: tuple[str, ...]
    orders: tuple[Pair, ...]
    fills: tuple[Pair, ...]
    order_differences: tuple[Difference, ...]
    fill_differences: tuple[Difference, ...]
    equity: Equity
    assumed: Assumed

    @property
    def unexplained(self) -> int:
        return sum(each.cause is Cause.UNEXPLAINED for each in (*self.order_differences, *self.fill_differences))

    @property
    def equal_fills_fraction(self) -> float:
        return equal_fraction(self.fills)

    @property
    def equal_orders_fraction(self) -> float:
        return equal_fraction(self.orders)

    @property
    def largest_equity_difference_bps(self) -> float:
        return largest_bps(self.equity)

    @property
    def stops_fell_short_bps(self) -> float:
        """By how much stops of the live path fetched less than their price, in the mean; NaN without any. Those that an opening
        had passed already do not count: that is the night's doing."""
        sold = [pair.live for pair in self.fills if pair.live is not None and pair.live.role is GroupRole.STOP_LOSS]
        short = [(line.level / line.price - 1) * 10_000 for line in sold if line.level is not None and not _is_opening(line)]
        return sum(short) / len(short) if short else math.nan


def _is_opening(line: Line) -> bool:
    session = session_on(line.session)
    return session is not None and line.minute == session.opens_at


def compared(setting: Setting, runs: BothRuns) -> Parity:
    """Put the runs side by side and explain what differs between the backtest on ticks and the live path."""
    one, other, assumed = told(runs.backtest), told(runs.live), told(runs.assumed)
    evidence = Evidence(one, other, runs.bars, setting.bar_seconds)
    orders, fills = paired(one.orders, other.orders), paired(one.fills, other.fills)
    return Parity(
        setting,
        runs.sessions,
        runs.symbols,
        orders,
        fills,
        _differences(orders, evidence),
        _differences(fills, evidence),
        _equity(one, other, runs.sessions),
        _assumed(assumed, other, setting, runs.sessions),
    )


def _assumed(assumed: Told, live: Told, setting: Setting, sessions: Sequence[date]) -> Assumed:
    pairs = paired(assumed.fills, live.fills)
    return Assumed(
        equal_fraction(pairs, setting.assumed_bps),
        Counter(name for pair in pairs for name in sorted(pair.differences(setting.assumed_bps))),
        largest_bps(_equity(assumed, live, sessions)),
    )


def _equity(one: Told, other: Told, sessions: Sequence[date]) -> Equity:
    worth, other_worth = one.closing_equity_usd(), other.closing_equity_usd()
    return tuple((day, worth[day], other_worth[day]) for day in sessions if day in worth and day in other_worth)


def largest_bps(equity: Equity) -> float:
    """The largest distance of (session, one, other) in dollars."""
    return max((abs(one / other - 1) * 10_000 for _, one, other in equity), default=0.0)


def _differences(pairs: Sequence[Pair], evidence: Evidence) -> tuple[Difference, ...]:
    return tuple(evidence.explained(pair) for pair in pairs if pair.differences())


# ---- in words ------------------------------------------------------------------------------------------------------------------


def headline(found: Parity) -> Iterator[tuple[str, str]]:
    setting, first, last = found.setting, found.sessions[0], found.sessions[-1]
    yield "Strategy", f"{setting.strategy}, bars of {setting.bar_seconds} seconds"
    yield "Prices", setting.source.label
    yield "Period", f"{first} to {last}, {count(len(found.sessions), 'session')}, seed {setting.seed}"
    behaviour = setting.settings.behaviour
    yield "Fills", _share(found.equal_fills_fraction, found.fills)
    yield "Orders", _share(found.equal_orders_fraction, found.orders)
    yield "Differences", _causes((*found.fill_differences, *found.order_differences))
    yield "Equity", f"at most {found.largest_equity_difference_bps:.1f} bps apart"
    if found.fills:
        yield f"On bars alone, at {behaviour.slippage_bps:g} bps of slippage", _assumption(found.assumed)
    if not math.isnan(found.stops_fell_short_bps):
        stops_bps = costs_of(behaviour).stops_bps
        fetched = f"fetched {found.stops_fell_short_bps:.1f} bps less than their price on the live path, in the mean"
        yield "Stops", f"{fetched}; backtests assume {stops_bps:g}"


def _assumption(assumed: Assumed) -> str:
    others = ", ".join(
        f"{number} in {name}" if name != "alone" else f"{number} alone" for name, number in assumed.differs.items()
    )
    differ = f" (of the others differ {others})" if others else ""
    equity = f"equity at most {assumed.largest_equity_difference_bps:.1f} bps apart"
    return f"{percent(assumed.equal_fills_fraction)} of fills equal within it and half of the spread{differ}, {equity}"


def _share(fraction: float, pairs: Sequence[Pair]) -> str:
    return f"{percent(fraction)} of {len(pairs)} equal" if pairs else "none on either side: nothing was compared"


def _causes(differences: Sequence[Difference]) -> str:
    counted = Counter(each.cause for each in differences)
    return ", ".join(f"{counted[cause]} {cause}" for cause in Cause if counted[cause]) or "none"


def rows(found: Parity) -> list[tuple[str, ...]]:
    """One row a difference, the cells in the order of `HEADS`; orders after fills."""
    kinds = (("fill", found.fill_differences), ("order", found.order_differences))
    return [_row(kind, each) for kind, differences in kinds for each in differences]


def _row(kind: str, difference: Difference) -> tuple[str, ...]:
    pair = difference.pair
    line = pair.any_line
    return f"{kind} {line.side} {line.symbol}", _cell(pair.backtest), _cell(pair.live), difference.cause.value, difference.text


def _cell(line: Line | None) -> str:
    return "none" if line is None else f"{line.at.astimezone(NEW_YORK):%Y-%m-%d %H:%M} {line.quantity} at {line.price:.2f}"


def equity_rows(found: Parity) -> list[tuple[str, ...]]:
    return [
        (str(day), f"{one:,.2f}", f"{other:,.2f}", f"{one - other:+,.2f}", f"{(one / other - 1) * 10_000:+.1f}")
        for day, one, other in found.equity
    ]


def notes(found: Parity) -> tuple[str, ...]:
    met = {each.cause for each in (*found.fill_differences, *found.order_differences)}
    return (*HOW, *(f"{cause}: {MEANING[cause]}." for cause in Cause if cause in met))


def as_object(found: Parity) -> dict[str, object]:
    """The same for programs: fractions of one, dollars, times ISO 8601."""
    return {
        "strategy": found.setting.strategy,
        "first_session": found.sessions[0],
        "last_session": found.sessions[-1],
        "sessions": len(found.sessions),
        "symbols": found.symbols,
        "seed": found.setting.seed,
        "fills": len(found.fills),
        "equal_fills_fraction": found.equal_fills_fraction,
        "orders": len(found.orders),
        "equal_orders_fraction": found.equal_orders_fraction,
        "unexplained": found.unexplained,
        "largest_equity_difference_bps": found.largest_equity_difference_bps,
        "on_bars_alone": {
            "slippage_bps": found.setting.settings.behaviour.slippage_bps,
            "tolerance_bps": found.setting.assumed_bps,
            "equal_fills_fraction": found.assumed.equal_fills_fraction,
            "differs": dict(found.assumed.differs),
            "largest_equity_difference_bps": found.assumed.largest_equity_difference_bps,
        },
        "stops_fell_short_bps": None if math.isnan(found.stops_fell_short_bps) else found.stops_fell_short_bps,
        "differences": [dict(zip(("what", "backtest", "live", "class", "why"), row, strict=True)) for row in rows(found)],
        "equity": [{"session": day, "backtest_usd": one, "live_usd": other} for day, one, other in found.equity],
        "notes": [*notes(found), NO_PROMISE],
    }


def parity_page(found: Parity) -> str:
    """The page as text: the same findings give the same page."""
    title = f"{found.setting.strategy}: backtest beside the live path"
    return document(
        title,
        (
            element("h1", title),
            facts(dict(headline(found))),
            element("h2", "Differences"),
            table(HEADS, [tuple(element("span", cell, class_="w") for cell in row) for row in rows(found)]),
            element("h2", "Equity at the last look of each session, in dollars"),
            table(EQUITY_HEADS, equity_rows(found), frozenset(range(1, len(EQUITY_HEADS)))),
            bullets("To know when reading this", notes(found)),
        ),
    )
