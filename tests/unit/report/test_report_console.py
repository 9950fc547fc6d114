from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from desk.report.console import (
    ActionLine,
    IterationView,
    PositionLine,
    RefusalLine,
    RunConsole,
    SaleLine,
    iteration_lines,
    print_banner,
)

START = datetime(2008, 9, 2, 14, 30, tzinfo=UTC)
HELD = PositionLine("AAPL", 91, 100.0, 102.0, 95.0, 115.0, True)
BOUGHT = ActionLine("AAPL", 91, 100.0, 95.0, 115.0, "RSI 27.9 is oversold", 0.54, "the 0.6 gate would refuse")
REFUSED = RefusalLine("GOOG", "CASH", "100 shares cost $9,120.00, cash is $4,310.22")


def view(hour: int = 0, day: int = 0, **more: object) -> IterationView:
    at = START + timedelta(hours=hour, days=day)
    return IterationView(at, day, 60, 100_123.45, 85_000.0, **({"positions": (HELD,)} | more))


def run(*views: IterationView, terminal: bool = False, quiet: bool = False) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=110, color_system=None, legacy_windows=False)
    with RunConsole(console, len(views), quiet) as shown:
        for one in views:
            shown.iteration(one)
    return console.file.getvalue()


def test_a_quiet_iteration_takes_one_line_with_time_equity_and_positions() -> None:
    lines = run(view(0), view(1), view(2)).splitlines()
    assert lines[2:] == [
        "2008-09-02 11:30 ET  day  1/60  equity  $100,123.45  1 position",
        "2008-09-02 12:30 ET  day  1/60  equity  $100,123.45  1 position",
    ]


def test_open_spreads_are_counted_beside_positions_and_only_where_there_are_some() -> None:
    bare = replace(HELD, protected=False)
    lines = run(view(0), view(1, spreads=1), view(2, positions=(), spreads=2), view(3, positions=(bare,), spreads=1)).splitlines()
    ends = [line.partition("$100,123.45  ")[2] for line in lines[2:]]
    assert ends == ["1 position, 1 spread", "0 positions, 2 spreads", "1 position, 1 spread, 1 NOT PROTECTED"]
    assert "spread" not in lines[0]


def test_the_first_iteration_of_a_session_lists_positions_with_distance_to_stop_and_target() -> None:
    lines = run(view(0), view(1), view(0, day=1)).splitlines()
    held = "  hold    AAPL       91 at    100.00  now    102.00   +2.0 %  stop   -6.9 %  target  +12.7 %"
    assert lines == [lines[0], held, lines[2], lines[3], held]


def test_what_was_bought_sold_and_filled_is_told_with_its_reason() -> None:
    sale = SaleLine("MSFT", 10, 27.5, "time barrier: 10 sessions")
    text = run(view(0), view(1, bought=(BOUGHT,), sold=(sale,), events=("bought 5 IBM at 120.01",)))
    for part in ("buy     AAPL", "stop 95.00, target 115.00", "oversold; confidence 0.54, the 0.6 gate would refuse"):
        assert part in " ".join(text.split("\n          "))
    assert "sell    MSFT       10 limit 27.50: time barrier" in text
    assert "event   bought 5 IBM at 120.01" in text
    assert text.count("hold    AAPL") == 2


def test_the_same_refusal_is_told_once_a_session_and_then_counted() -> None:
    text = run(view(0, refused=(REFUSED,)), view(1, refused=(REFUSED,)), view(2), view(3, refused=(REFUSED,)))
    assert text.count("GOOG   CASH: 100 shares") == 2, "told again after an iteration without it"
    assert text.count("1 refused as before") == 1
    assert run(view(0, refused=(REFUSED,)), view(0, day=1, refused=(REFUSED,))).count("100 shares cost") == 2


def test_hundreds_of_refusals_are_counted_by_reason() -> None:
    many = tuple(RefusalLine(f"S{i}", "CASH" if i % 3 else "NO_PRICE", "no") for i in range(300))
    lines = run(view(0, refused=many)).splitlines()
    assert len(lines) < 10
    assert lines[-1] == "  refused and 295 more: CASH 197, NO_PRICE 98"


def test_a_position_without_protection_is_said_in_capitals() -> None:
    bare = replace(HELD, stop_price=None, target_price=None, protected=False)
    assert run(view(0, positions=(HELD, bare))).count("NOT PROTECTED") == 2
    assert "1 NOT PROTECTED" in run(view(0), view(1, positions=(HELD, bare))).splitlines()[-1]


def test_quiet_prints_nothing_where_there_is_no_terminal() -> None:
    assert run(view(0, bought=(BOUGHT,)), view(1), quiet=True) == ""


def test_a_terminal_gets_a_bar_and_gets_its_cursor_back() -> None:
    text = run(view(0), view(1), terminal=True)
    assert "2/2" in text
    assert "ET  day  1/60" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_a_run_that_fails_gives_the_cursor_back() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=110, color_system=None, legacy_windows=False)
    with pytest.raises(KeyboardInterrupt), RunConsole(console, None) as shown:
        shown.iteration(view(0))
        raise KeyboardInterrupt
    shown.finish()
    assert console.file.getvalue().rindex("\x1b[?25h") > 0


def test_a_run_without_an_iteration_prints_nothing() -> None:
    assert run() == ""
    assert run(terminal=True) == ""


texts = st.text(max_size=300)
amounts = st.floats(0.0001, 1e9)


@given(texts, texts, amounts, amounts, st.floats(-1e10, 1e10), st.integers(1, 10**7), st.sampled_from([60, 80, 100]))
def test_nothing_is_wider_than_it_may_be_and_no_control_code_comes_through(
    symbol: str, words: str, entry: float, last: float, equity: float, shares: int, columns: int
) -> None:
    busy = IterationView(
        START, 59, 60, equity, equity,
        positions=(PositionLine(symbol, shares, entry, last, last, entry, False),) * 3,
        bought=(ActionLine(symbol, shares, entry, last, last, words, 0.5, words),),
        sold=(SaleLine(symbol, shares, None, words),),
        refused=(RefusalLine(symbol, words, words),),
        events=(words,),
    )  # fmt: skip
    for line in iteration_lines(busy, True, frozenset(), columns):
        assert line.cell_len <= columns
        assert line.plain.isprintable()


def test_the_banner_is_plain_lines_in_a_file_and_a_frame_on_a_terminal() -> None:
    lines = ["combined on the built-in exchange [no key]", "http://127.0.0.1:43121/"]
    console = Console(file=io.StringIO(), width=80)
    print_banner(console, lines)
    assert console.file.getvalue().splitlines() == lines
    framed = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None, legacy_windows=False)
    print_banner(framed, lines)
    assert len(framed.file.getvalue().splitlines()) == 4
    assert all(line in framed.file.getvalue() for line in lines)
