"""What a person may set about the desk's behaviour: names, defaults and ranges. `docs/settings.md` explains each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError


@dataclass(frozen=True, slots=True)
class Accepts:
    """Says in words what a field takes; an error message repeats it."""

    text: str


def _each_once(symbols: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(symbols)) < len(symbols):
        raise PydanticCustomError("repeated", "a symbol appears twice")
    return symbols


A_SYMBOL = 'a symbol in capitals, such as AAPL or BRK.B (quote one that YAML reads as yes or no: "ON")'

Fraction = Annotated[float, Field(gt=0, lt=1), Accepts("a fraction above 0 and below 1 (0.05 is 5 %)")]
Share = Annotated[float, Field(gt=0, le=1), Accepts("a fraction above 0, at most 1 (0.6 is 60 %)")]
Probability = Annotated[float, Field(ge=0, le=1), Accepts("a probability from 0 to 1")]
RsiLevel = Annotated[float, Field(gt=0, lt=100), Accepts("a level of the RSI above 0 and below 100")]
RsiLength = Annotated[int, Field(ge=2, le=250), Accepts("a whole number of daily bars from 2 to 250")]
Sessions = Annotated[int, Field(ge=1, le=250), Accepts("a whole number of sessions from 1 to 250")]
BasisPoints = Annotated[float, Field(ge=0, le=1000), Accepts("basis points of the traded value from 0 to 1000 (5 is 0.05 %)")]
Switch = Annotated[bool, Accepts("true or false")]
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


class Section(BaseModel):
    """A block of settings: no unknown key, no silent conversion of a value, no change after loading."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True, hide_input_in_errors=True
    )


class InverseEtfs(Section):
    """Funds that rise when the market falls; the hedge sleeve buys them."""

    general: Symbol = Field(default="SH", description="-1x the S&P 500, for a portfolio without a clear tilt")
    sp500: Symbol = Field(default="SPXS", description="-3x the S&P 500, for a portfolio that moves with it")
    tech: Symbol = Field(default="SQQQ", description="-3x the NASDAQ-100, for a portfolio of technology names")


class Universe(Section):
    """Symbols that a strategy may trade, by where it trades."""

    alpaca: Symbols = Field(
        default=("AAPL", "MSFT", "GOOGL", "AMZN", "NVDA", "META", "TSLA", "JPM", "JNJ", "XOM"),
        description="at Alpaca, paper or live: ten large, liquid names",
    )
    exchange: Symbols = Field(
        default=("AAPL", "MSFT", "IBM", "GOOG", "FB"), description="at the built-in exchange: the stocks of the bundled market"
    )


class Behaviour(Section):
    """How the desk trades. Fractions are of one (0.05 is 5 %), levels of the RSI from 0 to 100, costs in basis points."""

    stop_loss_fraction: Fraction = Field(default=0.05, description="distance of the stop below the entry limit")
    take_profit_fraction: Fraction = Field(default=0.15, description="distance of the target above the entry limit")
    max_position_fraction: Fraction = Field(default=0.15, description="largest share of the portfolio in one position")
    max_inverse_fraction: Fraction = Field(default=0.20, description="largest share of the portfolio in inverse funds together")
    inverse_etfs: InverseEtfs = Field(default=InverseEtfs(), strict=False, description="the inverse funds that hedge")
    sentiment_symbols: Symbols = Field(
        default=("AAPL", "MSFT", "GOOGL", "NVDA", "TSLA"), description="names whose RSI tells the mood of the market"
    )
    overbought_rsi: RsiLevel = Field(default=70.0, description="RSI at or above which a name is overbought")
    oversold_rsi: RsiLevel = Field(default=30.0, description="RSI at or below which a name is oversold")
    bearish_share: Share = Field(default=0.60, description="share of overbought names from which the market counts as bearish")
    rsi_length: RsiLength = Field(default=14, description="daily bars in the RSI")
    confidence_threshold: Probability = Field(default=0.6, description="smallest confidence of the model that passes an entry")
    confidence_gate: Annotated[Literal["enforce", "report"], Accepts("enforce or report")] = Field(
        default="enforce", description="enforce refuses entries below the threshold; report trades them and counts them"
    )
    time_barrier_sessions: Sessions = Field(default=10, description="sessions after which a position is closed at the market")
    sleeptime: SleepTime = Field(default="1H", description="time between two iterations while the market is open")
    extended_hours: Switch = Field(default=False, description="whether orders may trade outside regular hours")
    universe: Universe = Field(default=Universe(), strict=False, description="symbols that a strategy may trade")
    fee_bps: BasisPoints = Field(default=1.0, description="fees that backtests and the model's labels assume, on each fill")
    slippage_bps: BasisPoints = Field(
        default=5.0, description="slippage that backtests and the model's labels assume, on each fill"
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
