"""The sheet that pictures are drawn on: matplotlib's object interface under this project's own style, encoded to bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from desk.report.palette import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ImageFormat = Literal["svg", "png"]
WIDTH_INCHES = 10.0
DOTS_PER_INCH = 100


@contextmanager
def house_style(salt: str) -> Iterator[None]:
    """Draw inside this: matplotlib's own defaults plus the house style, whatever another library has set, and put back after.

    `salt` makes the ids inside an SVG repeatable and different from picture to picture.
    """
    # matplotlib costs a third of a second to import; a command that draws nothing must not wait for it.
    import matplotlib.style

    settings = {
        "font.size": 9.5,
        "text.color": LIGHT["ink"],
        "axes.edgecolor": LIGHT["rule"],
        "axes.labelcolor": LIGHT["muted"],
        "axes.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "axes.titlelocation": "left",
        "axes.titlesize": 11.5,
        "axes.titleweight": "bold",
        "axes.titlepad": 10,
        "axes.formatter.useoffset": False,
        "grid.color": LIGHT["rule"],
        "grid.linewidth": 0.7,
        "xtick.color": LIGHT["rule"],
        "xtick.labelcolor": LIGHT["muted"],
        "ytick.color": LIGHT["rule"],
        "ytick.labelcolor": LIGHT["muted"],
        "ytick.major.size": 0,
        "ytick.minor.size": 0,
        "legend.frameon": False,
        "legend.labelcolor": LIGHT["muted"],
        "svg.hashsalt": salt,
        # Letters instead of their outlines: selectable, smaller, and set in the page's own font.
        "svg.fonttype": "none",
        # Two dollar signs in one text would otherwise set what stands between them as mathematics.
        "text.parse_math": False,
        "path.simplify_threshold": 0.3,
    }
    with matplotlib.style.context(["default", settings]):
        yield


def sheet(height_inches: float) -> Figure:
    """An empty picture 1000 points wide whose parts make room for each other."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH_INCHES, height_inches), dpi=DOTS_PER_INCH, layout="constrained", facecolor="none")


def date_axis(axes: Axes) -> None:
    """Dates under the picture, as few as can be read."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=4, maxticks=11)
    formatter = ConciseDateFormatter(locator)
    # One entry each for ticks of years, months, days, hours, minutes, seconds; a bare "15" would leave its month to be guessed.
    formatter.formats[2] = formatter.zero_formats[2] = formatter.zero_formats[3] = "%d %b"
    formatter.offset_formats = ["", "", "%Y", "%Y", "%Y", "%Y"]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(formatter)


def encode(figure: Figure, image_format: ImageFormat) -> bytes:
    """The picture as bytes, the same for the same data: SVG without date and maker, or PNG on light paper."""
    buffer = io.BytesIO()
    if image_format == "svg":
        # matplotlib's stub knows no None here, its documentation does: None leaves the entry out.
        nothing: dict[str, None] = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(buffer, format="svg", metadata=nothing)
        # Six decimals of a 720 point wide drawing are dust that makes up a third of the file.
        return re.sub(rb"(\.\d{3})\d+", rb"\1", buffer.getvalue())
    figure.savefig(buffer, format="png", facecolor=LIGHT["paper"], metadata={"Software": None})
    return buffer.getvalue()
