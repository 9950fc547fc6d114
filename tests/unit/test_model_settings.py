"""What a person may set about models and sizes, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from desk.domain.errors import ConfigurationError
from desk.settings import Behaviour, load_settings


def load(folder: Path, text: str) -> Behaviour:
    file = folder / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    return load_settings(config=file, environ={}, dotenv=None).behaviour


def test_one_bound_may_be_set_and_the_others_keep_their_defaults(tmp_path: Path) -> None:
    bounds = load(tmp_path, "model_health: {min_auc: 0.5}").model_health
    assert (bounds.min_auc, bounds.max_age_sessions) == (0.5, 126)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("model_health: {min_auc: 50}", "model_health.min_auc is 50; it takes a probability from 0 to 1"),
        ("model_health: {max_age_sessions: 0}", "model_health.max_age_sessions is 0; it takes a whole number of sessions"),
        ("model_health: {min_brier_skill: 2}", "model_health.min_brier_skill is 2; it takes a number from -100 to 1"),
        ("size_by_confidence: yes please", "size_by_confidence is yes please; it takes true or false"),
        (
            "{size_by_confidence: true, min_position_fraction: 0.3}",
            "min_position_fraction is 0.3 and max_position_fraction is 0.15",
        ),
    ],
)
def test_a_bad_bound_or_size_is_refused_with_field_value_and_fix(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text)
    assert told in str(caught.value)


def test_the_smallest_size_binds_nobody_who_does_not_size_by_confidence(tmp_path: Path) -> None:
    assert load(tmp_path, "max_position_fraction: 0.03").max_position_fraction == 0.03
