"""`desk train` and `desk model` as a person types them, on the bundled market."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from desk.cli.main import app
from desk.domain.errors import ConfigurationError, Refused, UsageError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def trained(models: Path) -> dict[str, Any]:
    return told("train", "--models", str(models))


def run(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def told(*words: str) -> Any:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_training_twice_gives_the_same_model_and_card(trained: dict[str, Any], tmp_path: Path) -> None:
    again = told("train", "--models", str(tmp_path))
    assert (again["identity"], again["digest"]) == (trained["identity"], trained["digest"])
    assert {**again, "card": ""} == {**trained, "card": ""}
    assert Path(again["card"]).read_bytes() == Path(trained["card"]).read_bytes()


def test_the_card_says_that_the_bundled_history_shows_no_skill_after_2007(trained: dict[str, Any]) -> None:
    page = Path(trained["card"]).read_text(encoding="utf-8")
    assert not trained["has_skill"]
    assert "After 2007 the model has no skill." in trained["words"]
    assert all(words.replace("'", "&#x27;") in page for words in trained["words"])
    assert page.count("<figure") == 5


def test_the_commands_show_list_and_judge_what_was_trained(trained: dict[str, Any], models: Path) -> None:
    identity = trained["identity"]
    assert told("model", "show", identity, "--models", str(models))["digest"] == trained["digest"]
    assert [one["id"] for one in told("model", "list", "--models", str(models))] == [identity]
    found = told("model", "health", identity, "--models", str(models))
    assert (found["is_fit"], found["age_sessions"], found["reasons"]) == (True, 0, [])
    missed = str(run("model", "show", "nope", "--models", str(models)).exception)
    assert f"give one of: {identity}. `desk model list` tells what they are" in missed
    for words in (("show", identity), ("list",), ("health",), ("health", identity)):
        plain = run("model", *words, "--models", str(models))
        assert plain.exit_code == 0
        assert identity in plain.stdout


def test_an_old_model_and_one_of_other_settings_are_refused_with_their_reasons(tmp_path: Path) -> None:
    old = told("train", "--before", "2008-09-02", "--models", str(tmp_path))["identity"]
    config = tmp_path / "mine.yaml"
    config.write_text("stop_loss_fraction: 0.04\nmodel_health: {max_age_sessions: 250, min_auc: 0.99}\n", encoding="utf-8")
    result = run("model", "health", old, "--models", str(tmp_path), "--config", str(config))
    assert isinstance(result.exception, Refused)
    for words in ("sessions old, at most 250", "stop_loss_fraction 0.05, now 0.04", "is below 0.99"):
        assert words in str(result.exception)
    assert "refused" in run("model", "health", "--models", str(tmp_path)).stdout


def test_a_model_of_another_version_is_refused_and_named(tmp_path: Path) -> None:
    identity = told("train", "--before", "2004-01-02", "--models", str(tmp_path))["identity"]
    sidecar = tmp_path / f"{identity}.json"
    card = json.loads(sidecar.read_text(encoding="utf-8"))
    for changed, words in (
        ({"format": "lumidesk-meta-model/1"}, "it is in the format lumidesk-meta-model/1"),
        ({"features": [*card["features"], "moon_phase"]}, "other features than this version computes (moon_phase)"),
    ):
        sidecar.write_text(json.dumps(card | changed), encoding="utf-8")
        (found,) = told("model", "health", "--models", str(tmp_path))
        assert not found["is_fit"]
        assert words in found["reasons"][0]


@pytest.mark.parametrize(
    ("words", "kind", "fix"),
    [
        (("train", "--before", "soon"), UsageError, "write it as 2008-09-02"),
        (("train", "--before", "2030-01-01"), UsageError, "give a day up to 2013-03-02"),
        (("train", "--before", "2000-06-01"), ConfigurationError, "give a longer history, more symbols, or a later --before"),
        (("train", "--data", "nowhere"), ConfigurationError, "Give the folder"),
        (("model", "show", "0" * 16), UsageError, "`desk train` makes one"),
        (("model", "health", "0" * 16), UsageError, "`desk train` makes one"),
        (("model", "show", "nonsense"), UsageError, "there is no model nonsense in"),
        (("model", "health", "../x"), UsageError, "there is none"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_fix(
    words: tuple[str, ...], kind: type[Exception], fix: str, tmp_path: Path
) -> None:
    result = run(*words, "--models", str(tmp_path))
    assert isinstance(result.exception, kind), result.output
    assert fix in str(result.exception)


def test_an_empty_folder_says_how_to_fill_it(tmp_path: Path) -> None:
    assert "`desk train` makes one" in run("model", "list", "--models", str(tmp_path)).stdout
    assert "`desk train` makes one" in run("model", "health", "--models", str(tmp_path)).stdout
    assert told("model", "list", "--models", str(tmp_path)) == []
