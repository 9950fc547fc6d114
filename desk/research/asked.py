"""From a strategy's name and a span of days to its examination, and that in words and as an object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from desk.data.bundled import load_bundled
from desk.data.directory import load_directory
from desk.data.source import Source
from desk.domain.errors import UsageError
from desk.report.statistics import max_drawdown_fraction
from desk.report.wording import NO_PROMISE, count, percent
from desk.research.examination import Examination, Told, examine
from desk.research.laboratory import FULL, QUICK
from desk.research.page import WORDS, growth
from desk.research.subject import Subject, subject_of
from desk.research.verdict import MEANING, reasons
from desk.runtime.plugins import load_strategy
from desk.runtime.strategy import DeskStrategy
from desk.settings.behaviour import Behaviour
from hedging.rules import inverse_funds

# The bundled history's first two years teach the model; every session after them can trade.
LEAD_SESSIONS = 504
QUICK_SESSIONS = 504


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person wants to know: `data` None is the bundled history, `start` and `end` None as much of it as is useful."""

    strategy: str
    data: Path | None = None
    start: date | None = None
    end: date | None = None
    is_quick: bool = False
    stated_trials: int = 0
    seed: int = 0


def answered(asked: Asked, behaviour: Behaviour, told: Told) -> Examination:
    """Examine what is asked for. Raises UsageError for a strategy that is unknown or has no decisions to look at,
    ConfigurationError for data or dates that do not fit."""
    subject = subject_asked(asked, behaviour)
    effort = QUICK if asked.is_quick else FULL
    return examine(subject, effort, seed=asked.seed, stated_trials=asked.stated_trials, told=told)


def subject_asked(asked: Asked, behaviour: Behaviour) -> Subject:
    loaded = load_strategy(asked.strategy)
    if not issubclass(loaded, DeskStrategy):
        raise UsageError(f"{asked.strategy} is a plain Lumibot strategy, without decisions to look at: check a desk strategy")
    source = load_bundled() if asked.data is None else load_directory(asked.data)
    universe = tuple(symbol for symbol in behaviour.universe.exchange if symbol in source.daily) or source.symbols
    watched = _funds(behaviour, source, universe)
    histories = {symbol: source.bars(symbol) for symbol in (*universe, *watched)}
    start, end = _span(asked, source)
    return subject_of(asked.strategy, loaded, behaviour, histories, start, end, watched)


def _funds(behaviour: Behaviour, source: Source, universe: tuple[str, ...]) -> tuple[str, ...]:
    if not behaviour.hedging:
        return ()
    named = behaviour.inverse_etfs
    funds = (fund.symbol for fund in inverse_funds(named.general, named.sp500, named.tech))
    return tuple(symbol for symbol in dict.fromkeys(funds) if symbol in source.daily and symbol not in universe)


def _span(asked: Asked, source: Source) -> tuple[date, date]:
    days = [day for day in source.sessions() if asked.end is None or day <= asked.end]
    if not days:
        raise UsageError(f"no session of {source.name} lies before {asked.end}: choose a later --end")
    start = asked.start or days[min(LEAD_SESSIONS, len(days) // 2)]
    if asked.is_quick and asked.start is None:
        start = max(start, days[max(0, len(days) - QUICK_SESSIONS)])
    return start, days[-1]


# ---- in words ------------------------------------------------------------------------------------------------------------------


def lines(done: Examination) -> Iterator[str]:
    """The verdict with its reasons, then each check; the first line is the verdict's own."""
    days, base = done.subject.sessions, done.base
    fall = percent(max_drawdown_fraction(growth(base.returns.tolist())))
    entries, gain = count(base.entries, "entry", "entries"), percent(base.total_return, signed=True)
    yield f"{done.subject.name}: {done.verdict}. {MEANING[done.verdict]}"
    yield f"{days[0]} to {days[-1]}: {entries}, {gain} after costs, deepest drawdown {fall}. {NO_PROMISE}"
    yield from done.notes
    yield from (f"- {sentence}" for sentence in reasons(done.findings))
    yield ""
    yield from (f"{one.check:<22}{WORDS[one.level]:<16}{one.sentence}" for one in done.findings)


def as_object(done: Examination) -> dict[str, object]:
    """The same for programs; fractions of one, dates ISO 8601."""
    days, base = done.subject.sessions, done.base
    return {
        "strategy": done.subject.name,
        "verdict": done.verdict.value,
        "meaning": MEANING[done.verdict],
        "reasons": reasons(done.findings),
        "notes": list(done.notes),
        "start": days[0],
        "end": days[-1],
        "entries": base.entries,
        "total_return_fraction": base.total_return,
        "max_drawdown_fraction": max_drawdown_fraction(growth(base.returns.tolist())),
        "checks": [
            {"check": one.check, "level": one.level.name.lower(), "sentence": one.sentence, "figures": dict(one.figures)}
            for one in done.findings
        ],
    }
