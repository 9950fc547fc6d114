"""`desk train`: train the model of a strategy's confidence gate, and say in plain words what it is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from desk.cli.tables import console, print_json
from desk.data.bundled import load_bundled
from desk.data.directory import load_directory
from desk.domain.errors import ConfigurationError, UsageError
from desk.domain.market import DailyBars
from desk.domain.model_card import ModelCard
from desk.model.card import as_object, model_card
from desk.model.events import collect_events
from desk.model.health import HealthBounds
from desk.model.parameters import MetaParameters
from desk.model.store import ModelStore
from desk.model.training import train as trained
from desk.report.model_card import write_model_card
from desk.report.model_card_pictures import trend_words
from desk.runtime.plugins import load_strategy
from desk.settings.load import load_settings

MODELS = Path("runs") / "models"

DataOption = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Your own daily bars, CSV or Parquet (default: the bundled market).")
]
ModelsOption = Annotated[Path, typer.Option("--models", metavar="DIR", help="Where models lie; those of a run in RUN/models.")]
ConfigOption = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Read behaviour from this YAML file.")]
StrategyOption = Annotated[str, typer.Option("--strategy", metavar="NAME", help="The strategy whose trades the model judges.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a model is trained on, or judged by; `ends_before` is the day after the last bar."""

    bars: Mapping[str, DailyBars]
    parameters: MetaParameters
    bounds: HealthBounds
    ends_before: date


def train(
    data: DataOption = None,
    before: Annotated[
        str | None, typer.Option("--before", metavar="DATE", help="Use sessions before this day alone (default: all).")
    ] = None,
    models: ModelsOption = MODELS,
    config: ConfigOption = None,
    strategy: StrategyOption = "combined",
    as_json: JsonOption = False,
) -> None:
    """Train a model and write its card. The same data and settings give the same model, id and digest."""
    lesson = lesson_of(data, config, strategy)
    cut = lesson.ends_before if before is None else day_of(before, lesson)
    model = trained(lesson.bars, cut, lesson.parameters)
    if model is None:
        raise ConfigurationError(_too_few(lesson, cut))
    store = ModelStore(models)
    identity = store.save(model)
    card = model_card(model, lesson.bars, version("lumidesk"))
    store.save_card(identity, as_object(card))
    page = write_model_card(card, store.page(identity))
    if as_json:
        print_json(as_object(card) | {"card": str(page)})
    else:
        print_card(card, page)


def lesson_of(data: Path | None, config: Path | None, strategy: str) -> Lesson:
    """Bars of the symbols that a run would trade, and the settings. Raises UsageError for a strategy without a model."""
    settings = load_settings(config=config)
    behaviour = settings.behaviour
    strategy_class: Any = load_strategy(strategy)
    rules = strategy_class.parameters_from({name: getattr(behaviour, name) for name in type(behaviour).model_fields})
    if not hasattr(rules, "meta"):
        raise UsageError(f"--strategy {strategy}: its Parameters have no meta(), so it has no model; give one that has: combined")
    source = load_directory(data) if data is not None else load_bundled()
    # As in a run: all symbols of a folder when nobody chose, else the chosen ones that are there.
    is_chosen = data is None or "universe.exchange" in settings.sources
    symbols = sorted(source.traded(behaviour.universe.exchange, is_chosen))
    bounds = HealthBounds(**behaviour.model_health.model_dump())
    ends_before = source.sessions()[-1] + timedelta(days=1)
    return Lesson({symbol: source.bars(symbol) for symbol in symbols}, rules.meta(), bounds, ends_before)


def day_of(text: str, lesson: Lesson) -> date:
    """The cut that a person gave. Raises UsageError for text that is no date, and for a day that the data does not reach."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--before {text!r} is not a date: write it as 2008-09-02") from None
    if day > lesson.ends_before:
        raise UsageError(f"--before {day} lies behind the data: leave it out, or give a day up to {lesson.ends_before}")
    return day


def _too_few(lesson: Lesson, cut: date) -> str:
    known = collect_events(lesson.bars, lesson.parameters).completed_before(cut)
    if len(known) < lesson.parameters.min_events:
        return (
            f"the data holds {len(known)} finished signals before {cut}, and {lesson.parameters.min_events} are needed: "
            "give a longer history, more symbols, or a later --before"
        )
    return f"all {len(known)} finished signals before {cut} ended alike, so there is nothing to learn: give a longer history"


def print_card(card: ModelCard, page: Path | None) -> None:
    """The card's figures for people."""
    whole = card.whole
    lines = [
        ("Model", card.identity),
        ("Window", f"{card.trained_from} to before {card.trained_before}: {', '.join(card.symbols)}"),
        ("Events", f"{card.events:,}, {card.base_rate:.3f} of them in profit after {card.cost_bps:g} basis points"),
        ("Out of fold", f"{whole.events:,} events, {whole.effective_events:,.0f} effective"),
        ("AUC", f"{_figure(whole.auc)}, Brier skill {_figure(whole.brier_skill, '+')}"),
        ("IC", f"{_figure(whole.information_coefficient, '+')}, {trend_words(card)}"),
        ("Digest", card.digest),
        ("Card", "none" if page is None else str(page)),
    ]
    out = console()
    for name, value in lines:
        out.print(Text(f"{name:<12}{value}"), soft_wrap=True)
    for words in card.words:
        out.print(Text(words), soft_wrap=True)


def _figure(value: float, sign: str = "") -> str:
    return f"{value:{sign}.3f}" if math.isfinite(value) else "not measured"
