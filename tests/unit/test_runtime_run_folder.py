"""Run folders: made under a free number, reopened only as what they are."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from desk.domain.errors import ConfigurationError, Refused, UsageError
from desk.journal.sql import SqlJournal
from desk.runtime.run_folder import RunFolder, RunIdentity, behaviour_digest, create, reopen
from desk.settings.behaviour import Behaviour

ROOT = Path(__file__).parents[2]
IDENTITY = RunIdentity("combined", "exchange", "bundled", "2008-09-02", 60, 7, "config/showcase.yaml")


def started(tmp_path: Path) -> RunFolder:
    """The folder of a run that got as far as its journal."""
    folder = create(tmp_path, "run", IDENTITY)
    SqlJournal(folder.journal, "f00d").close()
    return folder


def test_a_taken_name_gets_a_number(tmp_path: Path) -> None:
    names = [create(tmp_path / "runs", "combined-exchange", IDENTITY).path.name for _ in range(3)]
    assert names == ["combined-exchange", "combined-exchange-2", "combined-exchange-3"]


def test_a_number_that_became_free_is_used_again(tmp_path: Path) -> None:
    folders = [create(tmp_path, "run", IDENTITY) for _ in range(3)]
    folders[1].identity_file.unlink()
    folders[1].path.rmdir()
    assert create(tmp_path, "run", IDENTITY).path.name == "run-2"


def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    assert create(tmp_path, "run", IDENTITY).path.name == "run-2"
    assert (tmp_path / "run").read_text() == "mine"


def test_a_run_is_reopened_as_what_it_was(tmp_path: Path) -> None:
    folder = started(tmp_path)
    assert reopen(folder.path, None, None) == (folder, IDENTITY)
    assert reopen(folder.path, "combined", "exchange") == (folder, IDENTITY)


def test_everything_of_a_run_is_in_its_folder(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    logs = {folder.log, folder.exchange_log, folder.access_log}
    places = {*logs, folder.journal, folder.exchange_state, folder.models, folder.identity_file}
    assert len(places) == 7
    assert {place.parent for place in places} == {tmp_path}


def test_a_folder_that_cannot_be_made_is_named_with_the_fix(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("not a folder")
    with pytest.raises(ConfigurationError, match="no order is sent without a journal") as error:
        create(tmp_path / "runs", "run", IDENTITY)
    assert str(tmp_path / "runs") in str(error.value) and "--runs DIR" in str(error.value)


@pytest.mark.parametrize("name", ["nothing-here", "a-file"])
def test_resuming_something_that_is_no_run_says_so(tmp_path: Path, name: str) -> None:
    (tmp_path / "a-file").write_text("x")
    with pytest.raises(UsageError, match=r"there is no run in this folder.*give a folder under runs/"):
        reopen(tmp_path / name, None, None)


def test_a_message_says_what_the_person_typed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"^desk mode {tmp_path}: there is no run in this folder"):
        reopen(tmp_path, None, None, "desk mode")
    folder = started(tmp_path)
    folder.journal.unlink()
    with pytest.raises(UsageError, match=f"^desk adopt --run {folder.path}: its journal.db is gone"):
        reopen(folder.path, None, None, "desk adopt --run")


@pytest.mark.parametrize(
    ("strategy", "broker", "fix"),
    [
        ("hedged", None, "trades combined, not hedged; leave --strategy out or give combined"),
        (None, "alpaca", "trades exchange, not alpaca; leave --broker out or give exchange"),
        ("combined", "alpaca", "leave --broker out"),
    ],
)
def test_a_run_is_not_resumed_as_another(tmp_path: Path, strategy: str | None, broker: str | None, fix: str) -> None:
    folder = started(tmp_path)
    with pytest.raises(UsageError, match=fix):
        reopen(folder.path, strategy, broker)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", json.dumps({"strategy": "combined"}), json.dumps({"colour": "red"})])
def test_a_broken_identity_is_told_and_not_guessed(tmp_path: Path, text: str) -> None:
    folder = started(tmp_path)
    folder.identity_file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"run\.json cannot be read.*restore it, or move the folder away and start anew"):
        reopen(folder.path, None, None)


def test_runs_from_before_a_field_was_added_can_be_resumed(tmp_path: Path) -> None:
    folder = started(tmp_path)
    known = json.loads(folder.identity_file.read_text())
    for name in ("config", "account", "journal", "behaviour", "dry_run"):
        del known[name]
    folder.identity_file.write_text(json.dumps(known))
    identity = reopen(folder.path, None, None)[1]
    assert (identity.config, identity.account, identity.journal, identity.behaviour) == (None, None, None, None)
    assert identity.dry_run is False


def test_the_digest_of_the_behaviour_changes_with_any_setting_and_with_nothing_else() -> None:
    digest = behaviour_digest(Behaviour())
    assert digest == behaviour_digest(Behaviour.model_validate({"sleeptime": Behaviour().sleeptime}))
    others = [{"sleeptime": "30M"}, {"stop_loss_fraction": 0.07}, {"universe": {"alpaca": ["AAPL"]}}]
    assert len({digest, *(behaviour_digest(Behaviour.model_validate(other)) for other in others)}) == 4


def test_a_run_without_its_journal_is_not_resumed(tmp_path: Path) -> None:
    """A new journal in its place would know nothing of what was sent, and buy everything a second time."""
    folder = started(tmp_path)
    folder.journal.unlink()
    with pytest.raises(UsageError, match=r"journal\.db is gone.*move the folder away and start anew"):
        reopen(folder.path, None, None)
    assert not folder.journal.exists()


# ---- one process a run ---------------------------------------------------------------------------------------------

HOLDER = """
import sys
from pathlib import Path
from desk.runtime.run_folder import RunFolder
with RunFolder(Path(sys.argv[1])).locked():
    print("locked", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def another_process(folder: RunFolder) -> Iterator[subprocess.Popen[str]]:
    """A process that holds `folder` until a line comes, or until it is killed."""
    command = [sys.executable, "-c", HOLDER, str(folder.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None and process.stdout.readline() == "locked\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_run_that_another_process_trades_is_refused_until_that_one_ends(tmp_path: Path) -> None:
    folder = started(tmp_path)
    with another_process(folder) as holder:
        with pytest.raises(Refused, match=r"another process trades this run; stop that one first") as refused, folder.locked():
            pass
        assert refused.value.exit_code == 5
        holder.kill()
        holder.wait()
        with folder.locked():
            pass


def test_a_folder_can_be_locked_again_once_it_is_let_go(tmp_path: Path) -> None:
    folder = started(tmp_path)
    with folder.locked(), pytest.raises(Refused), folder.locked():
        pass
    with folder.locked():
        pass


def test_the_lock_of_one_run_holds_back_no_other(tmp_path: Path) -> None:
    with started(tmp_path).locked(), started(tmp_path).locked():
        pass
