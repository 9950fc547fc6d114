"""What a person gets wrong: a message that names the thing and the fix, the documented exit code, and nothing traded."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import preloaded
import pytest

from desk.runtime.run_folder import RunFolder

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
EXCHANGE = ("--strategy", "combined", "--broker", "exchange", "--sessions", "1")


def trade(cwd: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(cwd), **environ}
    return preloaded.run([ROOT / "live_trader.py", *arguments], cwd, clean)


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run over one session that ended in order."""
    folder = tmp_path_factory.mktemp("finished")
    done = trade(folder, *EXCHANGE)
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "combined-exchange"


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return shutil.copytree(finished, tmp_path / "runs" / "combined-exchange")


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


def test_a_port_in_use_is_named_and_leaves_no_folder(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused(trade(tmp_path, *EXCHANGE, "--port", port), 4, port)
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_start_that_cannot_be_leaves_no_folder(tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text("universe:\n  exchange: [NOPE]\n")
    refused(trade(tmp_path, *EXCHANGE, "--data", str(tmp_path / "nope")), 4, str(tmp_path / "nope"))
    refused(trade(tmp_path, *EXCHANGE, "--config", str(config)), 4, "universe.exchange", "NOPE")
    refused(trade(tmp_path, *EXCHANGE, "--port", "99999"), 2, "99999")
    assert not (tmp_path / "runs").exists()


def test_a_report_that_could_not_be_written_is_refused_before_anything_is_traded(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    refused(trade(tmp_path, *EXCHANGE, "--report", "file/report"), 4, "--report file/report", "file is no folder")
    assert not (tmp_path / "runs").exists()


def test_no_write_access_to_the_journal_sends_nothing(tmp_path: Path) -> None:
    # A file where the folder should be: works for root too, whom permissions do not stop.
    (tmp_path / "runs").write_text("in the way")
    refused(trade(tmp_path, *EXCHANGE), 4, "runs", "journal")


def test_resuming_another_strategys_folder_is_refused(tmp_path: Path, run: Path) -> None:
    refused(trade(tmp_path, "--resume", str(run), "--strategy", "other"), 2, "combined", "other")
    refused(trade(tmp_path, "--resume", str(tmp_path)), 2, "run.json")


def test_another_behaviour_file_beside_resume_is_refused_and_a_changed_one_told(tmp_path: Path, run: Path) -> None:
    refused(
        trade(tmp_path, "--resume", str(run), "--config", str(ROOT / "config" / "showcase.yaml")), 2, "--config", "default.yaml"
    )
    known = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(known | {"behaviour": "of earlier settings"}))
    again = trade(tmp_path, "--resume", str(run), "--config", str(ROOT / "config" / "default.yaml"))
    assert again.returncode == 0, again.stderr
    assert "default.yaml) changed since the run began; from here on the present ones count." in again.stdout


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_run_whose_journal_was_changed_is_not_traded(tmp_path: Path, run: Path, more: tuple[str, ...]) -> None:
    with closing(sqlite3.connect(run / "journal.db")) as journal, journal:
        journal.execute("DROP TRIGGER rows_no_delete")
        journal.execute("DELETE FROM rows WHERE seq = 2")
    requests = (run / "access.log").read_text().count("POST")
    refused(
        trade(tmp_path, "--resume", str(run), *more), 7, "row 3", "it follows row 1", "Nothing was traded", "Restore a sound copy"
    )
    assert (run / "access.log").read_text().count("POST") == requests
    with closing(sqlite3.connect(run / "journal.db")) as journal:
        assert journal.execute("SELECT count(*) = max(seq) - 1 AND max(kind = 'run_stopped') FROM rows").fetchone() == (1,)


def test_a_second_process_on_a_run_is_refused(tmp_path: Path, run: Path) -> None:
    with RunFolder(run).locked():
        refused(trade(tmp_path, "--resume", str(run)), 5, str(run), "another process trades this run")


def test_a_start_outside_the_data_is_refused(tmp_path: Path) -> None:
    refused(trade(tmp_path, *EXCHANGE, "--start", "2031-01-02"), 4, "2031-01-02", "2013")
    refused(trade(tmp_path, *EXCHANGE, "--start", "2.9.2008"), 2, "2.9.2008", "2008-09-02")
    assert not (tmp_path / "runs").exists()


def test_what_the_data_does_not_have_is_told(tmp_path: Path) -> None:
    early = trade(tmp_path, *EXCHANGE, "--start", "1999-01-04")
    assert early.returncode == 0, early.stderr
    assert "--start 1999-01-04: the data begins on 2000-03-01; the run begins there.\n" in early.stdout
    late = trade(tmp_path, *EXCHANGE, "--start", "2013-02-28", "--sessions", "5")
    assert late.returncode == 0, late.stderr
    assert "--sessions 5: the data has 2 from 2013-02-28 on; 2 are played.\n" in late.stdout


DRY = ("--strategy", "combined", "--broker", "exchange", "--dry-run", "--start", "2008-10-10", "--config")


def test_a_dry_run_shows_requests_on_lines_of_their_own_and_is_not_resumed(tmp_path: Path) -> None:
    done = trade(tmp_path, *DRY, str(ROOT / "config" / "showcase.yaml"))
    requests = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert {(each["method"], each["path"]) for each in requests} == {("POST", "/v2/orders")}
    assert f"Dry run: {len(requests)} orders were due and shown; none was sent." in done.stdout
    refused(trade(tmp_path, "--resume", "runs/combined-exchange"), 2, "was a dry run", "--strategy combined")


def test_a_dry_run_prints_its_result_as_an_object(tmp_path: Path) -> None:
    done = trade(tmp_path, *DRY, str(ROOT / "config" / "showcase.yaml"), "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["orders_submitted"] == result["orders_rejected"] == done.stderr.count('{"method": "POST"') > 0


def test_an_output_that_nobody_reads_ends_the_run_with_its_cause(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "live_trader.py"), *EXCHANGE[:-1], "12"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as child:
        assert child.stdout is not None and child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        told = child.stderr.read()
    assert child.returncode == 1, told
    assert "Traceback" not in told and "standard output was closed" in told and "BrokenPipeError" in told
    assert "--resume runs/combined-exchange" in told
    resumed = trade(tmp_path, "--resume", "runs/combined-exchange", "--json")
    assert json.loads(resumed.stdout)["sessions"] == 12, resumed.stderr


def test_contradicting_options_are_refused(tmp_path: Path) -> None:
    refused(trade(tmp_path, "--strategy", "combined", "--broker", "alpaca", "--sessions", "3"), 2, "--sessions")
    refused(trade(tmp_path, "--broker", "exchange"), 2, "--strategy")
