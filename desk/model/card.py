"""The figures of a model's card, and in plain words whether it has skill."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from datetime import date
from typing import Any

from desk.domain.market import DailyBars
from desk.domain.model_card import CalibrationBin, Importance, ModelCard, NullTest, Slice
from desk.model.events import collect_events, uniqueness
from desk.model.quality import Told, by_answer, by_era, by_year, eras, importances, null_tests, summed, trend
from desk.model.store import FORMAT, model_id
from desk.model.training import MetaModel, bars_before
from desk.model.validation import out_of_fold

RECENT_YEARS = 5  # what is judged apart: the year of the cut and these before it are what is traded next
CHANCE = 0.05  # a figure that more than this share of null shifts reach is called luck


def model_card(model: MetaModel, bars: Mapping[str, DailyBars], version: str) -> ModelCard:
    """The card of `model`, which was trained on `bars` (they may reach beyond its cut). The same input gives the same card."""
    past = {symbol: cut for symbol in sorted(bars) if len(cut := bars_before(bars[symbol], model.trained_before))}
    rules = model.parameters
    events = collect_events(past, rules)
    scored = out_of_fold(events, uniqueness(events), rules.seed, rules.embargo_sessions)
    told = Told.of(scored, rules.seed)
    recent_from = model.trained_before.year - RECENT_YEARS
    whole, late, years = summed("all", told), by_era(told, recent_from), by_year(told)
    tests = tuple(null_tests(part) for part in (told, *eras(told, recent_from)[1:]))
    slope, error = trend(years)
    verdict = _verdict((whole, *late[1:]), tests)
    return ModelCard(
        identity=model_id(rules, model.trained_before, model.data_hash),
        version=version,
        model_format=FORMAT,
        digest=model.digest,
        data_hash=model.data_hash,
        symbols=tuple(past),
        features=model.features,
        parameters=asdict(rules),
        trained_from=model.trained_from,
        trained_before=model.trained_before,
        events=model.events,
        base_rate=model.base_rate,
        cost_bps=rules.cost_bps,
        threshold=rules.threshold,
        whole=whole,
        passed=summed(f"{rules.threshold:g} and above", told.where(told.answers >= rules.threshold)),
        eras=late,
        years=years,
        quantiles=by_answer(told),
        information_coefficient_trend=slope,
        information_coefficient_trend_error=error,
        null_tests=tuple(test for each in tests for test in each),
        calibration=model.metrics.calibration,
        importances=importances(scored, model.coefficients, model.features, rules.seed),
        has_skill=all(verdict),
        words=tuple(_words((whole, *late), verdict, tests)),
    )


def _verdict(parts: tuple[Slice, ...], tests: tuple[tuple[NullTest, ...], ...]) -> tuple[bool, ...]:
    """Whether each part beat the base rate and ranked better than a coin, and not by luck."""
    return tuple(
        part.auc > 0.5 and part.brier_skill > 0 and bool(each) and all(test.chance <= CHANCE for test in each)
        for part, each in zip(parts, tests, strict=True)
    )


def _words(parts: tuple[Slice, ...], verdict: tuple[bool, ...], tests: tuple[tuple[NullTest, ...], ...]) -> Iterator[str]:
    if not parts[0].events:
        yield "No skill can be shown: there were too few trades to predict any of them before the fact."
        return
    last = parts[-1].name
    if all(verdict):
        yield "Skill: out of fold the model told good trades from bad ones, over the whole time and of late."
    else:
        yield "No skill: what the model says of a trade is no better than always telling how often such trades ended in profit."
    if len(verdict) > 1 and not verdict[-1]:
        yield f"After {int(last[:4]) - 1} the model has no skill."
    yield from (_told(part) for part in parts)
    for test in (test for each in tests for test in each):
        yield f"Null test, {test.name}: {test.value:+.3f}; {_share(test.chance)} of pairings shifted in time do as well."


def _told(part: Slice) -> str:
    worth = f"{abs(part.brier_skill) * 100:.1f} % {'better' if part.brier_skill > 0 else 'worse'}"
    return (
        f"{part.name.capitalize()}: AUC {_figure(part.auc)} (0.50 is a coin), Brier score {worth} "
        f"than the base rate's, information coefficient {_figure(part.information_coefficient, signed=True)}, "
        f"{part.effective_events:.0f} effective of {part.events} events."
    )


def _figure(value: float, signed: bool = False) -> str:
    return "not measured" if math.isnan(value) else f"{value:{'+' if signed else ''}.2f}"


def _share(value: float) -> str:
    return "an unknown part" if math.isnan(value) else f"{value * 100:.1f} %"


# ---- as JSON ---------------------------------------------------------------------------------------------------------------


def as_object(card: ModelCard) -> dict[str, Any]:
    """The card for JSON: dates as text, null for what could not be measured."""
    plain: dict[str, Any] = _plain(asdict(card))
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.isoformat() if isinstance(value, date) else value


def from_object(plain: Mapping[str, Any]) -> ModelCard:
    """The card that `as_object` wrote. Raises KeyError, TypeError or ValueError for anything else."""
    values = {one.name: plain[one.name] for one in fields(ModelCard)}
    parts = {"eras": Slice, "years": Slice, "quantiles": Slice, "null_tests": NullTest}
    parts |= {"calibration": CalibrationBin, "importances": Importance}
    values |= {name: tuple(_made(kind, each) for each in plain[name]) for name, kind in parts.items()}
    values |= {name: _made(Slice, plain[name]) for name in ("whole", "passed")}
    values |= {name: tuple(plain[name]) for name in ("symbols", "features", "words")}
    values |= {name: date.fromisoformat(plain[name]) for name in ("trained_from", "trained_before")}
    trends = [name for name in values if name.startswith("information_coefficient_trend")]
    return ModelCard(**{**values, **{name: _number(values[name]) for name in trends}})


def _made(kind: type[Any], plain: Mapping[str, Any]) -> Any:
    return kind(**{name: _number(value) for name, value in plain.items()})


def _number(value: Any) -> Any:
    return math.nan if value is None else value
