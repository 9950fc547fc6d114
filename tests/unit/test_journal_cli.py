"""`desk journal` and `desk status`: what they print, what they write, and the exit code of each state of a desk."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import typer
from journal_places import raw
from typer.testing import CliRunner, Result

from desk.cli import journal as journal_command
from desk.cli.status import status
from desk.domain.breaks import Break
from desk.domain.decisions import FixedExit, Intent, IntentKind, Mode
from desk.domain.errors import DeskError
from desk.domain.journal import Acknowledged, BreakFound, Heard, IterationDone, ModeChanged, Row, RowValue, RunStarted, RunStopped
from desk.domain.orders import Fill, GroupRole, OrderEvent, OrderSpec, OrderStatus, OrderType, Side
from desk.domain.steps import Cancel, Replace, Submit
from desk.journal.holder import Holder
from desk.journal.lease import Heartbeat
from desk.journal.sql import SqlJournal
from desk.runtime.clock import SystemClock

NOW = datetime(2024, 1, 3, 15, tzinfo=UTC)
app = typer.Typer()
app.add_typer(journal_command.app, name="journal")
app.command("status")(status)


def submit(key: str, covers: str | None = None) -> Submit:
    intent = Intent(IntentKind.OPEN, "AAPL", 10, 100.0, FixedExit(0.05, 0.15), "test")
    return Submit(OrderSpec(key, "AAPL", Side.BUY, 10, OrderType.MARKET), intent, covers)


def filled(key: str, broker_id: str) -> OrderEvent:
    fill = Fill(f"x-{key}", key, "AAPL", Side.BUY, 10, Decimal("100.01"), NOW)
    return OrderEvent(key, GroupRole.ENTRY, OrderStatus.FILLED, NOW, broker_id, fill)


DAY: list[RowValue] = [
    RunStarted("combined", "alpaca", "alpaca", None, False),
    submit("n-open"),
    submit("n-open2"),
    Heard("rest", '{"id":"b-1","client_order_id":"n-open"}'),
    Acknowledged("n-open", {"entry": "b-1", "stop_loss": "b-2"}),
    Acknowledged("n-open2", {"entry": "b-9"}),
    Heard("stream", '{"event":"fill","order":{"id":"b-1"}}'),
    filled("n-open", "b-1"),
    Replace("n-move", "n-open", "AAPL", GroupRole.STOP_LOSS, Decimal(90), "trail"),
    Acknowledged("n-move", {"stop_loss": "b-3"}),
    Heard("stream", '{"event":"new","order":{"id":"b-3"}}'),
    submit("n-cover", covers="n-open"),
    Cancel("n-end", "n-open2", "AAPL", "stale"),
    IterationDone(1, NOW.date(), 100_000.0, 99_000.0, 1),
]
OF_N_OPEN = [2, 4, 5, 7, 8, 9, 10, 11, 12]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    written(tmp_path, DAY)
    return tmp_path


def written(folder: Path, values: Sequence[RowValue]) -> None:
    journal = SqlJournal(folder / "journal.db", "n")
    journal.append([Row(NOW, value) for value in values])
    journal.close()


def desk(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def ended(result: Result) -> tuple[int, str]:
    """Exit code and words of a command that an error ended, as `desk` itself tells them."""
    assert isinstance(result.exception, DeskError), result.output
    return result.exception.exit_code, str(result.exception)


def numbers(result: Result) -> list[int]:
    assert result.exit_code == 0, result.output
    return [int(line.split()[0]) for line in result.output.splitlines()]


# ---- journal ---------------------------------------------------------------------------------------------------------------


def test_tail_shows_the_last_rows(run: Path) -> None:
    result = desk("journal", "tail", "--run", run, "--lines", 2)
    assert numbers(result) == [13, 14]
    assert "2024-01-03 15:00:00" in result.output and "equity_usd=100000.0" in result.output


def test_tail_shows_rows_of_the_kinds_asked_for(run: Path) -> None:
    assert numbers(desk("journal", "tail", "--run", run, "--kind", "submit", "--kind", "cancel")) == [2, 3, 12, 13]


def test_tail_names_the_kinds_that_there_are(run: Path) -> None:
    code, words = ended(desk("journal", "tail", "--run", run, "--kind", "trade"))
    assert code == 2 and "--kind trade" in words and "submit" in words


def test_tail_goes_on_as_rows_come_until_it_is_stopped(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, waits = SqlJournal(run / "journal.db", "n"), []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise KeyboardInterrupt
        journal.append([Row(NOW, RunStopped("test", len(waits)))])

    monkeypatch.setattr(journal_command, "wait_seconds", wait)
    assert numbers(desk("journal", "tail", "--run", run, "-n", 1, "--follow")) == [14, 15, 16]
    journal.close()


@pytest.mark.parametrize("key", ["n-open", "n-move", "b-1", "b-2", "b-3"])
def test_show_tells_the_whole_story_of_one_order_and_no_other(run: Path, key: str) -> None:
    assert numbers(desk("journal", "show", key, "--run", run)) == OF_N_OPEN


def test_show_of_an_unknown_key_says_so(run: Path) -> None:
    code, words = ended(desk("journal", "show", "n-op", "--run", run))
    assert code == 2 and "n-op" in words


def test_export_writes_every_row_the_same_each_time(run: Path, tmp_path: Path) -> None:
    first, again = (desk("journal", "export", "--run", run) for _ in range(2))
    assert first.output == again.output
    rows = [json.loads(line) for line in first.output.splitlines()]
    assert [row["seq"] for row in rows] == list(range(1, len(DAY) + 1))
    assert rows[1]["body"]["spec"]["key"] == rows[1]["step_key"] == "n-open"
    assert desk("journal", "export", "--run", run, "--output", tmp_path / "out.jsonl").exit_code == 0
    assert (tmp_path / "out.jsonl").read_text() == first.output
    assert not (tmp_path / "out.jsonl.partial").exists()


def test_export_as_csv_holds_the_same(run: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(desk("journal", "export", "--run", run, "--format", "csv").output)))
    assert [row["kind"] for row in rows][:2] == ["run_started", "submit"]
    assert json.loads(rows[3]["body"])["body"] == '{"id":"b-1","client_order_id":"n-open"}'


def test_export_to_a_place_that_cannot_be_written_is_refused(run: Path) -> None:
    code, words = ended(desk("journal", "export", "--run", run, "--output", run / "none" / "out"))
    assert code == 2 and "--output" in words


def test_verify_proves_a_sound_journal(run: Path) -> None:
    result = desk("journal", "verify", "--run", run)
    assert result.exit_code == 0 and f"{len(DAY)} rows are sound, chained up to " in result.output


def test_export_into_a_folder_is_refused_and_leaves_nothing(run: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    code, words = ended(desk("journal", "export", "--run", run, "--output", tmp_path / "runs"))
    assert code == 2 and "this is a folder" in words
    assert [path.name for path in tmp_path.glob("runs*")] == ["runs"] and not list((tmp_path / "runs").iterdir())


def test_export_of_a_journal_that_breaks_on_the_way_leaves_nothing(run: Path, tmp_path: Path) -> None:
    raw(run / "journal.db", "DROP TABLE rows")
    assert ended(desk("journal", "export", "--run", run, "--output", tmp_path / "out"))[0] == 7
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("words", [("journal", "verify"), ("journal", "tail"), ("status",)])
def test_journal_of_which_a_part_is_gone_is_told_as_damaged(run: Path, words: tuple[str, ...]) -> None:
    raw(run / "journal.db", "DROP TABLE rows")
    code, told = ended(desk(*words, "--run", run))
    assert code == 7 and f"{run / 'journal.db'} is damaged (no such table: rows)" in told and "Restore the file" in told
    os.truncate(run / "journal.db", 5000)
    code, told = ended(desk(*words, "--run", run))
    assert code == 7 and f"{run / 'journal.db'} is damaged (" in told and "Free the disk" not in told


@pytest.mark.parametrize("kind", ["iteration", "mode", "break"])
def test_status_names_a_row_that_cannot_be_read(run: Path, kind: str) -> None:
    raw(run / "journal.db", f"INSERT INTO rows (at, kind, body) VALUES ('{NOW.isoformat()}', '{kind}', 'x')")
    code, told = ended(desk("status", "--run", run))
    assert code == 7 and f"row {len(DAY) + 1}: kind '{kind}' cannot be read" in told


def test_verify_names_the_first_bad_row(tmp_path: Path) -> None:
    written(tmp_path, [*DAY, filled("nobody", "b-7"), filled("nothing", "b-8")])
    code, words = ended(desk("journal", "verify", "--run", tmp_path))
    assert code == 7 and f"row {len(DAY) + 1} (event" in words and "speaks of nobody" in words


@pytest.mark.parametrize("words", [("journal", "tail"), ("journal", "verify"), ("status",)])
def test_without_a_journal_every_command_says_so(tmp_path: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    code, told = ended(desk(*words, "--run", tmp_path / "none"))
    assert code == 4 and "no journal at" in told
    monkeypatch.chdir(tmp_path)
    code, told = ended(desk(*words))
    assert code == 4 and "--run DIR" in told


def test_the_latest_run_is_meant_when_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for age, name in enumerate(("second", "first")):
        (tmp_path / "runs" / name).mkdir(parents=True)
        written(tmp_path / "runs" / name, DAY[: age + 1])
        os.utime(tmp_path / "runs" / name / "journal.db", (1e9 - age, 1e9 - age))
    assert numbers(desk("journal", "tail")) == [1]


def test_run_and_journal_together_are_refused(run: Path) -> None:
    assert ended(desk("status", "--run", run, "--journal", run / "journal.db"))[0] == 2


# ---- status ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def living(run: Path) -> SqlJournal:
    """A desk whose heart beats: this process."""
    journal = SqlJournal(run / "journal.db", "n")
    beat(journal, SystemClock().now())
    return journal


def beat(journal: SqlJournal, at: datetime, mode: Mode = Mode.ACTIVE, holder: Holder | None = None) -> None:
    if journal.lease.held is None:
        journal.lease.take("PA1", at, holder or Holder.this_process(at), 60)
    journal.lease.beat(at, 60, Heartbeat(mode, 1, "connected", at))


def asked(run: Path) -> dict[str, object]:
    """The JSON of `status`, which agrees with the exit code of both forms."""
    result = desk("status", "--run", run, "--json")
    told: dict[str, object] = json.loads(result.output)
    assert told["exit_code"] == result.exit_code == desk("status", "--run", run).exit_code
    return told


def test_living_desk_is_healthy(run: Path, living: SqlJournal) -> None:
    told = asked(run)
    assert (told["exit_code"], told["health"], told["mode"]) == (0, "healthy", "active")
    words = desk("status", "--run", run).output
    assert "alive and well" in words and "account     PA1" in words and "order stream connected" in words
    assert "equity 100,000.00" in words
    living.close()


def test_halted_desk_is_told_with_the_reason(run: Path, living: SqlJournal) -> None:
    living.append([Row(NOW, ModeChanged(Mode.HALTED, "a wild order"))])
    told = asked(run)
    assert (told["exit_code"], told["reasons"]) == (6, ["a wild order"])
    living.close()


def test_desk_that_halted_and_could_not_write_it_down_is_halted(run: Path, living: SqlJournal) -> None:
    beat(living, SystemClock().now(), Mode.HALTED)
    assert asked(run)["exit_code"] == 6
    living.close()


def test_break_is_told_until_a_person_has_looked(run: Path, living: SqlJournal) -> None:
    living.append([Row(NOW, BreakFound(Break("AAPL", 10, 7))), Row(NOW, ModeChanged(Mode.HALTED, "AAPL"))])
    assert asked(run)["exit_code"] == 7
    assert "AAPL" in str(asked(run)["reasons"])
    living.append([Row(NOW, ModeChanged(Mode.ACTIVE, "sold by hand"))])
    assert asked(run)["exit_code"] == 0
    living.close()


def test_reducing_desk_is_no_alarm_but_told(run: Path, living: SqlJournal) -> None:
    living.append([Row(NOW, ModeChanged(Mode.REDUCING, "a loss"))])
    told = asked(run)
    assert (told["exit_code"], told["health"], told["reasons"]) == (0, "reducing", ["a loss"])
    living.close()


def test_desk_without_a_heartbeat_does_not_live_and_the_person_learns_what_that_means(run: Path) -> None:
    journal, long_ago = SqlJournal(run / "journal.db", "n"), SystemClock().now() - timedelta(hours=3)
    beat(journal, long_ago, holder=Holder("another-host", 7, long_ago))
    told = asked(run)
    assert told["exit_code"] == 3 and f"no heartbeat since {long_ago:%Y-%m-%d %H:%M:%S} UTC (3 h ago)" in str(told["reasons"])
    words = desk("status", "--run", run).output
    assert "DOES NOT LIVE" in words and "rest at the broker stay in force" in words and "another-host" in words
    journal.close()


def test_desk_whose_process_is_gone_does_not_live_though_its_lease_runs(run: Path) -> None:
    journal, now = SqlJournal(run / "journal.db", "n"), SystemClock().now()
    beat(journal, now, holder=replace(Holder.this_process(now), process="1"))
    told = asked(run)
    assert told["exit_code"] == 3 and "its process has ended" in str(told["reasons"])
    journal.close()


def test_desk_that_stopped_in_order_is_told_apart_from_one_that_did_not(run: Path, living: SqlJournal) -> None:
    living.close()
    assert "without a last word" in str(asked(run)["reasons"])
    written(run, [RunStopped("signal", 1)])
    told = asked(run)
    assert told["exit_code"] == 3 and "stopped in order" in str(told["reasons"])


def test_journal_that_no_desk_ever_announced_itself_in_is_no_living_desk(run: Path) -> None:
    assert asked(run)["exit_code"] == 3
