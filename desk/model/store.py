"""Models on disk: one skops archive of plain numbers and arrays each, with a JSON sidecar for people. Never a pickle."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from desk.domain.errors import ConfigurationError
from desk.model.features import FEATURES
from desk.model.parameters import MetaParameters
from desk.model.training import CalibrationBin, MetaModel, Metrics
from desk.model.validation import Recent

FORMAT = "lumidesk-meta-model/2"
# Types that a stored model may hold beside skops' own defaults (plain Python values and numpy arrays): none. A model is
# numbers; whatever else a file holds is refused before it is built.
TRUSTED: tuple[str, ...] = ()

_ARRAYS = ("means", "scales", "coefficients", "lows", "highs")
_ID = re.compile(r"[0-9a-f]{16}")
_DATES = ("trained_from", "trained_before")


def model_id(parameters: MetaParameters, trained_before: date, data_hash: str) -> str:
    """Name of the model that this data and these parameters give: known before training, so a stored one can be looked up."""
    inputs = {"format": FORMAT, "features": FEATURES, "parameters": asdict(parameters), "before": trained_before.isoformat()}
    return hashlib.sha256(json.dumps({**inputs, "data": data_hash}, sort_keys=True).encode()).hexdigest()[:16]


class ModelStore:
    """Models in `folder`, made when first needed. Files are written beside and renamed, so a reader never sees half of one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __contains__(self, identity: str) -> bool:
        return all(path.is_file() for path in self._paths(identity))

    def identities(self) -> tuple[str, ...]:
        """Ids of the models that lie here, in order."""
        found = (path.stem for path in self.folder.glob("*.skops"))
        return tuple(sorted(name for name in found if _ID.fullmatch(name) and name in self))

    def save(self, model: MetaModel) -> str:
        """Write `model` and its sidecar; return its id. Raises ConfigurationError when the folder cannot be written."""
        import skops.io

        identity = model_id(model.parameters, model.trained_before, model.data_hash)
        archive, sidecar = self._paths(identity)
        with self._written():
            self.folder.mkdir(parents=True, exist_ok=True)
            _replace(archive, skops.io.dumps(_as_plain(model)))
            _replace(sidecar, json.dumps(_sidecar(model, identity), indent=2).encode())
        return identity

    def sidecar(self, identity: str) -> dict[str, Any]:
        """What the model's sidecar says of it, whatever version wrote it. Raises ConfigurationError when it cannot be read."""
        path = self._paths(identity)[1]
        try:
            told = json.loads(path.read_bytes())
            if not isinstance(told, dict):
                raise ValueError("it is no JSON object")
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{path} cannot be read ({error}): delete it, and the model is trained again") from error
        return told

    def save_card(self, identity: str, card: Mapping[str, Any]) -> None:
        """Keep the figures of a model's card beside it. Raises ConfigurationError when the folder cannot be written."""
        with self._written():
            _replace(self._card(identity), json.dumps(card, indent=2, allow_nan=False).encode())

    def card(self, identity: str) -> dict[str, Any] | None:
        """The figures that `save_card` kept, None when there are none (a run trains its models without a card).

        Raises ConfigurationError when they cannot be read.
        """
        path = self._card(identity)
        try:
            told: dict[str, Any] | None = json.loads(path.read_bytes()) if path.is_file() else None
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{path} cannot be read ({error}): delete it and train the model again") from error
        return told

    def page(self, identity: str) -> Path:
        """Where the model's card lies as a page."""
        return self._paths(identity)[1].with_suffix(".html")

    def _card(self, identity: str) -> Path:
        return self._paths(identity)[1].with_suffix(".card.json")

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ConfigurationError(
                f"model folder {self.folder} cannot be written ({error}): name another one or free its rights"
            ) from error

    def load(self, identity: str) -> MetaModel:
        """The stored model. Raises ConfigurationError when it is missing, damaged, foreign or trained on other features."""
        archive, sidecar = self._paths(identity)
        try:
            model = _from_plain(_opened(archive.read_bytes()))
            # The digest of the contents, not of the file: skops writes times and memory addresses into its archives.
            if json.loads(sidecar.read_bytes())["digest"] != model.digest:
                raise ValueError("it is not the model that its sidecar describes")
        except Exception as error:  # a foreign archive can fail in any way at all inside zip, JSON or skops
            raise ConfigurationError(
                f"model {archive} cannot be used ({error}): delete it and {sidecar.name}, and it is trained again"
            ) from error
        if model_id(model.parameters, model.trained_before, model.data_hash) != identity:
            raise ConfigurationError(f"model {archive} belongs under another name: delete it, and it is trained again")
        return model

    def _paths(self, identity: str) -> tuple[Path, Path]:
        if not _ID.fullmatch(identity):
            raise ConfigurationError(f"model id {identity!r} must be 16 hexadecimal digits, as `save` returns them")
        return self.folder / f"{identity}.skops", self.folder / f"{identity}.json"


def _replace(path: Path, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, suffix=".part", delete=False) as beside:
        beside.write(content)
    Path(beside.name).replace(path)


def _opened(blob: bytes) -> Mapping[str, Any]:
    import skops.io

    plain = skops.io.loads(blob, trusted=list(TRUSTED))
    if not isinstance(plain, dict) or plain.get("format") != FORMAT:
        raise ValueError(f"it is not in the format {FORMAT}")
    if tuple(plain["features"]) != FEATURES:
        raise ValueError("it was trained on other features than this version computes")
    return plain


def _as_plain(model: MetaModel) -> dict[str, Any]:
    plain: dict[str, Any] = {"format": FORMAT, **asdict(model), "features": list(model.features)}
    plain["metrics"]["calibration"] = [list(asdict(one).values()) for one in model.metrics.calibration]
    plain.update({name: np.asarray(plain[name]) for name in _ARRAYS})
    plain.update({name: plain[name].isoformat() for name in _DATES})
    return plain


def _from_plain(plain: Mapping[str, Any]) -> MetaModel:
    values = {field.name: plain[field.name] for field in fields(MetaModel)}
    bins = tuple(CalibrationBin(*one) for one in plain["metrics"]["calibration"])
    recent = Recent(**plain["metrics"]["recent"])
    values["metrics"] = Metrics(**{**plain["metrics"], "calibration": bins, "recent": recent})
    values["parameters"] = MetaParameters(**plain["parameters"])
    values["features"] = tuple(plain["features"])
    values.update({name: tuple(plain[name].tolist()) for name in _ARRAYS})
    values.update({name: date.fromisoformat(plain[name]) for name in _DATES})
    return MetaModel(**values)


def _sidecar(model: MetaModel, identity: str) -> dict[str, Any]:
    """What stands in the sidecar; a metric that could not be measured is null there, since JSON has no NaN."""
    metrics = json.loads(json.dumps(asdict(model.metrics)), parse_constant=lambda _: None)
    return {
        "format": FORMAT,
        "id": identity,
        "digest": model.digest,
        "data_hash": model.data_hash,
        "features": list(model.features),
        "trained_from": model.trained_from.isoformat(),
        "trained_before": model.trained_before.isoformat(),
        "events": model.events,
        "base_rate": model.base_rate,
        "parameters": asdict(model.parameters),
        "metrics": metrics,
    }
