"""What a person may set about the desk's behaviour: names, defaults and ranges. `docs/settings.md` explains each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from desk.settings.section import (
    Accepts,
    Fraction,
    Minutes,
    OptionalFraction,
    OptionalMultiple,
    Probability,
    Section,
    Switch,
)
from desk.settings.spreads import SpreadSettings


def _each_once(symbols: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(symbols)) < len(symbols):
        raise PydanticCustomError("repeated", "a symbol appears twice")
    return symbols


A_SYMBOL = 'a symbol in capitals, such as AAPL or BRK.B (quote one that YAML reads as yes or no: "ON")'

Share = Annotated[float, Field(gt=0, le=1), Accepts("a fraction above 0, at most 1 (0.6 is 60 %)")]
RsiLevel = Annotated[float, Field(gt=0, lt=100), Accepts("a level of the RSI above 0 and below 100")]
RsiLength = Annotated[int, Field(ge=2, le=250), Accepts("a whole number of daily bars from 2 to 250")]
Sessions = Annotated[int, Field(ge=1, le=250), Accepts("a whole number of sessions from 1 to 250")]
BasisPoints = Annotated[float, Field(ge=0, le=1000), Accepts("basis points of the traded value from 0 to 1000 (5 is 0.05 %)")]
OptionalBasisPoints = Annotated[
    float | None, Field(ge=0, le=1000), Accepts("basis points of the traded value from 0 to 1000 (10 is 0.1 %), or null")
]
Gain = Annotated[float | None, Field(gt=0, le=10), Accepts("a fraction above 0, at most 10 (0.05 is 5 %), or null")]
Band = Annotated[float, Field(ge=0, lt=1), Accepts("a fraction from 0, below 1 (0.02 is 2 % of the portfolio)")]
Dollars = Annotated[float, Field(ge=0, le=1_000_000), Accepts("dollars from 0 to 1,000,000")]
GuardianSeconds = Annotated[int, Field(ge=1, le=600), Accepts("whole seconds from 1 to 600")]
# Live a strategy is shown at least 400 bars, and an average of a hundred of them has forgotten how it began.
AverageBars = Annotated[int, Field(ge=1, le=100), Accepts("a whole number of hourly bars from 1 to 100")]
ChannelBars = Annotated[int, Field(ge=1, le=250), Accepts("a whole number of hourly bars from 1 to 250")]
# 400 hourly bars are those of 58 sessions.
VolumeSessions = Annotated[int, Field(ge=1, le=50), Accepts("a whole number of sessions from 1 to 50")]
AtrLength = Annotated[int, Field(ge=1, le=250), Accepts("a whole number of daily bars from 1 to 250")]
Multiple = Annotated[float, Field(gt=0, le=100), Accepts("a number above 0, at most 100 (1.5 is one and a half times as much)")]
SomeMinutes = Annotated[int, Field(ge=1, le=390), Accepts("whole minutes from 1 to 390, the length of a session")]
SleepTime = Annotated[
    str,
    Field(pattern=r"^[1-9][0-9]{0,3}[SMHD]$"),
    Accepts("a whole number and a unit, S, M, H or D (1H is every hour, 30M every half hour, 1D once a session)"),
]
Symbol = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]{0,9}([./][A-Z]{1,3})?$"), Accepts(A_SYMBOL)]
# YAML has lists and no tuples, so this one conversion is allowed in an otherwise strict model.
Symbols = Annotated[
    tuple[Symbol, ...],
    Field(strict=False, min_length=1),
    AfterValidator(_each_once),
    Accepts(f"a list of at least one symbol, each once; each is {A_SYMBOL}"),
]


Count = Annotated[int, Field(ge=1, le=1_000_000), Accepts("a whole number of shares, at least 1")]
Holdings = Annotated[Mapping[Symbol, Count], Accepts("symbols with whole shares ({AAPL: 30, IBM: 50}), or {} for none")]

StrategyName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$"), Accepts("a strategy's name")]
Budgets = Annotated[Mapping[StrategyName, Share], Accepts("strategies with shares ({combined: 0.6, ema_cross: 0.4}), or {}")]


class InverseEtfs(Section):
    """Funds that rise when the market falls; the hedge sleeve buys them."""

    general: Symbol = Field(default="SH", description="-1x the S&P 500, for a portfolio without a clear tilt")
    sp500: Symbol = Field(default="SPXS", description="-3x the S&P 500, for a portfolio that moves with it")
    tech: Symbol = Field(default="SQQQ", description="-3x the NASDAQ-100, for a portfolio of technology names")


class SentimentNames(Section):
    """Leading names whose RSI tells the mood of the market, by where the desk trades."""

    alpaca: Symbols = Field(default=("AAPL", "MSFT", "GOOGL", "NVDA", "TSLA"), description="at Alpaca, paper or live")
    exchange: Symbols = Field(
        default=("AAPL", "MSFT", "IBM", "GOOG", "FB"), description="at the built-in exchange, those that are listed on the day"
    )


class Universe(Section):
    """Symbols that a strategy may trade, by where it trades."""

    alpaca: Symbols = Field(
        default=("AAPL", "MSFT", "GOOGL", "AMZN", "NVDA", "META", "TSLA", "JPM", "JNJ", "XOM"),
        description="at Alpaca, paper or live: ten large, liquid names",
    )
    exchange: Symbols = Field(
        default=("AAPL", "MSFT", "IBM", "GOOG", "FB"), description="at the built-in exchange: the stocks of the bundled market"
    )


class ModelHealth(Section):
    """Bounds beyond which a model is refused; entries then go by the RSI alone."""

    max_age_sessions: Sessions = Field(default=126, description="sessions since its training")
    min_effective_events: Annotated[float, Field(ge=0, le=1_000_000), Accepts("a number of trades from 0 to 1,000,000")] = Field(
        default=30.0, description="independent trades that it learned from"
    )
    min_auc: Probability = Field(default=0.25, description="area under the curve on the last year of trades that it had not seen")
    min_brier_skill: Annotated[float, Field(ge=-100, le=1), Accepts("a number from -100 to 1")] = Field(
        default=-1.0, description="part of the base rate's Brier score that it saves there, below zero when it adds to it"
    )
    max_drift_share: Probability = Field(
        default=0.9, description="share of the last quarter's rows with a feature outside what it was trained on"
    )


class EmaCrossSettings(Section):
    """What the strategy ema_cross trades by."""

    fast_bars: AverageBars = Field(default=9, description="hourly bars in the fast average")
    slow_bars: AverageBars = Field(default=21, description="hourly bars in the slow average; more than in the fast one")


class VolumeBreakoutSettings(Section):
    """What the strategy volume_breakout trades by."""

    channel_bars: ChannelBars = Field(default=20, description="hourly bars whose highest high a close has to exceed")
    volume_sessions: VolumeSessions = Field(default=10, description="sessions whose same hour says what volume is usual")
    volume_multiple: Multiple = Field(default=1.5, description="volume of the breakout as a multiple of the usual one")
    stop_atr_multiple: Multiple = Field(default=2.0, description="distance of the stop in average true ranges of a day")
    target_atr_multiple: Multiple = Field(default=4.0, description="distance of the target in average true ranges of a day")
    trail_atr_multiple: OptionalMultiple = Field(
        default=None, description="average true ranges at which the stop follows the market up; null for a stop that stays"
    )
    atr_length: AtrLength = Field(default=14, description="daily bars in the average true range")


class VwapSettings(Section):
    """What the strategy vwap trades by."""

    settle_minutes: Minutes = Field(default=30, description="minutes after the opening without entries")
    last_entry_minutes: SomeMinutes = Field(default=60, description="minutes before the close from which nothing is bought")
    flat_minutes: SomeMinutes = Field(default=10, description="minutes before the close at which everything is sold")
    reclaim_minutes: SomeMinutes = Field(default=5, description="minutes for which a close above the average counts as new")
    volume_minutes: SomeMinutes = Field(default=20, description="minutes before the reclaim whose mean volume is usual")
    volume_multiple: Multiple = Field(default=1.5, description="volume of the reclaim as a multiple of the usual one")
    lost_fraction: Band = Field(default=0.003, description="distance below the average at which a position is left")
    stop_atr_multiple: Multiple = Field(default=0.5, description="distance of the stop in average true ranges of a day")
    target_atr_multiple: Multiple = Field(default=1.0, description="distance of the target in average true ranges of a day")
    atr_length: AtrLength = Field(default=14, description="daily bars in the average true range")


class Behaviour(Section):
    """How the desk trades. Fractions are of one (0.05 is 5 %), levels of the RSI from 0 to 100, costs in basis points."""

    stop_loss_fraction: Fraction = Field(default=0.05, description="distance of the stop below the entry limit")
    take_profit_fraction: Fraction = Field(default=0.15, description="distance of the target above the entry limit")
    break_even_after_fraction: Gain = Field(
        default=None, description="gain from which the stop goes up to the entry price; null for never"
    )
    trail_fraction: OptionalFraction = Field(
        default=None, description="distance below the market at which the stop follows it up; null for a stop that stays"
    )
    max_position_fraction: Fraction = Field(default=0.15, description="largest share of the portfolio in one position")
    min_position_fraction: Fraction = Field(
        default=0.05, description="share of the portfolio in an entry at the confidence threshold, with size_by_confidence"
    )
    size_by_confidence: Switch = Field(
        default=False,
        description="whether an entry grows with its confidence, from min_position_fraction to max_position_fraction",
    )
    max_inverse_fraction: Fraction = Field(default=0.20, description="largest share of the portfolio in inverse funds together")
    trim_band_fraction: Band = Field(
        default=0.02, description="how far above its cap, as a share of the portfolio, a position may grow before it is trimmed"
    )
    tolerance_fraction: Band = Field(
        default=0.02, description="how far from its target weight, as a share of the portfolio, a held position may be"
    )
    min_trade_usd: Dollars = Field(default=100.0, description="smallest addition or trim in dollars")
    cash_buffer_fraction: Band = Field(default=0.0, description="share of the portfolio that is not spent")
    hedging: Switch = Field(default=True, description="whether the combined strategy hedges with inverse funds")
    hedge_ratio: Share = Field(default=0.5, description="share of the market exposure of the stocks that a hedge offsets")
    inverse_etfs: InverseEtfs = Field(default=InverseEtfs(), strict=False, description="the inverse funds that hedge")
    sentiment_symbols: SentimentNames = Field(
        default=SentimentNames(), strict=False, description="names whose RSI tells the mood of the market; three must be listed"
    )
    overbought_rsi: RsiLevel = Field(default=70.0, description="RSI at or above which a name is overbought")
    oversold_rsi: RsiLevel = Field(default=30.0, description="RSI at or below which a name is oversold")
    bearish_share: Share = Field(default=0.60, description="share of overbought names from which the market counts as bearish")
    rsi_length: RsiLength = Field(default=14, description="daily bars in the RSI")
    confidence_threshold: Probability = Field(default=0.6, description="smallest confidence of the model that passes an entry")
    confidence_gate: Annotated[Literal["enforce", "report"], Accepts("enforce or report")] = Field(
        default="enforce", description="enforce refuses entries below the threshold; report trades them and counts them"
    )
    model_health: ModelHealth = Field(
        default=ModelHealth(), strict=False, description="bounds beyond which a model is refused and the RSI decides alone"
    )
    time_barrier_sessions: Sessions = Field(default=10, description="sessions after which a position is closed at the market")
    found_positions: Annotated[Literal["report", "protect"], Accepts("report or protect")] = Field(
        default="report",
        description="shares in the account that the desk did not buy: report leaves them alone, protect takes them over",
    )
    guardian_seconds: GuardianSeconds = Field(
        default=10, description="time between two looks at the prices of held positions while the market is open, at Alpaca"
    )
    exchange_holdings: Holdings = Field(
        default={}, description="whole shares that the account at the built-in exchange begins with, by symbol"
    )
    strategy_budgets: Budgets = Field(
        default={}, description="share of the equity for each of several strategies in one account; those left out share the rest"
    )
    ema_cross: EmaCrossSettings = Field(
        default=EmaCrossSettings(), strict=False, description="what the strategy ema_cross trades by"
    )
    volume_breakout: VolumeBreakoutSettings = Field(
        default=VolumeBreakoutSettings(), strict=False, description="what the strategy volume_breakout trades by"
    )
    vwap: VwapSettings = Field(default=VwapSettings(), strict=False, description="what the strategy vwap trades by")
    spreads: SpreadSettings = Field(default=SpreadSettings(), strict=False, description="bull put spreads")
    sleeptime: SleepTime = Field(default="1H", description="time between two iterations while the market is open")
    extended_hours: Switch = Field(
        default=False, description="whether stops that the market passes before or after regular hours are sold there, at a limit"
    )
    universe: Universe = Field(default=Universe(), strict=False, description="symbols that a strategy may trade")
    fee_bps: BasisPoints = Field(default=1.0, description="fees that backtests and the model's labels assume, on each fill")
    slippage_bps: BasisPoints = Field(
        default=5.0, description="slippage that backtests and the model's labels assume, on each fill"
    )
    stop_slippage_bps: OptionalBasisPoints = Field(
        default=None, description="slippage that backtests assume on stops inside a bar; null for twice slippage_bps"
    )

    @model_validator(mode="after")
    def _oversold_is_below_overbought(self) -> Self:
        if self.oversold_rsi >= self.overbought_rsi:
            raise PydanticCustomError(
                "rsi_levels",
                "oversold_rsi is {oversold} and overbought_rsi is {overbought}: "
                "oversold_rsi must be the lower one. The defaults are 30 and 70",
                {"oversold": f"{self.oversold_rsi:g}", "overbought": f"{self.overbought_rsi:g}"},
            )
        return self

    @model_validator(mode="after")
    def _sizes_are_in_order(self) -> Self:
        if self.size_by_confidence and self.min_position_fraction > self.max_position_fraction:
            raise PydanticCustomError(
                "position_sizes",
                "min_position_fraction is {least} and max_position_fraction is {most}: "
                "with size_by_confidence min_position_fraction must not be the larger one. The defaults are 0.05 and 0.15",
                {"least": f"{self.min_position_fraction:g}", "most": f"{self.max_position_fraction:g}"},
            )
        return self

    @model_validator(mode="after")
    def _the_fast_average_is_the_shorter_one(self) -> Self:
        if self.ema_cross.fast_bars >= self.ema_cross.slow_bars:
            raise PydanticCustomError(
                "average_lengths",
                "ema_cross.fast_bars is {fast} and ema_cross.slow_bars is {slow}: "
                "the fast average must have fewer bars than the slow one. The defaults are 9 and 21",
                {"fast": self.ema_cross.fast_bars, "slow": self.ema_cross.slow_bars},
            )
        return self

    @model_validator(mode="after")
    def _nothing_is_bought_when_all_is_sold(self) -> Self:
        if self.vwap.flat_minutes > self.vwap.last_entry_minutes:
            raise PydanticCustomError(
                "session_end",
                "vwap.flat_minutes is {flat} and vwap.last_entry_minutes is {last}: "
                "flat_minutes must not be the larger one, as entries end no later than positions. The defaults are 10 and 60",
                {"flat": self.vwap.flat_minutes, "last": self.vwap.last_entry_minutes},
            )
        return self
