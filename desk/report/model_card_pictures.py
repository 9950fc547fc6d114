"""Pictures of a model's card: calibration, importance, rank correlation by year, returns by answer and by year."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from desk.domain.model_card import ModelCard, Slice
from desk.report.canvas import ImageFormat, encode, house_style, sheet
from desk.report.palette import LIGHT
from desk.report.wording import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Standard errors on each side of a mean: about nineteen of twenty such bars hold the true one.
ERRORS = 2.0


def calibration_picture(card: ModelCard, image_format: ImageFormat = "svg") -> bytes:
    """What was told against what happened, a dot a bin, as large as its share of the events; on the diagonal they agree."""
    with house_style("calibration"):
        figure = sheet(4.4)
        axes = figure.subplots()
        axes.set_title("Calibration: what was told against what happened")
        if not card.calibration:
            return _nothing(figure, axes, image_format)
        most = max(one.events for one in card.calibration)
        axes.plot([0, 1], [0, 1], color=LIGHT["muted"], linewidth=0.9, linestyle=(0, (2, 3)))
        axes.axhline(card.base_rate, color=LIGHT["rule"], linewidth=1.2)
        axes.text(0.995, card.base_rate + 0.01, f"base rate {card.base_rate:.2f}", color=LIGHT["muted"], ha="right")
        for one in card.calibration:
            size = 5 + 15 * math.sqrt(one.events / most)
            axes.plot([one.predicted], [one.profitable], "o", color=LIGHT["equity"], markersize=size, alpha=0.75)
            above = (0, size / 2 + 3)
            axes.annotate(
                f"{one.events:,}",
                (one.predicted, one.profitable),
                above,
                textcoords="offset points",
                ha="center",
                color=LIGHT["muted"],
            )
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="chance of profit that was told", ylabel="share that ended in profit")
        return encode(figure, image_format)


def importance_picture(card: ModelCard, image_format: ImageFormat = "svg") -> bytes:
    """Growth of the out-of-fold log loss when a feature is shuffled; left of nought the feature did harm."""
    with house_style("importance"):
        figure = sheet(0.32 * max(len(card.importances), 4) + 1.1)
        axes = figure.subplots()
        axes.set_title("Feature importance: growth of the log loss when the feature is shuffled")
        rows = list(reversed(card.importances))
        values = [row.log_loss_increase for row in rows]
        colors = [LIGHT["equity"] if value > 0 else LIGHT["stop"] for value in values]
        whiskers = {"ecolor": LIGHT["muted"], "elinewidth": 1.0}
        axes.barh(
            [row.feature for row in rows], values, 0.62, color=colors, xerr=[row.deviation for row in rows], error_kw=whiskers
        )
        axes.axvline(0, color=LIGHT["muted"], linewidth=0.9)
        axes.grid(visible=True, axis="x")
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", labelcolor=LIGHT["ink"])
        return encode(figure, image_format)


def correlation_picture(card: ModelCard, image_format: ImageFormat = "svg") -> bytes:
    """Rank correlation of answer and return, year by year, with its trend."""
    with house_style("correlation"):
        figure = sheet(3.6)
        axes = figure.subplots()
        axes.set_title(f"Information coefficient by year; {trend_words(card)}")
        known = [year for year in card.years if math.isfinite(year.information_coefficient)]
        if not known:
            return _nothing(figure, axes, image_format)
        at, values = [int(year.name) for year in known], [year.information_coefficient for year in known]
        _bars(axes, at, values)
        if math.isfinite(card.information_coefficient_trend):
            weights = [year.effective_events for year in known]
            middle, height = np.average(at, weights=weights), np.average(values, weights=weights)
            line = [float(height + card.information_coefficient_trend * (year - middle)) for year in (at[0], at[-1])]
            axes.plot([at[0], at[-1]], line, color=LIGHT["time"], linewidth=1.6, label="trend")
            axes.legend(loc="upper right")
        # The trend is measured on a scale from -1 to 1; a small one must not look large.
        axes.set_ylim(min(-0.5, *values) - 0.05, max(0.5, *values) + 0.05)
        _years_axis(axes, card.years)
        return encode(figure, image_format)


def quantile_picture(card: ModelCard, image_format: ImageFormat = "svg") -> bytes:
    """Mean return after costs of the trades by what was told of them, from the lowest answers to the highest."""
    with house_style("quantiles"):
        figure = sheet(3.6)
        axes = figure.subplots()
        axes.set_title(f"Return by confidence, a trade after {card.cost_bps:g} basis points of costs")
        if not card.quantiles:
            return _nothing(figure, axes, image_format)
        _returns(axes, list(range(len(card.quantiles))), card.quantiles)
        labels = [f"{part.name}\n{part.effective_events:.0f} effective" for part in card.quantiles]
        axes.set_xticks(range(len(card.quantiles)), labels)
        return encode(figure, image_format)


def year_picture(card: ModelCard, image_format: ImageFormat = "svg") -> bytes:
    """Mean return after costs of every predicted trade, year by year."""
    with house_style("years"):
        figure = sheet(3.6)
        axes = figure.subplots()
        axes.set_title(f"Return by year, all predicted trades, a trade after {card.cost_bps:g} basis points of costs")
        if not card.years:
            return _nothing(figure, axes, image_format)
        _returns(axes, [int(year.name) for year in card.years], card.years)
        _years_axis(axes, card.years)
        return encode(figure, image_format)


def trend_words(card: ModelCard) -> str:
    """Change of the information coefficient a year with its standard error."""
    if not math.isfinite(card.information_coefficient_trend):
        return "too few years for a trend"
    return (
        f"trend {card.information_coefficient_trend:+.3f} a year, standard error {card.information_coefficient_trend_error:.3f}"
    )


def _returns(axes: Axes, at: Sequence[int], parts: Sequence[Slice]) -> None:
    values = [part.net_return * 100 for part in parts]
    _bars(axes, at, values)
    errors = [ERRORS * part.net_return_error * 100 for part in parts]
    axes.errorbar(at, values, yerr=errors, fmt="none", ecolor=LIGHT["muted"], elinewidth=1.0, capsize=3)
    axes.yaxis.set_major_formatter(lambda value, _: percent(value / 100))


def _bars(axes: Axes, at: Sequence[int], values: Sequence[float]) -> None:
    colors = [LIGHT["equity"] if value >= 0 else LIGHT["stop"] for value in values]
    axes.bar(list(at), list(values), 0.62, color=colors)
    axes.axhline(0, color=LIGHT["muted"], linewidth=0.9)


def _years_axis(axes: Axes, years: Sequence[Slice]) -> None:
    at = [int(year.name) for year in years]
    axes.set_xlim(at[0] - 0.6, at[-1] + 0.6)
    axes.set_xticks(at, [f"{year.name}\n{year.effective_events:.0f} eff." for year in years])


def _nothing(figure: Figure, axes: Axes, image_format: ImageFormat) -> bytes:
    axes.set(xticks=[], yticks=[])
    axes.text(0.5, 0.5, "too few events to show", transform=axes.transAxes, ha="center", va="center", color=LIGHT["muted"])
    return encode(figure, image_format)
