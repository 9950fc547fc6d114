"""The draws as tables of quantiles, a picture, and one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from desk.domain.market import FloatArray
from desk.report.canvas import ImageFormat, encode, house_style, sheet
from desk.report.html import inline_picture
from desk.report.markup import Html, element, join, table
from desk.report.page import bullets, document, facts
from desk.report.palette import LIGHT
from desk.report.statistics import run_statistics
from desk.report.wording import NO_PROMISE, costs_words, count, percent, period
from desk.research.compare_page import NULL_OF_SPREADS
from desk.research.compare_trips import Kind, trip_figures
from desk.research.monte_carlo import QUANTILES, Bootstrap
from desk.research.monte_carlo_runs import Drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEADS = ("Figure", "The run", *(f"{level * 100:g} %" for level in QUANTILES))
NUMERIC = frozenset(range(1, len(HEADS)))
BINS = 40
FEW_TRADES = 30
HOW_IT_IS_DRAWN = (
    "Each draw strings together blocks of the run's own days, or trades, until it is as long as the run (stationary bootstrap, "
    "Politis and Romano 1994): what happened, in another order, some of it twice and some of it never. A column is the value "
    "below which that part of the draws lies.",
    "It draws from one period: a fall that the run never saw is in none of the draws, so the true risk is larger. Nor does it "
    "say that the run's return was more than chance; the null test does that.",
    "Days count by their closes: a fall inside a session may be in the drawdown above the tables, and is in none of the draws.",
    "Null test: the same trades of shares at random moments, with the same costs. As good is the part of the draws that returned "
    "at least what the run did, the run counted as one of them. A trade inside one session is drawn as a whole one, open to "
    "close.",
    "Time under water: the longest stretch below an earlier high. Trades are drawn one after the other, each as a part of the "
    "equity, although some were held at the same time.",
)
SPREADS_DRAWN = (
    "An option spread is one trade from its first fill until nothing of it is left, with all the cash that it brought and took. "
    f"The null test moves trades of shares alone and leaves spreads where they were. {NULL_OF_SPREADS}"
)
# Quantiles of the fan, from the outside in, and how strongly each band is tinted.
BANDS = ((1, 5, 0.16), (2, 4, 0.24))


def quantile_rows(found: Bootstrap, unit: str) -> list[tuple[str, ...]]:
    """Cells in the order of `HEADS`: final return, deepest drawdown, time under water in `unit`s ("session", "trade")."""
    lines: tuple[tuple[str, FloatArray, FloatArray, Callable[[float], str]], ...] = (
        ("Final return", found.own.final_return, found.drawn.final_return, lambda value: percent(value, signed=True)),
        ("Deepest drawdown", found.own.max_drawdown, found.drawn.max_drawdown, percent),
        (f"Time under water, {unit}s", found.own.under_water, found.drawn.under_water, lambda value: f"{value:,.0f}"),
        ("Lowest value, of the start", found.own.lowest, found.drawn.lowest, percent),
    )
    return [
        (name, word(float(own[0])), *(word(float(value)) for value in np.quantile(drawn, QUANTILES)))
        for name, own, drawn, word in lines
    ]


def ruin_words(found: Bootstrap, ruin_fraction: float) -> str:
    """How often the draws fell below a fraction of the start, and what that says at most."""
    chance, most = found.ruin_probability(ruin_fraction), found.ruin_bound(ruin_fraction)
    return (
        f"Below {percent(ruin_fraction, digits=0)} of the start at any time: {percent(chance, digits=2)} of the draws "
        f"(at most {percent(most, digits=2)} with 95 % confidence, were the future drawn from this past)"
    )


def headline(found: Drawn) -> Iterator[tuple[str, str]]:
    """What stands above the tables: the run, and beside its return costs, drawdown and the null test."""
    record, figures = found.record, found.figures
    name, costs, measure = costs_words(record, run_statistics(record))
    yield "Run", f"{record.strategy} on {record.broker}, {period(record)}"
    yield "Prices", record.source
    yield "Return", f"{percent(figures.total_return_fraction, signed=True)}, {trades_words(found)}"
    yield name, f"{costs} {measure}, in the return"
    yield "Deepest drawdown", percent(figures.max_drawdown_fraction)
    yield "Null test", _null_words(found)
    yield "Draws", f"{found.days.draws:,}, seed {found.days.seed}"


def _null_words(found: Drawn) -> str:
    null = found.null
    if null is None:
        return f"none: no trade {'of shares ' if found.figures.spreads else ''}whose prices are known"
    low, high = (percent(each, signed=True) for each in (null.low_return_fraction, null.high_return_fraction))
    middle = percent(null.medians.total_return_fraction, signed=True)
    return f"at random moments {middle} ({low} to {high}); {percent(null.as_good_fraction)} of the draws as good"


def notes_on(found: Drawn) -> Iterator[str]:
    """What must stand beside the figures."""
    yield from found.record.notes
    if found.figures.trades < FEW_TRADES:
        yield (
            f"{count(found.figures.trades, 'trade')} are few: the draws know no others, so their spread says little about what "
            "else could have come."
        )
    yield from HOW_IT_IS_DRAWN
    if found.figures.spreads:
        yield SPREADS_DRAWN


def trades_words(found: Drawn) -> str:
    """`5 trades, 2 of them option spreads`."""
    trades, spreads = found.figures.trades, found.figures.spreads
    return count(trades, "trade") + (f", {_of_them(spreads, trades)}" if spreads else "")


def _of_them(spreads: int, trades: int) -> str:
    return f"{'all' if spreads == trades else f'{spreads:,}'} of them option spreads"


def section_titles(found: Drawn) -> Iterator[tuple[str, str, Bootstrap]]:
    """Title, unit and draws of each table: of the days, and of the trades where there are enough."""
    told = trip_figures(found.record)
    closed = told.kinds[Kind.SPREADS].closed if Kind.SPREADS in told.kinds else 0
    spreads = f" ({_of_them(closed, told.every.closed)})" if closed else ""
    for unit, drawn, more in (("session", found.days, ""), ("trade", found.trades, spreads)):
        if drawn is not None:
            yield f"From {count(drawn.periods, unit)}{more}, in blocks of {drawn.block} on average", unit, drawn


# ---- picture ---------------------------------------------------------------------------------------------------------------


def monte_carlo_picture(found: Bootstrap, unit: str, image_format: ImageFormat = "svg") -> bytes:
    """Value over time with bands of the draws and the run, and, under it, how final returns and drawdowns are spread."""
    with house_style(f"monte-carlo-{unit}"):
        figure = sheet(5.8)
        parts = figure.subplot_mosaic([["fan", "fan"], ["final", "fall"]], height_ratios=(1.7, 1))
        _draw_fan(parts["fan"], found, unit)
        _draw_spread(parts["final"], found.drawn.final_return, float(found.own.final_return[0]), "Final return")
        _draw_spread(parts["fall"], found.drawn.max_drawdown, float(found.own.max_drawdown[0]), "Deepest drawdown")
        return encode(figure, image_format)


def _draw_fan(axes: Axes, found: Bootstrap, unit: str) -> None:
    grown = (found.fan - 1) * 100
    for low, high, strength in BANDS:
        label = f"{(QUANTILES[high] - QUANTILES[low]) * 100:.0f} % of the draws"
        axes.fill_between(found.points, grown[low], grown[high], color=LIGHT["equity"], alpha=strength, linewidth=0, label=label)
    middle = QUANTILES.index(0.5)
    axes.plot(found.points, grown[middle], color=LIGHT["equity"], linewidth=1.1, linestyle=(0, (4, 2)), label="median")
    axes.plot(found.points, (found.own_path - 1) * 100, color=LIGHT["stop"], linewidth=1.6, label="the run")
    axes.axhline(0, color=LIGHT["muted"], linewidth=0.9, linestyle=(0, (2, 3)))
    axes.set_title(f"Return since the start, by {unit}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    axes.margins(x=0.01)
    axes.legend(loc="upper left", ncols=4, handlelength=1.8)


def _draw_spread(axes: Axes, values: FloatArray, own: float, title: str) -> None:
    axes.hist(values * 100, bins=BINS if np.ptp(values) > 0 else 1, color=LIGHT["band"])
    axes.axvline(own * 100, color=LIGHT["stop"], linewidth=1.6)
    axes.set_title(f"{title}: the run {percent(own, signed=own < 0)}", fontsize=10, fontweight="normal", pad=4)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    axes.set_yticks([])


# ---- page ------------------------------------------------------------------------------------------------------------------


def monte_carlo_page(found: Drawn) -> str:
    """The page as text: the same draws give the same page, byte by byte."""
    title = f"{found.record.strategy}, drawn again"
    sections = [_section(each, found.ruin_fraction) for each in section_titles(found)]
    notes = bullets("To know when reading this", tuple(notes_on(found)))
    return document(title, (element("h1", title), facts(dict(headline(found))), _caution(), *sections, notes))


def _caution() -> Html:
    return element("p", NO_PROMISE, class_="plain")


def _section(part: tuple[str, str, Bootstrap], ruin_fraction: float) -> Html:
    title, unit, drawn = part
    picture = inline_picture(monte_carlo_picture(drawn, unit), unit, f"{title}: bands of the draws, and how they are spread")
    rows: Sequence[Sequence[str]] = [(element("b", name), *cells) for name, *cells in quantile_rows(drawn, unit)]
    words = element("p", f"{ruin_words(drawn, ruin_fraction)}.")
    return join([element("h2", title), table(HEADS, rows, NUMERIC), words, picture])
