import json
import math
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from desk.domain.errors import ConfigurationError
from desk.domain.market import DailyBars
from desk.domain.model_card import NullTest
from desk.model.card import as_object, from_object, model_card
from desk.model.parameters import MetaParameters
from desk.model.store import ModelStore
from desk.model.training import train
from desk.report.model_card import model_card_page, write_model_card

pytestmark = pytest.mark.slow  # models are trained and measured, and pages drawn
FIRST, CUT = date(2010, 1, 1), date(2019, 1, 1)


def walk(seed, n=3_000, hint=0.0):
    """A random walk; with a `hint` a day of large volume is followed by a rise, which the model can learn."""
    generator = np.random.default_rng(seed)
    volume = generator.lognormal(14, 0.8, n)
    told = np.convolve(np.log(volume) - 14, np.ones(5), "full")[: n - 1]
    moves = generator.normal(0, 0.02, n) + hint * np.concatenate([[0.0], told])
    close = 100 * np.exp(np.cumsum(moves - moves.mean()))
    opened = close * np.exp(generator.normal(0, 0.002, n))
    sessions = tuple(FIRST + timedelta(days=day) for day in range(n))
    return DailyBars(sessions, opened, np.maximum(opened, close) * 1.005, np.minimum(opened, close) * 0.995, close, volume)


@pytest.fixture(scope="module")
def bars():
    return {f"S{seed}": walk(seed) for seed in range(3)}


@pytest.fixture(scope="module")
def card(bars):
    return model_card(train(bars, CUT, MetaParameters()), bars, "1.2.3")


def test_a_card_of_random_walks_says_that_there_is_no_skill(card):
    assert not card.has_skill
    assert card.words[0].startswith("No skill: ")
    assert card.words[1] == "After 2013 the model has no skill."
    assert card.whole.events == sum(year.events for year in card.years)
    assert {row.feature for row in card.importances} == set(card.features)


def test_a_card_of_a_market_that_can_be_foretold_says_that_there_is_skill():
    bars = {f"S{seed}": walk(seed, hint=0.01) for seed in range(3)}
    card = model_card(train(bars, CUT, MetaParameters()), bars, "1.2.3")
    assert card.has_skill
    assert card.words[0].startswith("Skill: ")
    assert card.importances[0].feature == "volume_ratio_20"
    assert max(test.chance for test in card.null_tests) <= 0.05


def test_a_card_uses_nothing_from_the_cut_on(bars, card):
    model = train(bars, CUT, MetaParameters())
    after = {symbol: np.array(one.sessions) >= CUT for symbol, one in bars.items()}
    changed = {symbol: replace(one, close=np.where(after[symbol], one.close * 2, one.close)) for symbol, one in bars.items()}
    assert as_object(model_card(model, changed, "1.2.3")) == as_object(card)


def test_a_card_survives_being_written(tmp_path, card):
    store = ModelStore(tmp_path)
    store.save_card(card.identity, as_object(card))
    assert as_object(from_object(store.card(card.identity))) == as_object(card)
    assert store.card("0" * 16) is None
    json.loads((tmp_path / f"{card.identity}.card.json").read_text(), parse_constant=pytest.fail)


def test_a_damaged_card_is_refused_with_the_fix(tmp_path, card):
    store = ModelStore(tmp_path)
    (tmp_path / f"{card.identity}.card.json").write_text("{")
    with pytest.raises(ConfigurationError, match="train the model again"):
        store.card(card.identity)
    with pytest.raises(KeyError):
        from_object({})


def test_the_page_tells_skill_costs_drawdown_null_test_and_origin(tmp_path, card):
    page = write_model_card(card, tmp_path / "card.html").read_text(encoding="utf-8")
    assert page == model_card_page(card)
    assert page.count("<figure") == 5
    for told in (
        card.words[0],
        "basis points of costs",
        "Drawdown",
        "null test",
        card.data_hash,
        card.digest,
        "1.2.3",
        "embargo_sessions",
    ):
        assert told in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert "nan" not in page.lower().replace("nance", "")


def test_a_card_with_nothing_measured_has_a_page_too(card):
    nothing = replace(card.whole, events=0, effective_events=0.0, **dict.fromkeys(("auc", "net_return", "drawdown"), math.nan))
    bare = replace(
        card,
        whole=nothing,
        passed=nothing,
        years=(),
        eras=(),
        quantiles=(),
        null_tests=(NullTest("information coefficient", math.nan, math.nan),),
        calibration=(),
        importances=(),
        information_coefficient_trend=math.nan,
    )
    assert "too few events to show" in model_card_page(bare)
