"""What a comparison of backtest and live path found: in lines, as an object, and as a page that needs nothing else."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from desk.data.calendars import NEW_YORK
from desk.report.markup import element, table
from desk.report.page import bullets, document, facts
from desk.report.wording import NO_PROMISE, count, percent
from desk.research.parity import Line, Pair, equal_fraction, paired, told
from desk.research.parity_reasons import MEANING, Cause, Difference, Evidence
from desk.research.parity_runs import BothRuns, Setting

HEADS = ("What", "Backtest", "Live path", "Class", "Why")
EQUITY_HEADS = ("Session", "Backtest", "Live path", "Difference", "bps")
HOW = (
    "Chance is switched off: the exchange fills no order in part (partial_fill_probability 0).",
    "Fees are zero on both sides, since the exchange charges none.",
    "Both decide when a bar has ended, and not at the opening: only the live path sees the first trade.",
    "The backtest's bars are the exchange's own minutes, asked for over HTTP. Between two minutes the exchange's price steps.",
    "A fill is equal in minute, side, quantity, and in price within the tolerance and a tick of one cent.",
)


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
    equity: tuple[tuple[date, float, float], ...]

    @property
    def unexplained(self) -> int:
        return sum(each.cause is Cause.UNEXPLAINED for each in (*self.order_differences, *self.fill_differences))

    @property
    def equal_fills_fraction(self) -> float:
        return equal_fraction(self.fills, self.setting.tolerance_bps)

    @property
    def equal_but_for_sizes_fraction(self) -> float:
        """The same, with those counted as equal that differ by what the account and the offer made of one size alone."""
        alone = {"quantity"}
        sized = (each for each in self.fill_differences if each.cause is Cause.SIZE)
        spared = sum(each.pair.differences(self.setting.tolerance_bps) == alone for each in sized)
        return self.equal_fills_fraction + (spared / len(self.fills) if self.fills else 0.0)

    @property
    def equal_orders_fraction(self) -> float:
        return equal_fraction(self.orders, self.setting.tolerance_bps)

    @property
    def largest_equity_difference_bps(self) -> float:
        return max((abs(one / other - 1) * 10_000 for _, one, other in self.equity), default=0.0)

    @property
    def stop_shortfall_bps(self) -> float:
        """How much less stops that both met in the same minute fetched on the live path, in the mean; NaN without any."""
        sold = [pair for pair in self.fills if _is_stop(pair)]
        worse = [(pair.backtest.price / pair.live.price - 1) * 10_000 for pair in sold if pair.backtest and pair.live]
        return sum(worse) / len(worse) if worse else math.nan


def _is_stop(pair: Pair) -> bool:
    lines = (pair.backtest, pair.live)
    return all(line is not None and line.role == "stop_loss" for line in lines) and "time" not in pair.differences(0)


def compared(setting: Setting, runs: BothRuns) -> Parity:
    """Put both runs side by side and explain what differs."""
    one, other = told(runs.backtest), told(runs.live)
    evidence = Evidence(one, other, runs.bars, setting.bar_seconds, setting.tolerance_bps)
    orders, fills = paired(one.orders, other.orders), paired(one.fills, other.fills)
    worth, live_worth = one.closing_equity_usd(), other.closing_equity_usd()
    return Parity(
        setting,
        runs.sessions,
        runs.symbols,
        orders,
        fills,
        _differences(orders, evidence),
        _differences(fills, evidence),
        tuple((day, worth[day], live_worth[day]) for day in runs.sessions if day in worth and day in live_worth),
    )


def _differences(pairs: Sequence[Pair], evidence: Evidence) -> tuple[Difference, ...]:
    return tuple(evidence.explained(pair) for pair in pairs if pair.differences(evidence.tolerance_bps))


# ---- in words ------------------------------------------------------------------------------------------------------------------


def headline(found: Parity) -> Iterator[tuple[str, str]]:
    setting, first, last = found.setting, found.sessions[0], found.sessions[-1]
    yield "Strategy", f"{setting.strategy}, bars of {setting.bar_seconds} seconds"
    yield "Prices", setting.source.label
    yield "Period", f"{first} to {last}, {count(len(found.sessions), 'session')}, seed {setting.seed}"
    slippage = setting.settings.behaviour.slippage_bps
    yield "Tolerance", f"slippage {slippage:g} bps and half of the spread of {setting.spread_bps:g} bps, and a tick"
    but_for_sizes = percent(found.equal_but_for_sizes_fraction)
    yield "Fills", _share(found.equal_fills_fraction, found.fills, f", {but_for_sizes} but for sizes")
    yield "Orders", _share(found.equal_orders_fraction, found.orders)
    yield "Differences", _causes((*found.fill_differences, *found.order_differences))
    yield "Equity", f"at most {found.largest_equity_difference_bps:.1f} bps apart"
    if not math.isnan(found.stop_shortfall_bps):
        yield "Stops", f"fetched {found.stop_shortfall_bps:.1f} bps less on the live path than in the backtest, in the mean"


def _share(fraction: float, pairs: Sequence[Pair], more: str = "") -> str:
    return f"{percent(fraction)} of {len(pairs)} equal{more}" if pairs else "none on either side: nothing was compared"


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
        "tolerance_bps": found.setting.tolerance_bps,
        "fills": len(found.fills),
        "equal_fills_fraction": found.equal_fills_fraction,
        "equal_but_for_sizes_fraction": found.equal_but_for_sizes_fraction,
        "orders": len(found.orders),
        "equal_orders_fraction": found.equal_orders_fraction,
        "unexplained": found.unexplained,
        "largest_equity_difference_bps": found.largest_equity_difference_bps,
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
