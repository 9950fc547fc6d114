"""What a run says while it runs: one line for a quiet iteration, a few aligned ones when something happened."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType

from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from desk.report.new_york import clock
from desk.report.terminal import print_within, width_of
from desk.report.wording import count, dollars, percent, price, printable

MOST_REFUSALS = 5  # printed one by one in an iteration; a universe of hundreds can refuse hundreds


@dataclass(frozen=True, slots=True)
class PositionLine:
    """A position as the broker holds it. Prices in dollars; `protected` when a resting stop covers all of its shares."""

    symbol: str
    shares: int
    entry_price: float
    last_price: float
    stop_price: float | None
    target_price: float | None
    protected: bool


@dataclass(frozen=True, slots=True)
class ActionLine:
    """An entry that was sent. `gate_text` is what the confidence gate says of it, empty without a gate."""

    symbol: str
    shares: int
    limit_price: float
    stop_price: float
    target_price: float
    reason: str
    confidence: float | None
    gate_text: str


@dataclass(frozen=True, slots=True)
class SaleLine:
    """An exit that was sent; `limit_price` is None for a market order."""

    symbol: str
    shares: int
    limit_price: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class RefusalLine:
    """A trade that was refused: the reason's code, and the words for people."""

    symbol: str
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class IterationView:
    """What one iteration saw and did. `at` is aware, UTC; `session_index` counts from 0; `events` are fills since the last.

    `spreads` counts option spreads that hold something.
    """

    at: datetime
    session_index: int
    sessions_total: int | None
    equity_usd: float
    cash_usd: float
    positions: tuple[PositionLine, ...] = ()
    bought: tuple[ActionLine, ...] = ()
    sold: tuple[SaleLine, ...] = ()
    refused: tuple[RefusalLine, ...] = ()
    events: tuple[str, ...] = ()
    spreads: int = 0


class RunConsole:
    """Shows a run on `console`: a bar below the lines on a terminal, lines alone elsewhere.

    `total_iterations` is None when nobody knows (the bar then has no end). `quiet` prints no lines; a terminal keeps the bar.
    Use as a context manager or call `finish`, also when the run fails: the bar hides the cursor while it is there.
    """

    def __init__(self, console: Console, total_iterations: int | None, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._progress = _progress(console)
        self._task: TaskID = self._progress.add_task("", total=total_iterations, start=False)
        self._session: int | None = None
        self._refused_before: frozenset[tuple[str, str]] = frozenset()

    def __enter__(self) -> RunConsole:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.finish()

    def iteration(self, view: IterationView) -> None:
        """Show one iteration. Refusals that the iteration before had too, in the same session, are counted and not repeated."""
        first = view.session_index != self._session
        before = frozenset() if first else self._refused_before
        self._session = view.session_index
        self._refused_before = frozenset((line.symbol, line.reason) for line in view.refused)
        self._begin()
        if not self._quiet:
            lines = iteration_lines(view, first, before, width_of(self._console))
            # One print an iteration: the bar is drawn anew below each.
            self._console.print(Text("\n").join(lines), soft_wrap=True, highlight=False)
        self._progress.update(self._task, advance=1, description=f"{clock(view.at)} ET")

    def finish(self) -> None:
        """Take the bar away. May be called twice."""
        # Rich ends even a bar that never began with an empty line.
        if self._progress.live.is_started:
            self._progress.stop()

    def _begin(self) -> None:
        if self._console.is_terminal and not self._progress.live.is_started:
            self._progress.start_task(self._task)
            self._progress.start()


class IterationSpeed(ProgressColumn):
    """Iterations in a second of real time, as Rich measures them."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f}/s", style="progress.data.speed")


def _progress(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        IterationSpeed(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True)


def iteration_lines(view: IterationView, first: bool, refused_before: frozenset[tuple[str, str]], columns: int) -> list[Text]:
    """Lines of one iteration, none wider than `columns`; `first` of a session lists the positions even when nothing happened."""
    fresh = [line for line in view.refused if (line.symbol, line.reason) not in refused_before]
    busy = bool(view.bought or view.sold or view.events or fresh)
    again = len(view.refused) - len(fresh)
    lines = [_headline(view, again, busy or first, columns)]
    lines += _wrapped("event", view.events, "cyan", columns)
    if busy or first:
        lines += [_position(line, columns) for line in view.positions]
    lines += _wrapped("sell", [_sale(line) for line in view.sold], "yellow", columns)
    lines += _wrapped("buy", [_purchase(line) for line in view.bought], "green", columns)
    lines += _wrapped("refused", list(_refusals(fresh)), "dim", columns)
    return lines


def _headline(view: IterationView, refused_again: int, busy: bool, columns: int) -> Text:
    total = "" if view.sessions_total is None else f"/{view.sessions_total}"
    day = f"day {view.session_index + 1:>{max(len(total) - 1, 1)}}{total}"
    held = count(len(view.positions), "position") + (f", {count(view.spreads, 'spread')}" if view.spreads else "")
    text = Text(f"{clock(view.at)} ET  {day}  equity {dollars(view.equity_usd):>12}  {held}", style="bold" if busy else "")
    bare = sum(not line.protected for line in view.positions)
    if bare:
        text.append(f", {bare} NOT PROTECTED", style="bold red")
    if busy:
        text.append(f"  cash {dollars(view.cash_usd)}")
    if refused_again:
        text.append(f"  {refused_again} refused as before", style="dim")
    text.truncate(columns, overflow="ellipsis")
    return text


def _position(line: PositionLine, columns: int) -> Text:
    text = Text(f"  {'hold':<8}{printable(line.symbol):<6} {line.shares:>6,} at {price(line.entry_price):>9}")
    text.append(f"  now {price(line.last_price):>9} {_distance(line.last_price, line.entry_price)}")
    if not line.protected:
        text.append("  NOT PROTECTED", style="bold red")
    for name, level in (("stop", line.stop_price), ("target", line.target_price)):
        text.append("" if level is None else f"  {name} {_distance(level, line.last_price)}")
    text.truncate(columns, overflow="ellipsis")
    return text


def _distance(level: float, base: float) -> str:
    """How far `level` is from `base`, as a signed percentage of `base`, aligned."""
    return f"{percent(level / base - 1, signed=True) if base > 0 else 'n/a':>8}"


def _purchase(line: ActionLine) -> str:
    exits = f"stop {price(line.stop_price)}, target {price(line.target_price)}"
    confidence = "" if line.confidence is None else f"; confidence {line.confidence:.2f}"
    gate = f", {line.gate_text}" if line.gate_text else ""
    return f"{line.symbol:<6} {line.shares:>6,} limit {price(line.limit_price)}, {exits}: {line.reason}{confidence}{gate}"


def _sale(line: SaleLine) -> str:
    how = "at market" if line.limit_price is None else f"limit {price(line.limit_price)}"
    return f"{line.symbol:<6} {line.shares:>6,} {how}: {line.reason}"


def _refusals(lines: Sequence[RefusalLine]) -> Iterator[str]:
    shown = lines if len(lines) <= MOST_REFUSALS + 1 else lines[:MOST_REFUSALS]
    for line in shown:
        yield f"{line.symbol:<6} {line.reason}: {line.text}"
    rest = Counter(line.reason for line in lines[len(shown) :])
    if rest:
        yield f"and {sum(rest.values())} more: " + ", ".join(f"{reason} {number}" for reason, number in rest.most_common())


def _wrapped(label: str, texts: Sequence[str], style: str, columns: int) -> list[Text]:
    """Each text behind its label, broken at `columns` with the rest aligned under its start."""
    lead = f"  {label:<8}"
    shape = textwrap.TextWrapper(width=columns, initial_indent=lead, subsequent_indent=" " * len(lead))
    lines = (piece for text in texts for piece in shape.wrap(_clean(text)))
    wrapped = [Text(line, style=style) for line in lines]
    for line in wrapped:
        # textwrap counts letters, and some scripts take two columns for one.
        line.truncate(columns, overflow="ellipsis")
    return wrapped


def _clean(text: str) -> str:
    """As `printable`, but runs of blanks stay: they align the columns."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def print_banner(console: Console, lines: Sequence[str]) -> None:
    """Print what a run is about to do: in a frame on a terminal, as plain lines elsewhere. Markup in `lines` is not read."""
    text = Text("\n".join(printable(line) for line in lines))
    if console.is_terminal:
        print_within(console, Panel(text, box=box.ROUNDED, expand=False, border_style="dim"))
    else:
        console.print(text, soft_wrap=True)
