"""A strategy without Lumibot around it, made anew for each run, so that nothing of one run is known in the next.

Authors keep histories where they like: on the class, in a module, in the instance. Whatever is recognisably a history, a frame
or a series by date is exchanged for what the examined world knows; caches begin as they were when the module was loaded.
"""

from __future__ import annotations

import contextlib
import copy
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pandas as pd

from desk.data.history_feed import before
from desk.domain.market import DailyBars
from desk.research.subject import Subject
from desk.runtime.strategy import DeskStrategy

GIVEN = frozenset({"surroundings", "corridor", "corridor_for", "settings", "Parameters", "rules"})
_MUTABLE = (dict, list, set)


@dataclass(frozen=True, slots=True)
class _Universe:
    """The part of a corridor that a strategy reads when it prepares."""

    universe: tuple[str, ...]


class Isolation:
    """Module globals and caches of the examined strategy as they were before its first run."""

    def __init__(self, strategy: type[DeskStrategy]) -> None:
        self._modules = [sys.modules[one.__module__] for one in _own_classes(strategy) if one.__module__ in sys.modules]
        self._before = [dict(_state(module)) for module in self._modules]

    def restore(self, exchanged: Callable[[Any], Any] = lambda value: value) -> None:
        """Put everything back, histories among it as the world to come has them."""
        for module, state in zip(self._modules, self._before, strict=True):
            for name, value in state.items():
                setattr(module, name, exchanged(copy.deepcopy(value)))
            for value in tuple(vars(module).values()):
                if callable(getattr(value, "cache_clear", None)) and getattr(value, "__module__", "") == module.__name__:
                    value.cache_clear()


def _state(module: ModuleType) -> Iterator[tuple[str, Any]]:
    for name, value in vars(module).items():
        if type(value) in _MUTABLE and not name.startswith("__"):
            # What cannot be copied (a lock, a socket) is left alone: it holds no history either.
            with contextlib.suppress(Exception):
                yield name, copy.deepcopy(value)


def _own_classes(strategy: type[DeskStrategy]) -> list[type]:
    """The author's classes: those between the strategy and the desk's base class."""
    return [one for one in strategy.__mro__ if issubclass(one, DeskStrategy) and one is not DeskStrategy]


def planner(subject: Subject, isolation: Isolation) -> DeskStrategy:
    """The subject's strategy, prepared for its world. Raises whatever the strategy's `prepare` raises."""
    exchanged = _Exchange(subject)
    isolation.restore(exchanged)
    state = {
        name: exchanged(value, is_copied=True)
        for one in reversed(_own_classes(subject.strategy))
        for name, value in vars(one).items()
        if name not in GIVEN and not name.startswith("__") and not callable(value)
    }
    own: Any = type(subject.strategy.__name__, (subject.strategy,), {**state, "__module__": subject.strategy.__module__})
    bound = own.bound(_no_corridor, subject.settings, subject.surroundings())
    made: Any = bound.__new__(bound)
    made.corridor = _Universe(subject.universe)
    made.prepare()
    for name, value in tuple(vars(made).items()):
        if name not in GIVEN and (changed := exchanged(value)) is not value:
            setattr(made, name, changed)
    strategy: DeskStrategy = made
    return strategy


def _no_corridor(_strategy: DeskStrategy) -> Any:
    raise RuntimeError("a strategy under examination trades nothing")


class _Exchange:
    """Exchanges histories for those of the examined world and cuts what reaches beyond its last bar."""

    def __init__(self, subject: Subject) -> None:
        self._world = {_mark(bars): subject.histories[symbol] for symbol, bars in subject.original.items() if len(bars)}
        ends = [bars.sessions[-1] for bars in subject.histories.values() if len(bars)]
        self._last = max(ends)
        self._is_cut = any(
            len(subject.histories[symbol]) < len(bars) for symbol, bars in subject.original.items() if symbol in subject.histories
        )

    def __call__(self, value: Any, is_copied: bool = False) -> Any:
        """`value` itself when nothing in it had to change, unless mutable containers are to be copied."""
        if isinstance(value, DailyBars):
            return self._bars(value)
        if isinstance(value, pd.Series | pd.DataFrame):
            return self._frame(value)
        if isinstance(value, Mapping) and type(value).__module__ in ("builtins", "types"):
            changed = {key: self(one, is_copied) for key, one in value.items()}
            same = all(changed[key] is one for key, one in value.items())
            return value if same and not is_copied else changed
        if type(value) in (list, tuple):
            items = [self(one, is_copied) for one in value]
            same = all(new is old for new, old in zip(items, value, strict=True))
            return value if same and not is_copied else type(value)(items)
        return copy.copy(value) if is_copied and isinstance(value, set) else value

    def _bars(self, bars: DailyBars) -> DailyBars:
        known = self._world.get(_mark(bars))
        if known is not None:
            return known
        if self._is_cut and len(bars) and bars.sessions[-1] > self._last:
            return before(bars, date_after(bars, self._last))
        return bars

    def _frame(self, frame: Any) -> Any:
        if not (self._is_cut and isinstance(frame.index, pd.DatetimeIndex) and len(frame)):
            return frame
        last = pd.Timestamp(self._last, tz=frame.index.tz) + pd.Timedelta(days=1)
        return frame.loc[frame.index < last] if frame.index.max() >= last else frame


def date_after(bars: DailyBars, last: Any) -> Any:
    """First session of `bars` later than `last`."""
    return next(day for day in bars.sessions if day > last)


def _mark(bars: DailyBars) -> tuple[Any, ...]:
    """What tells one symbol's history from another's; equal for copies."""
    if not len(bars):
        return ()
    return (bars.sessions[0], bars.sessions[-1], len(bars), float(bars.close[0]), float(bars.close[-1]), float(bars.close.sum()))
