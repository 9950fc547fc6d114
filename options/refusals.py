"""Why no spread is opened, or none is rolled: a value that says so to a program and to a person."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RefusalCode(StrEnum):
    """What was in the way, one word for each thing that a person could change."""

    # what is listed
    NO_EXPIRATION = "no_expiration"
    NO_STRIKE = "no_strike"
    SAME_STRIKE = "same_strike"
    ADJUSTED = "adjusted"
    UNKNOWN_CONTRACT = "unknown_contract"
    EXPIRED = "expired"
    # what is quoted
    EMPTY_QUOTE = "empty_quote"
    NO_BID = "no_bid"
    CROSSED = "crossed"
    STALE_QUOTE = "stale_quote"
    WIDE_SPREAD = "wide_spread"
    OPEN_INTEREST = "open_interest"
    VOLUME = "volume"
    NO_CREDIT = "no_credit"
    CREDIT_TOO_SMALL = "credit_too_small"
    PRICE_FAR = "price_far"
    DATA = "data"
    # the opportunity and the account
    SCORE = "score"
    CONFIDENCE = "confidence"
    MAX_CONTRACTS = "max_contracts"
    RISK_BUDGET = "risk_budget"
    MAX_POSITIONS = "max_positions"
    SYMBOL_TAKEN = "symbol_taken"
    BUYING_POWER = "buying_power"
    OPTION_LEVEL = "option_level"
    DESK = "desk"
    # the hour and the calendar
    MARKET_CLOSED = "market_closed"
    EARNINGS = "earnings"
    EX_DIVIDEND = "ex_dividend"
    EXPIRY_DAY = "expiry_day"
    TOO_FEW_DAYS = "too_few_days"


@dataclass(frozen=True, slots=True)
class SpreadRefusal:
    """`symbol` is the underlying; `text` names the value, the limit and what would help."""

    code: RefusalCode
    symbol: str
    text: str

    def __str__(self) -> str:
        return f"{self.symbol}: {self.text}"
