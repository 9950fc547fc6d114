"""Corporate actions of a data directory: cash dividends and splits, from `corporate_actions.csv`.

Columns `type,symbol,ex_date,pay_date,cash,new_rate,old_rate`; type is dividend or split, dates are YYYY-MM-DD, `cash` dollars a
share. A dividend without `pay_date` pays on its ex-date. Prices beside such a file are those of the day, not adjusted ones.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from uuid import uuid5

from desk.domain.errors import ConfigurationError
from desk.exchange.machine.book import NAMESPACE

FILE_NAME = "corporate_actions.csv"
COLUMNS = ("type", "symbol", "ex_date", "pay_date", "cash", "new_rate", "old_rate")
# The file does not say when an action was announced. Companies owe the exchange ten days' notice of a record date
# (SEC Rule 10b-17), so clients hear of it that long before, and not earlier: nothing is known ahead of its time.
NOTICE = timedelta(days=10)


@dataclass(frozen=True, slots=True)
class Dividend:
    """`cash_usd` a share to who held the shares before `ex_date`, paid on `pay_date`."""

    symbol: str
    ex_date: date
    pay_date: date
    cash_usd: Decimal

    @property
    def id(self) -> str:
        return str(uuid5(NAMESPACE, f"dividend/{self.symbol}/{self.ex_date}"))

    @property
    def announced_on(self) -> date:
        return self.ex_date - NOTICE


@dataclass(frozen=True, slots=True)
class Split:
    """`new_rate` shares for every `old_rate`, from the start of `ex_date` on."""

    symbol: str
    ex_date: date
    new_rate: Decimal
    old_rate: Decimal

    @property
    def is_forward(self) -> bool:
        return self.new_rate > self.old_rate

    @property
    def id(self) -> str:
        return str(uuid5(NAMESPACE, f"split/{self.symbol}/{self.ex_date}"))

    @property
    def announced_on(self) -> date:
        return self.ex_date - NOTICE


Action = Dividend | Split


@dataclass(frozen=True)
class CorporateActions:
    """All actions, in order of ex-date and symbol."""

    actions: tuple[Action, ...] = ()

    def between(self, after: date, until: date) -> tuple[Action, ...]:
        """Actions with an ex-date after `after`, up to and on `until`, in order; on one day splits come before dividends, since a
        dividend is declared on the shares after the split."""
        found = [action for action in self.actions if after < action.ex_date <= until]
        return tuple(sorted(found, key=lambda action: (action.ex_date, isinstance(action, Dividend))))

    def known(self, today: date) -> tuple[Action, ...]:
        """Actions that have been announced by `today`."""
        return tuple(action for action in self.actions if action.announced_on <= today)

    def find(self, action_id: str) -> Action | None:
        return next((action for action in self.actions if action.id == action_id), None)


def load_corporate_actions(folder: Path | str | None) -> CorporateActions:
    """The actions in a data directory; none when it has no such file, or there is no directory. Raises
    ConfigurationError naming line, field and fix.
    """
    file = None if folder is None else Path(folder) / FILE_NAME
    if file is None or not file.is_file():
        return CorporateActions()
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            rows = list(_rows(csv.DictReader(text)))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"{FILE_NAME}: cannot be read: {error}. Save it as CSV in UTF-8") from error
    actions = [_action(line, row) for line, row in rows]
    _refuse_repeats([line for line, _ in rows], actions)
    return CorporateActions(tuple(sorted(actions, key=lambda action: (action.ex_date, action.symbol, action.id))))


def _rows(reader: csv.DictReader[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """(line, cells by column) of every row that is not empty."""
    names = [str(name).strip().lower() for name in reader.fieldnames or ()]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise ConfigurationError(f"{FILE_NAME}: column {missing[0]} is missing. The first line is {','.join(COLUMNS)}")
    reader.fieldnames = names
    for row in reader:
        cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
        if any(cells.values()):
            yield reader.line_num, cells


def _action(line: int, row: Mapping[str, str]) -> Action:
    kind, symbol = row["type"].lower(), row["symbol"].upper()
    if not symbol:
        raise _wrong(line, "symbol", row["symbol"], "give the symbol as in the price files")
    ex_date = _date(line, "ex_date", row["ex_date"])
    if kind == "dividend":
        pay_date = _date(line, "pay_date", row["pay_date"]) if row["pay_date"] else ex_date
        if pay_date < ex_date:
            raise _wrong(line, "pay_date", row["pay_date"], f"give a date from the ex-date {ex_date} on, or nothing")
        return Dividend(symbol, ex_date, pay_date, _positive(line, "cash", row["cash"]))
    if kind == "split":
        split = Split(symbol, ex_date, *(_positive(line, name, row[name]) for name in ("new_rate", "old_rate")))
        if split.new_rate == split.old_rate:
            raise _wrong(line, "new_rate", row["new_rate"], "give rates that differ, 2 and 1 for two shares for one")
        return split
    raise _wrong(line, "type", row["type"], "give dividend or split")


def _date(line: int, name: str, text: str) -> date:
    try:
        if len(text) == len("2008-09-02"):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise _wrong(line, name, text, "give a date such as 2008-09-02")


def _positive(line: int, name: str, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise _wrong(line, name, text, "give a number above zero") from None
    if not value.is_finite() or not 0 < value <= 1_000_000:
        raise _wrong(line, name, text, "give a number above zero, at most 1000000")
    return value


def _refuse_repeats(lines: list[int], actions: list[Action]) -> None:
    seen: dict[str, int] = {}
    for line, action in zip(lines, actions, strict=True):
        if action.id in seen:
            raise _wrong(line, "ex_date", str(action.ex_date), f"line {seen[action.id]} has the same action; remove one of them")
        seen[action.id] = line


def _wrong(line: int, name: str, value: str, fix: str) -> ConfigurationError:
    return ConfigurationError(f"{FILE_NAME} line {line}: {name} is {value!r}; {fix}")
