"""Prints rows for people and objects for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDTH_OF_A_PIPE = 200


def print_json(value: object) -> None:
    """One JSON document on stdout; what JSON does not know is written as its text."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """An aligned table without a frame. Values are printed as they are: brackets in them are no markup."""
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console().print(table)


def console() -> Console:
    """Stdout, as wide as the terminal; a pipe gets room enough that lines are seldom folded."""
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE, highlight=False)
