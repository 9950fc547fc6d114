"""What a client of the data stream may ask for, and what it has subscribed to. No socket, no market.

https://docs.alpaca.markets/docs/streaming-market-data, /real-time-stock-pricing-data and /real-time-option-data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from desk.exchange.api.data_params import OPTION_SYMBOL, SYMBOL

ALL = "*"
FREE_SYMBOLS, FREE_OPTION_QUOTES, PAID_OPTION_QUOTES = 30, 200, 1000
LONGEST_LIST = 10_000
STOCK_CHANNELS = ("trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds", "corrections", "cancelErrors")
# Subscribed to like the others, and not listed among them when it is not.
UNLISTED = "imbalances"
# A subscription to trades brings these for the same symbols.
FOLLOW_TRADES = ("corrections", "cancelErrors")
EVERY_CHANNEL = frozenset({*STOCK_CHANNELS, UNLISTED, "orderbooks", "news"})


class Code(IntEnum):
    """Errors of the stream; `text` is the message that goes with one."""

    INVALID_SYNTAX = 400
    NOT_AUTHENTICATED = 401
    AUTH_FAILED = 402
    ALREADY_AUTHENTICATED = 403
    AUTH_TIMEOUT = 404
    SYMBOL_LIMIT = 405
    CONNECTION_LIMIT = 406
    SLOW_CLIENT = 407
    INSUFFICIENT_SUBSCRIPTION = 409
    INVALID_CHANNEL = 410
    ONLY_MSGPACK = 412
    NO_STAR_QUOTES = 413
    INTERNAL = 500

    @property
    def text(self) -> str:
        return _TEXTS[self]


_TEXTS: Mapping[Code, str] = {
    Code.INVALID_SYNTAX: "invalid syntax",
    Code.NOT_AUTHENTICATED: "not authenticated",
    Code.AUTH_FAILED: "auth failed",
    Code.ALREADY_AUTHENTICATED: "already authenticated",
    Code.AUTH_TIMEOUT: "auth timeout",
    Code.SYMBOL_LIMIT: "symbol limit exceeded",
    Code.CONNECTION_LIMIT: "connection limit exceeded",
    Code.SLOW_CLIENT: "slow client",
    Code.INSUFFICIENT_SUBSCRIPTION: "insufficient subscription",
    Code.INVALID_CHANNEL: "invalid subscribe action for this feed",
    Code.ONLY_MSGPACK: "option messages are only available in MsgPack format",
    Code.NO_STAR_QUOTES: "star subscription is not allowed for option quotes",
    Code.INTERNAL: "internal error",
}


@dataclass(frozen=True, slots=True)
class Feed:
    """One endpoint: its channels in the order that acknowledgements list them, and what it takes to use it."""

    path: str
    channels: tuple[str, ...] = STOCK_CHANNELS
    is_paid: bool = False
    is_option: bool = False

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def subscribable(self) -> frozenset[str]:
        return frozenset({*self.channels, UNLISTED} if self.channels == STOCK_CHANNELS else self.channels)


FEEDS: Mapping[str, Feed] = {
    feed.path: feed
    for feed in (
        Feed("/v2/iex"),
        Feed("/v2/sip", is_paid=True),
        Feed("/v2/delayed_sip"),
        Feed("/v2/test"),
        Feed("/v1beta1/boats", is_paid=True),
        Feed("/v1beta1/overnight", is_paid=True),
        Feed("/v1beta1/indicative", ("trades", "quotes"), is_option=True),
        Feed("/v1beta1/opra", ("trades", "quotes"), is_paid=True, is_option=True),
        Feed("/v1beta1/news", ("news",)),
    )
}


@dataclass
class Subscriptions:
    """What one client has subscribed to, by channel. `is_symbol` knows symbols that look like none."""

    feed: Feed
    has_sip: bool
    is_symbol: Callable[[str], bool] = lambda symbol: False
    by_channel: dict[str, set[str]] = field(default_factory=dict)

    def change(self, request: Mapping[str, object], adds: bool) -> Code | None:
        """Subscribe or unsubscribe as `request` says; an error leaves everything as it was."""
        asked = {name: value for name, value in request.items() if name != "action"}
        wrong = self._check(asked)
        if wrong is not None:
            return wrong
        changed = {channel: set(symbols) for channel, symbols in self.by_channel.items()}
        for channel, symbols in asked.items():
            now = changed.setdefault(channel, set())
            now.update(symbols) if adds else now.difference_update(symbols)  # type: ignore[arg-type]  # checked to be lists of text
        if adds and self._exceeds(changed):
            return Code.SYMBOL_LIMIT
        self.by_channel = changed
        return None

    def acknowledgement(self) -> dict[str, object]:
        """The whole subscription, as it is told after every change."""
        listed = (*self.feed.channels, UNLISTED) if self.by_channel.get(UNLISTED) else self.feed.channels
        return {"T": "subscription", **{channel: sorted(self.symbols(channel)) for channel in listed}}

    def symbols(self, channel: str) -> set[str]:
        own = self.by_channel.get(channel, set())
        return own | self.by_channel.get("trades", set()) if channel in FOLLOW_TRADES else own

    def wants(self, channel: str, symbol: str) -> bool:
        symbols = self.symbols(channel)
        return symbol in symbols or ALL in symbols

    def _check(self, asked: Mapping[str, object]) -> Code | None:
        if not asked or not set(asked) <= EVERY_CHANNEL:
            return Code.INVALID_SYNTAX
        if not self.feed.subscribable.issuperset(asked):
            return Code.INVALID_CHANNEL
        for channel, symbols in asked.items():
            if not isinstance(symbols, list) or len(symbols) > LONGEST_LIST or not all(map(self._is_well_formed, symbols)):
                return Code.INVALID_SYNTAX
            if self.feed.is_option and channel == "quotes" and ALL in symbols:
                return Code.NO_STAR_QUOTES
        return None

    def _is_well_formed(self, symbol: object) -> bool:
        pattern: re.Pattern[str] = OPTION_SYMBOL if self.feed.is_option else SYMBOL
        return isinstance(symbol, str) and (symbol == ALL or bool(pattern.match(symbol)) or self.is_symbol(symbol))

    def _exceeds(self, changed: Mapping[str, set[str]]) -> bool:
        """Bars are unlimited; trades and quotes together are of so many symbols, and of all of them only when one pays."""
        quotes, trades = changed.get("quotes", set()), changed.get("trades", set())
        if self.feed.is_option:
            return len(quotes) > (PAID_OPTION_QUOTES if self.has_sip else FREE_OPTION_QUOTES)
        named = quotes | trades
        return not self.has_sip and (ALL in named or len(named) > FREE_SYMBOLS)
