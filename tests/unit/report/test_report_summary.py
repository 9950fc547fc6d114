from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.console import Console

from desk.domain.records import RunRecord
from desk.report.statistics import run_statistics
from desk.report.summary import MOST_LINES, print_summary
from desk.report.wording import NO_PROMISE

COMMANDS = ("make backtest", "python live_trader.py --resume runs/" + "x" * 120, "desk config show")


def shown(record: RunRecord, terminal: bool = False, width: int | None = None) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width, color_system=None, legacy_windows=False)
    print_summary(record, console, COMMANDS, "/runs/1/report.html")
    return console.file.getvalue()


@pytest.mark.parametrize(("terminal", "width", "most"), [(False, None, 100), (True, 200, 100), (True, 72, 72)])
def test_the_table_is_no_wider_than_it_may_be(record, terminal: bool, width: int | None, most: int) -> None:
    text, after = shown(record, terminal, width).split("Try next:")
    assert max(map(len, text.splitlines())) <= most
    assert COMMANDS[1] in after, "a command must stay on one line to be copied"


def test_figures_that_a_trader_asks_for_are_all_there(record) -> None:
    text, figures = shown(record), run_statistics(record)
    assert "2008-09-02 to 2008-11-24, 60 sessions" in text
    assert f"{figures.trips.wins} won, {figures.trips.losses} lost" in text
    assert str(figures.worst_day.session) in text
    stop = figures.gapped_stops[0]
    assert f"stop {stop.stop_price:,.2f}, filled {stop.fill_price:,.2f}" in text
    assert "CASH 10, EXITED_TODAY 7, NO_PRICE 1" in text
    assert "gate would have refused" in text
    assert "/runs/1/report.html" in text
    assert all(note in text for note in record.notes)


def test_a_return_never_stands_without_costs_drawdown_and_the_warning(record) -> None:
    lines = shown(record).splitlines()
    start = next(i for i, line in enumerate(lines) if line.strip().startswith("Return"))
    block = "\n".join(lines[start : start + 7])
    assert "Entries            $37.50 worse than the prices decided on, in the return" in block
    assert "Stops " in block and "of it by gaps" in block
    assert "Deepest drawdown" in block
    assert NO_PROMISE in block


def test_costs_of_a_backtest_are_called_what_they_are_there(record) -> None:
    assert "Fees and slippage  $37.50 as modelled, 0.04 % of the starting equity" in shown(replace(record, broker="backtest"))


def test_what_open_positions_have_gained_is_shown_when_it_can_be_told(record) -> None:
    assert "Unrealised " in shown(record)
    assert "Unrealised" not in shown(replace(record, daily={}))


def test_an_open_position_says_that_it_is_protected_and_a_doubtful_one_does_not(record) -> None:
    assert "protected by stop" in shown(record)
    doubtful = tuple(replace(trip, is_protected=False) for trip in record.trips)
    assert "protected by stop" not in shown(replace(record, trips=doubtful))


def test_a_run_that_did_nothing_has_a_summary(empty_record) -> None:
    text = shown(empty_record)
    assert "no session" in text
    assert "0 closed" in text


def test_text_from_outside_is_neither_markup_nor_control_codes(record) -> None:
    text = shown(replace(record, strategy="[red]x[/red]\x1b[2J", notes=("[bold]note[/bold]\nsecond line",)))
    assert "[red]x[/red]" in text
    assert "[bold]note[/bold] second line" in text
    assert "\x1b" not in text


def test_many_gapped_stops_are_cut_short_and_counted(record) -> None:
    gapped = next(trip for trip in record.trips if trip.gapped)
    many = tuple(replace(gapped, exit_at=gapped.exit_at + timedelta(minutes=i)) for i in range(MOST_LINES + 7))
    assert "and 7 more, all in the report" in shown(replace(record, trips=many))
