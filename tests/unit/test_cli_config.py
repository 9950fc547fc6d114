"""The `desk` command: what `config show` prints, and how a command ends when something is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from desk.cli.errors import told_to_the_person
from desk.cli.main import run
from desk.domain import errors
from desk.domain.errors import DeskError, Halted
from desk.settings import Behaviour

KEY, SECRET = "PKTESTTESTTESTTEST12", "aVerySecretValueThatNobodyShouldSee"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, so that neither a person's .env nor their config is read."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def desk(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["desk", *arguments])
    with pytest.raises(SystemExit) as ended:
        run()
    return int(ended.value.code or 0)


def test_config_show_prints_settings_and_their_sources(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (elsewhere / "mine.yaml").write_text("sleeptime: 30M\n", encoding="utf-8")
    assert desk(monkeypatch, "config", "show", "--config", "mine.yaml") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["sleeptime", "30M", "mine.yaml"] in lines
    assert ["rsi_length", "14", "default"] in lines


def test_config_show_masks_secrets(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ALPACA_API_KEY", KEY)
    monkeypatch.setenv("ALPACA_SECRET_KEY", SECRET)
    assert desk(monkeypatch, "config", "show") == 0
    assert desk(monkeypatch, "config", "show", "--json") == 0
    out, err = capsys.readouterr()
    assert "PK********" in out
    assert "ALPACA_SECRET_KEY (environment)" in out
    assert KEY not in out + err
    assert SECRET not in out + err


def test_config_show_json_is_one_object(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk(monkeypatch, "config", "show", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["behaviour"] == Behaviour().model_dump(mode="json")
    assert shown["credentials"] is None
    assert shown["sources"] == {}


def test_config_show_json_says_which_keys_are_used(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("APCA_API_KEY_ID", KEY)
    monkeypatch.setenv("ALPACA_API_SECRET", SECRET)
    assert desk(monkeypatch, "config", "show", "--json") == 0
    assert json.loads(capsys.readouterr().out)["credentials"] == {
        "api_key": "PK********",
        "api_secret": "********",
        "is_paper": True,
    }


def test_dotenv_of_the_working_directory_is_read(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ALPACA_API_KEY")
    monkeypatch.delenv("ALPACA_API_SECRET")
    (elsewhere / ".env").write_text(f"ALPACA_API_KEY={KEY}\nALPACA_API_SECRET={SECRET}\n", encoding="utf-8")
    assert desk(monkeypatch, "config", "show") == 0
    assert "ALPACA_API_KEY (.env)" in capsys.readouterr().out


def test_bad_setting_ends_with_its_message_and_exit_code(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (elsewhere / "mine.yaml").write_text("stop_los_fraction: 0.05\n", encoding="utf-8")
    assert desk(monkeypatch, "config", "show", "--config", "mine.yaml") == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "Error: mine.yaml: unknown key stop_los_fraction: did you mean stop_loss_fraction?\n"


def test_half_a_key_pair_ends_with_its_message_and_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALPACA_API_KEY", KEY)
    assert desk(monkeypatch, "config", "show") == 4
    assert "ALPACA_API_SECRET is not" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [("nope",), ("config", "show", "--nope"), ("config",), ()])
def test_wrong_command_line_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    assert desk(monkeypatch, *arguments) == 2


def test_help_ends_well(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk(monkeypatch, "--help") == 0
    assert "strategies" in capsys.readouterr().out


@pytest.mark.parametrize("kind", [DeskError, *DeskError.__subclasses__()])
def test_every_desk_error_ends_with_its_own_exit_code(kind: type[DeskError], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, told_to_the_person():
        raise kind("the [bold]reason[/bold] and the fix")
    assert ended.value.code == kind.exit_code
    assert capsys.readouterr().err == "Error: the [bold]reason[/bold] and the fix\n"


def test_exit_codes_are_distinct() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = [kind.exit_code for kind in kinds if kind is errors.DeskError or kind.__bases__ == (errors.DeskError,)]
    assert len(set(codes)) == len(codes)
    assert Halted.exit_code not in (0, 2)


def test_bug_is_not_dressed_up_as_a_message() -> None:
    with pytest.raises(ZeroDivisionError), told_to_the_person():
        _ = 1 / 0
