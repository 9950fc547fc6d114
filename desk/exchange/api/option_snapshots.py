"""Snapshots of many option contracts on one underlying at once: latest trade and quote, volatility, greeks, bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction

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
        found: dict[str, Json] = {}
        for symbol, (quote, greeks) in self._quotes(underlying, contracts).items():
            found[symbol] = {}
            if quote.bid or quote.ask:
                assert self.quoted is not None
                found[symbol]["latestQuote"] = quote_json(quote, self.quoted.at)
            if greeks is not None:
                found[symbol] |= greeks_json(greeks)
        for symbol, trades in self._trades(underlying, contracts).items():
            found.setdefault(symbol, {}).update(trades)
        return found

    def _quotes(self, underlying: str, contracts: Sequence[Contract]) -> dict[str, tuple[Quote, Greeks | None]]:
        place = self.quoted
        path = None if place is None else self.market.path(underlying, place.session)
        if place is None or path is None:
            return {}
        ratio = self.market.splits_since(underlying, place.session.day, self.now)
        known = {contract: was for contract in contracts if (was := self._as_it_was(contract, place.session, ratio)) is not None}
        index = path.index(place.elapsed)
        found = self.board.quotes_at(list(known.values()), place.session, path, index)
        quotes = [quote if ratio == AS_IT_WAS else split_quote(quote, ratio) for quote in found]
        greeks = self.board.many_greeks(list(known), place.at, round(int(path.price[index]) / ratio), quotes)
        pairs = zip(quotes, greeks, strict=True)
        return {contract.symbol: pair for contract, pair in zip(known, pairs, strict=True)}

    def _as_it_was(self, contract: Contract, session: Session, ratio: Fraction) -> Contract | None:
        """What a contract was in `session`, before one share became `ratio`; None when it was not listed."""
        if ratio != AS_IT_WAS:
            return self.board.before_split(contract, ratio)
        return contract if self.board.contract(contract.symbol, session.day) is not None else None

    def _trades(self, underlying: str, contracts: Sequence[Contract]) -> dict[str, Json]:
        """Latest trade, minute, day and day before, by symbol."""
        place = self.traded
        before = None if place is None else end_of(self.market.sessions.before(place.session))
        found: dict[str, Json] = {}
        for symbol, past in self._so_far(underlying, contracts, before).items():
            assert before is not None
            found[symbol] = {"latestTrade": trade_json(past, before), "prevDailyBar": day_json(past, before)}
        for symbol, today in self._so_far(underlying, contracts, place).items():
            assert place is not None
            minute = bar_json(place.session.opens_at + timedelta(seconds=today.last.start), today.last)
            shape: Json = {"latestTrade": trade_json(today, place), "minuteBar": minute, "dailyBar": day_json(today, place)}
            found[symbol] = found.get(symbol, {}) | shape
        return found

    def _so_far(self, underlying: str, contracts: Sequence[Contract], place: Place | None) -> dict[str, SoFar]:
        path = None if place is None else self.market.path(underlying, place.session)
        if place is None or path is None or self.market.splits_since(underlying, place.session.day, self.now) != AS_IT_WAS:
            return {}  # what traded before a split under the same symbol was another contract
        return self.board.so_far(self._listed(contracts, place.session), place.session, path, place.elapsed)

    def _listed(self, contracts: Sequence[Contract], session: Session) -> list[Contract]:
        return [contract for contract in contracts if self.board.contract(contract.symbol, session.day) is not None]


def quote_json(quote: Quote, at: datetime) -> Json:
    """A side of zero has no quote, and no size."""
    return {
        "t": instant(at),
        "ap": dollars(quote.ask),
        "as": TICK_SHARES if quote.ask else 0,
        "ax": OPTION_EXCHANGE,
        "bp": dollars(quote.bid),
        "bs": TICK_SHARES if quote.bid else 0,
        "bx": OPTION_EXCHANGE,
        "c": OPTION_QUOTE_CONDITION,
    }


def greeks_json(greeks: Greeks) -> Json:
    names = ("delta", "gamma", "rho", "theta", "vega")
    return {
        "impliedVolatility": round(greeks.implied_volatility, 10),
        "greeks": {name: round(getattr(greeks, name), 10) for name in names},
    }


def trade_json(done: SoFar, place: Place) -> Json:
    """The last trade."""
    at = place.session.opens_at + timedelta(seconds=done.last.start + done.seconds - 1)
    trade: Json = {"t": instant(at), "p": dollars(done.last.close), "s": last_size(done.last.volume)}
    return trade | {"x": OPTION_EXCHANGE, "c": OPTION_TRADE_CONDITION}


def day_json(done: SoFar, place: Place) -> Json:
    return bar_json(datetime.fromtimestamp(midnight(place.session.day), UTC), done.day)


def bar_json(opened: datetime, bar: Bar) -> Json:
    """A bar; the typical price stands for the average."""
    return {
        "t": instant(opened),
        "o": dollars(bar.open),
        "h": dollars(bar.high),
        "l": dollars(bar.low),
        "c": dollars(bar.close),
        "v": bar.volume,
        "n": max(1, bar.volume // SHARES_A_TRADE),
        "vw": round((bar.high + bar.low + bar.close) / (3 * UNITS_PER_DOLLAR), 6),
    }
