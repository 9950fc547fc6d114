"""What a spread pays at its expiration, by where the underlying ends: one picture each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from desk.domain.options import CONTRACT_SHARES
from desk.domain.records import SpreadTrip
from desk.report.canvas import ImageFormat, encode, house_style, sheet
from desk.report.palette import LIGHT
from desk.report.spreads import name_of
from desk.report.wording import count, dollars, price

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Of the width, on either side of the strikes: enough to see that both ends are flat.
MARGIN_OF_WIDTH = 0.6


def payoff_usd(trip: SpreadTrip, ends: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gain of all contracts by the underlying's price at expiration, shape as `ends`, before fees."""
    owed = np.maximum(trip.short_strike - ends, 0.0) - np.maximum(trip.long_strike - ends, 0.0)
    gain: NDArray[np.float64] = (trip.credit - owed) * CONTRACT_SHARES * trip.contracts
    return gain


def payoff_picture(trip: SpreadTrip, image_format: ImageFormat = "svg") -> bytes:
    """The gain at expiration with both strikes, the break-even and what was really made of it. SVG, or PNG 1000 points wide."""
    with house_style(f"spread-{trip.key}"):
        figure = sheet(2.6)
        axes = figure.subplots()
        axes.set_title(_title(trip))
        _draw(axes, trip)
        return encode(figure, image_format)


def _title(trip: SpreadTrip) -> str:
    return f"{name_of(trip)}, {count(trip.contracts, 'contract')}, credit {trip.credit:.2f}: payoff at expiration"


def _draw(axes: Axes, trip: SpreadTrip) -> None:
    width = trip.short_strike - trip.long_strike
    low, high = trip.long_strike - MARGIN_OF_WIDTH * width, trip.short_strike + MARGIN_OF_WIDTH * width
    even = trip.short_strike - trip.credit
    ends = np.unique([low, trip.long_strike, even, trip.short_strike, high])
    gains = payoff_usd(trip, ends)
    axes.fill_between(ends, np.maximum(gains, 0.0), 0.0, color=LIGHT["entry"], alpha=0.18, linewidth=0)
    axes.fill_between(ends, np.minimum(gains, 0.0), 0.0, color=LIGHT["stop"], alpha=0.18, linewidth=0)
    axes.plot(ends, gains, color=LIGHT["line"], linewidth=1.6)
    axes.axhline(0, color=LIGHT["muted"], linewidth=0.9)
    across = axes.get_xaxis_transform()
    for place, words, side in (
        (trip.long_strike, "bought", "right"),
        (even, "break-even", "right"),
        (trip.short_strike, "sold", "left"),
    ):
        axes.axvline(place, color=LIGHT["muted"], linewidth=0.8, linestyle=(0, (2, 3)))
        axes.text(place, 0.03, f" {words} {price(place)} ", transform=across, ha=side, color=LIGHT["muted"], fontsize=8.5)
    if trip.pnl_usd is not None:
        made = dollars(trip.pnl_usd, signed=True)
        axes.axhline(trip.pnl_usd, color=LIGHT["equity"], linewidth=1.2, label=f"what was made of it: {made}")
        axes.legend(loc="upper left")
    axes.set_xlim(low, high)
    axes.margins(y=0.12)
    axes.xaxis.set_major_formatter(lambda value, _: price(value) if value > 0 else "")
    axes.yaxis.set_major_formatter(lambda value, _: dollars(value).removesuffix(".00"))
