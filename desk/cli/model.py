"""`desk model`: the models that lie in a folder, what one is worth, and whether it may still speak."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from desk.cli.tables import console, print_json, print_table
from desk.cli.train import (
    MODELS,
    ConfigOption,
    DataOption,
    JsonOption,
    Lesson,
    ModelsOption,
    StrategyOption,
    lesson_of,
    print_card,
)
from desk.domain.errors import ConfigurationError, Refused, UsageError
from desk.model.card import from_object
from desk.model.features import FEATURES
from desk.model.health import DRIFT_SESSIONS, Health, health, since_training
from desk.model.history import recent_rows, sessions_since
from desk.model.store import FORMAT, ModelStore
from desk.model.training import bars_hash

app = typer.Typer(no_args_is_help=True, help="Trained models: what they are worth, and whether they may still speak.")
Identity = Annotated[str, typer.Argument(metavar="ID", help="As `desk model list` shows it.")]
AnyIdentity = Annotated[str | None, typer.Argument(metavar="[ID]", help="One model; it ends with code 5 when that is refused.")]

# Models that a message names.
MOST_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Judged:
    """A stored model and every reason to refuse it; `found` is None for one that cannot be loaded."""

    identity: str
    trained_before: str
    found: Health | None
    reasons: tuple[str, ...]


@app.command("list")
def list_models(models: ModelsOption = MODELS, as_json: JsonOption = False) -> None:
    """List the models of a folder, the latest cut last."""
    store = ModelStore(models)
    told = sorted((store.sidecar(identity) for identity in store.identities()), key=lambda one: str(one.get("trained_before")))
    if as_json:
        print_json([one | {"has_card": store.card(str(one["id"])) is not None} for one in told])
        return
    if not told:
        console().print(Text(f"No model lies in {models}: `desk train` makes one, and a run keeps its own in RUN/models."))
        return
    rows = [_row(one, store) for one in told]
    print_table(("id", "trained from", "before", "events", "AUC", "Brier skill", "card"), rows)


def _row(told: Mapping[str, Any], store: ModelStore) -> tuple[str, ...]:
    identity, metrics = str(told["id"]), told.get("metrics", {})
    brier, base = metrics.get("brier"), metrics.get("brier_base_rate")
    page = store.page(identity)
    return (
        identity,
        str(told.get("trained_from", "-")),
        str(told.get("trained_before", "-")),
        str(told.get("events", "-")),
        _figure(metrics.get("auc")),
        _figure(None if brier is None or not base else 1 - brier / base),
        str(page) if page.is_file() else "-",
    )


@app.command("show")
def show(identity: Identity, models: ModelsOption = MODELS, as_json: JsonOption = False) -> None:
    """Show what a model is worth, in figures and in words. A model that a run trained has no card, only its sidecar."""
    store = _store_with(models, identity)
    kept = store.card(identity)
    if as_json:
        print_json(kept if kept is not None else store.sidecar(identity))
        return
    if kept is None:
        print_json(store.sidecar(identity))
        console().print(
            Text("This model has no card: `desk train --before` its cut, on the same data, writes one."), soft_wrap=True
        )
        return
    page = store.page(identity)
    try:
        card = from_object(kept)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"the card of {identity} cannot be read ({error!r}): train the model again, `desk train`"
        ) from error
    print_card(card, page if page.is_file() else None)


@app.command("health")
def health_of(
    identity: AnyIdentity = None,
    models: ModelsOption = MODELS,
    data: DataOption = None,
    config: ConfigOption = None,
    strategy: StrategyOption = "combined",
    as_json: JsonOption = False,
) -> None:
    """Judge one model, or all of a folder, by the data's last session; what is refused says why."""
    store = ModelStore(models) if identity is None else _store_with(models, identity)
    lesson = lesson_of(data, config, strategy)
    chosen = store.identities() if identity is None else (identity,)
    judged = [_judged(store, each, lesson) for each in chosen]
    if as_json:
        objects = [_as_object(each) for each in judged]
        print_json(objects if identity is None else objects[0])
    else:
        _print(judged, lesson, models)
    if identity is not None and judged[0].reasons:
        raise Refused(f"model {identity} is refused: {'; '.join(judged[0].reasons)}. Train a new one with: desk train")


def _store_with(models: Path, identity: str) -> ModelStore:
    store = ModelStore(models)
    there = store.identities()
    if identity not in there:
        raise UsageError(f"there is no model {identity} in {models}; {_choice(there)}")
    return store


def _choice(there: Sequence[str]) -> str:
    """What a person can do who named a model that is not there."""
    elsewhere = "--models DIR looks elsewhere (a run keeps its own in RUN/models)"
    if not there:
        return f"there is none. `desk train` makes one; {elsewhere}"
    shown = ", ".join(there[:MOST_SHOWN]) + (", ..." if len(there) > MOST_SHOWN else "")
    return f"give one of: {shown}. `desk model list` tells what they are, `desk train` makes one; {elsewhere}"


def _judged(store: ModelStore, identity: str, lesson: Lesson) -> Judged:
    told = store.sidecar(identity)
    foreign = tuple(_foreign(told))
    cut = str(told.get("trained_before", "-"))
    if foreign:
        return Judged(identity, cut, None, foreign)
    model = store.load(identity)
    age = sessions_since(lesson.bars, model.trained_before, lesson.ends_before)
    rows = recent_rows(lesson.bars, lesson.parameters)
    found = health(model, age, rows, lesson.bounds, since_training(model, lesson.bars))
    other = tuple(_other(told, asdict(lesson.parameters)))
    if bars_hash(lesson.bars, model.trained_before) != model.data_hash:
        other = (*other, "it was trained on other bars than these")
    return Judged(identity, cut, found, (*other, *found.reasons))


def _foreign(told: Mapping[str, Any]) -> Iterator[str]:
    """Why this version cannot even load it."""
    if told.get("format") != FORMAT:
        yield f"it is in the format {told.get('format')}, this version reads {FORMAT}"
    elif tuple(told.get("features", ())) != FEATURES:
        missing = sorted(set(FEATURES) ^ set(told.get("features", ())))
        yield f"it was trained on other features than this version computes ({', '.join(missing) or 'in another order'})"


def _other(told: Mapping[str, Any], present: Mapping[str, Any]) -> Iterator[str]:
    own = told.get("parameters", {})
    changed = [f"{name} {own.get(name)}, now {value}" for name, value in present.items() if own.get(name) != value]
    if changed:
        yield f"it was trained with other settings ({'; '.join(changed)})"


def _as_object(judged: Judged) -> dict[str, Any]:
    found = judged.found
    plain: dict[str, Any] = {"id": judged.identity, "trained_before": judged.trained_before}
    plain |= {"is_fit": not judged.reasons, "reasons": list(judged.reasons)}
    if found is None:
        return plain | {"age_sessions": None, "effective_events": None, "recent": None, "drift_share": None}
    recent = {name: _known(value) for name, value in asdict(found.recent).items()}
    figures = {"age_sessions": found.age_sessions, "effective_events": found.effective_events, "recent": recent}
    return plain | figures | {"drift_share": _known(found.drift_share)}


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _print(judged: list[Judged], lesson: Lesson, models: Path) -> None:
    out = console()
    if not judged:
        out.print(Text(f"No model lies in {models}: `desk train` makes one."))
        return
    out.print(Text(f"Judged on the data before {lesson.ends_before}; drift is over its last {DRIFT_SESSIONS} sessions.\n"))
    heads = ("id", "before", "age", "effective", "recent events", "recent AUC", "recent skill", "drift", "verdict")
    print_table(heads, [_line(each) for each in judged])
    for each in judged:
        for reason in each.reasons:
            out.print(Text(f"{each.identity}: {reason}"), soft_wrap=True)


def _line(judged: Judged) -> tuple[str, ...]:
    verdict = "refused" if judged.reasons else "fit"
    if judged.found is None:
        return (judged.identity, judged.trained_before, *("-",) * 6, verdict)
    found, recent = judged.found, judged.found.recent
    return (
        judged.identity,
        judged.trained_before,
        str(found.age_sessions),
        f"{found.effective_events:.0f}",
        str(recent.events),
        _figure(recent.auc),
        _figure(recent.brier_skill),
        _figure(found.drift_share),
        verdict,
    )


def _figure(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.3f}"
