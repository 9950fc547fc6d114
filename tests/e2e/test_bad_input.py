"""What a person gets wrong: a message that names the thing and the fix, the documented exit code, and nothing traded."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
EXCHANGE = ("--strategy", "combined", "--broker", "exchange", "--sessions", "1")


def trade(cwd: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(cwd), **environ}
    command = [sys.executable, str(ROOT / "live_trader.py"), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=cwd, env=clean, timeout=60)


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


def test_an_unknown_strategy_is_named_with_a_suggestion(tmp_path: Path) -> None:
    refused(trade(tmp_path, "--strategy", "combind", "--broker", "exchange"), 2, "combind", "did you mean combined?")
    assert not (tmp_path / "runs").exists()


def test_half_a_key_pair_is_refused(tmp_path: Path) -> None:
    refused(trade(tmp_path, "--strategy", "combined", ALPACA_API_KEY="PKTEST"), 4, "ALPACA_API_SECRET")


def test_contradicting_keys_are_refused_without_showing_them(tmp_path: Path) -> None:
    done = trade(tmp_path, "--strategy", "combined", ALPACA_API_KEY="PKONE", APCA_API_KEY_ID="PKTWO", ALPACA_API_SECRET="s")
    refused(done, 4, "ALPACA_API_KEY", "APCA_API_KEY_ID")
    assert "PKONE" not in done.stderr and "PKTWO" not in done.stderr


def test_a_paper_key_declared_live_is_refused(tmp_path: Path) -> None:
    keys = {"ALPACA_API_KEY": "PKONE", "ALPACA_API_SECRET": "s", "ALPACA_IS_PAPER": "false"}
    refused(trade(tmp_path, "--strategy", "combined", **keys), 4, "ALPACA_IS_PAPER")


@pytest.mark.parametrize(
    ("arguments", "environ", "missing"),
    [
        (("--live",), {"ALPACA_IS_PAPER": "false"}, "--account ID"),
        (("--live", "--account", "X"), {}, "ALPACA_IS_PAPER=false"),
        ((), {"ALPACA_IS_PAPER": "false"}, "--live"),
    ],
)
def test_live_trading_needs_its_three_keys_at_once(
    tmp_path: Path, arguments: tuple[str, ...], environ: dict[str, str], missing: str
) -> None:
    keys = {"ALPACA_API_KEY": "AKTEST", "ALPACA_API_SECRET": "s", **environ}
    refused(trade(tmp_path, "--strategy", "combined", *arguments, **keys), 2, "Nothing was started", missing)


def test_live_without_any_keys_says_which_are_missing(tmp_path: Path) -> None:
    refused(trade(tmp_path, "--strategy", "combined", "--live", "--account", "X"), 4, "ALPACA_API_KEY")


def test_a_wrong_yaml_key_and_a_wrong_value_are_named(tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text("stop_loss_fractoin: 0.05\n")
    refused(trade(tmp_path, *EXCHANGE, "--config", str(config)), 4, "stop_loss_fractoin", "stop_loss_fraction")
    config.write_text("stop_loss_fraction: 5\n")
    refused(trade(tmp_path, *EXCHANGE, "--config", str(config)), 4, "stop_loss_fraction", "5")


def test_an_empty_and_a_broken_csv_are_named_with_the_line(tmp_path: Path) -> None:
    data = tmp_path / "bars"
    data.mkdir()
    refused(trade(tmp_path, *EXCHANGE, "--data", str(data)), 4, str(data))
    (data / "bars.csv").write_text(
        "symbol,timestamp,open,high,low,close,volume\nAAPL,2024-01-02,10,11,9,10,100\nAAPL,2024-01-03,10,8,9,10,100\n"
    )
    refused(trade(tmp_path, *EXCHANGE, "--data", str(data)), 4, "bars.csv", "3", "high")


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused(trade(tmp_path, *EXCHANGE, "--port", port), 4, port)


def test_no_write_access_to_the_journal_sends_nothing(tmp_path: Path) -> None:
    # A file where the folder should be: works for root too, whom permissions do not stop.
    (tmp_path / "runs").write_text("in the way")
    refused(trade(tmp_path, *EXCHANGE), 4, "runs", "journal")


def test_resuming_another_strategys_folder_is_refused(tmp_path: Path) -> None:
    assert trade(tmp_path, *EXCHANGE).returncode == 0
    folder = str(tmp_path / "runs" / "combined-exchange")
    refused(trade(tmp_path, "--resume", folder, "--strategy", "other"), 2, "combined", "other")
    refused(trade(tmp_path, "--resume", str(tmp_path)), 2, "run.json")


def test_a_start_outside_the_data_is_refused(tmp_path: Path) -> None:
    refused(trade(tmp_path, *EXCHANGE, "--start", "2031-01-02"), 4, "2031-01-02", "2013")
    refused(trade(tmp_path, *EXCHANGE, "--start", "2.9.2008"), 2, "2.9.2008", "2008-09-02")


def test_contradicting_options_are_refused(tmp_path: Path) -> None:
    refused(trade(tmp_path, "--strategy", "combined", "--broker", "alpaca", "--sessions", "3"), 2, "--sessions")
    refused(trade(tmp_path, "--broker", "exchange"), 2, "--strategy")
