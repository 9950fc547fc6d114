"""What an exchange is started with."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path

from desk.domain.errors import ConfigurationError
from desk.exchange.machine.book import AT_ONCE, Latency
from desk.exchange.switches import AS_DOCUMENTED, Switches

KEY_VARIABLE = "LUMIDESK_EXCHANGE_KEY"
SECRET_VARIABLE = "LUMIDESK_EXCHANGE_SECRET"
STEPPED = 0.0
FULL_SPEED = math.inf
LARGEST_CASH_USD = 1e12
CENT = Decimal("0.01")
# Symbol and whole shares: pairs, because settings are frozen.
Holdings = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class AccountConfig:
    """One account: its keys, what it starts with, and what it may do.

    `multiplier` 1 is a cash account that cannot short, 2 Reg T margin, 4 margin with intraday buying power, as Alpaca's paper
    accounts have. `options_level` 0 to 3, 3 for spreads. `holdings` are whole shares that the account has from the start, symbol
    and number: bought at the last close before it (`desk.exchange.opening`), paid from `cash_usd`.
    """

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    cash_usd: float = 100_000.0
    multiplier: int = 4
    options_level: int = 3
    holdings: Holdings = ()

    @property
    def cash(self) -> Decimal:
        """`cash_usd` to the cent."""
        return Decimal(repr(self.cash_usd)).quantize(CENT)

    def __post_init__(self) -> None:
        cash_is_fine = math.isfinite(self.cash_usd) and 0 < self.cash_usd <= LARGEST_CASH_USD
        _require(cash_is_fine, "cash_usd", self.cash_usd, "give dollars above zero, at most 1e12")
        _require(self.multiplier in (1, 2, 4), "multiplier", self.multiplier, "give 1 for a cash account, 2 or 4 for margin")
        _require(self.options_level in (0, 1, 2, 3), "options_level", self.options_level, "give a level from 0 to 3")
        for symbol, shares in self.holdings:
            _require(shares >= 1, f"holdings.{symbol}", shares, "give a whole number of shares from 1 up")
        twice = sorted(symbol for symbol, count in Counter(symbol for symbol, _ in self.holdings).items() if count > 1)
        _require(not twice, "holdings", ", ".join(twice), "give each symbol once")


@dataclass(frozen=True)
class ExchangeConfig:
    """Settings of one exchange.

    `source` is "bundled" or the path of a data directory. Trading starts with the first session on or after `start`, None for the
    first of the data; the virtual clock stands at 08:00 New York of that session. `speed` says how it moves: `STEPPED` by clients
    alone, 1.0 as real time does, 60.0 an hour a minute, `FULL_SPEED` as fast as the machine can. `port` 0 takes a free one.
    `partial_fill_probability` is the chance that an order is first filled in part only: Alpaca's paper account does so one time
    in ten (https://docs.alpaca.markets/docs/paper-trading). The first account has `api_key`, `api_secret`, `cash_usd`,
    `multiplier`, `options_level` and `holdings`; `accounts` are further ones. `requests_per_minute` is the limit of each account,
    None for no limit; `with_fees` charges what regulators do; `faults` is a file of faults. `not_fractionable`, `not_shortable`
    and `hard_to_borrow` are symbols that are so; the others are not. Raises ConfigurationError for a value out of range.
    """

    source: str
    start: date | None
    seed: int = 1
    port: int = 0
    cash_usd: float = 100_000.0
    state_file: Path | None = None
    access_log: Path | None = None
    partial_fill_probability: float = 0.1
    spread_bps: float = 2.0
    api_key: str = field(default="", repr=False)
    api_secret: str = field(default="", repr=False)
    multiplier: int = 4
    options_level: int = 3
    holdings: Holdings = ()
    accounts: tuple[AccountConfig, ...] = ()
    speed: float = STEPPED
    latency: Latency = AT_ONCE
    switches: Switches = AS_DOCUMENTED
    requests_per_minute: int | None = None
    with_fees: bool = False
    has_sip: bool = False
    faults: Path | None = None
    not_fractionable: frozenset[str] = frozenset()
    not_shortable: frozenset[str] = frozenset()
    hard_to_borrow: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        _require(0 <= self.port <= 65535, "port", self.port, "give a port from 1 to 65535, or 0 for any free one")
        _require(self.seed >= 0, "seed", self.seed, "give a whole number from 0 up")
        _require(
            0 <= self.partial_fill_probability <= 1,
            "partial_fill_probability",
            self.partial_fill_probability,
            "give a chance from 0 to 1, 0.1 for one order in ten",
        )
        _require(0 <= self.spread_bps <= 1000, "spread_bps", self.spread_bps, "give basis points from 0 to 1000")
        _require(self.speed >= 0, "speed", self.speed, "give 0 to step by hand, 1 for real time, 60 for an hour a minute")
        limit = self.requests_per_minute
        _require(limit is None or limit > 0, "requests_per_minute", limit, "give a whole number above zero, or nothing")
        keys = [account.api_key for account in self.all_accounts()]
        _require(len(keys) == len(set(keys)), "accounts", f"{len(keys)} accounts", "give every account a key of its own")

    def all_accounts(self) -> tuple[AccountConfig, ...]:
        """The accounts in order; the first is the one that the config itself describes."""
        terms = (self.cash_usd, self.multiplier, self.options_level, self.holdings)
        return (AccountConfig(self.api_key, self.api_secret, *terms), *self.accounts)


def holdings_of(shares: Mapping[str, int]) -> Holdings:
    """Shares by symbol, as settings have them: in order of symbols."""
    return tuple(sorted(shares.items()))


def _require(holds: bool, name: str, value: object, fix: str) -> None:
    if not holds:
        raise ConfigurationError(f"exchange setting {name}: {value!r} is out of range; {fix}")
