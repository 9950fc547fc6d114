"""The path that trades at Alpaca, pointed at the built-in exchange: only addresses and clock differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from requests import ConnectionError
from typer.testing import CliRunner

from desk.brokers.endpoint import Endpoint
from desk.cli.main import app
from desk.cli.trade_alpaca import endpoint_of
from desk.domain.decisions import Mode, Signal
from desk.domain.errors import BrokerUnreachable, ConfigurationError, UsageError
from desk.domain.journal import IterationSkipped
from desk.domain.market import Market
from desk.domain.trades import Book
from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess
from desk.journal.sql import SqlJournal
from desk.runtime.alpaca_run import AlpacaRun, account_number, check_account
from desk.runtime.request import RunRequest
from desk.runtime.run_folder import RunFolder, RunIdentity, create
from desk.settings.load import load_settings
from strategies.combined import Combined

pytestmark = pytest.mark.slow


class ExchangeClock:
    """The exchange's time, asked for at every look."""

    def __init__(self, exchange: ExchangeProcess) -> None:
        self._exchange = exchange

    def now(self) -> datetime:
        return datetime.fromisoformat(self._exchange.admin.status()["now"].replace("Z", "+00:00"))


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[ExchangeProcess]:
    log = tmp_path / "access.log"
    config = ExchangeConfig(source="bundled", start=date(2008, 10, 7), access_log=log, partial_fill_probability=0.0)
    with ExchangeProcess(config, tmp_path / "exchange.log") as process:
        yield process


@pytest.fixture
def endpoint(exchange: ExchangeProcess) -> Endpoint:
    return Endpoint(exchange.api_key, exchange.api_secret, True, exchange.url, exchange.url, exchange.stream_url)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return create(tmp_path / "runs", "combined-alpaca", RunIdentity("combined", "alpaca", "alpaca", None, None, None))


def run_once(
    exchange: ExchangeProcess, endpoint: Endpoint, folder: RunFolder, shown: list[str], *, dry_run: bool = False
) -> AlpacaRun:
    config = folder.path / "universe.yaml"
    config.write_text("confidence_gate: report\nuniverse:\n  alpaca: [AAPL, MSFT, IBM, GOOG]\n")
    settings = load_settings(config=config, environ={}, dotenv=None)
    request = RunRequest("combined", settings, folder.path.parent, dry_run=dry_run, once=True)
    return AlpacaRun(request, Combined, endpoint, folder, shown.append, clock=ExchangeClock(exchange))


def to_eleven(exchange: ExchangeProcess, day: int) -> None:
    moment = datetime(2008, 10, day, 15, tzinfo=UTC)
    while not exchange.admin.advance(moment).reached:
        pass


def posts(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "access.log").read_text().splitlines()]
    return [line for line in lines if line.get("method") == "POST" and line.get("path") == "/v2/orders"]


def test_one_iteration_buys_with_brackets_and_a_second_process_goes_on_without_a_second_order(
    exchange: ExchangeProcess, endpoint: Endpoint, folder: RunFolder, tmp_path: Path
) -> None:
    to_eleven(exchange, 7)
    result = run_once(exchange, endpoint, folder, []).run()
    assert result.error is None
    assert result.record.iterations == 1
    held = {trade.symbol: trade for trade in result.book.open.values()}
    assert held and all(trade.is_protected and trade.shares for trade in held.values())
    sent = len(posts(tmp_path))
    assert sent == len(held)

    again = run_once(exchange, endpoint, folder, []).run()
    assert again.error is None
    assert again.record.iterations == 2
    assert {trade.symbol: trade.shares for trade in again.book.open.values()} == {s: t.shares for s, t in held.items()}
    assert len(posts(tmp_path)) == sent, "the same hour was decided twice and sent once"


def test_a_fill_that_nobody_saw_is_booked_after_the_restart(
    exchange: ExchangeProcess, endpoint: Endpoint, folder: RunFolder
) -> None:
    to_eleven(exchange, 7)
    before = run_once(exchange, endpoint, folder, []).run()
    held = before.book.shares()
    to_eleven(exchange, 10)  # three days of a crash go by: stops and targets fill with no process listening
    after = run_once(exchange, endpoint, folder, []).run()
    assert after.error is None
    gone = [trade for trade in after.book.closed if trade.symbol in held]
    assert gone, "something was sold in those days"
    for trade in gone:
        assert trade.exited == trade.entered
        assert trade.exit_price is not None


def test_a_dry_run_prints_the_requests_and_sends_none(
    exchange: ExchangeProcess, endpoint: Endpoint, folder: RunFolder, tmp_path: Path
) -> None:
    to_eleven(exchange, 7)
    shown: list[str] = []
    result = run_once(exchange, endpoint, folder, shown, dry_run=True).run()
    assert result.error is None
    assert not list(SqlJournal(folder.journal, "").rows()), "what was not sent is not journaled as if it might have been"
    bodies = [json.loads(line)["body"] for line in shown]
    assert bodies and all(body["order_class"] == "bracket" and body["type"] == "limit" for body in bodies)
    assert posts(tmp_path) == []


def test_refused_keys_and_a_silent_broker_are_exit_code_three(endpoint: Endpoint) -> None:
    wrong = Endpoint("PKWRONG", "nothing", True, endpoint.trading_url, endpoint.data_url, endpoint.stream_url)
    with pytest.raises(BrokerUnreachable, match="refused the keys") as refused:
        account_number(wrong)
    assert refused.value.exit_code == 3
    silent = Endpoint("PK", "s", True, "http://127.0.0.1:9", "http://127.0.0.1:9", "ws://127.0.0.1:9")
    with pytest.raises(BrokerUnreachable, match="does not answer"):
        account_number(silent)


def test_the_account_is_checked_against_the_one_that_was_named(endpoint: Endpoint) -> None:
    number = account_number(endpoint)
    check_account(number, number)
    check_account(None, number)
    with pytest.raises(UsageError, match="--account OTHER"):
        check_account("OTHER", number)


def test_without_keys_there_is_no_endpoint() -> None:
    with pytest.raises(ConfigurationError, match="ALPACA_API_KEY"):
        endpoint_of(load_settings(environ={}, dotenv=None))


def test_an_endpoint_shows_no_keys() -> None:
    shown = repr(Endpoint("PKVERYSECRET", "evenmoresecret"))
    assert "SECRET" not in shown and "secret" not in shown


class Crashing(Combined):
    """Raises in its first iteration."""

    error: type[Exception] = RuntimeError

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        raise self.error("out of its depth")


class Disconnected(Crashing):
    error = ConnectionError


def test_a_crash_of_the_strategy_halts_the_desk_and_a_person_loosens_it(
    exchange: ExchangeProcess, endpoint: Endpoint, folder: RunFolder
) -> None:
    to_eleven(exchange, 7)
    run = run_once(exchange, endpoint, folder, [])
    run.strategy_class = Crashing
    result = run.run()
    assert isinstance(result.error, RuntimeError)
    assert result.mode is Mode.HALTED
    assert run_once(exchange, endpoint, folder, []).run().counts.orders_submitted == 0, "the halt outlives the process"

    runner = CliRunner()
    refused = runner.invoke(app, ["mode", str(folder.path), "active"])
    assert isinstance(refused.exception, UsageError), "without a reason nothing is loosened"
    assert runner.invoke(app, ["mode", str(folder.path), "active", "--reason", "looked at it"]).exit_code == 0
    assert run_once(exchange, endpoint, folder, []).run().counts.orders_submitted > 0


def test_a_broker_that_does_not_answer_skips_the_iteration_and_halts_nothing(
    exchange: ExchangeProcess, endpoint: Endpoint, folder: RunFolder
) -> None:
    to_eleven(exchange, 7)
    shown: list[str] = []
    run = run_once(exchange, endpoint, folder, shown)
    run.strategy_class = Disconnected
    result = run.run()
    assert result.error is None
    assert result.mode is Mode.ACTIVE
    assert any("skipped" in text for text in shown)
    assert any(isinstance(row.value, IterationSkipped) for row in SqlJournal(folder.journal, "").rows())
