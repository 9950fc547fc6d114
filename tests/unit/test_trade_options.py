"""The command line: contradictions are refused with their fix, and real money needs three keys at once."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from datetime import UTC, date, datetime
from itertools import product
from pathlib import Path

import pytest
from pydantic import SecretStr

from desk.cli.broker_choice import check_live, choose_broker, config_of
from desk.cli.trade_alpaca import _folder
from desk.cli.trade_exchange import expected_iterations
from desk.cli.trade_options import TradeOptions, parse
from desk.data.calendars import session_on
from desk.domain.errors import ConfigurationError, UsageError
from desk.journal.sql import SqlJournal
from desk.runtime.run_folder import RunIdentity, create
from desk.settings.behaviour import Behaviour
from desk.settings.credentials import Credentials
from desk.settings.load import Settings

COMBINED = ["--strategy", "combined"]


def settings(keys: str | None = None) -> Settings:
    """Settings without keys, or with those of a `paper` or a `live` account."""
    credentials = None
    if keys is not None:
        credentials = Credentials(api_key=SecretStr("key"), api_secret=SecretStr("secret"), is_paper=keys == "paper")
    return Settings(Behaviour(), credentials, {}, None)


def refusal(*argv: str) -> str:
    with pytest.raises(UsageError) as error:
        parse(list(argv))
    assert error.value.exit_code == 2
    return str(error.value)


# ---- reading -------------------------------------------------------------------------------------------------------


def test_without_options_everything_has_its_default() -> None:
    options = parse(COMBINED)
    given = {name: value for name, value in asdict(options).items() if value is not None and value is not False}
    assert given == {"strategy": "combined", "runs": Path("runs"), "port": 0}


def test_every_option_is_read() -> None:
    line = """
        --strategy combined --broker exchange --once --sessions 20 --start 2008-09-02 --seed 0 --speed 60 --data bars
        --config c.yaml --dry-run --json --report out --runs mine --port 8080
    """
    options = parse(shlex.split(line))
    assert options == TradeOptions(
        strategy="combined",
        broker="exchange",
        once=True,
        sessions=20,
        start=date(2008, 9, 2),
        seed=0,
        speed=60.0,
        data=Path("bars"),
        config=Path("c.yaml"),
        resume=None,
        dry_run=True,
        live=False,
        account=None,
        json=True,
        report=Path("out"),
        runs=Path("mine"),
        port=8080,
    )


def test_a_run_is_resumed_without_naming_its_strategy() -> None:
    assert parse(["--resume", "runs/combined-exchange"]).resume == Path("runs/combined-exchange")


def test_full_speed_is_a_word() -> None:
    assert parse([*COMBINED, "--speed", "max"]).speed is None


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--broker", "ibkr"], "invalid choice: 'ibkr'"),
        (["--sessions", "0"], "0 is below 1"),
        (["--sessions", "ten"], "'ten' is not a whole number"),
        (["--sessions", "99999999999"], "out of range"),
        (["--seed", "-1"], "out of range"),
        (["--start", "02.09.2008"], "write it as 2008-09-02"),
        (["--speed", "0"], "neither a number above zero nor max"),
        (["--speed", "nan"], "neither a number above zero nor max"),
        (["--speed", "fast"], "neither a number above zero nor max"),
        (["--port", "99999"], "99999 is no port: give one from 1 to 65535"),
        (["--strat", "combined"], "unrecognized arguments"),
        (["--colour"], "unrecognized arguments"),
    ],
)
def test_a_value_that_cannot_be_is_told_in_words(argv: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        parse([*COMBINED, *argv])
    assert error.value.code == 2
    assert told in capsys.readouterr().err


def test_help_lists_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        parse(["--help"])
    assert error.value.code == 0
    assert "7 reconciliation break" in capsys.readouterr().out


# ---- contradictions ------------------------------------------------------------------------------------------------


def test_no_strategy_is_refused_with_an_example() -> None:
    assert "--strategy combined" in refusal("--once")


def test_live_at_the_exchange_is_refused() -> None:
    told = refusal(*COMBINED, "--live", "--broker", "exchange")
    assert "leave --live or --broker exchange out" in told


def test_an_account_without_live_is_refused() -> None:
    told = refusal(*COMBINED, "--account", "123456789")
    assert "--account 123456789" in told and "leave it out" in told


EXCHANGE_ONLY = [
    ["--sessions", "5"],
    ["--start", "2008-09-02"],
    ["--seed", "0"],
    ["--data", "bars"],
    ["--speed", "60"],
    ["--port", "8080"],
]


@pytest.mark.parametrize("option", EXCHANGE_ONLY)
def test_what_only_the_exchange_knows_is_refused_at_alpaca(option: list[str]) -> None:
    told = refusal(*COMBINED, "--broker", "alpaca", *option)
    assert told.startswith(option[0]) and "leave it out" in told


@pytest.mark.parametrize("option", EXCHANGE_ONLY)
def test_what_only_the_exchange_knows_is_refused_when_the_keys_lead_to_alpaca(option: list[str]) -> None:
    with pytest.raises(UsageError, match=f"^{option[0]} is for the built-in exchange.*or add --broker exchange"):
        choose_broker(parse([*COMBINED, *option]), settings("paper"))
    assert choose_broker(parse([*COMBINED, *option, "--broker", "exchange"]), settings("paper")) == "exchange"


@pytest.mark.parametrize("option", [["--sessions", "5"], ["--start", "2008-09-02"], ["--seed", "0"], ["--data", "bars"]])
def test_a_run_is_resumed_as_it_was(option: list[str]) -> None:
    told = refusal("--resume", "runs/combined-exchange", *option)
    assert option[0] in told and "leave" in told


# ---- where to trade ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "keys", "broker"),
    [
        ([], None, "exchange"),
        ([], "paper", "alpaca"),
        (["--broker", "exchange"], None, "exchange"),
        (["--broker", "exchange"], "paper", "exchange"),
        (["--broker", "exchange"], "live", "exchange"),
        (["--broker", "alpaca"], "paper", "alpaca"),
        (["--live", "--account", "123"], "live", "alpaca"),
        (["--broker", "alpaca", "--live", "--account", "123"], "live", "alpaca"),
    ],
)
def test_keys_decide_where_to_trade_unless_a_person_does(argv: list[str], keys: str | None, broker: str) -> None:
    assert choose_broker(parse([*COMBINED, *argv]), settings(keys)) == broker


@pytest.mark.parametrize("argv", [["--broker", "alpaca"], ["--live", "--account", "123"]])
def test_alpaca_without_keys_names_the_keys(argv: list[str]) -> None:
    with pytest.raises(ConfigurationError, match=r"ALPACA_API_KEY and ALPACA_API_SECRET.*\.env"):
        choose_broker(parse([*COMBINED, *argv]), settings())


@pytest.mark.parametrize(
    ("argv", "keys", "missing"),
    [
        ([], "live", "--live, --account ID"),
        (["--live"], "live", "--account ID"),
        (["--live", "--account", "123"], "paper", "ALPACA_IS_PAPER=false"),
        (["--live"], "paper", "ALPACA_IS_PAPER=false, --account ID"),
    ],
)
def test_live_trading_with_a_key_missing_starts_nothing(argv: list[str], keys: str, missing: str) -> None:
    with pytest.raises(UsageError) as error:
        choose_broker(parse([*COMBINED, *argv]), settings(keys))
    assert f"but not {missing}. Nothing was started" in str(error.value)


@pytest.mark.parametrize(("is_paper", "live", "account"), list(product([True, False], [True, False], [None, "123"])))
def test_real_money_needs_all_three_keys_and_paper_none(is_paper: bool, live: bool, account: str | None) -> None:
    keys = (not is_paper, live, account is not None)
    if sum(keys) in (0, 3):
        check_live(live, account, is_paper=is_paper)
        return
    with pytest.raises(UsageError) as error:
        check_live(live, account, is_paper=is_paper)
    for name, there in zip(("ALPACA_IS_PAPER=false", "--live", "--account ID"), keys, strict=True):
        given, missing = str(error.value).split("there is ")[1].split(", but not ")
        assert (name in given, name in missing) == (there, not there)


# ---- resuming ------------------------------------------------------------------------------------------------------


def run_at(tmp_path: Path, broker: str, config: str | None = None, account: str | None = None) -> str:
    """The folder of a run that got as far as its journal."""
    folder = create(tmp_path, "run", RunIdentity("combined", broker, "bundled", None, None, 1, config, account))
    SqlJournal(folder.journal, "f00d").close()
    return str(folder.path)


@pytest.mark.parametrize("keys", [None, "paper", "live"])
def test_a_run_at_the_exchange_is_resumed_there_whatever_keys_are_set(tmp_path: Path, keys: str | None) -> None:
    assert choose_broker(parse(["--resume", run_at(tmp_path, "exchange")]), settings(keys)) == "exchange"


def test_a_run_at_alpaca_is_resumed_there(tmp_path: Path) -> None:
    assert choose_broker(parse(["--resume", run_at(tmp_path, "alpaca")]), settings("paper")) == "alpaca"


def test_a_live_account_is_not_resumed_without_the_three_keys(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"but not --live, --account ID\. Nothing was started"):
        choose_broker(parse(["--resume", run_at(tmp_path, "alpaca")]), settings("live"))


def test_a_run_at_alpaca_is_not_resumed_without_keys(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ALPACA_API_KEY and ALPACA_API_SECRET"):
        choose_broker(parse(["--resume", run_at(tmp_path, "alpaca")]), settings())


def test_a_run_is_resumed_in_its_own_account_only(tmp_path: Path) -> None:
    path = run_at(tmp_path, "alpaca", account="PA1")
    options = parse(["--resume", path])
    assert str(_folder(options, "PA1", None).path) == path
    with pytest.raises(UsageError, match=r"that run trades account PA1, the keys belong to PA2.*leave --resume out"):
        _folder(options, "PA2", None)


def test_a_new_run_at_alpaca_remembers_its_account(tmp_path: Path) -> None:
    folder = _folder(parse([*COMBINED, "--runs", str(tmp_path)]), "PA1", None)
    assert folder.path.name == "combined-alpaca-PA1"
    assert json.loads(folder.identity_file.read_text())["account"] == "PA1"


def test_resuming_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no run in this folder"):
        choose_broker(parse(["--resume", str(tmp_path)]), settings())


def test_a_resumed_run_goes_on_by_its_own_rules(tmp_path: Path) -> None:
    assert config_of(None) is None
    assert config_of(Path(run_at(tmp_path, "exchange"))) is None
    assert config_of(Path(run_at(tmp_path, "exchange", "config/showcase.yaml"))) == Path("config/showcase.yaml")
    assert json.loads((tmp_path / "run-2" / "run.json").read_text())["config"] == "config/showcase.yaml"


# ---- the progress bar ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sleeptime", "iterations"), [("1H", 6), ("30M", 13), ("1D", 1), ("600S", 39)])
def test_a_session_has_as_many_iterations_as_fit(sleeptime: str, iterations: int) -> None:
    session = session_on(datetime(2024, 1, 3, tzinfo=UTC).date())
    assert session is not None
    assert expected_iterations(sleeptime, [session, session]) == 2 * iterations
