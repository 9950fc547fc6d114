"""What fixes the hedge: the inverse funds, the mood that opens it, how large it gets and when it ends."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from desk.domain.errors import ConfigurationError

IndexName = Literal["SP500", "NASDAQ"]
INDEX_WORDS: dict[IndexName, str] = {"SP500": "the S&P 500", "NASDAQ": "the NASDAQ"}
LEAST_SENTIMENT_NAMES = 3
MOST_EXIT_FRACTION = 0.5


@dataclass(frozen=True, slots=True)
class InverseFund:
    """A fund that pays `leverage` (below zero) times the daily return of an index and is reset every day.

    So its daily return divided by `leverage` is the index's daily return, and the index needs no symbol of its own.
    Raises ConfigurationError when it would not be an inverse fund.
    """

    symbol: str
    index: IndexName
    leverage: float

    def __post_init__(self) -> None:
        if self.index not in INDEX_WORDS:
            raise ConfigurationError(f"index {self.index!r} of {self.symbol} is unknown: give one of {', '.join(INDEX_WORDS)}")
        if not (math.isfinite(self.leverage) and self.leverage < 0):
            raise ConfigurationError(
                f"leverage {self.leverage} of {self.symbol} is no inverse fund's: give one below 0, such as -1"
            )

    @property
    def multiple(self) -> float:
        """Dollars of the index that a dollar of the fund stands against."""
        return abs(self.leverage)


def inverse_funds(general: str = "SH", sp500: str = "SPXS", tech: str = "SQQQ") -> tuple[InverseFund, ...]:
    """The funds that the setting `inverse_etfs` names: -1x the S&P 500, -3x the S&P 500, -3x the NASDAQ-100."""
    return InverseFund(general, "SP500", -1.0), InverseFund(sp500, "SP500", -3.0), InverseFund(tech, "NASDAQ", -3.0)


@dataclass(frozen=True, slots=True)
class HedgeRules:
    """Everything that may be set about the hedge; settings of the same names fill the first block.

    Fractions are of one. `hedge_ratio` is the share of the beta-weighted exposure that a BEARISH mood alone hedges; each
    further reason adds its `*_boost` to a factor of one (see `hedging.sizing.strength`). `confirm_trend` asks for a falling
    index, or one `extended_fraction` above its average, before anything is bought. Costs and drags are shares of the fund's
    money over the longest hold. Raises ConfigurationError for a value out of range.
    """

    inverse_etfs: tuple[InverseFund, ...] = inverse_funds()
    sentiment_symbols: tuple[str, ...] = ("AAPL", "MSFT", "GOOGL", "NVDA", "TSLA")
    overbought_rsi: float = 70.0
    bearish_share: float = 0.60
    rsi_length: int = 14
    max_inverse_fraction: float = 0.20
    stop_loss_fraction: float = 0.05  # of a -1x fund; times the leverage for others, at most MOST_EXIT_FRACTION
    take_profit_fraction: float = 0.15  # likewise
    hedge_ratio: float = 0.5
    is_on: bool = True  # off: what is held is sold, and nothing is bought

    unanimous_boost: float = 0.25  # every counted name is overbought
    falling_boost: float = 0.25  # the index falls
    volatile_boost: float = 0.25  # realised volatility is high
    high_volatility_per_year: float = 0.25
    confirm_trend: bool = False
    extended_fraction: float = 0.05

    average_sessions: int = 50
    slope_sessions: int = 10
    volatility_sessions: int = 20
    beta_sessions: int = 120
    min_beta_sessions: int = 60

    nasdaq_margin_r2: float = 0.05  # by so much R^2 the NASDAQ has to explain the book better
    max_drag_fraction: float = 0.02  # the decay that a fund beyond -1x may cost
    unwind_margin_share: float = 0.20  # the share of overbought names has to fall so far below `bearish_share`
    min_hold_sessions: int = 3  # and so long nothing is bought after a stop or the longest hold
    max_hold_sessions: int = 10  # of one episode, whichever funds it goes through
    dead_band_fraction: float = 0.25
    cap_band_fraction: float = 0.02  # of the equity: so far above its cap the sleeve may drift before it is cut to it
    min_notional_usd: float = 200.0
    entry_collar_fraction: float = 0.002  # how far above the offer an entry's limit may go: sizes leave room for it

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigurationError(f"{name} {value} is out of range: give a value from {low} to {high}")
        problem = _first_problem(self)
        if problem:
            raise ConfigurationError(problem)

    @property
    def unwind_share(self) -> float:
        """Share of overbought names below which the reason for a hedge has ended; no overbought name always ends it."""
        return max(self.bearish_share - self.unwind_margin_share, 1e-6)

    @property
    def window_sessions(self) -> int:
        """Daily returns that the figures of an index or a name are made from."""
        return max(self.beta_sessions, self.average_sessions + self.slope_sessions, self.volatility_sessions)

    def fund(self, symbol: str) -> InverseFund | None:
        return next((fund for fund in self.inverse_etfs if fund.symbol == symbol), None)


def symbols(rules: HedgeRules) -> tuple[str, ...]:
    """Every symbol that the hedge must see in the `Market`, each once: the leading names and the funds."""
    return tuple(dict.fromkeys((*rules.sentiment_symbols, *(fund.symbol for fund in rules.inverse_etfs))))


def _first_problem(rules: HedgeRules) -> str | None:
    funds = [fund.symbol for fund in rules.inverse_etfs]
    if not funds or len(set(funds)) < len(funds):
        return f"inverse_etfs {', '.join(funds) or 'are empty'}: name at least one fund, each once"
    if len(set(rules.sentiment_symbols)) < LEAST_SENTIMENT_NAMES:
        named = ", ".join(rules.sentiment_symbols)
        return f"sentiment_symbols {named}: a mood needs at least {LEAST_SENTIMENT_NAMES} different names"
    if rules.min_hold_sessions > rules.max_hold_sessions:
        return f"min_hold_sessions {rules.min_hold_sessions} is above max_hold_sessions {rules.max_hold_sessions}: lower it"
    if rules.min_beta_sessions > rules.beta_sessions:
        return f"min_beta_sessions {rules.min_beta_sessions} is above beta_sessions {rules.beta_sessions}: lower it"
    return None


_RANGES: dict[str, tuple[float, float]] = {
    "overbought_rsi": (0, 100),
    "bearish_share": (1e-6, 1),
    "rsi_length": (2, 250),
    "max_inverse_fraction": (0, 1),
    "stop_loss_fraction": (1e-6, 1),
    "take_profit_fraction": (1e-6, 1),
    "hedge_ratio": (0, 1),
    "unanimous_boost": (0, 1),
    "falling_boost": (0, 1),
    "volatile_boost": (0, 1),
    "high_volatility_per_year": (0, 10),
    "extended_fraction": (0, 1),
    "average_sessions": (2, 250),
    "slope_sessions": (1, 250),
    "volatility_sessions": (2, 250),
    "beta_sessions": (3, 500),
    "min_beta_sessions": (3, 500),
    "nasdaq_margin_r2": (0, 1),
    "max_drag_fraction": (0, 1),
    "unwind_margin_share": (0, 1),
    "min_hold_sessions": (0, 250),
    "max_hold_sessions": (1, 250),
    "dead_band_fraction": (0, 0.9),
    "cap_band_fraction": (0, 1),
    "min_notional_usd": (0, 1_000_000),
    "entry_collar_fraction": (0, 0.1),
}
