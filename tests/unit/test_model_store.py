import json
import math
import pickle
from dataclasses import replace
from datetime import date

import pytest
import skops.io

from desk.domain.errors import ConfigurationError
from desk.model.features import FEATURES
from desk.model.parameters import MetaParameters
from desk.model.store import ModelStore, model_id
from desk.model.training import CalibrationBin, MetaModel, Metrics

pytestmark = pytest.mark.slow  # skops loads scipy and scikit-learn
COUNT = len(FEATURES)


@pytest.fixture
def model():
    return MetaModel(
        features=FEATURES,
        parameters=MetaParameters(cost_bps=12.5),
        trained_from=date(2000, 3, 1),
        trained_before=date(2008, 9, 2),
        data_hash="ab" * 32,
        events=1_090,
        base_rate=0.1 + 0.2,
        metrics=Metrics(650, 299.1, 0.25, 0.26, math.nan, (CalibrationBin(0.4, 0.5, 12, 0.45, 1 / 3),)),
        means=tuple(number / 7 for number in range(COUNT)),
        scales=(1.0,) * COUNT,
        coefficients=tuple(-number / 3 for number in range(COUNT)),
        intercept=-0.01,
        calibration_slope=0.5,
        calibration_intercept=0.02,
        lows=(-1.5,) * COUNT,
        highs=(2.5,) * COUNT,
    )


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path / "models")


def test_a_stored_model_comes_back_bit_for_bit(store, model):
    identity = store.save(model)
    assert identity == model_id(model.parameters, model.trained_before, model.data_hash)
    assert identity in store
    loaded = store.load(identity)
    assert loaded.digest == model.digest
    assert loaded.confidence([0.5] * COUNT) == model.confidence([0.5] * COUNT)
    assert replace(loaded, metrics=model.metrics) == model  # the metrics hold a NaN, which equals nothing
    assert sorted(path.suffix for path in store.folder.iterdir()) == [".json", ".skops"]


def test_saving_twice_is_saving_once(store, model):
    assert store.save(model) == store.save(model)
    assert len(list(store.folder.iterdir())) == 2


def test_the_sidecar_tells_a_person_what_the_model_is(store, model):
    identity = store.save(model)
    card = json.loads((store.folder / f"{identity}.json").read_text(), parse_constant=pytest.fail)
    assert card["features"] == list(FEATURES)
    assert card["data_hash"] == model.data_hash
    assert (card["trained_from"], card["trained_before"]) == ("2000-03-01", "2008-09-02")
    assert card["metrics"]["brier"] == 0.25
    assert card["metrics"]["auc"] is None
    assert card["parameters"]["cost_bps"] == 12.5


def test_other_data_parameters_or_cut_have_another_id(model):
    base = model_id(model.parameters, model.trained_before, model.data_hash)
    assert base != model_id(MetaParameters(), model.trained_before, model.data_hash)
    assert base != model_id(model.parameters, date(2009, 1, 2), model.data_hash)
    assert base != model_id(model.parameters, model.trained_before, "cd" * 32)


def test_a_missing_model_is_refused(store):
    assert "0" * 16 not in store
    with pytest.raises(ConfigurationError, match=r"0000000000000000\.skops cannot be used"):
        store.load("0" * 16)


@pytest.mark.parametrize("identity", ["../../etc/passwd", "", "ABCDEF0123456789", "0" * 17])
def test_an_id_that_is_no_id_is_refused(store, identity):
    with pytest.raises(ConfigurationError, match="must be 16 hexadecimal digits"):
        store.load(identity)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_a_damaged_file_is_refused(store, model, damage):
    identity = store.save(model)
    path = store.folder / f"{identity}.skops"
    blob = path.read_bytes()
    middle = blob.index(b"0.02") if b"0.02" in blob else len(blob) // 2
    broken = {
        "cut": blob[: len(blob) // 2],
        "flipped": blob[:middle] + bytes([blob[middle] ^ 1]) + blob[middle + 1 :],
        "empty": b"",
        "text": b"not an archive",
    }[damage]
    path.write_bytes(broken)
    with pytest.raises(ConfigurationError, match="delete it"):
        store.load(identity)


def test_a_model_whose_sidecar_describes_another_is_refused(store, model):
    identity = store.save(model)
    other = replace(model, intercept=9.0)
    store.save(other)
    card = store.folder / f"{identity}.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "digest": model.digest}))
    with pytest.raises(ConfigurationError, match="not the model that its sidecar describes"):
        store.load(identity)


def test_a_model_under_another_name_is_refused(store, model):
    identity = store.save(model)
    for suffix in (".skops", ".json"):
        (store.folder / f"{identity}{suffix}").rename(store.folder / f"{'0' * 16}{suffix}")
    with pytest.raises(ConfigurationError, match="belongs under another name"):
        store.load("0" * 16)


class Foreign:
    """A type that no model file may hold."""


@pytest.mark.parametrize("content", [Foreign(), {"format": "lumidesk-meta-model/2", "features": Foreign()}, [1, 2], {"a": 1}])
def test_a_foreign_skops_file_is_refused(store, model, content):
    identity = store.save(model)
    (store.folder / f"{identity}.skops").write_bytes(skops.io.dumps(content))
    with pytest.raises(ConfigurationError, match="cannot be used"):
        store.load(identity)


class Trap:
    sprung = False

    def __reduce__(self):
        return setattr, (Trap, "sprung", True)


def test_a_pickle_is_refused_and_not_run(store, model):
    identity = store.save(model)
    (store.folder / f"{identity}.skops").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ConfigurationError, match="cannot be used"):
        store.load(identity)
    assert not Trap.sprung


def test_a_model_trained_on_other_features_is_refused(store, model):
    other = replace(model, features=(*FEATURES[:-1], "moon_phase"))
    identity = store.save(other)
    with pytest.raises(ConfigurationError, match="trained on other features"):
        store.load(identity)


def test_a_folder_that_cannot_be_written_is_named(tmp_path, model):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigurationError, match=r"model folder .*file.* cannot be written"):
        ModelStore(tmp_path / "file" / "models").save(model)
