"""Strategies with one planted bias each, written as a careless author would. None of them is worth anything."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from zoo_learning import (
    AnchoredAtItsStart,
    AverageFromTheFirstCall,
    BackfilledMonth,
    CachedAcrossCalls,
    CentredMovingAverage,
    CountsFromItsStart,
    FilteredBothWays,
    FullSampleZScore,
    GlobalQuantile,
    HistoryOnTheClass,
    InterpolatedBetweenSamples,
    LeakedLabels,
    MemorisedDays,
    ParameterFromTheTestSample,
    RegimeOfTheWholeSample,
    RepaintedZigzag,
    ShiftedByMinusOne,
    SurvivorsByFutureVolume,
    TrendLineOfTheWholeSample,
    WeekNotComplete,
)
from zoo_looking import (
    ConfidentAboutTheFuture,
    FilledInTheSameBar,
    FractalsTooEarly,
    FutureExtremes,
    LastRowOfTheFrame,
    LeavesBeforeTheFall,
    PeeksAtTheNextClose,
    SizedByFutureVolatility,
    SortedByFutureReturn,
    TodaysCloseAtTheOpen,
    VolumeSummedFromTheFirstBar,
)
from zoo_style import Animal

from desk.domain.market import DailyBars

BIASED: tuple[type[Animal], ...] = (
    PeeksAtTheNextClose,
    TodaysCloseAtTheOpen,
    CentredMovingAverage,
    FullSampleZScore,
    FutureExtremes,
    LeakedLabels,
    BackfilledMonth,
    ShiftedByMinusOne,
    SortedByFutureReturn,
    CountsFromItsStart,
    AnchoredAtItsStart,
    SurvivorsByFutureVolume,
    RepaintedZigzag,
    FractalsTooEarly,
    WeekNotComplete,
    FilledInTheSameBar,
    GlobalQuantile,
    ParameterFromTheTestSample,
    LastRowOfTheFrame,
    CachedAcrossCalls,
    HistoryOnTheClass,
    MemorisedDays,
    TrendLineOfTheWholeSample,
    InterpolatedBetweenSamples,
    FilteredBothWays,
    LeavesBeforeTheFall,
    SizedByFutureVolatility,
    RegimeOfTheWholeSample,
    VolumeSummedFromTheFirstBar,
    AverageFromTheFirstCall,
    ConfidentAboutTheFuture,
)


def furnish(histories: Mapping[str, DailyBars]) -> None:
    """Give the animals that keep data of their own what their authors would have given them: all there is."""
    HistoryOnTheClass.own = dict(histories)
    MemorisedDays.by_heart = {symbol: _good_days(bars) for symbol, bars in histories.items()}


def _good_days(bars: DailyBars) -> frozenset[date]:
    return frozenset(day for day, rose in zip(bars.sessions, bars.close > bars.open * 1.002, strict=True) if rose)
