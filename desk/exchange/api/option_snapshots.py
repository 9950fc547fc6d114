"""Snapshots of many option contracts on one underlying at once: latest trade and quote, volatility, greeks, bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cache, lru_cache

from desk.data.calendars import Session
from desk.exchange.api.data_json import OPTION_EXCHANGE, OPTION_QUOTE_CONDITION, OPTION_TRADE_CONDITION
from desk.exchange.api.wire import Json, instant
from desk.exchange.machine.orders import Quote
from desk.exchange.market.bars import SHARES_A_TRADE, midnight
from desk.exchange.market.options.board import Greeks, OptionBoard
from desk.exchange.market.options.contract import Contract
from desk.exchange.market.options.volume import Bar, SoFar, last_size
from desk.exchange.market.path import UNITS_PER_DOLLAR
from desk.exchange.market.prices import AS_IT_WAS, Market, split_quote
from desk.exchange.market.sessions import SessionTable, session_seconds
from desk.exchange.market.ticks import TICK_SHARES, dollars

# From seconds after a session's open to the text of the instant.
Instants = Callable[[int], str | None]


@dataclass(frozen=True, slots=True)
class Place:
    """A session and how far it has gone, in seconds; `at` is when the price shown there was made."""

    session: Session
    elapsed: float
    at: datetime


def place_at(sessions: SessionTable, now: datetime) -> Place | None:
    """Where the last price at `now` is found: in the session that is open, else at the end of the last one."""
    session = sessions.open_or_closing_at(now) or sessions.before(sessions.current(now))
    if session is None:
        return None
    at = min(now, session.closes_at)
    return Place(session, (at - session.opens_at).total_seconds(), at)


def end_of(session: Session | None) -> Place | None:
    return None if session is None else Place(session, float(session_seconds(session)), session.closes_at)


class OptionSnapshots:
    """Snapshots as of one instant. `trade_delay` is how much older trades, and the bars of them, are than quotes."""

    def __init__(self, market: Market, board: OptionBoard, now: datetime, trade_delay: timedelta) -> None:
        self.market = market
        self.board = board
        self.now = now
        self.quoted = place_at(market.sessions, now)
        self.traded = place_at(market.sessions, now - trade_delay)

    @property
    def updated_at(self) -> datetime | None:
        """When the newest of the quotes and trades was made."""
        return None if self.quoted is None else self.quoted.at

    def of(self, underlying: str, contracts: Sequence[Contract]) -> dict[str, Json]:
        """By symbol; contracts that were not listed in the session that is shown have none."""
        found = self._quotes(underlying, contracts)
        for symbol, trades in self._trades(underlying, contracts).items():
            found.setdefault(symbol, {}).update(trades)
        return found

    def _quotes(self, underlying: str, contracts: Sequence[Contract]) -> dict[str, Json]:
        """Latest quote, volatility and greeks, by symbol."""
        place = self.quoted
        path = None if place is None else self.market.path(underlying, place.session)
        if place is None or path is None:
            return {}
        ratio = self.market.splits_since(underlying, place.session.day, self.now)
        known = self._as_they_were(contracts, place.session, ratio)
        index, shown = path.index(place.elapsed), list(known)
        found = self.board.quotes_at(list(known.values()), place.session, path, index)
        quotes = found if ratio == AS_IT_WAS else [split_quote(quote, ratio) for quote in found]
        greeks = self.board.many_greeks(shown, place.at, round(int(path.price[index]) / ratio), quotes)
        at = instant(place.at)
        return {
            contract.symbol: quoted_json(quote, each, at) for contract, quote, each in zip(shown, quotes, greeks, strict=True)
        }

    def _as_they_were(self, contracts: Sequence[Contract], session: Session, ratio: Fraction) -> dict[Contract, Contract]:
        """What contracts were in `session`, before one share became `ratio`; those that were not listed have none."""
        if ratio == AS_IT_WAS:
            return {contract: contract for contract in self.board.listed(contracts, session.day)}
        pairs = ((contract, self.board.before_split(contract, ratio)) for contract in contracts)
        return {contract: was for contract, was in pairs if was is not None}

    def _trades(self, underlying: str, contracts: Sequence[Contract]) -> dict[str, Json]:
        """Latest trade, minute, day and day before, by symbol."""
        place = self.traded
        before = None if place is None else end_of(self.market.sessions.before(place.session))
        found: dict[str, Json] = {}
        past = self._so_far(underlying, contracts, before)
        if before is not None:
            at, day = _instants(before.session), day_of(before.session)
            for symbol, done in past.items():
                found[symbol] = {"latestTrade": trade_json(done, at), "prevDailyBar": bar_json(done.day, day)}
        today = self._so_far(underlying, contracts, place)
        if place is not None:
            at, day = _instants(place.session), day_of(place.session)
            for symbol, done in today.items():
                minute, whole = bar_json(done.last, at(done.last.start)), bar_json(done.day, day)
                shape: Json = {"latestTrade": trade_json(done, at), "minuteBar": minute, "dailyBar": whole}
                found[symbol] = found.get(symbol, {}) | shape
        return found

    def _so_far(self, underlying: str, contracts: Sequence[Contract], place: Place | None) -> dict[str, SoFar]:
        path = None if place is None else self.market.path(underlying, place.session)
        if place is None or path is None or self.market.splits_since(underlying, place.session.day, self.now) != AS_IT_WAS:
            return {}  # what traded before a split under the same symbol was another contract
        return self.board.so_far(self.board.listed(contracts, place.session.day), place.session, path, place.elapsed)


def quoted_json(quote: Quote, greeks: Greeks | None, at: str | None) -> Json:
    """A contract without bid and ask has no quote."""
    found: Json = {"latestQuote": quote_json(quote, at)} if quote.bid or quote.ask else {}
    return found if greeks is None else found | greeks_json(greeks)


def quote_json(quote: Quote, at: str | None) -> Json:
    """A side of zero has no quote, and no size."""
    return {
        "t": at,
        "ap": dollars(quote.ask),
        "as": TICK_SHARES if quote.ask else 0,
        "ax": OPTION_EXCHANGE,
        "bp": dollars(quote.bid),
        "bs": TICK_SHARES if quote.bid else 0,
        "bx": OPTION_EXCHANGE,
        "c": OPTION_QUOTE_CONDITION,
    }


def greeks_json(greeks: Greeks) -> Json:
    return {
        "impliedVolatility": round(greeks.implied_volatility, 10),
        "greeks": {
            "delta": round(greeks.delta, 10),
            "gamma": round(greeks.gamma, 10),
            "rho": round(greeks.rho, 10),
            "theta": round(greeks.theta, 10),
            "vega": round(greeks.vega, 10),
        },
    }


def trade_json(done: SoFar, at: Instants) -> Json:
    """The last trade."""
    return {
        "t": at(done.last.start + done.seconds - 1),
        "p": dollars(done.last.close),
        "s": last_size(done.last.volume),
        "x": OPTION_EXCHANGE,
        "c": OPTION_TRADE_CONDITION,
    }


def bar_json(bar: Bar, opened: str | None) -> Json:
    """A bar; the typical price stands for the average."""
    return {
        "t": opened,
        "o": dollars(bar.open),
        "h": dollars(bar.high),
        "l": dollars(bar.low),
        "c": dollars(bar.close),
        "v": bar.volume,
        "n": max(1, bar.volume // SHARES_A_TRADE),
        "vw": round((bar.high + bar.low + bar.close) / (3 * UNITS_PER_DOLLAR), 6),
    }


def day_of(session: Session) -> str | None:
    """When a daily bar says that it opened."""
    return instant(datetime.fromtimestamp(midnight(session.day), UTC))


@lru_cache(maxsize=16)
def _instants(session: Session) -> Instants:
    """Writes seconds after the open; the bars of all contracts end at the same few hundred of them."""
    return cache(lambda seconds: instant(session.opens_at + timedelta(seconds=seconds)))
