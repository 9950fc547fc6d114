"""How positions are printed: every figure at usual widths, what a person has to hear, and the age."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

import pytest
from rich.console import Console

from desk.cli.positions_table import JOURNAL, Shown, dashboard, printed
from desk.core.positions import BrokersWord, positions
from desk.domain.orders import OrderClass, OrderSpec, OrderStatus, OrderType, Side
from desk.domain.trades import Book, Trade

NOW = datetime(2024, 1, 10, 15, tzinfo=UTC)
WEEK = timedelta(days=7)


def trade(symbol: str, price: int, key: str = "", shares: int = 10, exits: OrderStatus = OrderStatus.HELD) -> Trade:
    """Shares bought a week ago at `price`, with the stop 10 % below and the target 20 % above."""
    entry, stop, target = Decimal(price), Decimal(price) * Decimal("0.9"), Decimal(price) * Decimal("1.2")
    kind = OrderClass.BRACKET
    spec = OrderSpec(
        key or symbol, symbol, Side.BUY, shares, OrderType.LIMIT, kind, limit_price=entry, take_profit=target, stop_loss=stop
    )
    return Trade(
        spec,
        NOW - WEEK,
        float(price),
        "test",
        entry_status=OrderStatus.FILLED,
        target_status=exits,
        stop_status=exits,
        target_price=target,
        stop_price=stop,
        entered=shares,
        entry_value=entry * shares,
        entered_at=NOW - WEEK,
    )


CROWD = (
    trade("AAPL", 100),
    trade("AAPL", 104, key="AAPL2"),
    trade("IBM", 50, exits=OrderStatus.EXPIRED),
    trade("BIG", 1234, shares=12_000),
)


def shown(prices: Mapping[str, float], told_by: str = "the broker", word: BrokersWord | None = None) -> Shown:
    book = Book(open=MappingProxyType({each.key: each for each in CROWD}))
    return Shown("runs/x/journal.db", NOW, told_by, positions(book, prices, NOW, word), {"XOM": Decimal("3.50")}, prices)


def text(what: Shown, width: int = 130) -> str:
    console = Console(width=width, highlight=False)
    with console.capture() as captured:
        console.print(printed(what))
    return captured.get()


def lines_of(what: Shown, name: str) -> list[str]:
    return [line for line in text(what).splitlines() if line.strip().startswith(name)]


@pytest.mark.parametrize("width", [100, 130])
def test_the_table_keeps_every_figure_whole_at_usual_widths(width: int) -> None:
    told = text(shown({"AAPL": 96.0, "IBM": 51.0, "BIG": 1300.25}), width)
    assert max(len(line) for line in told.splitlines()) <= width
    for figure in (
        "104.00",
        "93.60",
        "2.5 %",
        "120.00",
        "25.0 %",
        "45.00",
        "60.00",
        "12,000",
        "1,234.00",
        "1,300.25",
        "1,480.80",
    ):
        assert figure in told


def test_several_trades_of_a_symbol_are_listed_below_it() -> None:
    told = shown({"AAPL": 96.0})
    assert [lines_of(told, name)[0].split()[2:4] for name in ("no. 1", "no. 2")] == [["10", "100.00"], ["10", "104.00"]]
    assert lines_of(told, "AAPL")[0].split()[1:3] == ["20", "102.00"]


def test_what_is_not_protected_says_why_below_its_figures() -> None:
    lines = text(shown({})).splitlines()
    (row,) = (number for number, line in enumerate(lines) if line.startswith("IBM"))
    assert lines[row].endswith(" NO") and lines[row + 1] == "        exits expired at the broker"
    assert "yes: stop and target rest at the broker" in lines


def test_the_journals_word_is_labelled_as_its_own() -> None:
    told = text(shown({}, JOURNAL))
    assert "exits as the journal has them" in told
    assert "yes: the journal says that stop and target rest at the broker" in told


def test_a_position_that_approaches_or_passed_its_stop_says_so() -> None:
    assert "approaching" not in text(shown({"AAPL": 103.0}))
    assert "approaching its stop: 80 % of the way" in text(shown({"AAPL": 104 - 0.8 * 10.4}))
    assert "past its stop" in text(shown({"AAPL": 80.0}))


def test_what_broker_and_journal_do_not_agree_about_is_said() -> None:
    word = BrokersWord({"AAPL": Decimal(20), "IBM": Decimal(10), "BIG": Decimal(11_999)})
    assert "but the account holds 11999 of these 12000 shares" in text(shown({}, word=word))


def test_shares_of_others_have_a_price_where_one_is_known() -> None:
    assert "Not the desk's: 3.5 XOM\n" in text(shown({}))
    assert "Not the desk's: 3.5 XOM at 110.20" in text(shown({"XOM": 110.2}))


def test_the_age_is_counted_in_completed_sessions_and_in_days() -> None:
    told = shown({})
    assert (told.sessions(date(2024, 1, 3)), told.sessions(date(2024, 1, 10)), told.sessions(None)) == (5, 0, None)
    assert lines_of(told, "BIG")[0].split()[-3:] == ["5", "7", "yes"]


def test_the_accounts_own_page_is_that_of_its_kind() -> None:
    assert dashboard(True) == "https://app.alpaca.markets/paper/dashboard/overview"
    assert dashboard(False) == "https://app.alpaca.markets/dashboard/overview"
    assert "https://app.alpaca.markets/dashboard/overview" in text(replace(shown({}), link=dashboard(False)))
