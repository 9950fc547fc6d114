"""What a person may set about bull put spreads: which are opened, how they are entered, and what ends them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
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

Score = Annotated[float, Field(ge=0, le=10), Accepts("a score from 0 to 10")]
Contracts = Annotated[int, Field(ge=1, le=100), Accepts("a whole number of contracts from 1 to 100")]
RiskDollars = Annotated[float, Field(gt=0, le=1_000_000), Accepts("dollars above 0, at most 1,000,000")]
Count = Annotated[int, Field(ge=1, le=100), Accepts("a whole number from 1 to 100")]
Days = Annotated[int, Field(ge=1, le=365), Accepts("a whole number of days from 1 to 365")]
OptionalDays = Annotated[int | None, Field(ge=0, le=365), Accepts("a whole number of days from 0 to 365, or null")]
Share = Annotated[float, Field(ge=0, le=1), Accepts("a fraction from 0 to 1")]
OptionalDollars = Annotated[float | None, Field(gt=0, le=10_000), Accepts("dollars above 0, at most 10,000, or null")]
Credit = Annotated[float, Field(ge=0, le=1_000), Accepts("dollars a share from 0 to 1,000")]
Seconds = Annotated[int, Field(ge=1, le=3600), Accepts("whole seconds from 1 to 3600")]
Interest = Annotated[int, Field(ge=0, le=1_000_000), Accepts("a whole number of contracts from 0 to 1,000,000")]
# YAML has lists and no tuples, so this one conversion is allowed in an otherwise strict model.
Dates = Annotated[tuple[date, ...], Field(strict=False)]
Calendar = Annotated[Mapping[str, Dates], Accepts("symbols with days ({AAPL: [2026-01-29, 2026-04-30]}), or {}")]


class SpreadSettings(Section):
    """Bull put spreads: a put sold below the market, another one bought further below."""

    sleeve: Switch = Field(default=False, description="whether the combined strategy opens spreads beside its stocks")
    min_score: Score = Field(default=8.0, description="smallest score, of ten, of an opportunity that is taken")
    min_confidence: Probability = Field(default=0.6, description="smallest confidence of an opportunity that is taken")
    max_contracts: Contracts = Field(default=3, description="most contracts in one spread")
    max_risk_usd: RiskDollars = Field(default=500.0, description="most that one spread may lose, in dollars")
    max_positions: Count = Field(default=5, description="most spreads at a time, one a symbol")
    min_days: Days = Field(default=30, description="fewest calendar days to expiration of a spread that is opened")
    max_days: Days = Field(default=60, description="most calendar days to expiration")
    target_days: Days = Field(default=45, description="days to expiration that are looked for between the two")
    short_distance_fraction: Fraction = Field(default=0.05, description="how far below the market the sold put's strike lies")
    long_distance_fraction: Fraction = Field(default=0.10, description="how far below the market the bought put's strike lies")
    short_delta: OptionalFraction = Field(default=None, description="size of the sold put's delta, instead of its distance")
    width_usd: OptionalDollars = Field(default=None, description="widest distance of the strikes in dollars, not a fraction")
    min_credit_usd: Credit = Field(default=0.10, description="least credit in dollars a share")
    min_credit_fraction: Share = Field(default=0.10, description="least credit as a share of the width")
    min_bid_usd: Credit = Field(default=0.05, description="least bid of each of the two puts in dollars a share")
    max_spread_fraction: Share = Field(default=0.10, description="widest quote of each put, as a share of its middle")
    allowed_spread_usd: Credit = Field(default=0.10, description="width of a quote in dollars that always passes")
    min_open_interest: Interest = Field(default=100, description="fewest contracts outstanding of each put; 0 does not ask")
    profit_fraction: OptionalFraction = Field(default=0.5, description="part of the credit at which a spread is left with a gain")
    loss_multiple: OptionalMultiple = Field(default=2.0, description="loss in credits at which a spread is left")
    exit_days: OptionalDays = Field(default=21, description="days to expiration from which on a spread is left")
    breach_delta: OptionalFraction = Field(default=0.45, description="size of the sold put's delta at which a spread is left")
    exits_through_strike: Switch = Field(
        default=True, description="whether a spread is left once the market is below the sold strike"
    )
    expiry_exit_minutes: Minutes = Field(default=90, description="minutes before its last close by which a spread is left")
    let_expire_above_fraction: OptionalFraction = Field(
        default=None,
        description="how far above the sold strike a spread may be left to expire on the last day; null never",
    )
    pin_fraction: Share = Field(default=0.01, description="how near to the sold strike the market may be on the last two days")
    rolls: Switch = Field(default=False, description="whether a spread that would be left at a loss is first tried to be rolled")
    min_roll_credit_usd: Credit = Field(default=0.05, description="least that a roll brings over all four legs, dollars a share")
    rungs: Count = Field(default=5, description="steps from the middle to the natural price")
    rung_seconds: Seconds = Field(default=10, description="seconds that an order stands at one step")
    entry_seconds: Seconds = Field(default=120, description="seconds after which an entry is given up")
    floor_fraction: Fraction = Field(default=0.7, description="least part of the middle's credit that is taken")
    entry: Annotated[Literal["atomic", "legged"], Accepts("atomic or legged")] = Field(
        default="atomic", description="atomic: both puts in one order; legged: the bought one first, for brokers that cannot"
    )
    keeps_long: Switch = Field(
        default=False, description="whether the bought put stays when the second half of a legged entry fails"
    )
    earnings: Calendar = Field(default={}, description="days of earnings by symbol; nothing is opened over one")
    ex_dividends: Calendar = Field(default={}, description="ex-dividend days by symbol; nothing is opened over one")

    @model_validator(mode="after")
    def _days_ascend(self) -> Self:
        if not self.min_days <= self.target_days <= self.max_days:
            raise PydanticCustomError(
                "days",
                "spreads.min_days is {least}, spreads.target_days {wanted} and spreads.max_days {most}: they must ascend. "
                "The defaults are 30, 45 and 60",
                {"least": self.min_days, "wanted": self.target_days, "most": self.max_days},
            )
        if self.short_distance_fraction >= self.long_distance_fraction:
            raise PydanticCustomError(
                "distances",
                "spreads.short_distance_fraction is {short} and spreads.long_distance_fraction {long}: the sold put must lie "
                "nearer to the market. The defaults are 0.05 and 0.1",
                {"short": f"{self.short_distance_fraction:g}", "long": f"{self.long_distance_fraction:g}"},
            )
        return self

    @model_validator(mode="after")
    def _ladder_steps(self) -> Self:
        """An entry is given up before it steps when both are due at once."""
        if self.rungs > 1 and self.entry_seconds <= self.rung_seconds:
            raise PydanticCustomError(
                "ladder",
                "spreads.entry_seconds is {entry} and spreads.rung_seconds {rung}: an entry would end at its first price. "
                "Set entry_seconds above rung_seconds ({rungs} rungs take {whole} seconds), or rungs to 1. "
                "The defaults are 120, 10 and 5",
                {
                    "entry": self.entry_seconds,
                    "rung": self.rung_seconds,
                    "whole": self.rungs * self.rung_seconds,
                    "rungs": self.rungs,
                },
            )
        return self

    @model_validator(mode="after")
    def _stays_a_while(self) -> Self:
        """What an exit rule ends the moment it is there only pays for its orders."""
        if self.exit_days is not None and self.exit_days >= self.max_days:
            raise PydanticCustomError(
                "exit_days",
                "spreads.exit_days is {exits} and spreads.max_days {most}: every spread would be left on its first day. "
                "Set exit_days below min_days, or null. The defaults are 21, 30 and 60",
                {"exits": self.exit_days, "most": self.max_days},
            )
        if self.short_delta is not None and self.breach_delta is not None and self.short_delta >= self.breach_delta:
            raise PydanticCustomError(
                "deltas",
                "spreads.short_delta is {short} and spreads.breach_delta {breach}: a spread would be left as it is opened. "
                "Set breach_delta above short_delta, or null. The default is 0.45",
                {"short": f"{self.short_delta:g}", "breach": f"{self.breach_delta:g}"},
            )
        return self
