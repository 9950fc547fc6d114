"""Pictures of a run: equity over its drawdown, and each symbol's price with the life of every trip on it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from desk.domain.market import DailyBars
from desk.domain.records import EquityPoint, RunRecord, Trip
from desk.report.canvas import ImageFormat, date_axis, encode, house_style, sheet
from desk.report.new_york import local
from desk.report.palette import LIGHT
from desk.report.statistics import drawdowns, run_statistics, total_return_fraction, trip_statistics
from desk.report.wording import costs_words, count, dollars, percent, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_POINTS = 1000  # of a line in a picture 1000 points wide: more cannot be seen and only makes the file large
MAX_SHADED = 80  # trips in one picture whose way to stop and target is tinted; with more it becomes a fog
LEAD_IN_DAYS = 8  # of price before the first session, so that the first entry has something to be compared with
LOG_SCALE_FROM = 4.0  # highest over lowest price from which equal percentages should look equal
CLOSE = time(16, 0)
Moments = NDArray[np.datetime64]

# Marker, colour and words of the way in and each way out; shapes differ too, for those who see or print no colour.
ENTRY = ("^", "entry", "entry")
EXITS: dict[str, tuple[str, str, str]] = {
    "target": ("D", "target", "exit at target"),
    "stop": ("v", "stop", "exit at stop"),
    "gapped": ("X", "stop", "stop gapped: filled below its price"),
    "time": ("s", "time", "exit at time barrier"),
    "hand": ("o", "hand", "exit by hand"),
}


def equity_picture(record: RunRecord, image_format: ImageFormat = "svg") -> bytes:
    """Equity in dollars over the run and, under it, the distance below its highest value so far. SVG, or PNG 1000 points wide."""
    with house_style("equity"):
        figure = sheet(4.6)
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.25))
        upper.set_title(_equity_title(record))
        if record.equity:
            _draw_equity(upper, lower, record.equity)
            date_axis(lower)
        else:
            lower.set_axis_off()
            _say_nothing_here(upper, "no iteration, so no equity to show")
        return encode(figure, image_format)


def trip_picture(record: RunRecord, symbol: str, image_format: ImageFormat = "svg") -> bytes:
    """Price of `symbol` over the run with entries, stop and target over the life of each trip, and exits by kind.

    A symbol without bars shows its trips alone; one without trips shows its price alone. SVG, or PNG 1000 points wide.
    """
    trips = [trip for trip in record.trips if trip.symbol == symbol]
    bars = record.daily.get(symbol)
    with house_style(f"trip-{symbol}"):
        figure = sheet(4.3)
        axes = figure.subplots()
        axes.set_title(_trip_title(symbol, trips))
        shown = _draw_price(axes, bars, record) if bars is not None else []
        if trips:
            _draw_trips(axes, trips, _run_end(record))
        _price_axis(axes, [*shown, *(level for trip in trips for level in (trip.stop_price, trip.target_price))])
        if trips or shown:
            date_axis(axes)
        else:
            _say_nothing_here(axes, "no bars and no trips in this period")
        _legend(figure, axes, 7 / _marker_size(len(trips)))
        return encode(figure, image_format)


def moments(times: Sequence[datetime]) -> Moments:
    """Naive wall-clock times as matplotlib reads them fastest."""
    return np.array(times, dtype="datetime64[s]")


def thinned(values: NDArray[np.float64], most: int = MAX_POINTS) -> NDArray[np.intp]:
    """Ascending indices of about `most` of `values`, shape (n,): first, last and the extremes of each stretch are kept."""
    n = len(values)
    if n <= most:
        return np.arange(n)
    edges = np.linspace(0, n, max(most // 2, 1) + 1).astype(np.intp)
    pairs = itertools.pairwise(edges)
    extremes = [(a + int(values[a:b].argmin()), a + int(values[a:b].argmax())) for a, b in pairs if b > a]
    return np.unique(np.concatenate([[0, n - 1], np.ravel(extremes)])).astype(np.intp)


def _equity_title(record: RunRecord) -> str:
    if not record.equity:
        return "Equity"
    values = [point.equity_usd for point in record.equity]
    moved = f"{dollars(values[0])} to {dollars(values[-1])} ({percent(total_return_fraction(values), signed=True)})"
    name, costs, _ = costs_words(record, run_statistics(record))
    return f"Equity {moved}; {name.lower()} {costs}"


def _draw_equity(upper: Axes, lower: Axes, equity: Sequence[EquityPoint]) -> None:
    points = sorted(equity, key=lambda point: point.at)
    values = np.array([point.equity_usd for point in points])
    falls = drawdowns(values.tolist())
    deepest = int(falls.argmax())
    keep = np.unique(np.append(thinned(values), deepest))
    times = moments([local(points[i].at) for i in keep])
    upper.plot(times, values[keep], color=LIGHT["equity"], linewidth=1.5, marker="o" if len(keep) == 1 else "")
    upper.axhline(values[0], color=LIGHT["muted"], linewidth=0.9, linestyle=(0, (2, 3)))
    upper.yaxis.set_major_formatter(lambda value, _: f"${value:,.0f}")
    lower.fill_between(times, -falls[keep] * 100, 0, color=LIGHT["stop"], alpha=0.25, linewidth=0)
    lower.plot(times, -falls[keep] * 100, color=LIGHT["stop"], linewidth=1.1)
    if falls[deepest] > 0:
        lower.plot(moments([local(points[deepest].at)]), [-falls[deepest] * 100], "o", color=LIGHT["stop"], markersize=5)
    else:
        lower.set_ylim(bottom=-1)
    lower.set_title(_drawdown_title(falls[deepest], points[deepest].at), fontsize=10, fontweight="normal", pad=4)
    lower.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    lower.set_ylim(top=0)
    lower.margins(x=0.01)


def _drawdown_title(deepest: float, at: datetime) -> str:
    return f"Drawdown, deepest {percent(deepest)} on {local(at):%Y-%m-%d}" if deepest > 0 else "Drawdown: none"


def _trip_title(symbol: str, trips: Sequence[Trip]) -> str:
    if not trips:
        return f"{printable(symbol)}: no trips"
    figures = trip_statistics(trips)
    parts = [f"{printable(symbol)}: {count(len(trips), 'trip')}"]
    if figures.closed:
        parts.append(f"P&L {dollars(figures.pnl_usd, signed=True)}")
    if figures.still_open:
        parts.append(f"{figures.still_open} still open")
    return ", ".join(parts)


def _draw_price(axes: Axes, bars: DailyBars, record: RunRecord) -> list[float]:
    """Draw high-low band and closes over the run's days; return the prices shown, for the axis."""
    first = record.first_session or (bars.sessions[0] if len(bars) else date.min)
    last = record.last_session or (bars.sessions[-1] if len(bars) else date.max)
    start = first - timedelta(days=LEAD_IN_DAYS)
    inside = [i for i, session in enumerate(bars.sessions) if start <= session <= last]
    if not inside:
        return []
    # A bar is complete at the close, so its close belongs there: an entry in the morning lies between two closes.
    times = moments([datetime.combine(bars.sessions[i], CLOSE) for i in inside])
    high, low, close = bars.high[inside], bars.low[inside], bars.close[inside]
    keep = np.union1d(thinned(high), thinned(low)) if len(inside) > MAX_POINTS else np.arange(len(inside))
    label = "high to low"
    axes.fill_between(times[keep], low[keep], high[keep], color=LIGHT["band"], alpha=0.75, linewidth=0, label=label)
    axes.plot(times[keep], close[keep], color=LIGHT["line"], linewidth=1.2, label="close")
    axes.margins(x=0.01)
    return [float(low.min()), float(high.max())]


def _draw_trips(axes: Axes, trips: Sequence[Trip], run_end: datetime | None) -> None:
    lives = [(local(trip.entry_at), _end_of(trip, run_end)) for trip in trips]
    starts, ends = moments([start for start, _ in lives]), moments([end for _, end in lives])
    # One artist for all trips of a kind: hundreds of artists take seconds to draw and megabytes to keep.
    for name in ("target", "stop"):
        levels = [trip.target_price if name == "target" else trip.stop_price for trip in trips]
        axes.hlines(levels, starts, ends, color=LIGHT[name], linewidth=1.3, label=f"{name} order")
        if len(trips) <= MAX_SHADED:
            _shade(axes, trips, (starts, ends), levels, LIGHT[name])
    size = _marker_size(len(trips))
    _mark(axes, [(start, trip.entry_price) for trip, (start, _) in zip(trips, lives, strict=True)], ENTRY, size)
    exits: dict[str, list[tuple[datetime, float]]] = {}
    for trip, (_, end) in zip(trips, lives, strict=True):
        if trip.exit_price is not None:
            exits.setdefault("gapped" if trip.gapped else trip.exit_reason or "hand", []).append((end, trip.exit_price))
    for kind, places in exits.items():
        _mark(axes, places, EXITS.get(kind, ("o", "hand", f"exit: {printable(kind)}")), size)


def _shade(axes: Axes, trips: Sequence[Trip], lives: tuple[Moments, Moments], levels: Sequence[float], color: str) -> None:
    """Tint the way from each entry to its stop or target, so that trade and distance are seen at a glance."""
    starts, ends = lives
    entries = np.array([trip.entry_price for trip in trips])
    axes.bar(starts, np.array(levels) - entries, ends - starts, entries, align="edge", color=color, alpha=0.09, linewidth=0)


def _marker_size(trips: int) -> float:
    """Points across: the more trips, the smaller, within what can be told apart."""
    return float(np.clip(40 / np.sqrt(max(trips, 1)), 3.5, 8.0))


def _mark(axes: Axes, places: Sequence[tuple[datetime, float]], look: tuple[str, str, str], size: float) -> None:
    marker, color, label = look
    times, prices = moments([at for at, _ in places]), [value for _, value in places]
    (marks,) = axes.plot(times, prices, marker, color=LIGHT[color], markersize=size, zorder=4, label=label)
    marks.set(markeredgecolor=LIGHT["paper"], markeredgewidth=0.11 * size)


def _end_of(trip: Trip, run_end: datetime | None) -> datetime:
    start = local(trip.entry_at)
    return local(trip.exit_at) if trip.exit_at is not None else max(run_end or start, start)


def _run_end(record: RunRecord) -> datetime | None:
    return max(local(point.at) for point in record.equity) if record.equity else None


def _price_axis(axes: Axes, prices: Sequence[float]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    positive = [price for price in prices if price > 0]
    if positive and max(positive) / min(positive) >= LOG_SCALE_FROM:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(lambda value, _: f"${value:,.2f}" if max(positive, default=0) < 20 else f"${value:,.0f}")


def _legend(figure: Figure, axes: Axes, marker_scale: float) -> None:
    """One entry a kind, below the axes, where it covers nothing."""
    found = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    order = ["close", "high to low", "entry", "target order", "stop order", *(label for _, _, label in EXITS.values())]
    labels = [label for label in order if label in found] + [label for label in found if label not in order]
    if labels:
        handles = [found[label] for label in labels]
        layout = {"ncols": 5, "handlelength": 1.4, "columnspacing": 1.6, "markerscale": marker_scale}
        figure.legend(handles, labels, loc="outside lower left", **layout)


def _say_nothing_here(axes: Axes, text: str) -> None:
    axes.set(xticks=[], yticks=[])
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=LIGHT["muted"])
