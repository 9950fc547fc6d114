"""From a strategy's name and a span of days to its examination, and that in words and as an object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path

from desk.data.bundled import load_bundled
from desk.data.directory import load_directory
from desk.data.source import Source
from desk.domain.errors import UsageError
from desk.report.wording import NO_PROMISE
from desk.research import standing
from desk.research.examination import Examination, Told, examine
from desk.research.laboratory import FULL, QUICK
from desk.research.page import WORDS
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
    """What a person wants to know: `data` None is the bundled history, `start` and `end` None as much of it as is useful.

    `is_chosen` tells that a person set universe.exchange; else a folder's symbols are all traded.
    """

    strategy: str
    data: Path | None = None
    start: date | None = None
    end: date | None = None
    is_quick: bool = False
    stated_trials: int = 0
    seed: int = 0
    is_chosen: bool = False


def answered(asked: Asked, behaviour: Behaviour, told: Told) -> Examination:
    """Examine what is asked for. Raises UsageError for a strategy that is unknown or has no decisions to look at,
    ConfigurationError for data or dates that do not fit."""
    strategy = _strategy(asked.strategy)
    source = load_bundled() if asked.data is None else load_directory(asked.data)
    subject = _subject(asked, behaviour, strategy, source)
    effort = QUICK if asked.is_quick else FULL
    done = examine(subject, effort, seed=asked.seed, stated_trials=asked.stated_trials, told=told)
    wanted = {line.split(" ", 1)[0] for decision in done.base.decisions for line in decision}
    return replace(done, prices=(f"Prices: {source.label}.", *source.notes_on({*subject.universe, *wanted})))


def _strategy(name: str) -> type[DeskStrategy]:
    loaded = load_strategy(name)
    if not issubclass(loaded, DeskStrategy):
        raise UsageError(f"{name} is a plain Lumibot strategy, without decisions to look at: check a desk strategy")
    if loaded.trades_options:
        raise UsageError(f"{name} trades option spreads, and the check plays shares: see backtests/spreads.py")
    if loaded.bar_seconds is not None:
        raise UsageError(
            f"{name} looks at bars of {loaded.bar_seconds} seconds, and the check plays one decision a session on daily bars: it "
            f"cannot judge it. Put it beside chance with `desk compare {name} --data DIR`, on bars of that length, and its "
            f"backtest beside the live path with `desk parity {name}`"
        )
    return loaded


def _subject(asked: Asked, behaviour: Behaviour, strategy: type[DeskStrategy], source: Source) -> Subject:
    universe = source.traded(behaviour.universe.exchange, asked.data is None or asked.is_chosen)
    watched = _funds(behaviour, source, universe)
    histories = {symbol: source.bars(symbol) for symbol in (*universe, *watched)}
    start, end = _span(asked, source)
    return subject_of(asked.strategy, strategy, behaviour, histories, start, end, watched)


def _funds(behaviour: Behaviour, source: Source, universe: tuple[str, ...]) -> tuple[str, ...]:
    if not behaviour.hedging:
        return ()
    named = behaviour.inverse_etfs
    funds = (fund.symbol for fund in inverse_funds(named.general, named.sp500, named.tech))
    return tuple(symbol for symbol in dict.fromkeys(funds) if symbol in source.daily and symbol not in universe)


def _span(asked: Asked, source: Source) -> tuple[date, date]:
    whole = source.sessions()
    days = [day for day in whole if asked.end is None or day <= asked.end]
    if sum(asked.start is None or day >= asked.start for day in days) < 2:
        raise UsageError(
            f"no two sessions of {source.name} lie between {asked.start or whole[0]} and {asked.end or whole[-1]}: it has "
            f"{whole[0]} to {whole[-1]}; choose --start and --end within"
        )
    start = asked.start or days[min(LEAD_SESSIONS, len(days) // 2)]
    if asked.is_quick and asked.start is None:
        start = max(start, days[max(0, len(days) - QUICK_SESSIONS)])
    return start, days[-1]


# ---- in words ------------------------------------------------------------------------------------------------------------------


def lines(done: Examination) -> Iterator[str]:
    """The verdict with its reasons, each check, and what must be known; the first line is the verdict's own."""
    days = done.subject.sessions
    yield f"{done.subject.name}: {done.verdict}. {MEANING[done.verdict]}"
    where = f"{days[0]} to {days[-1]} on {', '.join(done.subject.universe)}, {standing.costs_words(done)}"
    yield f"{where}: {standing.run_words(done)}"
    yield f"{standing.held_words(done)} {NO_PROMISE}"
    yield from done.notes
    yield from (f"- {sentence}" for sentence in reasons(done.findings))
    yield ""
    yield from (f"{one.check:<22}{WORDS[one.level]:<16}{one.sentence}" for one in done.findings)
    yield ""
    yield from (f"- {note}" for note in (*done.prices, standing.HOW_IT_WAS_PLAYED))


def as_object(done: Examination) -> dict[str, object]:
    """The same for programs; fractions of one, dates ISO 8601."""
    days, base = done.subject.sessions, done.base
    return {
        "strategy": done.subject.name,
        "verdict": done.verdict.value,
        "meaning": MEANING[done.verdict],
        "reasons": reasons(done.findings),
        "notes": [*done.notes, *done.prices, standing.HOW_IT_WAS_PLAYED],
        "symbols": list(done.subject.universe),
        "start": days[0],
        "end": days[-1],
        "entries": base.entries,
        "total_return_fraction": base.total_return,
        "max_drawdown_fraction": standing.drawdown_fraction(done),
        "sharpe": None if (sharpe := standing.own_sharpe(done)) is None else asdict(sharpe),
        "buy_and_hold": asdict(standing.held(done)),
        "checks": [
            {"check": one.check, "level": one.level.name.lower(), "sentence": one.sentence, "figures": dict(one.figures)}
            for one in done.findings
        ],
    }
