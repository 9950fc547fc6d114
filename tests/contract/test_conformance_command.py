"""`desk exchange conformance` as a person runs it: against a real server, without keys, and with keys that it must refuse."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path

import pytest

from desk.cli.conformance import Other, conformance
from desk.domain.errors import ConfigurationError, DeskError, Refused
from desk.exchange.config import ExchangeConfig
from desk.exchange.conformance import differences
from desk.exchange.conformance.runner import Runner
from desk.exchange.conformance.scenario import load
from desk.exchange.conformance.targets import DATA_URL, PAPER_URL, alpaca_target, exchange_target
from desk.exchange.process import ExchangeProcess
from desk.exchange.switches import Switches

MORNING = datetime.fromisoformat("2008-09-02T14:00:00+00:00")


def run(tmp_path: Path, seed: int, **changed: bool) -> list[differences.Outcome]:
    switches = Switches(**changed)
    config = ExchangeConfig("bundled", date(2008, 9, 2), seed=seed, partial_fill_probability=0.0, switches=switches)
    with ExchangeProcess(config, tmp_path / "exchange.log") as process:
        process.admin.advance(MORNING)
        return Runner(exchange_target(process), load(), "AAPL", f"run-{seed}").run()


@pytest.mark.slow
def test_without_keys_this_exchange_alone_is_asked_and_conforms(capsys: pytest.CaptureFixture[str]) -> None:
    conformance(against=None, symbol="AAPL", scenario=None, as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert said["different"] == 0
    assert {step["verdict"] for step in said["steps"]} == {"as expected"}


@pytest.mark.slow
def test_two_servers_are_compared_over_http_and_stream(tmp_path: Path) -> None:
    theirs = run(tmp_path, 2, brackets_only_from_flat=False, one_trading_stream=False)
    rows = differences.compare(run(tmp_path, 1), theirs)
    found = {row.step: row.theirs for row in differences.wrong(rows)}
    assert {"bracket-beside-order", "second-bracket", "streams"} <= set(found)
    assert found["streams"] == "authorized, authorized"


@pytest.mark.slow
def test_a_difference_ends_with_exit_code_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("steps: [{id: odd, tells: a clock, get: /v2/clock, expect: {status: 418}}]", encoding="utf-8")
    with pytest.raises(DeskError, match="1 of 1 steps differs: odd") as told:
        conformance(against=None, symbol="AAPL", scenario=scenario, as_json=False)
    assert told.value.exit_code == 1
    assert "418" in capsys.readouterr().out


def test_asking_alpaca_needs_keys() -> None:
    with pytest.raises(ConfigurationError, match="ALPACA_API_KEY"):
        conformance(against=Other.ALPACA, symbol="AAPL", scenario=None, as_json=False)


def test_keys_of_a_live_account_are_refused_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ALPACA_API_KEY": "AKLIVE", "ALPACA_API_SECRET": "secret", "ALPACA_IS_PAPER": "false"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Refused, match="paper accounts only"):
        conformance(against=Other.ALPACA, symbol="AAPL", scenario=None, as_json=False)


def test_only_the_paper_endpoint_can_be_reached() -> None:
    target = alpaca_target("key", "secret", lambda seconds: None)
    assert (
        (target._url, target._data_url)
        == (PAPER_URL, DATA_URL)
        == ("https://paper-api.alpaca.markets", "https://data.alpaca.markets")
    )


def test_a_scenario_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        conformance(against=None, symbol="AAPL", scenario=tmp_path / "none.yaml", as_json=False)
