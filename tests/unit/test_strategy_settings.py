"""Every parameter of the strategies that come with the desk has a setting, with the same default; bad values are refused."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from desk.domain.errors import ConfigurationError
from desk.runtime.build import plain
from desk.runtime.strategy import DeskStrategy
from desk.settings import Behaviour, load_settings
from strategies.combined import Combined
from strategies.ema_cross import EmaCross
from strategies.volume_breakout import VolumeBreakout
from strategies.vwap import Vwap

ON_BARS = (EmaCross, VolumeBreakout, Vwap)


def block_of(strategy: type[DeskStrategy]) -> dict[str, Any]:
    return {} if strategy.settings_block is None else dict(getattr(Behaviour(), strategy.settings_block))


@pytest.mark.parametrize("strategy", [Combined, *ON_BARS])
def test_every_parameter_has_a_setting_of_the_same_default(strategy: type[DeskStrategy]) -> None:
    names = {field.name for field in fields(strategy.Parameters)}
    assert names <= {*Behaviour.model_fields, *block_of(strategy)}
    assert set(block_of(strategy)) <= names
    assert not set(block_of(strategy)) & set(Behaviour.model_fields), "one name would be two settings"
    assert strategy.parameters_from(plain(Behaviour())) == strategy.Parameters()


@pytest.mark.parametrize("strategy", ON_BARS)
def test_a_block_sets_its_own_strategy_alone(strategy: type[DeskStrategy], tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "max_position_fraction: 0.2\nema_cross: {fast_bars: 5}\n"
        "vwap: {volume_multiple: 3.0}\nvolume_breakout: {volume_multiple: 2.5}",
        encoding="utf-8",
    )
    settings = load_settings(config=file, environ={}, dotenv=None)
    assert settings.sources["ema_cross.fast_bars"] == str(file)
    changed: dict[type[DeskStrategy], dict[str, Any]] = {
        EmaCross: {"fast_bars": 5},
        Vwap: {"volume_multiple": 3.0},
        VolumeBreakout: {"volume_multiple": 2.5},
    }
    assert strategy.parameters_from(plain(settings.behaviour)) == strategy.Parameters(
        max_position_fraction=0.2, **changed[strategy]
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ema_cross: {fast_bars: 0}", "ema_cross.fast_bars is 0; it takes a whole number of hourly bars from 1 to 100"),
        ("ema_cross: {slow_bars: 200}", "ema_cross.slow_bars is 200; it takes a whole number of hourly bars from 1 to 100"),
        (
            "ema_cross: {fast_bars: 21}",
            "ema_cross.fast_bars is 21 and ema_cross.slow_bars is 21: the fast average must",
        ),
        ("ema_cross: {fast: 5}", "unknown key ema_cross.fast: did you mean ema_cross.fast_bars?"),
        ("ema_cross: 9", "ema_cross is 9; it takes these keys, each with a value: fast_bars, slow_bars"),
        ("volume_breakout: {channel_bars: 20.5}", "volume_breakout.channel_bars is 20.5; it takes a whole number of hourly bars"),
        ("volume_breakout: {volume_sessions: 60}", "volume_breakout.volume_sessions is 60; it takes a whole number of sessions"),
        ("volume_breakout: {volume_multiple: 0}", "volume_breakout.volume_multiple is 0; it takes a number above 0, at most 100"),
        ("volume_breakout: {stop_atr_multiple: -1}", "volume_breakout.stop_atr_multiple is -1; it takes a number above 0"),
        ("volume_breakout: {target_atr_multiple: 101}", "volume_breakout.target_atr_multiple is 101; it takes a number above 0"),
        ("volume_breakout: {trail_atr_multiple: off}", "volume_breakout.trail_atr_multiple is false; it takes a number above 0"),
        ("volume_breakout: {atr_length: 0}", "volume_breakout.atr_length is 0; it takes a whole number of daily bars from 1"),
        ("volume_breakout: {trail_atr_multiple: 0}", "volume_breakout.trail_atr_multiple is 0; it takes a number above 0"),
        ("trail_fraction: 5", "trail_fraction is 5; it takes a fraction above 0 and below 1 (0.05 is 5 %), or null"),
        ("break_even_after_fraction: off", "break_even_after_fraction is false; it takes a fraction above 0, at most 10"),
        ("vwap: {settle_minutes: -1}", "vwap.settle_minutes is -1; it takes whole minutes from 0 to 390"),
        ("vwap: {last_entry_minutes: 391}", "vwap.last_entry_minutes is 391; it takes whole minutes from 1 to 390"),
        ("vwap: {flat_minutes: 0}", "vwap.flat_minutes is 0; it takes whole minutes from 1 to 390"),
        (
            "vwap: {flat_minutes: 61}",
            "vwap.flat_minutes is 61 and vwap.last_entry_minutes is 60: flat_minutes must",
        ),
        ("vwap: {reclaim_minutes: 0}", "vwap.reclaim_minutes is 0; it takes whole minutes from 1"),
        ("vwap: {volume_minutes: '20'}", 'vwap.volume_minutes is "20"; it takes whole minutes from 1'),
        ("vwap: {volume_multiple: .nan}", "vwap.volume_multiple is nan; it takes a number above 0"),
        ("vwap: {lost_fraction: 1.0}", "vwap.lost_fraction is 1; it takes a fraction from 0, below 1"),
        ("vwap: {stop_atr_multiple: 0}", "vwap.stop_atr_multiple is 0; it takes a number above 0"),
        ("vwap: {target_atr_multiple: 0}", "vwap.target_atr_multiple is 0; it takes a number above 0"),
        ("vwap: {atr_length: 251}", "vwap.atr_length is 251; it takes a whole number of daily bars from 1 to 250"),
    ],
)
def test_a_bad_value_is_refused_with_field_value_and_fix(text: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(config=file, environ={}, dotenv=None)
    assert str(caught.value).startswith(f"{file}: {told}")
