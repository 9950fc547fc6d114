"""Behaviour: the defaults, the file that repeats them, and what is refused with which words."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from desk.domain.errors import ConfigurationError
from desk.settings import Behaviour, Settings, load_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "mine.yaml"


def load(config: Path, text: str, environ: dict[str, str] | None = None) -> Settings:
    config.write_text(text, encoding="utf-8")
    return load_settings(config=config, environ=environ or {}, dotenv=None)


def refusal(config: Path, text: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(config, text, environ)
    assert caught.value.exit_code == 4
    assert caught.value.__cause__ is None, "a cause would print what the message hides"
    return str(caught.value)


def test_defaults_are_the_documented_ones() -> None:
    behaviour = Behaviour()
    assert (behaviour.stop_loss_fraction, behaviour.take_profit_fraction) == (0.05, 0.15)
    assert (behaviour.max_position_fraction, behaviour.max_inverse_fraction) == (0.15, 0.20)
    assert behaviour.inverse_etfs.model_dump() == {"general": "SH", "sp500": "SPXS", "tech": "SQQQ"}
    assert behaviour.sentiment_symbols.alpaca == ("AAPL", "MSFT", "GOOGL", "NVDA", "TSLA")
    assert (behaviour.overbought_rsi, behaviour.oversold_rsi, behaviour.bearish_share) == (70, 30, 0.60)
    assert (behaviour.rsi_length, behaviour.time_barrier_sessions) == (14, 10)
    assert (behaviour.confidence_threshold, behaviour.confidence_gate) == (0.6, "enforce")
    assert (behaviour.sleeptime, behaviour.extended_hours) == ("1H", False)
    assert len(behaviour.universe.alpaca) == 10
    assert behaviour.universe.exchange == ("AAPL", "MSFT", "IBM", "GOOG", "FB")


def test_default_yaml_states_every_setting_at_its_default() -> None:
    content = yaml.safe_load((ROOT / "config" / "default.yaml").read_text(encoding="utf-8"))
    assert Behaviour.model_validate(content) == Behaviour()
    assert set(content) == set(Behaviour.model_fields)
    for name in ("inverse_etfs", "universe"):
        assert set(content[name]) == set(type(getattr(Behaviour(), name)).model_fields)


def test_default_yaml_of_the_working_directory_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "default.yaml").write_text("sleeptime: 30M\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    settings = load_settings(environ={}, dotenv=None)
    assert settings.behaviour.sleeptime == "30M"
    assert settings.sources == {"sleeptime": str(Path("config") / "default.yaml")}


def test_default_yaml_of_the_checkout_is_read_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings(environ={}, dotenv=None)
    assert settings.config_file == ROOT / "config" / "default.yaml"
    assert settings.behaviour == Behaviour()


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "sleeptime: 1H\n"])
def test_keys_that_a_file_leaves_out_have_their_defaults(config: Path, text: str) -> None:
    settings = load(config, text)
    assert settings.behaviour == Behaviour()
    assert settings.sources == {}


def test_part_of_a_block_may_be_set(config: Path) -> None:
    settings = load(config, "inverse_etfs: {tech: PSQ}\n")
    assert settings.behaviour.inverse_etfs.model_dump() == {"general": "SH", "sp500": "SPXS", "tech": "PSQ"}
    assert settings.sources == {"inverse_etfs.tech": str(config)}


def test_behaviour_cannot_be_changed_after_loading(config: Path) -> None:
    with pytest.raises(ValidationError):
        load(config, "").behaviour.stop_loss_fraction = 0.5


def test_unknown_key_is_refused_with_a_suggestion(config: Path) -> None:
    assert (
        refusal(config, "stop_los_fraction: 0.05") == f"{config}: unknown key stop_los_fraction: did you mean stop_loss_fraction?"
    )
    assert "did you mean universe.alpaca?" in refusal(config, "universe: {alpca: [IBM]}")
    assert "the known keys are stop_loss_fraction" in refusal(config, "zzz: 1")


def test_secret_in_a_behaviour_file_is_refused_and_not_repeated(config: Path) -> None:
    message = refusal(config, "alpaca_api_secret: hunter2")
    assert ".env" in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("stop_loss_fraction: 5", "stop_loss_fraction is 5; it takes a fraction above 0 and below 1 (0.05 is 5 %)"),
        ("stop_loss_fraction: 0", "stop_loss_fraction is 0; it takes"),
        ("take_profit_fraction: 1.0", "take_profit_fraction is 1; it takes"),
        ("max_position_fraction: -0.1", "max_position_fraction is -0.1; it takes"),
        ("max_inverse_fraction: .nan", "max_inverse_fraction is nan; it takes"),
        ("stop_loss_fraction: '0.05'", 'stop_loss_fraction is "0.05"; it takes'),
        ("stop_loss_fraction:", "stop_loss_fraction is null; it takes"),
        ("bearish_share: 1.1", "bearish_share is 1.1; it takes a fraction above 0, at most 1"),
        ("overbought_rsi: 100", "overbought_rsi is 100; it takes a level of the RSI"),
        ("rsi_length: 14.5", "rsi_length is 14.5; it takes a whole number of daily bars from 2 to 250"),
        ("rsi_length: true", "rsi_length is true; it takes"),
        ("time_barrier_sessions: 0", "time_barrier_sessions is 0; it takes"),
        ("confidence_threshold: 60", "confidence_threshold is 60; it takes a probability from 0 to 1. The default is 0.6"),
        ("confidence_gate: off", "confidence_gate is false; it takes enforce or report. The default is enforce"),
        ("sleeptime: 60", "sleeptime is 60; it takes a whole number and a unit"),
        ("sleeptime: 1h", "sleeptime is 1h; it takes"),
        ("extended_hours: 1", "extended_hours is 1; it takes true or false. The default is false"),
        ("fee_bps: 2000", "fee_bps is 2000; it takes basis points"),
        ("inverse_etfs: {tech: sqqq}", "inverse_etfs.tech is sqqq; it takes a symbol in capitals"),
        ("inverse_etfs: SH", "inverse_etfs is SH; it takes these keys, each with a value: general, sp500, tech"),
        ("universe: {alpaca: [AAPL, ON]}", "universe.alpaca[1] is true; it takes a symbol in capitals"),
        ("universe: {alpaca: []}", "universe.alpaca is []; it takes a list of at least one symbol"),
        ("universe: {alpaca: AAPL}", "universe.alpaca is AAPL; it takes a list"),
        (
            "sentiment_symbols: {alpaca: [AAPL, AAPL]}",
            "sentiment_symbols.alpaca is [AAPL, AAPL]; it takes a list of at least one symbol, each once",
        ),
        ("oversold_rsi: 80", "oversold_rsi is 80 and overbought_rsi is 70: oversold_rsi must be the lower one"),
    ],
)
def test_bad_value_is_refused_with_field_value_and_fix(config: Path, text: str, told: str) -> None:
    assert refusal(config, text).startswith(f"{config}: {told}")


def test_every_problem_is_told_at_once(config: Path) -> None:
    assert len(refusal(config, "stop_loss_fraction: 5\nsleeptime: x\nnope: 1").splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sleeptime: [1H", "line 1 is not valid YAML"),
        ("\tsleeptime: 1H", "line 1 is not valid YAML"),
        ("rsi_length: 14\nrsi_length: 21", "line 2 is not valid YAML: the key rsi_length appears twice"),
        ("universe:\n  alpaca: [IBM]\n  alpaca: [FB]", "line 3 is not valid YAML: the key alpaca appears twice"),
        ("- sleeptime", "holds a list, not settings"),
        ("sleeptime: !!python/object/apply:os.getcwd []", "is not valid YAML"),
        ("sleeptime: \x07", "holds characters that text does not have"),
    ],
)
def test_broken_yaml_is_refused_with_its_line(config: Path, text: str, told: str) -> None:
    assert told in refusal(config, text)


def test_missing_file_is_refused_with_the_near_one(config: Path) -> None:
    config.write_text("", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"does not exist: did you mean .*mine\.yaml\?"):
        load_settings(config=config.with_name("mime.yaml"), environ={}, dotenv=None)


def test_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_settings(config=tmp_path, environ={}, dotenv=None)


def test_binary_file_is_refused(config: Path) -> None:
    config.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_settings(config=config, environ={}, dotenv=None)


def test_variable_is_read_as_if_its_value_stood_in_the_file(config: Path) -> None:
    settings = load(config, "stop_loss_fraction: ${STOP}\nsleeptime: ${HOURS}H\n", {"STOP": "0.07", "HOURS": "2"})
    assert settings.behaviour.stop_loss_fraction == 0.07
    assert settings.behaviour.sleeptime == "2H"
    assert settings.sources["stop_loss_fraction"] == f"{config} (${{STOP}})"


def test_variable_may_hold_an_item_or_a_whole_list(config: Path) -> None:
    settings = load(config, "universe: {alpaca: [IBM, '${ONE}'], exchange: '${ALL}'}", {"ONE": "FB", "ALL": "[AAPL, IBM]"})
    assert settings.behaviour.universe.alpaca == ("IBM", "FB")
    assert settings.behaviour.universe.exchange == ("AAPL", "IBM")


def test_missing_variable_is_named(config: Path) -> None:
    message = refusal(config, "universe: {alpaca: [IBM, '${ONE}']}")
    assert "universe.alpaca[1] uses ${ONE}, but ONE is not set" in message


@pytest.mark.parametrize("value", ["top secret", "[unfinished", "7"])
def test_value_of_a_variable_is_never_shown(config: Path, value: str) -> None:
    message = refusal(config, "stop_loss_fraction: ${STOP}", {"STOP": value})
    assert "stop_loss_fraction is ${STOP}" in message
    assert value not in message.replace(str(config), "")


def test_secret_may_not_be_used_in_a_behaviour_file(config: Path) -> None:
    message = refusal(config, "sleeptime: ${ALPACA_API_SECRET}", {"ALPACA_API_SECRET": "hunter2"})
    assert "${ALPACA_API_SECRET}, which is a secret" in message
    assert "hunter2" not in message


def test_description_gives_every_setting_its_source(config: Path) -> None:
    rows = {row.name: row for row in load(config, "sleeptime: 2H").describe()}
    assert (rows["sleeptime"].value, rows["sleeptime"].source) == ("2H", str(config))
    assert (rows["inverse_etfs.general"].value, rows["inverse_etfs.general"].source) == ("SH", "default")
    assert rows["credentials"].value.startswith("none")


def test_documentation_names_every_setting_and_its_default() -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    for row in load_settings(config=ROOT / "config" / "default.yaml", environ={}, dotenv=None).describe():
        if not row.name.startswith("credentials"):
            assert f"| `{row.name}` | `{row.value}` |" in text, f"docs/settings.md lacks {row.name} with its default {row.value}"
