"""Credentials: which spellings are read, which doubts are refused, and that no secret is ever shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.domain.errors import ConfigurationError
from desk.settings import Credentials, load_settings

KEY, SECRET = "PKTESTTESTTESTTEST12", "aVerySecretValueThatNobodyShouldSee"
KEY_NAMES = ("ALPACA_API_KEY", "APCA_API_KEY_ID")
SECRET_NAMES = ("ALPACA_API_SECRET", "ALPACA_SECRET_KEY", "APCA_API_SECRET_KEY")


def credentials(environ: dict[str, str], dotenv: Path | None = None) -> Credentials | None:
    return load_settings(environ=environ, dotenv=dotenv).credentials


def refusal(environ: dict[str, str], dotenv: Path | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        credentials(environ, dotenv)
    for value in environ.values():
        assert len(value) < 10 or value not in str(caught.value)
    return str(caught.value)


def test_without_keys_there_are_no_credentials() -> None:
    assert credentials({}) is None
    assert credentials({"ALPACA_API_KEY": "", "ALPACA_API_SECRET": "  ", "ALPACA_IS_PAPER": "false"}) is None


@pytest.mark.parametrize("key_name", KEY_NAMES)
@pytest.mark.parametrize("secret_name", SECRET_NAMES)
def test_every_spelling_is_accepted_and_paper_is_the_default(key_name: str, secret_name: str) -> None:
    pair = credentials({key_name: KEY, secret_name: SECRET})
    assert pair is not None
    assert (pair.api_key.get_secret_value(), pair.api_secret.get_secret_value(), pair.is_paper) == (KEY, SECRET, True)


def test_spellings_that_agree_are_accepted_together() -> None:
    environ = dict.fromkeys(KEY_NAMES, KEY) | dict.fromkeys(SECRET_NAMES, SECRET)
    assert credentials(environ) is not None


@pytest.mark.parametrize(("first", "second"), [KEY_NAMES, SECRET_NAMES[:2], SECRET_NAMES[1:]])
def test_spellings_that_contradict_each_other_are_refused_by_name(first: str, second: str) -> None:
    message = refusal({first: "oneValueOfTwo", second: "otherValueOfTwo"})
    assert message.startswith(f"{first} (environment) and {second} (environment) mean the same")
    assert "remove one of them" in message


@pytest.mark.parametrize("name", KEY_NAMES)
def test_key_without_secret_is_refused(name: str) -> None:
    assert f"{name} (environment) is set but ALPACA_API_SECRET is not" in refusal({name: KEY})


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_secret_without_key_is_refused(name: str) -> None:
    assert f"{name} (environment) is set but ALPACA_API_KEY is not" in refusal({name: SECRET})


def test_misspelt_variable_is_pointed_out() -> None:
    message = refusal({"ALPACA_API_KEY": KEY, "ALPACA_API_SECERT": SECRET})
    assert "ALPACA_API_SECERT (environment) looks like a misspelt ALPACA_API_SECRET" in message


@pytest.mark.parametrize("text", ["true", "True", " TRUE "])
def test_paper_may_be_said(text: str) -> None:
    pair = credentials({"ALPACA_API_KEY": KEY, "ALPACA_API_SECRET": SECRET, "ALPACA_IS_PAPER": text})
    assert pair is not None
    assert pair.is_paper


def test_live_must_be_said() -> None:
    pair = credentials({"ALPACA_API_KEY": "AKLIVE", "ALPACA_API_SECRET": SECRET, "ALPACA_IS_PAPER": "false"})
    assert pair is not None
    assert not pair.is_paper


@pytest.mark.parametrize("text", ["yes", "0", "flase", "1"])
def test_paper_takes_true_or_false_alone(text: str) -> None:
    assert "ALPACA_IS_PAPER (environment) is neither true nor false" in refusal({"ALPACA_IS_PAPER": text})


def test_paper_key_declared_live_is_refused() -> None:
    message = refusal({"ALPACA_API_KEY": KEY, "ALPACA_API_SECRET": SECRET, "ALPACA_IS_PAPER": "false"})
    assert "ALPACA_API_KEY (environment) is a paper key" in message
    assert "set ALPACA_IS_PAPER=true" in message


def test_dotenv_is_read_literally(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"# mine\nALPACA_API_KEY={KEY}\nexport ALPACA_API_SECRET='a$b${{c}}'\n", encoding="utf-8")
    settings = load_settings(environ={}, dotenv=dotenv)
    assert settings.credentials is not None
    assert settings.credentials.api_secret.get_secret_value() == "a$b${c}"
    assert settings.sources["credentials.api_key"] == f"ALPACA_API_KEY ({dotenv})"


def test_environment_wins_over_dotenv_even_when_empty(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"ALPACA_API_KEY=PKOLD\nALPACA_API_SECRET={SECRET}\n", encoding="utf-8")
    pair = credentials({"ALPACA_API_KEY": KEY}, dotenv)
    assert pair is not None
    assert pair.api_key.get_secret_value() == KEY
    assert credentials({"ALPACA_API_KEY": "", "ALPACA_API_SECRET": ""}, dotenv) is None


def test_missing_dotenv_is_no_error_but_a_broken_one_is(tmp_path: Path) -> None:
    assert credentials({}, tmp_path / ".env") is None
    (tmp_path / "binary").write_bytes(b"A=\xff\xfe\n")
    assert "cannot be read" in refusal({}, tmp_path / "binary")


def test_example_file_sets_nothing(tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / ".env.example"
    assert credentials({}, example) is None
    assert {line.split("=")[0] for line in example.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"} == {
        "ALPACA_API_KEY",
        "ALPACA_API_SECRET",
        "ALPACA_IS_PAPER",
        "LUMIDESK_JOURNAL_URL",
    }


texts = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=40)


@given(key=texts, secret=texts)
def test_no_text_made_from_settings_holds_a_secret(key: str, secret: str) -> None:
    settings = load_settings(environ={"ALPACA_API_KEY": f"<{key}>", "ALPACA_API_SECRET": f"<{secret}>"}, dotenv=None)
    assert settings.credentials is not None
    shown = [
        repr(settings),
        str(settings),
        str(settings.describe()),
        json.dumps(settings.credentials.model_dump(mode="json")),
        settings.credentials.model_dump_json(),
        str(settings.credentials.model_dump()),
    ]
    for text in shown:
        assert f"<{key}" not in text
        assert f"<{secret}" not in text


def test_description_shows_no_more_of_a_key_than_its_kind() -> None:
    rows = {
        row.name: row.value
        for row in load_settings(environ={"APCA_API_KEY_ID": KEY, "ALPACA_SECRET_KEY": SECRET}, dotenv=None).describe()
    }
    assert rows["credentials.api_key"] == "PK********"
    assert rows["credentials.api_secret"] == "********"
    assert rows["credentials.is_paper"] == "true"
