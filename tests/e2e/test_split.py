"""A split of shares that are held and protected, over the real exchange: nothing halts, nothing is sold, all is covered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from live_desk import live_run

from desk.brokers.alpaca_clients import trading_client
from desk.data import calendars
from desk.data.directory import load_directory
from desk.domain.decisions import Direction, FixedExit, Mode, Shares, Signal, Target
from desk.domain.journal import BreakFound, BrokerRefusal, ModeChanged, SharesSplit
from desk.domain.market import Market
from desk.domain.orders import OrderEvent
from desk.domain.steps import Cancel, Submit
from desk.domain.trades import Book, Trade
from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess
from desk.journal.sql import SqlJournal
from desk.runtime.alpaca_run import AlpacaRun, account_number
from desk.runtime.clock import stopwatch, wait_seconds
from desk.runtime.exchange_run import ExchangeRun
from desk.runtime.request import RunRequest
from desk.runtime.run_folder import RunFolder, RunIdentity, create
from desk.runtime.strategy import DeskStrategy
from desk.settings.load import load_settings

pytestmark = pytest.mark.slow
FIRST, START, EX, LAST = date(2024, 5, 1), date(2024, 6, 6), date(2024, 6, 10), date(2024, 6, 28)
PATIENCE_SECONDS = 60.0


class Ten(DeskStrategy):
    """Buys ten shares of each stock, and keeps what it has."""

    count = 10

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        return [Signal(symbol, Direction.LONG, "always") for symbol in market.bars]

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        held, rule = book.shares(), FixedExit(0.1, 0.2)
        return [Target(each.symbol, Shares(held.get(each.symbol, self.count)), rule, each.reason) for each in signals]


class HundredFive(Ten):
    count = 105


def history(folder: Path, before: float, new: int, old: int) -> Path:
    """Prices that do next to nothing but for the split of AAPL on EX."""
    folder.mkdir()
    lines = ["symbol,timestamp,open,high,low,close,volume"]
    for number, day in enumerate(calendars.session_dates(FIRST, LAST)):
        for symbol, price in (("AAPL", before if day < EX else before * old / new), ("IBM", 80.0)):
            close = price * (1 + 0.004 * (number % 3))
            lines.append(f"{symbol},{day},{close:.2f},{close * 1.003:.2f},{close * 0.997:.2f},{close:.2f},50000000")
    (folder / "prices.csv").write_text("\n".join(lines) + "\n")
    columns = "type,symbol,ex_date,pay_date,cash,new_rate,old_rate"
    (folder / "corporate_actions.csv").write_text(f"{columns}\nsplit,AAPL,{EX},,,{new},{old}\n")
    return folder


def values(folder: RunFolder, *kinds: type) -> list[Any]:
    return [row.value for row in SqlJournal(folder.journal, "").rows() if isinstance(row.value, kinds)]


def fills(folder: RunFolder) -> list[tuple[str, int]]:
    events = [event.fill for event in values(folder, OrderEvent) if event.fill is not None and event.fill.symbol == "AAPL"]
    return [(fill.side.value, fill.quantity) for fill in events]


def only(trades: Book) -> Trade:
    (trade,) = trades.trades_of("AAPL")
    return trade


# ---- a replay --------------------------------------------------------------------------------------------------------------


class WholeFills(ExchangeRun):
    """On an exchange that fills each order at once: what is bare is so because of the split."""

    def _exchange_config(self, first: date) -> ExchangeConfig:
        return replace(super()._exchange_config(first), partial_fill_probability=0.0)


@pytest.fixture
def replay(tmp_path: Path) -> Callable[..., ExchangeRun]:
    """Four sessions, the third of which begins with a split."""

    def build(strategy: type, before: float, new: int, old: int) -> ExchangeRun:
        data = history(tmp_path / "history", before, new, old)
        folder = create(tmp_path / "runs", "ten", RunIdentity("ten", "exchange", str(data), START.isoformat(), 4, 1))
        request = RunRequest(
            "ten", load_settings(environ={}, dotenv=None), tmp_path / "runs", START, 4, 1, data=data, gate="report"
        )
        return WholeFills(request, strategy, load_directory(data), folder)

    return build


def test_ten_for_one_leaves_every_share_covered_at_a_tenth_of_the_prices(replay: Callable[..., ExchangeRun]) -> None:
    run = replay(Ten, 1200.0, 10, 1)
    shown: list[str] = []
    bare: list[tuple[date, float]] = []
    run.show = shown.append
    run.on_exchange = lambda admin: setattr(
        run,
        "on_iteration",
        lambda iteration: bare.append((iteration.market.session, float(admin.report()["unprotected_share_seconds"]))),
    )
    result = run.run()
    assert result.error is None
    assert (result.mode, values(run.folder, BreakFound)) == (Mode.ACTIVE, [])

    (split,) = values(run.folder, SharesSplit)
    assert (split.symbol, split.old_shares, split.new_shares, split.new_rate, split.on) == ("AAPL", 10, 100, 10, EX)
    assert len(split.activity_ids) == 2
    assert shown == [
        "AAPL: a split of 10 for 1 on 2024-06-10 made 100 shares of 10; the book is on the new terms, and exits follow"
    ]
    entry = next(step for step in values(run.folder, Submit) if step.spec.symbol == "AAPL")
    (end,) = values(run.folder, Cancel)
    (cover,) = [step for step in values(run.folder, Submit) if step.covers is not None]
    assert (end.of_key, cover.covers, cover.spec.quantity) == (entry.key, entry.key, 100)
    assert abs(cover.spec.stop_loss * 10 - entry.spec.stop_loss) < Decimal("0.1")
    assert abs(cover.spec.take_profit * 10 - entry.spec.take_profit) < Decimal("0.1")
    trade = only(result.book)
    assert (trade.shares, trade.is_protected, trade.exits_key) == (100, True, cover.key)
    assert sum(count for side, count in fills(run.folder) if side == "buy") == 10
    assert "sell" not in dict(fills(run.folder))

    assert {day for day, seconds in bare} == set(calendars.session_dates(START, date(2024, 6, 11)))
    assert {seconds for _, seconds in bare} == {0.0}, "time passed while shares were bare"
    assert result.record.unprotected_share_seconds == 0.0


def test_one_for_ten_pays_a_fraction_out_and_covers_the_rest_at_ten_times_the_prices(replay: Callable[..., ExchangeRun]) -> None:
    run = replay(HundredFive, 12.0, 1, 10)
    shown: list[str] = []
    run.show = shown.append
    result = run.run()
    assert result.error is None
    assert (result.mode, values(run.folder, BreakFound)) == (Mode.ACTIVE, [])
    (split,) = values(run.folder, SharesSplit)
    assert (split.old_shares, split.new_shares, split.new_rate, split.old_rate) == (105, 10, 1, 10)
    assert shown == [
        "AAPL: a split of 1 for 10 on 2024-06-10 made 10 shares of 105; the broker pays 0.5 of a share out in cash; "
        "the book is on the new terms, and exits follow"
    ]
    entry = next(step for step in values(run.folder, Submit) if step.spec.symbol == "AAPL")
    last = [step for step in values(run.folder, Submit) if step.covers == entry.key][-1]
    assert (last.spec.quantity, last.spec.stop_loss) == (10, entry.spec.stop_loss * 10)
    trade = only(result.book)
    assert (trade.shares, trade.is_protected, trade.exits_key) == (10, True, last.key)
    assert "sell" not in dict(fills(run.folder))


# ---- the path that trades at Alpaca ----------------------------------------------------------------------------------------


REVERSE = (12.0, 1, 10)


@pytest.fixture
def exchange(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ExchangeProcess]:
    """Two sessions before a split of AAPL, ten for one unless the test asks for another."""
    data = history(tmp_path / "history", *getattr(request, "param", (1200.0, 10, 1)))
    config = ExchangeConfig(source=str(data), start=START, partial_fill_probability=0.0)
    with ExchangeProcess(config, tmp_path / "exchange.log") as running:
        to(running, START, 15)
        yield running


@pytest.fixture
def run(exchange: ExchangeProcess, tmp_path: Path) -> Callable[..., AlpacaRun]:
    path = tmp_path / "runs" / "combined-alpaca"
    keys = (exchange.api_key, exchange.api_secret)

    def build(**more: Any) -> AlpacaRun:
        if not path.is_dir():
            number = account_number(live_run(exchange.url, keys, tmp_path, "Buyer").endpoint)
            identity = RunIdentity("combined", "alpaca", "alpaca", None, None, None, account=number)
            create(path.parent, path.name, identity)
        return live_run(exchange.url, keys, path, "Buyer", **more)

    return build


def to(exchange: ExchangeProcess, day: date, hour: int, minute: int = 0) -> None:
    """Hours of UTC: the market opens at 13:30."""
    moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
    while not exchange.admin.advance(moment).reached:
        pass


def api(run: AlpacaRun) -> Any:
    return trading_client(run.endpoint)


def open_exits(run: AlpacaRun) -> list[tuple[str, str]]:
    """Quantity and target of the open exits of AAPL."""
    listed = api(run).get("/orders", {"status": "open", "symbols": "AAPL"})
    return [(order["qty"], order["limit_price"]) for order in listed]


@contextmanager
def going(run: AlpacaRun) -> Iterator[None]:
    thread = Thread(target=run.run)
    thread.start()
    try:
        yield
    finally:
        run.stop.set()
        thread.join(PATIENCE_SECONDS)


def until(happened: Callable[[], Any]) -> None:
    deadline = stopwatch() + PATIENCE_SECONDS
    while not happened():
        assert stopwatch() < deadline
        wait_seconds(0.2)


def test_a_desk_that_runs_through_the_night_has_new_exits_before_the_opening(
    run: Callable[..., AlpacaRun], exchange: ExchangeProcess
) -> None:
    made = run()
    with going(made):
        until(lambda: made.folder.lock.exists() and len(open_exits(made)) == 1)
        ((count, target),) = open_exits(made)
        to(exchange, EX, 8, 1)
        until(lambda: values(made.folder, SharesSplit))
        until(lambda: len(open_exits(made)) == 1 and open_exits(made) != [(count, target)])
    to(exchange, EX, 14)
    ((new_count, new_target),) = open_exits(made)
    assert int(new_count) == 10 * int(count)
    assert abs(10 * Decimal(new_target) - Decimal(target)) < Decimal("0.1")
    assert api(made).get_open_position("AAPL").qty == open_exits(made)[0][0]
    assert values(made.folder, BreakFound, ModeChanged) == []


@pytest.mark.parametrize("hour", [9, 15])
def test_a_desk_that_was_away_recognises_the_split_at_its_start_before_or_after_the_old_stop_has_sold(
    run: Callable[..., AlpacaRun], exchange: ExchangeProcess, hour: int
) -> None:
    held = run(once=True).run().book.shares()["AAPL"]
    to(exchange, EX, hour)
    made = run(once=True)
    result = made.run()
    assert result.error is None
    assert (result.mode, values(made.folder, BreakFound)) == (Mode.ACTIVE, [])
    sold = held if hour == 15 else 0
    trade = only(result.book)
    assert (trade.shares, trade.exited, trade.is_protected) == (10 * held - sold, sold, True)
    assert [int(count) for count, _ in open_exits(made)] == [10 * held - sold]
    assert trade.stop_price is not None and trade.entry_price is not None
    assert trade.stop_price < trade.entry_price < 125

    again = run(once=True).run()
    assert (again.mode, only(again.book).shares) == (Mode.ACTIVE, trade.shares)
    assert len(values(made.folder, SharesSplit)) == 1


@pytest.mark.parametrize("exchange", [REVERSE], indirect=True)
def test_a_desk_that_runs_through_the_night_of_a_reverse_split_covers_what_is_left(
    run: Callable[..., AlpacaRun], exchange: ExchangeProcess
) -> None:
    made = run()
    with going(made):
        until(lambda: made.folder.lock.exists() and len(open_exits(made)) == 1)
        ((count, target),) = open_exits(made)
        to(exchange, EX, 8, 1)
        until(lambda: values(made.folder, SharesSplit))
        until(lambda: len(open_exits(made)) == 1)
    to(exchange, EX, 14)
    assert open_exits(made) == [(str(int(count) // 10), f"{Decimal(target) * 10:f}".rstrip("0").rstrip("."))]
    assert api(made).get_open_position("AAPL").qty == open_exits(made)[0][0]
    assert values(made.folder, BreakFound, ModeChanged) == []


@pytest.mark.parametrize("exchange", [REVERSE], indirect=True)
def test_a_desk_that_was_away_in_a_reverse_split_asks_for_no_more_than_there_is(
    run: Callable[..., AlpacaRun], exchange: ExchangeProcess
) -> None:
    held = run(once=True).run().book.shares()["AAPL"]
    to(exchange, EX, 15)
    made = run(once=True)
    result = made.run()
    assert (result.error, result.mode) == (None, Mode.ACTIVE)
    assert (only(result.book).shares, only(result.book).is_protected) == (held // 10, True)
    assert [int(count) for count, _ in open_exits(made)] == [held // 10]
    assert values(made.folder, BrokerRefusal) == []
