"""What an exchange is started with."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from desk.domain.errors import ConfigurationError

KEY_VARIABLE = "LUMIDESK_EXCHANGE_KEY"
SECRET_VARIABLE = "LUMIDESK_EXCHANGE_SECRET"


@dataclass(frozen=True)
class ExchangeConfig:
    """Settings of one exchange.

    `source` is "bundled" or the path of a data directory. Trading starts with the first session on or after `start`; the virtual
    clock stands at 08:00 New York of that session. `port` 0 takes a free one. `partial_fill_probability` is the chance that an
    order is first filled in part only: Alpaca's paper account does so one time in ten
    (https://docs.alpaca.markets/docs/paper-trading). Raises ConfigurationError for a value out of its range.
    """

    source: str
    start: date
    seed: int = 1
    port: int = 0
    cash_usd: float = 100_000.0
    state_file: Path | None = None
    access_log: Path | None = None
    partial_fill_probability: float = 0.1
    spread_bps: float = 2.0
    api_key: str = field(default="", repr=False)
    api_secret: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        _require(0 <= self.port <= 65535, "port", self.port, "give a port from 1 to 65535, or 0 for any free one")
        _require(self.seed >= 0, "seed", self.seed, "give a whole number from 0 up")
        _require(math.isfinite(self.cash_usd) and self.cash_usd > 0, "cash_usd", self.cash_usd, "give dollars above zero")
        _require(
            0 <= self.partial_fill_probability <= 1,
            "partial_fill_probability",
            self.partial_fill_probability,
            "give a chance from 0 to 1, 0.1 for one order in ten",
        )
        _require(0 <= self.spread_bps <= 1000, "spread_bps", self.spread_bps, "give basis points from 0 to 1000")


def _require(holds: bool, name: str, value: object, fix: str) -> None:
    if not holds:
        raise ConfigurationError(f"exchange setting {name}: {value!r} is out of range; {fix}")
