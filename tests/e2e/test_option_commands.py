"""`desk options` and the engine: spreads opened, looked at, closed and rolled at a real exchange, and in Alpaca's place."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from live_desk import ExchangeClock
from typer.testing import CliRunner

from desk.brokers.endpoint import Endpoint
from desk.cli import look_options
from desk.cli.main import app
from desk.data.calendars import NEW_YORK, session_dates
from desk.domain.decisions import Mode
from desk.domain.errors import ConfigurationError, Halted, Refused, UsageError
from desk.domain.journal import ModeChanged, Row
from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess
from desk.journal.sql import open_journal
from desk.runtime.auto_execution import AutoExecutionEngine, ExecutionRefusal, ExecutionResult
from desk.runtime.run_folder import RunFolder
from desk.settings.load import load_settings

pytestmark = pytest.mark.slow
GOOD = {"symbol": "AAPL", "asset_type": "OPTIONS", "strategy": "BULL_PUT_SPREAD", "final_score": 8.7, "confidence": 0.8}
WIDE = "spreads: {min_days: 30, max_days: 90, target_days: 60, min_roll_credit_usd: 0.01, rungs: 3, entry_seconds: 900}\n"


def config(folder: Path, text: str = WIDE) -> Path:
    file = folder / "options.yaml"
    file.write_text(text)
    return file


def engine(folder: Path, said: list[str] | None = None, **more: Any) -> AutoExecutionEngine:
    """An engine without keys, whatever the machine has."""
    settings = load_settings(config=config(folder), environ={}, dotenv=None)
    lines = [] if said is None else said
    return AutoExecutionEngine(settings=settings, config=config(folder), runs=folder / "runs", show=lines.append, **more)


class Scene:
    """A run on the built-in exchange with one spread on AAPL, opened by the engine."""

    def __init__(self, folder: Path, opened: ExecutionResult, said: list[str]) -> None:
        self.engine = engine(folder)
        self.opened, self.said = opened, said
        self.folder = RunFolder(folder / "runs" / "options-exchange")

    def told(self, *words: str, code: int = 0) -> dict[str, Any]:
        answer = CliRunner().invoke(app, ["options", *words, "--run", str(self.folder.path), "--json"])
        assert answer.exception is None or isinstance(answer.exception, SystemExit), answer.exception
        assert answer.exit_code == code, answer.output
        said: dict[str, Any] = json.loads(answer.stdout)
        return said

    def raises(self, error: type[BaseException], *words: str) -> str:
        answer = CliRunner().invoke(app, ["options", *words, "--run", str(self.folder.path)])
        assert isinstance(answer.exception, error), answer.output
        return str(answer.exception)


@pytest.fixture(scope="module")
def opened_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ExecutionResult, list[str]]:
    folder, said = tmp_path_factory.mktemp("opened"), list[str]()
    opened = engine(folder, said).execute_opportunity(GOOD)
    assert isinstance(opened, ExecutionResult), opened
    return folder, opened, said


@pytest.fixture
def scene(opened_once: tuple[Path, ExecutionResult, list[str]], tmp_path: Path) -> Scene:
    folder, opened, said = opened_once
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return Scene(tmp_path, opened, said)


# ---- at the built-in exchange ------------------------------------------------------------------------------------------------


def test_engine_opens_a_spread_tells_everything_about_it_and_logs_its_orders(scene: Scene) -> None:
    opened, said = scene.opened, "\n".join(scene.said)
    assert opened.status == "open" and opened.contracts >= 1 and opened.alpaca_order_ids
    assert opened.max_risk_usd <= 500 and 0 < opened.credit_usd <= opened.expected_credit_usd + 1e-9
    assert [leg["intent"] for leg in opened.legs] == ["sell_to_open", "buy_to_open"]
    assert "No Alpaca keys are set: on the built-in exchange" in said
    for word in ("price", "score       8.7 of 10", "strikes", "credit", "max risk", "expiry", "legs", opened.position_id):
        assert word in said
    assert "AAPL 50/47 put spread, 16 Mar 2012: entering" in said
    assert [entry["order_id"] for entry in opened.orders] == list(opened.alpaca_order_ids)
    assert [entry["at"] for entry in opened.orders] == sorted(entry["at"] for entry in opened.orders)
    assert [entry["status"] for entry in opened.orders[-1:]] == ["filled"]
    for entry in opened.orders:
        assert f"{entry['order_id']} at {entry['limit_price']:+.2f}: {entry['status']}" in said
    log = json.loads((scene.folder.path / "executions" / "execution_log_20120103.json").read_text())
    filled = next(entry for entry in log if entry["status"] == "filled")
    assert filled["order_id"] == opened.alpaca_order_ids[-1] and filled["spread"] == opened.position_id
    assert {leg["symbol"] for leg in filled["legs"]} == {leg["symbol"] for leg in opened.legs}
    assert all(leg["average_price"] > 0 for leg in filled["legs"])


def test_engine_refuses_by_code_what_must_not_be_opened(scene: Scene) -> None:
    def code(**changed: Any) -> str:
        refusal = scene.engine.execute_opportunity({**GOOD, "symbol": "IBM", **changed})
        assert isinstance(refusal, ExecutionRefusal) and not refusal and refusal.text
        return refusal.code

    assert code(symbol="AAPL") == "symbol_taken"
    assert code(final_score=5) == "score"
    assert code(confidence=0.1) == "confidence"
    assert code(symbol="MSFT", price=300.0) == "price_far"
    assert code(symbol="NOPE") == "data"
    assert code(symbol="!!") == code(symbol="") == "opportunity"
    assert code(asset_type="CRYPTO") == "opportunity"


def test_positions_tell_state_gain_next_rule_greeks_and_buying_power(scene: Scene) -> None:
    told = scene.told("positions", "--all")
    (spread,) = told["spreads"]
    assert (spread["key"], spread["state"]) == (scene.opened.position_id, "open")
    assert spread["debit_mid"] > 0 and spread["to_strike_fraction"] > 0 and spread["next_rule"]
    assert spread["pnl_usd"] == pytest.approx((spread["credit"] - spread["debit_mid"]) * 100 * spread["contracts"])
    assert told["buying_power_usd"] == 300.0 * spread["contracts"]
    assert told["greeks"]["delta"] > 0 and told["greeks"]["vega"] < 0
    assert told["closed"] == [] and told["figures"]["count"] == 0
    text = CliRunner().invoke(app, ["options", "positions", "--run", str(scene.folder.path)]).stdout
    assert "Open spreads" in text and max(map(len, text.splitlines())) <= 100
    assert "None on NOPE" in CliRunner().invoke(app, ["options", "positions", "nope", "--run", str(scene.folder.path)]).stdout


def test_a_plan_sends_nothing_and_a_close_with_yes_ends_the_spread(scene: Scene) -> None:
    before = scene.folder.exchange_state.read_bytes()
    plan = scene.told("close", "AAPL")
    assert plan["sent"] is False and plan["plan"]["debit_mid"] > 0
    assert scene.folder.exchange_state.read_bytes() == before
    done = scene.told("close", scene.opened.position_id, "--yes")
    assert done["outcome"]["status"] == "closed" and done["outcome"]["why"] == "by hand"
    sent = [entry["order_id"] for entry in done["outcome"]["orders"]]
    assert sent and not set(sent) & set(scene.opened.alpaca_order_ids), "those that opened it are not of the close"
    told = scene.told("positions", "--all")
    assert told["spreads"] == [] and told["figures"]["count"] == 1
    assert told["closed"][0]["pnl_usd"] == pytest.approx(done["outcome"]["cash_usd"])


def test_a_spread_of_named_puts_opens_and_rolls_for_a_credit(scene: Scene) -> None:
    puts = ("--short", "21", "--long", "20", "--expiration", "2012-02-17")
    assert scene.told("open", "MSFT", *puts)["plan"]["short"] == "MSFT120217P00021000"
    assert scene.told("open", "MSFT", *puts, "--yes")["outcome"]["status"] == "open"
    plan = scene.told("roll", "MSFT")["plan"]
    assert plan["from"][0] == "MSFT120217P00021000" and plan["net_credit"] > 0
    done = scene.told("roll", "MSFT", "--yes")
    assert done["outcome"]["status"] == "closed" and done["outcome"]["rolled_into"]
    held = {each["short"] for each in scene.told("positions")["spreads"]}
    assert plan["into"][0] in held and plan["from"][0] not in held


def test_a_roll_that_finds_no_later_day_says_after_which_and_within_which_it_looked(scene: Scene) -> None:
    said = scene.raises(Refused, "roll", "AAPL")
    assert "no weekly expiration after 2012-03-16, the day of the puts that are held, in 30 to 90 days, 2012-02-02 to " in said
    assert "listed: Fri 2012-03-16 (73 days). Raise max_days" in said


def test_a_plan_names_the_spread_as_people_do_and_its_contracts_below(scene: Scene) -> None:
    answer = CliRunner().invoke(app, ["options", "close", "AAPL", "--run", str(scene.folder.path)])
    assert answer.stdout.startswith("Close AAPL 50/47 put spread, 16 Mar 2012\n"), answer.output
    assert "buy  2 AAPL120316P00050000" in answer.stdout


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--short", "150", "--long", "149.3", "--expiration", "2012-02-17"), "unknown_contract"),
        (("--short", "150", "--long", "145", "--expiration", "2011-12-16"), "expired"),
        (("--short", "145", "--long", "150", "--expiration", "2012-02-17"), "same_strike"),
        (("--price", "300", "--max-risk", "900"), "price_far"),
        (("--max-risk", "1"), "risk_budget"),
        (("--score", "3"), "score"),
    ],
)
def test_bad_input_is_refused_by_name_and_nothing_is_sent(scene: Scene, words: tuple[str, ...], code: str) -> None:
    told = scene.told("open", "IBM", *words, "--yes", code=5)
    assert told["refused"]["code"] == code and told["sent"] is False


def test_a_refusal_is_told_on_standard_error_with_its_code(scene: Scene) -> None:
    assert "risk_budget: a contract risks" in scene.raises(Refused, "open", "IBM")
    elsewhere = scene.raises(Refused, "open", "MSFT", "--short", "19", "--long", "17", "--expiration", "2012-09-21")
    assert "MSFT120921P00019000 is not quoted: check its expiration and strike" in elsewhere


def test_what_cannot_be_meant_is_a_matter_of_usage(scene: Scene) -> None:
    assert "AAPL" in scene.raises(UsageError, "close", "NOPE")
    assert "--expiration" in scene.raises(UsageError, "open", "IBM", "--short", "150", "--long", "145")
    assert "together" in scene.raises(UsageError, "open", "IBM", "--short", "150")
    assert "real account" in scene.raises(UsageError, "open", "IBM", "--yes", "--live", "--account", "1")


def test_a_halted_desk_opens_nothing_and_still_closes(scene: Scene) -> None:
    journal = open_journal(scene.folder.journal, "unused")
    journal.append([Row(datetime(2012, 1, 3, 15, 1, tzinfo=UTC), ModeChanged(Mode.HALTED, "a test"))])
    journal.close()
    assert "halted" in scene.raises(Halted, "open", "MSFT")
    assert scene.told("close", "AAPL", "--yes")["outcome"]["status"] == "closed"


def test_scan_tells_candidates_and_why_the_others_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ALPACA_API_KEY", "ALPACA_API_SECRET", "APCA_API_KEY_ID", "APCA_API_SECRET_KEY", "ALPACA_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    answer = CliRunner().invoke(app, ["options", "scan", "aapl", "IBM", "NOPE", "--json"])
    assert answer.exit_code == 0, answer.output
    rows = {row["symbol"]: row for row in json.loads(answer.stdout)["rows"]}
    aapl = rows["AAPL"]["spread"]
    assert rows["AAPL"]["refused"] is None and rows["AAPL"]["contracts"] >= 1
    assert aapl["credit_natural"] <= aapl["credit_mid"] and aapl["short"]["open_interest"] >= 100 and 30 <= aapl["days"] <= 60
    assert rows["IBM"]["refused"]["code"] == "risk_budget" and rows["IBM"]["spread"]["width"] == 10.0
    assert rows["NOPE"]["refused"]["code"] == "data" and "no price of NOPE at 2012-01-03" in rows["NOPE"]["refused"]["text"]
    text = CliRunner().invoke(app, ["options", "scan", "AAPL", "IBM"]).stdout
    assert (aapl["credit_mid"], aapl["max_gain_usd"]) == (0.495, 49.0) and "  0.49  " in text
    assert "1 spread could be opened" in text and max(map(len, text.splitlines())) <= 100


# ---- a recorded chain: AAPL at 175.50 ----------------------------------------------------------------------------------------

FIRST, EXPIRATION = date(2024, 1, 16), date(2024, 3, 1)
# Bid and ask alike, so that the middle is what an order gets.
PUTS = {"170": "7.10", "167": "5.70", "165": "4.90", "160": "3.40", "158": "3.00", "155": "2.40"}


def write_recorded_market(folder: Path) -> Path:
    """Daily bars around 175.50, and puts quoted every five minutes of the first two hours."""
    (folder / "options").mkdir(parents=True)
    with (folder / "bars.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("symbol", "timestamp", "open", "high", "low", "close", "volume"))
        rows.writerows(
            ("AAPL", day, "175.50", "175.60", "175.40", "175.50", 50_000_000)
            for day in session_dates(date(2024, 1, 2), date(2024, 2, 1))
        )
    opening = datetime.combine(FIRST, time(9, 35), NEW_YORK)
    moments = ["2024-01-12", *((opening + timedelta(minutes=5 * step)).isoformat() for step in range(24))]
    with (folder / "options" / "aapl.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("quote_at", "underlying", "expiration", "type", "strike", "bid", "ask", "open_interest", "volume"))
        rows.writerows(
            (at, "AAPL", EXPIRATION, "put", strike, paid, paid, 1000, 100) for strike, paid in PUTS.items() for at in moments
        )
    return folder


def test_aapl_at_175_50_is_refused_at_a_budget_of_500_and_is_one_contract_at_630(tmp_path: Path) -> None:
    data = write_recorded_market(tmp_path / "data")
    told = {**GOOD, "price": 175.5}
    refusal = engine(tmp_path, data=data, start=FIRST.isoformat(), max_risk_per_trade=500).execute_opportunity(told)
    assert isinstance(refusal, ExecutionRefusal)
    assert refusal.code == "risk_budget" and "630.00" in refusal.text and "500.00" in refusal.text
    opened = engine(tmp_path, data=data, start=FIRST, max_risk_per_trade=630).execute_opportunity(told)
    assert isinstance(opened, ExecutionResult), opened
    assert (opened.contracts, opened.expected_credit_usd, opened.max_risk_usd) == (1, 270.0, 630.0)
    assert [leg["symbol"] for leg in opened.legs] == ["AAPL240301P00167000", "AAPL240301P00158000"]
    assert opened.credit_usd == 270.0


# ---- in Alpaca's place -------------------------------------------------------------------------------------------------------


class Kind(Enum):
    OPTIONS = "options"


@pytest.fixture
def market(tmp_path: Path) -> Iterator[ExchangeProcess]:
    """An exchange whose time runs twenty times as fast as ours, from ten in the morning on."""
    settings = ExchangeConfig("bundled", date(2012, 1, 3), partial_fill_probability=0.0, speed=20.0)
    with ExchangeProcess(settings, tmp_path / "log") as running:
        while True:
            if running.admin.advance(datetime(2012, 1, 3, 15, 0, tzinfo=UTC)).reached:
                break
        yield running


def test_with_keys_the_engine_trades_there_and_the_commands_go_on_with_its_run(
    market: ExchangeProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = Endpoint(market.api_key, market.api_secret, True, market.url, market.url, market.stream_url, 10**9)
    clock = ExchangeClock(market.admin)
    opened = engine(tmp_path, endpoint=endpoint, clock=clock).execute_opportunity({**GOOD, "asset_type": Kind.OPTIONS})
    assert isinstance(opened, ExecutionResult), opened
    assert opened.status == "open" and Path(opened.run).name.startswith("bull_put_spread-alpaca-")
    monkeypatch.setattr(look_options, "alpaca", lambda settings: (endpoint, clock))
    run = ["--run", opened.run, "--json"]
    plan = CliRunner().invoke(app, ["options", "close", "AAPL", *run])
    assert plan.exit_code == 0 and json.loads(plan.stdout)["sent"] is False, plan.output
    done = CliRunner().invoke(app, ["options", "close", "AAPL", "--yes", *run])
    assert done.exit_code == 0 and json.loads(done.stdout)["outcome"]["status"] == "closed", done.output
    assert list((tmp_path / "executions").glob("execution_log_2012*.json"))


def test_real_money_needs_all_of_its_keys(tmp_path: Path) -> None:
    live = Endpoint("AK", "secret", is_paper=False)
    for arguments in ({}, {"paper_trading": False}, {"account": "1"}):
        with pytest.raises(UsageError, match="live trading needs"):
            engine(tmp_path, endpoint=live, **arguments)
    with pytest.raises(UsageError, match="ALPACA_IS_PAPER=false"):
        engine(tmp_path, endpoint=Endpoint("PK", "secret"), paper_trading=False, account="1")
    with pytest.raises(ConfigurationError, match="no Alpaca keys"):
        engine(tmp_path, paper_trading=False, account="1")
