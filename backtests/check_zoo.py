"""How good is `desk check`? It judges strategies with planted biases, honest ones, and strategies of pure chance.

The zoo stands in tests/zoo and was written before any threshold. With --nulls it also makes honest rules at random, on fair
walks and on the bundled history, and reports how often one of them is accused.

    python backtests/check_zoo.py [--nulls 200] [--seed 0]
"""

from __future__ import annotations

import argparse
import importlib
import sys
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar

import desk.runtime  # noqa: F401  # sets Lumibot's switches, so it comes before Lumibot

# isort: split
import numpy as np

from desk.data.bundled import load_bundled
from desk.data.history_feed import before
from desk.domain.decisions import Direction, FixedExit, Shares, Signal, Target, Weight
from desk.domain.market import DailyBars, Market
from desk.domain.trades import Book
from desk.research.examination import Examination, examine
from desk.research.laboratory import QUICK, Effort
from desk.research.random_walk import walks
from desk.research.subject import Histories, subject_of
from desk.research.verdict import Level, Verdict
from desk.runtime.strategy import DeskStrategy
from desk.settings.behaviour import Behaviour

ZOO = Path(__file__).parents[1] / "tests" / "zoo"
SYMBOLS = ("AAPL", "IBM", "MSFT")
LEAD_SESSIONS = 300
ACCUSED = (Verdict.SUSPECT, Verdict.BIASED)


@dataclass(frozen=True, slots=True)
class Span:
    """First session and how many, of the bundled history."""

    first: date
    sessions: int


ZOO_SPAN = Span(date(2004, 6, 1), 300)


def histories_of(span: Span) -> Histories:
    """Bars of the span and its lead: nothing else exists for the strategies of the zoo."""
    source = load_bundled()
    return {symbol: _window(source.bars(symbol), span) for symbol in SYMBOLS}


def _window(bars: DailyBars, span: Span) -> DailyBars:
    start = bisect_left(bars.sessions, span.first)
    cut = before(bars, bars.sessions[start + span.sessions]) if start + span.sessions < len(bars) else bars
    columns = (cut.open, cut.high, cut.low, cut.close, cut.volume)
    first = max(0, start - LEAD_SESSIONS)
    return DailyBars(cut.sessions[first:], *(column[first:] for column in columns))


def zoo() -> tuple[Sequence[type[DeskStrategy]], Sequence[type[DeskStrategy]], Callable[[Histories], None]]:
    """Biased ones, clean ones, and what gives those that keep data of their own what their authors would have given them."""
    if str(ZOO) not in sys.path:
        sys.path.insert(0, str(ZOO))
    biased, clean = importlib.import_module("zoo_biased"), importlib.import_module("zoo_clean")

    def furnish(histories: Histories) -> None:
        biased.furnish(histories)
        clean.furnish(histories)

    return biased.BIASED, clean.CLEAN, furnish


def judged(strategy: type[DeskStrategy], histories: Histories, first: date, effort: Effort, seed: int) -> Examination:
    last = max(bars.sessions[-1] for bars in histories.values())
    subject = subject_of(strategy.__name__, strategy, Behaviour(hedging=False), histories, first, last)
    return examine(subject, effort, seed=seed)


def accusers(done: Examination) -> str:
    return ", ".join(
        f"{one.check}{'!' if one.level is Level.BIASED else ''}" for one in done.findings if one.level >= Level.SUSPECT
    )


# ---- strategies of pure chance -------------------------------------------------------------------------------------------------

Rule = Callable[[DailyBars, int], bool]
RULES: Mapping[str, Rule] = {
    "above the average": lambda bars, n: bool(bars.close[-1] > bars.close[-n:].mean()),
    "below the average": lambda bars, n: bool(bars.close[-1] < bars.close[-n:].mean()),
    "rose": lambda bars, n: bool(bars.close[-1] > bars.close[-n - 1]),
    "fell": lambda bars, n: bool(bars.close[-1] < bars.close[-n - 1]),
    "near its high": lambda bars, n: bool(bars.close[-1] >= bars.high[-n:].max() * 0.98),
    "near its low": lambda bars, n: bool(bars.close[-1] <= bars.low[-n:].min() * 1.02),
    "quiet": lambda bars, n: bool(np.ptp(bars.close[-n:]) < np.ptp(bars.close[-2 * n :]) * 0.6),
    "much traded": lambda bars, n: bool(bars.volume[-1] > bars.volume[-n:].mean()),
    "up days": lambda bars, n: bool((bars.close[-n:] > bars.open[-n:]).mean() > 0.5),
}


@dataclass(frozen=True)
class ChanceParameters:
    """One or two rules that must both hold, and exits as fractions of the entry."""

    first: str = "rose"
    second: str = "rose"
    length: int = 10
    other_length: int = 20
    stop_fraction: float = 0.08
    target_fraction: float = 0.2


class ByChance(DeskStrategy):
    """Honest rules drawn at random."""

    Parameters: ClassVar[type] = ChanceParameters
    drawn: ClassVar[ChanceParameters] = ChanceParameters()

    @classmethod
    def parameters_from(cls, behaviour: Mapping[str, Any]) -> ChanceParameters:
        return cls.drawn

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        shown = {symbol: bars for symbol, bars in market.bars.items() if len(bars) > 130}
        return [Signal(s, Direction.LONG if self._holds(bars) else Direction.FLAT, "chance") for s, bars in shown.items()]

    def _holds(self, bars: DailyBars) -> bool:
        rules: ChanceParameters = self.settings
        return RULES[rules.first](bars, rules.length) and RULES[rules.second](bars, rules.other_length)

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        rule = FixedExit(self.settings.stop_fraction, self.settings.target_fraction)
        return [Target(s.symbol, Weight(0.15) if s.direction is Direction.LONG else Shares(0), rule, s.reason) for s in signals]


def drawn(rng: np.random.Generator) -> type[ByChance]:
    names = list(RULES)
    first = names[rng.integers(len(names))]
    second = first if rng.random() < 0.5 else names[rng.integers(len(names))]
    length, other = (int(n) for n in rng.integers(2, 60, 2))
    stop, target = float(rng.uniform(0.03, 0.15)), float(rng.uniform(0.05, 0.3))
    rules = ChanceParameters(first, second, length, other, stop, target)
    return type("ByChance", (ByChance,), {"drawn": rules, "__module__": __name__})


def null_runs(count: int, seed: int, effort: Effort) -> Iterator[tuple[bool, Examination]]:
    """Whether it ran on walks, and what came out; every other one on a span of the bundled history drawn at random."""
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        days = load_bundled().bars("IBM").sessions
        span = Span(days[int(rng.integers(LEAD_SESSIONS, len(days) - ZOO_SPAN.sessions))], ZOO_SPAN.sessions)
        real = histories_of(span)
        is_walk = number % 2 == 0
        yield is_walk, judged(drawn(rng), walks(real, rng) if is_walk else real, span.first, effort, number)


# ---- what is printed -----------------------------------------------------------------------------------------------------------


def print_zoo(effort: Effort, seed: int) -> None:
    biased, clean, furnish = zoo()
    histories = histories_of(ZOO_SPAN)
    furnish(histories)
    for title, strategies in (("biased", biased), ("clean", clean)):
        accused = 0
        print(f"{title:<34}{'verdict':<14}{'entries':>8}  accused by (! beyond doubt)")
        for strategy in strategies:
            began = perf_counter()
            done = judged(strategy, histories, ZOO_SPAN.first, effort, seed)
            accused += done.verdict in ACCUSED
            head = f"{strategy.__name__:<34}{done.verdict:<14}{done.base.entries:>8}"
            print(f"{head}  {accusers(done)}  {perf_counter() - began:.1f} s", flush=True)
        print(f"{accused} of {len(strategies)} {title} ones accused\n")


def print_nulls(count: int, seed: int, effort: Effort) -> None:
    verdicts: dict[bool, list[Verdict]] = {True: [], False: []}
    for is_walk, done in null_runs(count, seed, effort):
        verdicts[is_walk].append(done.verdict)
        if done.verdict in ACCUSED:
            rules: ChanceParameters = done.subject.settings
            print(
                f"accused: {rules} from {done.subject.sessions[0]} {'walks' if is_walk else 'bundled'}: {accusers(done)}",
                flush=True,
            )
    for is_walk, found in verdicts.items():
        accused = sum(one in ACCUSED for one in found)
        counts = ", ".join(f"{found.count(one)} {one}" for one in Verdict)
        print(f"{'fair walks' if is_walk else 'bundled history':<18}{accused} of {len(found)} honest rules accused ({counts})")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--nulls", type=int, default=0, help="how many strategies of pure chance to judge as well")
    parser.add_argument("--seed", type=int, default=0, help="begins every chance")
    parser.add_argument("--no-zoo", action="store_true", help="the strategies of pure chance alone")
    options = parser.parse_args(arguments)
    if not options.no_zoo:
        print_zoo(QUICK, options.seed)
    if options.nulls:
        print_nulls(options.nulls, options.seed, QUICK)


if __name__ == "__main__":
    main()
