"""Spreads whose own rules would end them the moment they are there are refused, with words for the person."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from desk.settings.spreads import SpreadSettings


def test_an_exit_rule_that_ends_every_spread_at_once_is_refused() -> None:
    with pytest.raises(ValidationError, match="exit_days below min_days"):
        SpreadSettings(min_days=5, target_days=7, max_days=14)
    assert SpreadSettings(min_days=5, target_days=7, max_days=14, exit_days=None).exit_days is None
    assert SpreadSettings(min_days=20, target_days=40, max_days=60).exit_days == 21


def test_a_put_is_not_sold_at_a_delta_at_which_it_is_left() -> None:
    with pytest.raises(ValidationError, match="breach_delta above short_delta"):
        SpreadSettings(short_delta=0.45)
    assert SpreadSettings(short_delta=0.45, breach_delta=None).short_delta == 0.45
    assert SpreadSettings(short_delta=0.3).short_delta == 0.3
