"""By which behaviour a run goes on: its own, and a person is told when that is another than at the beginning."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from desk.cli.trade_options import parse
from desk.cli.trade_settings import behaviour_lines, settings_of
from desk.domain.errors import ConfigurationError, UsageError
from desk.journal.sql import SqlJournal
from desk.runtime.run_folder import RunFolder, RunIdentity, behaviour_digest, create
from desk.settings.load import load_settings

IDENTITY = RunIdentity("combined", "exchange", "bundled", "2008-09-02", 60, 7)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return behaviour(tmp_path / "mine.yaml", "30M")


def behaviour(path: Path, sleeptime: str) -> Path:
    path.write_text(f"sleeptime: {sleeptime}\n")
    return path


def run(tmp_path: Path, identity: RunIdentity) -> RunFolder:
    folder = create(tmp_path / "runs", "run", identity)
    SqlJournal(folder.journal, "f00d").close()
    return folder


def resumed(folder: RunFolder, *more: object) -> str:
    """The sleeptime by which the run goes on."""
    return settings_of(parse(["--resume", str(folder.path), *map(str, more)])).behaviour.sleeptime


def test_a_new_run_takes_the_file_that_is_named(mine: Path) -> None:
    assert settings_of(parse(["--strategy", "combined", "--config", str(mine)])).behaviour.sleeptime == "30M"


def test_a_resumed_run_takes_its_own_file_and_the_same_may_be_named(
    tmp_path: Path, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run(tmp_path, replace(IDENTITY, config=str(mine)))
    monkeypatch.chdir(tmp_path)
    assert resumed(folder) == resumed(folder, "--config", mine) == resumed(folder, "--config", "mine.yaml") == "30M"


def test_another_file_beside_resume_is_refused(tmp_path: Path, mine: Path) -> None:
    other = behaviour(tmp_path / "other.yaml", "15M")
    for folder, own in (
        (run(tmp_path, replace(IDENTITY, config=str(mine))), str(mine)),
        (run(tmp_path, IDENTITY), "default.yaml"),
    ):
        with pytest.raises(
            UsageError, match=f"^--config {other}: .*goes on by its own behaviour, .*leave --config out"
        ) as refused:
            resumed(folder, "--config", other)
        assert own in str(refused.value) and refused.value.exit_code == 2


def test_the_default_file_may_be_named_for_a_run_that_began_with_it(tmp_path: Path) -> None:
    default = load_settings().config_file
    assert default is not None
    assert resumed(run(tmp_path, IDENTITY), "--config", default) == load_settings().behaviour.sleeptime


def test_a_behaviour_file_that_is_gone_is_named_with_its_run(tmp_path: Path, mine: Path) -> None:
    folder = run(tmp_path, replace(IDENTITY, config=str(mine)))
    mine.unlink()
    with pytest.raises(ConfigurationError, match=f"--resume {folder.path}: the run's behaviour file {mine} is gone; put it back"):
        resumed(folder)


def test_an_old_run_at_alpaca_of_which_the_file_was_not_kept_takes_the_one_that_is_named(tmp_path: Path, mine: Path) -> None:
    old = replace(IDENTITY, broker="alpaca", account="PA1")
    assert resumed(run(tmp_path, old), "--config", mine) == "30M"
    kept = replace(old, behaviour=behaviour_digest(load_settings().behaviour))
    with pytest.raises(UsageError, match="leave --config out"):
        resumed(run(tmp_path, kept), "--config", mine)


def test_a_dry_run_is_not_resumed(tmp_path: Path) -> None:
    folder = run(tmp_path, replace(IDENTITY, dry_run=True))
    assert json.loads(folder.identity_file.read_text())["dry_run"] is True
    with pytest.raises(UsageError, match=r"was a dry run, which sends nothing.*leave --resume out and give --strategy combined"):
        resumed(folder)


def test_a_change_of_the_settings_is_told_in_one_line_and_a_comment_is_none(mine: Path) -> None:
    identity = replace(IDENTITY, config=str(mine), behaviour=behaviour_digest(load_settings(config=mine).behaviour))
    mine.write_text(f"# a thought\n{mine.read_text()}")
    assert list(behaviour_lines(identity, load_settings(config=mine))) == []
    behaviour(mine, "15M")
    (line,) = behaviour_lines(identity, load_settings(config=mine))
    assert line == f"The behaviour settings ({mine}) changed since the run began; from here on the present ones count."
    assert list(behaviour_lines(replace(identity, behaviour=None), load_settings(config=mine))) == []
