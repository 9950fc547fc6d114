"""Strategies side by side: the same sessions, symbols and costs, beside holding the symbols and beside chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd

from desk.data.bundled import load_bundled
from desk.data.directory import load_directory
from desk.data.source import Source
from desk.domain.errors import ConfigurationError
from desk.domain.market import FloatArray
from desk.domain.records import RunRecord
from desk.research.compare_contenders import Contender
from desk.research.compare_figures import Curve, Figures, buy_and_hold, correlations, curve_of, figures_of, paid_fraction
from desk.research.compare_null import Null, random_moments
from desk.settings.behaviour import Behaviour

BUDGET_USD = 100_000.0
HOLD = "buy and hold"
YEARS_TO_LEARN = 2
BASIS_POINTS = 10_000
# Called with a contender's label, the session that it has come to, and how much of it is done.
Progress = Callable[[str, date, float], None]


@dataclass(frozen=True)
class Stage:
    """What everyone trades on: a source, the symbols, and the sessions from `start` to `end`, both included."""

    source: Source
    symbols: tuple[str, ...]
    start: date
    end: date


@dataclass(frozen=True)
class Row:
    """One strategy's run in figures, with what chance makes of its trades; `null` is None for one that made none."""

    label: str
    record: RunRecord
    figures: Figures
    null: Null | None


@dataclass(frozen=True)
class Comparison:
    """The rows in the order asked for. `curves` has every strategy by its label and, last, buying and holding.

    `correlations` are of their daily returns, in the order of `curves`, shape (k, k).
    """

    stage: Stage
    fee_bps: float
    slippage_bps: float
    rows: tuple[Row, ...]
    hold: Figures
    curves: Mapping[str, Curve]
    correlations: FloatArray
    draws: int
    seed: int

    @property
    def sessions(self) -> tuple[date, ...]:
        return self.curves[HOLD].sessions

    @property
    def notes(self) -> tuple[str, ...]:
        """What must stand beside the figures, once."""
        return tuple(dict.fromkeys(note for row in self.rows for note in row.record.notes))


def stage(data: str | None, behaviour: Behaviour, start: date | None, end: date | None, *, is_chosen: bool = False) -> Stage:
    """The bundled market, or the folder `data`, over the dates asked for; the first two years are left to models to learn from.

    Of a folder all symbols are traded unless a person set universe.exchange: `is_chosen`. Raises ConfigurationError for a folder
    that cannot be read, chosen symbols that it does not have, and dates that hold no session of it.
    """
    source = load_bundled() if data is None else load_directory(data)
    symbols = source.traded(behaviour.universe.exchange, data is None or is_chosen)
    days = source.sessions()
    first, last = start or _after_learning(days), end or days[-1]
    if not any(first <= day <= last for day in days):
        raise ConfigurationError(
            f"no session of {source.name} lies between {first} and {last}: it has {days[0]} to {days[-1]}; "
            "choose --start and --end within"
        )
    return Stage(source, symbols, first, last)


def run(contender: Contender, on: Stage, progress: Progress | None = None) -> RunRecord:
    """One contender's backtest on the stage, as a record."""
    # Here and not at the top: Lumibot's backtester takes half a second to import, and every `desk` command reads this module.
    from desk.runtime.desk_backtest import backtest_desk

    return backtest_desk(
        contender.strategy,
        contender.behaviour,
        on.source,
        on.symbols,
        on.start,
        on.end,
        name=contender.label,
        budget_usd=BUDGET_USD,
        progress=None if progress is None else lambda day, done: progress(contender.label, day, done),
    ).record


def compare(contenders: Sequence[Contender], on: Stage, *, draws: int, seed: int, progress: Progress | None = None) -> Comparison:
    """Run every contender and put it beside holding the symbols and beside `draws` random placements of its trades.

    All of them have the costs of the first one's behaviour: `compare_contenders.contender` lets nobody change them.
    """
    behaviour = contenders[0].behaviour
    records = {each.label: run(each, on, progress) for each in contenders}
    cost_fraction = cost_fraction_of(behaviour)
    rows = tuple(
        Row(label, record, figures_of(record), random_moments(record, paid_fraction(record, cost_fraction), draws, seed))
        for label, record in records.items()
    )
    curves = {label: curve_of(record) for label, record in records.items()}
    sessions = next(iter(curves.values())).sessions
    held = [on.source.bars(symbol) for symbol in _listed(on)]
    curves[HOLD], hold = buy_and_hold(held, sessions, BUDGET_USD, cost_fraction)
    related = correlations(tuple(curves.values()))
    return Comparison(on, behaviour.fee_bps, behaviour.slippage_bps, rows, hold, curves, related, draws, seed)


def cost_fraction_of(behaviour: Behaviour) -> float:
    """What a purchase or a sale at the market costs of its value: fee and slippage."""
    return (behaviour.fee_bps + behaviour.slippage_bps) / BASIS_POINTS


def _listed(on: Stage) -> list[str]:
    """The symbols with a bar on the stage's dates: nobody could have held another one."""
    first, last = pd.Timestamp(on.start), pd.Timestamp(on.end)
    return [symbol for symbol in on.symbols if not on.source.daily[symbol].loc[first:last].empty]


def _after_learning(days: Sequence[date]) -> date:
    """The first session of the third year, as `backtests/combined.py` has it; the very first where there is none."""
    later = [day for day in days if day.year >= days[0].year + YEARS_TO_LEARN]
    return later[0] if later else days[0]
