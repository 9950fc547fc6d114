"""How the desk's positions are printed: a table for people, an object for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from desk.core.positions import USUAL, Cover, Position, has_naked
from desk.core.residue import Exempt
from desk.data.calendars import NEW_YORK, session_dates
from desk.report.wording import count, percent, price

COVERED, NAKED = 0, 7
JOURNAL = "the journal"


def dashboard(is_paper: bool) -> str:
    """Where Alpaca shows the account to its owner."""
    return f"https://app.alpaca.markets/{'paper/' if is_paper else ''}dashboard/overview"


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything that one look found. `told_by` said where the exits are; `notes` are sentences, `link` a page to look at.

    `exempt` are parts of shares, which no exit can be for.
    """

    journal: str
    as_of: datetime
    told_by: str
    positions: tuple[Position, ...]
    not_ours: Mapping[str, Decimal]
    prices: Mapping[str, float]
    notes: tuple[str, ...] = ()
    link: str | None = None
    exempt: tuple[Exempt, ...] = ()

    @property
    def word_of_journal(self) -> bool:
        """Whether nobody but the journal told of the exits."""
        return self.told_by == JOURNAL

    @property
    def exit_code(self) -> int:
        return NAKED if has_naked(self.positions) else COVERED

    def sessions(self, entered_on: date | None) -> int | None:
        """Completed sessions since a day, that day's included."""
        if entered_on is None:
            return None
        return len(session_dates(entered_on, self.as_of.astimezone(NEW_YORK).date() - timedelta(days=1)))


# ---- for people ------------------------------------------------------------------------------------------------------------

COLUMNS = ("symbol", "shares", "entry", "now", "stop", "to it", "target", "to it", "sessions", "days", "protected")
LEFT = frozenset({"symbol", "protected"})
_GAP, _INDENT = "  ", 8
_ANSWERS = {Cover.PROTECTED: "yes", Cover.EXEMPT: "not now", Cover.NAKED: "NO"}
_STYLES = {Cover.PROTECTED: "", Cover.EXEMPT: "yellow", Cover.NAKED: "bold red"}


def printed(shown: Shown) -> RenderableType:
    """The table and what is to be said around it. Sentences on a position stand below its figures, as wide as there is room."""
    parts: list[RenderableType] = [Text(_heading(shown)), *_listed(shown)]
    if any(_is_usual(position) for position in shown.positions):
        says = "the journal says that " if shown.word_of_journal else ""
        parts.append(Text(f"yes: {says}stop and target rest at the broker"))
    parts += [Text(f"{part.quantity:f} {part.symbol}: {part.words}") for part in shown.exempt]
    if shown.not_ours:
        listed = ", ".join(_not_ours(symbol, shares, shown.prices.get(symbol)) for symbol, shares in shown.not_ours.items())
        parts.append(Text(f"Not the desk's: {listed}"))
    parts += [Text(note) for note in shown.notes]
    if shown.link:
        parts.append(Text(f"The account's own page: {shown.link}"))
    return Group(*parts)


def _heading(shown: Shown) -> str:
    held = count(len(shown.positions), "position") if shown.positions else "no position is open"
    return f"{shown.journal}: {held} on {shown.as_of:%Y-%m-%d %H:%M:%S} UTC, exits as {shown.told_by} has them"


def _listed(shown: Shown) -> Iterator[RenderableType]:
    rows = list(_rows(shown))
    cells = [COLUMNS, *(_cells(position, shown, name) for name, position in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    if rows:
        yield Text(_aligned(COLUMNS, widths), style="bold")
    for (_, position), row in zip(rows, cells[1:], strict=True):
        yield Text(_aligned(row, widths), style=_style(position))
        yield from (Padding(Text(words, style=style), (0, 0, 0, _INDENT), expand=False) for words, style in _sentences(position))


def _rows(shown: Shown) -> Iterator[tuple[str, Position]]:
    """Every line of figures with its name: positions, each followed by its trades where there are several."""
    for position in shown.positions:
        yield position.symbol, position
        yield from ((f"  no. {number}", trade) for number, trade in enumerate(position.trades, 1))


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = zip(COLUMNS, row, widths, strict=True)
    return _GAP.join(cell.ljust(width) if name in LEFT else cell.rjust(width) for name, cell, width in cells).rstrip()


def _cells(position: Position, shown: Shown, name: str) -> tuple[str, ...]:
    away = position.distance
    return (
        name,
        f"{position.shares:,}",
        _price(position.entry_price),
        _price(position.price) or "unknown",
        _price(position.stop_price),
        _percent(away.to_stop_fraction),
        _price(position.target_price),
        _percent(away.to_target_fraction),
        _number(shown.sessions(position.entered_on)),
        _number(position.days),
        _ANSWERS[position.protection.cover],
    )


def _style(position: Position) -> str:
    return _STYLES[position.protection.cover] or ("yellow" if position.distance.is_approaching else "")


def _is_usual(position: Position) -> bool:
    return position.protection == USUAL


def _sentences(position: Position) -> Iterator[tuple[str, str]]:
    """What is to be said of a position beyond its figures, each with its style. Of several trades each says its own."""
    if not _is_usual(position):
        yield position.protection.words, _STYLES[position.protection.cover]
    way = position.distance.way_to_stop
    if position.distance.is_approaching and way is not None and not position.trades:
        yield "past its stop" if way > 1 else f"approaching its stop: {way * 100:.0f} % of the way from the entry", "yellow"
    yield from ((f"but {difference}", "yellow") for difference in position.differences)


def _price(value: Decimal | float | None) -> str:
    return "" if value is None else price(float(value))


def _percent(fraction: float | None) -> str:
    return "" if fraction is None else percent(fraction, signed=fraction < 0)


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _not_ours(symbol: str, shares: Decimal, last: float | None) -> str:
    told = f"{shares.normalize():f} {symbol}"
    return told if last is None else f"{told} at {price(last)}"


# ---- for programs ----------------------------------------------------------------------------------------------------------


def as_object(shown: Shown) -> dict[str, Any]:
    """The same as JSON: prices as numbers, distances as fractions of the price, null for what is not known."""
    return {
        "journal": shown.journal,
        "as_of": shown.as_of.isoformat(),
        "exits_as_told_by": shown.told_by,
        "exit_code": shown.exit_code,
        "positions": [_object(position, shown) for position in shown.positions],
        "exempt": [_part(part) for part in shown.exempt],
        "not_the_desks": [
            {"symbol": symbol, "shares": float(shares), "price": shown.prices.get(symbol)}
            for symbol, shares in shown.not_ours.items()
        ],
        "notes": list(shown.notes),
        "dashboard": shown.link,
    }


def _object(position: Position, shown: Shown) -> dict[str, Any]:
    away = position.distance
    return {
        "symbol": position.symbol,
        "key": position.key,
        "shares": position.shares,
        "entry_price": _float(position.entry_price),
        "price": position.price,
        "stop_price": _float(position.stop_price),
        "target_price": _float(position.target_price),
        "to_stop_fraction": away.to_stop_fraction,
        "to_target_fraction": away.to_target_fraction,
        "way_to_stop_fraction": away.way_to_stop,
        "is_approaching_stop": away.is_approaching,
        "cover": position.protection.cover.value,
        "why": position.protection.words,
        "differences": list(position.differences),
        "entered_on": None if position.entered_on is None else position.entered_on.isoformat(),
        "sessions": shown.sessions(position.entered_on),
        "days": position.days,
        "trades": [_object(trade, shown) for trade in position.trades],
    }


def _part(part: Exempt) -> dict[str, Any]:
    return {
        "symbol": part.symbol,
        "shares": float(part.quantity),
        "stop_price": _float(part.stop_price),
        "until": None if part.until is None else part.until.isoformat(),
        "why": part.words,
    }


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
