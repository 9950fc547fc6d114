"""The verdict on one strategy as one page: the reasons, a table of the checks, and pictures of what they saw."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from desk.report.canvas import ImageFormat, date_axis, encode, house_style, sheet
from desk.report.files import write_whole
from desk.report.html import inline_picture
from desk.report.markup import Html, element, join, table
from desk.report.page import bullets, document, facts
from desk.report.palette import LIGHT
from desk.report.wording import percent
from desk.research import neighbourhood, random_walk, standing
from desk.research.examination import Examination
from desk.research.verdict import MEANING, Finding, Level, reasons

WORDS: Mapping[Level, str] = {
    Level.NOT_APPLICABLE: "not applicable",
    Level.OK: "nothing found",
    Level.NOTE: "worth knowing",
    Level.SUSPECT: "suspect",
    Level.BIASED: "biased",
}
LINES: Mapping[str, str] = {"on time": "equity", "a session late": "stop", "at doubled costs": "time"}


def write_page(done: Examination, path: Path) -> Path:
    """Write the page to `path` at once and return it. Raises ConfigurationError when it cannot be written."""
    return write_whole(path, check_page(done))


def check_page(done: Examination) -> str:
    """The page as text: the same examination gives the same page."""
    title = f"{done.subject.name}: {done.verdict}"
    return document(title, (_header(done), _checks(done), *_pictures(done), _notes(done)))


def _header(done: Examination) -> Html:
    days, base = done.subject.sessions, done.base
    about = {
        "Symbols": ", ".join(done.subject.universe),
        "Period": f"{days[0]} to {days[-1]}, {len(days)} sessions",
        "Entries": f"{base.entries:,}",
        "Return after costs": standing.gain_words(base.total_return, len(days)),
        "Deepest drawdown": percent(standing.drawdown_fraction(done)),
        "Sharpe ratio": standing.sharpe_words(standing.own_sharpe(done)),
        "Costs": standing.costs_words(done),
    }
    notes = (standing.held_words(done), *done.notes)
    lines = [element("p", MEANING[done.verdict], class_="plain"), *(element("p", note) for note in notes)]
    why = [element("ul", *(element("li", sentence) for sentence in reasons(done.findings)))]
    return join([element("h1", f"{done.subject.name}: {done.verdict}"), facts(about), *lines, *why])


def _checks(done: Examination) -> Html:
    rows = [(element("b", one.check), WORDS[one.level], element("span", one.sentence, class_="w")) for one in done.findings]
    return join([element("h2", "Checks"), table(("Check", "Outcome", "What was seen"), rows)])


def _notes(done: Examination) -> Html:
    return bullets("What must be known", (*done.prices, standing.HOW_IT_WAS_PLAYED))


def _pictures(done: Examination) -> list[Html]:
    made = [element("h2", "On time, late, and at doubled costs"), _inlined(equity_picture(done), "equity", "Growth of each run")]
    found = {one.check: one for one in done.findings}
    if found[random_walk.NAME].points:
        made += [
            element("h2", "Where nothing can be earned"),
            _inlined(worlds_picture(found[random_walk.NAME]), "worlds", "Returns"),
        ]
    if found[neighbourhood.NAME].points:
        picture = neighbours_picture(found[neighbourhood.NAME], done.base.sharpe)
        made += [element("h2", "Beside its parameters"), _inlined(picture, "beside", "Sharpe ratios of neighbours")]
    return made


def _inlined(svg: bytes, prefix: str, words: str) -> Html:
    return inline_picture(svg, prefix, words)


def equity_picture(done: Examination, image_format: ImageFormat = "svg") -> bytes:
    """Growth of one dollar in each run on the real history."""
    runs = {name: points for one in done.findings for name, points in one.points.items() if name in LINES}
    runs = {"on time": done.base.returns.tolist(), **runs}
    with house_style("check-equity"):
        figure = sheet(3.6)
        axes = figure.subplots()
        axes.set_title("Growth of one dollar, after costs")
        for name, returns in runs.items():
            values = standing.growth(returns)[1:]
            axes.plot(
                np.array(done.subject.sessions[: len(values)], dtype="datetime64[D]"),
                values,
                color=LIGHT[LINES[name]],
                label=name,
            )
        date_axis(axes)
        axes.legend()
        return encode(figure, image_format)


def worlds_picture(found: Finding, image_format: ImageFormat = "svg") -> bytes:
    """Total return on each made history, the lowest first."""
    values = np.sort(np.array(found.points["total returns"])) * 100
    with house_style("check-worlds"):
        figure = sheet(2.6)
        axes = figure.subplots()
        axes.set_title("Return on each history without an edge, in percent")
        axes.bar(np.arange(len(values)), values, color=LIGHT["line"])
        axes.axhline(0, color=LIGHT["muted"], linewidth=0.9)
        axes.set(xticks=[])
        return encode(figure, image_format)


def neighbours_picture(found: Finding, own_sharpe: float, image_format: ImageFormat = "svg") -> bytes:
    """Sharpe ratio a year of each neighbour, and the strategy's own as a line."""
    year = 252**0.5
    names, values = list(found.points), [points[0] * year for points in found.points.values()]
    with house_style("check-neighbours"):
        figure = sheet(1.2 + 0.22 * len(names))
        axes = figure.subplots()
        axes.set_title("Sharpe ratio a year of each neighbour; the line is its own")
        axes.barh(names, values, color=LIGHT["line"])
        axes.axvline(own_sharpe * year, color=LIGHT["equity"], linewidth=1.4)
        return encode(figure, image_format)
