"""A comparison as tables, a picture of equity and drawdown, and one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, time
from typing import TYPE_CHECKING

import numpy as np

from desk.report.canvas import ImageFormat, date_axis, encode, house_style, sheet
from desk.report.html import inline_picture
from desk.report.markup import Html, element, table
from desk.report.page import bullets, document, facts
from desk.report.palette import LIGHT
from desk.report.pictures import LOG_SCALE_FROM, moments, thinned
from desk.report.statistics import drawdowns
from desk.report.wording import NO_PROMISE, count, dollars, percent
from desk.research.compare import HOLD, Comparison, Row
from desk.research.compare_figures import Curve, Figures
from desk.research.compare_null import Null
from desk.research.compare_trips import Tally, trip_figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CLOSE = time(16, 0)
# Far apart in hue and in lightness; a line of the second round is dashed.
COLORS = ("equity", "stop", "entry", "time", "line")
HEADS = ("Account", "Return", "Costs", "Drawdown", "Sharpe", "Trades", "Exposure", "Turnover")
NUMERIC = frozenset(range(1, len(HEADS)))
TRIP_HEADS = ("Trades", "Closed", "Won", "Open", "P&L of closed", "Rest", "Change of equity")
TRIP_NUMERIC = frozenset(range(1, len(TRIP_HEADS)))
NULL_OF_SPREADS = "`backtests/spreads.py` has a null test of spreads: as many on days and names of chance."
HOW_SPREADS_COUNT = (
    "An option spread is one trade from its first fill until nothing of it is left, with all the cash that it brought and took; "
    "one that is rolled ends there, and the next begins. Random moments move trades of shares alone and leave spreads where they "
    f"were. {NULL_OF_SPREADS} Turnover counts what came in for both puts together and what leaving them took. Exposure counts "
    "what of the equity is no cash, which a sold spread makes smaller: what it can lose is not in it."
)
HOW_IT_IS_MEASURED = (
    "Sharpe: mean over standard deviation of the daily returns, a year, without a risk-free rate, and its standard error, which "
    "allows for skew and fat tails (Lo 2002, Mertens 2002). Below two errors it is not distinguishable from zero.",
    "The rows of random moments are the null test: the trades of the strategy above, each with its symbol, its size and the "
    "sessions that it was held, at moments drawn by chance, for the same costs on each dollar traded. Medians, in brackets what "
    "nine draws in ten returned. What chance earns too, the choice of the moment did not; nor does it know stops and targets. A "
    "trade inside one session is drawn as a whole one, open to close.",
    "As good: part of the draws that returned at least what the strategy did, the run counted as one of them. It is one test on "
    "one period; of twenty variants that are compared, one falls below 5 % by chance.",
    "Buy and hold: an equal part in each of the symbols, bought at its first open with the same costs and kept.",
    "Turnover: purchases and sales over the average equity, a year. Drawdown: the deepest, from a high to a later low.",
    "Rest: what of the change of the equity no closed trade explains: what open ones have gained or lost by the last close.",
)


def table_rows(found: Comparison) -> list[tuple[str, ...]]:
    """The table's cells in the order of `HEADS`: every strategy with its null under it, then buying and holding."""
    lines: list[tuple[str, ...]] = []
    for row in found.rows:
        lines.append((row.label, *_cells(row.figures)))
        lines.append(_null_cells(row.null) if row.null else (_no_null_words(row), *[""] * (len(HEADS) - 1)))
    lines.append((HOLD, *_cells(found.hold)))
    return lines


def trip_rows(found: Comparison) -> list[tuple[str, ...]]:
    """Cells in the order of `TRIP_HEADS`: a strategy's trades beside the change of its equity, then shares and spreads apart."""
    lines: list[tuple[str, ...]] = []
    for row in found.rows:
        told = trip_figures(row.record)
        beside = (dollars(told.rest_usd, signed=True), dollars(told.change_usd, signed=True))
        lines.append((row.label, *_tally_cells(told.every), *beside))
        lines += [(f"  {kind.value}", *_tally_cells(tally), "", "") for kind, tally in told.kinds.items()]
    return lines


def _tally_cells(tally: Tally) -> tuple[str, ...]:
    return (f"{tally.closed:,}", f"{tally.won:,}", f"{tally.still_open:,}", dollars(tally.pnl_usd, signed=True))


def how_it_is_measured(found: Comparison) -> tuple[str, ...]:
    """The notes on the figures, with one on option spreads where anybody had some."""
    has_spreads = any(row.figures.spreads for row in found.rows)
    return (*HOW_IT_IS_MEASURED, HOW_SPREADS_COUNT) if has_spreads else HOW_IT_IS_MEASURED


def _no_null_words(row: Row) -> str:
    has_spreads_alone = row.figures.spreads == row.figures.trades > 0
    return "  option spreads: not placed at random" if has_spreads_alone else "  no trade to place at random"


def correlation_heads(found: Comparison) -> tuple[str, ...]:
    """Columns are numbered: with the names of variants over them the table would be wider than any page."""
    return ("Account", *(str(number) for number in range(1, len(found.curves) + 1)))


def correlation_rows(found: Comparison) -> list[tuple[str, ...]]:
    """One row an account: number and name, then its correlation with each, `n/a` beside one whose equity never moved."""
    cells = [["n/a" if np.isnan(value) else f"{value:.2f}" for value in line] for line in found.correlations]
    names = [f"{number} {name}" for number, name in enumerate(found.curves, start=1)]
    return [(name, *line) for name, line in zip(names, cells, strict=True)]


def _null_cells(null: Null) -> tuple[str, ...]:
    low, high = (percent(each, signed=True) for each in (null.low_return_fraction, null.high_return_fraction))
    middle, *others = _cells(null.medians)
    between = f"({low.removesuffix(' %')} to {high})"
    return (f"  at random moments, {percent(null.as_good_fraction)} as good", f"{between} {middle}", *others)


def _cells(figures: Figures) -> tuple[str, ...]:
    sharpe = figures.sharpe
    return (
        percent(figures.total_return_fraction, signed=True),
        dollars(figures.costs_usd),
        percent(figures.max_drawdown_fraction),
        "n/a" if sharpe is None else f"{sharpe.ratio:.2f} \u00b1 {sharpe.standard_error:.2f}",
        f"{figures.trades:,}",
        percent(figures.exposure_fraction),
        f"{figures.turnover_a_year:.2f}x",
    )


# ---- picture ---------------------------------------------------------------------------------------------------------------


def comparison_picture(found: Comparison, image_format: ImageFormat = "svg") -> bytes:
    """Return since the start of every account and, under it, its distance below its highest value. PNG is 1000 points wide."""
    with house_style("compare"):
        figure = sheet(5.6)
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.5))
        upper.set_title("Return since the start, after costs")
        for number, (label, curve) in enumerate(found.curves.items()):
            _draw(upper, lower, label, curve, number)
        _growth_axis(upper, [value for curve in found.curves.values() for value in curve.path_usd / curve.start_usd])
        upper.axhline(1, color=LIGHT["muted"], linewidth=0.9, linestyle=(0, (2, 3)))
        lower.set_title("Drawdown", fontsize=10, fontweight="normal", pad=4)
        lower.set_ylim(top=0)
        lower.margins(x=0.01)
        lower.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
        date_axis(lower)
        _legend(figure, upper)
        return encode(figure, image_format)


def _draw(upper: Axes, lower: Axes, label: str, curve: Curve, number: int) -> None:
    is_hold = label == HOLD
    color = LIGHT["muted" if is_hold else COLORS[number % len(COLORS)]]
    style = (0, (4, 2)) if is_hold or number >= len(COLORS) else "-"
    grown = curve.closes_usd / curve.start_usd
    falls = -drawdowns(curve.path_usd.tolist())[1:] * 100
    keep = np.union1d(thinned(grown), thinned(falls))
    times = moments([datetime.combine(curve.sessions[place], CLOSE) for place in keep])
    upper.plot(times, grown[keep], color=color, linestyle=style, linewidth=1.1 if is_hold else 1.5, label=label)
    lower.plot(times, falls[keep], color=color, linestyle=style, linewidth=1.0)


def _growth_axis(axes: Axes, growth: Sequence[float]) -> None:
    """Growth since the start, written as a return; equal percentages look equal where it is large, so that no line is flat."""
    from matplotlib.ticker import LogLocator, NullFormatter

    if min(growth) > 0 and max(growth) / min(growth) >= LOG_SCALE_FROM:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(lambda value, _: f"{(value - 1) * 100:,.4g} %")


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=2, handlelength=2.2, columnspacing=2.0)


# ---- page ------------------------------------------------------------------------------------------------------------------


def comparison_page(found: Comparison) -> str:
    """The page as text: the same comparison gives the same page, byte by byte."""
    title = f"{count(len(found.rows), 'strategy', 'strategies')} side by side"
    picture = inline_picture(
        comparison_picture(found), "compare", "Return since the start of every account, and drawdown below it"
    )
    return document(
        title,
        (
            element("h1", title),
            facts(dict(_facts(found))),
            element("h2", "In figures"),
            _quietened(HEADS, table_rows(found), NUMERIC),
            element("p", NO_PROMISE, class_="plain"),
            element("h2", "What the trades came to"),
            _quietened(TRIP_HEADS, trip_rows(found), TRIP_NUMERIC),
            element("h2", "Equity and drawdown"),
            picture,
            element("h2", "Correlation of daily returns"),
            table(correlation_heads(found), correlation_rows(found), frozenset(range(1, len(found.curves) + 1))),
            bullets("To know when reading this", (*found.notes, *how_it_is_measured(found))),
        ),
    )


def headline(found: Comparison) -> Iterator[str]:
    """What a terminal says before the table."""
    for name, value in _facts(found):
        yield f"{name}: {value}"


def _facts(found: Comparison) -> Iterator[tuple[str, str]]:
    sessions = found.sessions
    yield "Prices", found.stage.source.label
    yield "Symbols", ", ".join(found.stage.symbols)
    yield "Period", f"{sessions[0]} to {sessions[-1]}, {count(len(sessions), 'session')}"
    yield "Costs", f"fees {found.fee_bps:g} and slippage {found.slippage_bps:g} basis points of what is traded, in every return"
    yield "Random moments", f"{count(found.draws, 'draw')}, seed {found.seed}"


def _quietened(heads: Sequence[str], lines: Sequence[Sequence[str]], numeric: frozenset[int]) -> Html:
    """A table whose rows that begin with blanks belong to the one above."""
    rows = [
        tuple(element("span", cell.strip(), class_="quiet") for cell in cells) if cells[0].startswith("  ") else _bold(cells)
        for cells in lines
    ]
    return table(heads, rows, numeric)


def _bold(cells: Sequence[str]) -> tuple[str, ...]:
    return (_name(cells[0]), *cells[1:])


def _name(label: str) -> Html:
    """A long variant's settings may stand on lines of their own."""
    return element("b", label.replace(",", ", ").replace(":", ": "), class_="w")
