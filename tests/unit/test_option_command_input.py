"""What a person types to the commands about option spreads: refused with the value and the fix, before anything is asked."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from alpaca.common.exceptions import APIError
from typer.testing import CliRunner

from desk.brokers.alpaca_options import asked_rightly
from desk.cli.main import app
from desk.cli.options_puts import puts_named
from desk.domain.errors import BrokerUnreachable, UsageError
from desk.runtime.look import answered

DAY = "2026-02-20"


def refused(*words: str) -> str:
    error = CliRunner().invoke(app, ["options", *words]).exception
    assert isinstance(error, UsageError), error
    return str(error)


@pytest.fixture(autouse=True)
def nothing_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without runs, in which whoever asks for more than the words would find none."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("symbol", ["!!", "", "../x", "A B", "TOOLONG", "5"])
def test_what_can_be_no_symbol_is_told_before_anything_is_asked(symbol: str) -> None:
    for words in (("scan", symbol), ("open", symbol)):
        assert refused(*words) == f"symbol {symbol!r} can be no underlying's: write it as AAPL or BRK.B"


@pytest.mark.parametrize(
    ("option", "value", "fix"),
    [
        ("--score", "12", "give a number from 0 to 10"),
        ("--score", "-1", "give a number from 0 to 10"),
        ("--score", "nan", "give a number from 0 to 10"),
        ("--score", "high", "give a number from 0 to 10"),
        ("--confidence", "80", "give a number from 0 to 1, 0.8 for 80 %"),
        ("--price", "0", "give the underlying's price in dollars, above 0"),
        ("--price", "inf", "give the underlying's price in dollars, above 0"),
        ("--max-risk", "0", "give dollars above 0, at most 1,000,000"),
        ("--max-risk", "2000000", "give dollars above 0, at most 1,000,000"),
    ],
)
def test_a_number_out_of_bounds_is_told_with_its_value_and_the_fix(option: str, value: str, fix: str) -> None:
    assert refused("open", "AAPL", option, value) == f"{option} {value}: {fix}"


def test_scan_takes_the_same_budget_as_open() -> None:
    assert refused("scan", "AAPL", "--max-risk", "0") == refused("open", "AAPL", "--max-risk", "0")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("-150", "a strike must be above zero"),
        ("0", "a strike must be above zero"),
        ("nan", "give the strike in dollars"),
        ("100000", "at most 99,999.999 dollars"),
        ("150.0001", "at most three digits behind the point"),
        ("AAPL260220P00150000", "is a put on AAPL, not on IBM"),
        ("IBM260220C00150000", "is a call; a bull put spread takes puts"),
    ],
)
def test_a_put_that_cannot_be_meant_is_told_as_a_trader_would(text: str, words: str) -> None:
    for named in ((text, "140"), ("150", text)):
        with pytest.raises(UsageError, match=words) as told:
            puts_named("IBM", *named, DAY)
        assert text in str(told.value)


def test_puts_are_named_by_strike_or_symbol_and_an_adjusted_class_is_left_to_its_own_refusal() -> None:
    assert puts_named("IBM", "150", "ibm260220p00140000", DAY) == ("IBM260220P00150000", "IBM260220P00140000")
    assert puts_named("IBM", "IBM1260220P00150000", "140", DAY) == ("IBM1260220P00150000", "IBM260220P00140000")
    assert puts_named("BRK.B", "BRKB260220P00400000", "390", DAY)[0] == "BRKB260220P00400000"
    assert puts_named("IBM", None, None, None) == (None, None)


def test_without_a_run_the_command_that_makes_one_is_told_and_a_folder_that_is_none_ends_alike() -> None:
    said = refused("open", "AAPL")
    assert "there is no run under runs/" in said and "live_trader.py" in said and "--strategy bull_put_spread" in said
    assert refused("positions").endswith(said[said.index("live_trader.py") :])
    assert "there is no run in this folder" in refused("open", "AAPL", "--run", "nowhere")


def failed(status: int) -> APIError:
    response = SimpleNamespace(response=SimpleNamespace(status_code=status), request=None)
    return APIError('{"code": 40010001, "message": "invalid symbol: X"}', response)


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_request_that_is_wrong_in_itself_is_no_unreachable_broker(status: int) -> None:
    with pytest.raises(UsageError, match=f"HTTP {status}: invalid symbol: X"), answered(), asked_rightly():
        raise failed(status)


@pytest.mark.parametrize("status", [401, 403, 429, 500, 504])
def test_keys_rates_and_the_brokers_own_failures_stay_what_they_are(status: int) -> None:
    with pytest.raises(BrokerUnreachable, match=f"HTTP {status}"), answered(), asked_rightly():
        raise failed(status)
