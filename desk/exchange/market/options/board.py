"""The option board: contracts listed on a day and the paths of their quotes, from the model or from recorded chains.

Everything is a function of the source, its splits, the seed and the day. Nothing here knows a price of the underlying that is
later than what is asked about: strikes are listed around closes that were, volatility comes from the sessions before. Those
closes are as if the splits up to the day had always been.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from fractions import Fraction

import numpy as np

from desk.data.calendars import Session
from desk.data.source import Source
from desk.domain.errors import ConfigurationError
from desk.exchange.machine.orders import UNIT_USD, Quote
from desk.exchange.market.corporate import Split
from desk.exchange.market.options import listing_dates, surface
from desk.exchange.market.options.contract import Contract, contract_of
from desk.exchange.market.options.recorded import RecordedChain, RecordedQuotes
from desk.exchange.market.options.surface import RATE, History, Volatility, history_of
from desk.exchange.market.options.volume import ChainBars, SoFar, chain_bars, one_row, open_interests, so_far
from desk.exchange.market.path import UNITS_PER_CENT, UNITS_PER_DOLLAR, IntArray
from desk.exchange.market.prices import Splits
from desk.exchange.market.session_path import NativeBars, SessionPath
from options import black_scholes, occ
from options.black_scholes import Floats

SECONDS_OF_A_YEAR = 365.0 * 86_400
CHAINS_KEPT, DAYS_KEPT = 4096, 256
USUAL_SESSIONS = 20
# Symbols of stocks whose options a symbol can name; BRK.B and the like have none here.
ROOT = re.compile(r"[A-Z][A-Z0-9]{0,5}", re.ASCII)
# Splits of a stock that are in force.
Terms = tuple[Split, ...]


@dataclass(frozen=True, slots=True)
class Greeks:
    """Implied volatility (a fraction a year) and greeks of one contract, a share: per dollar, per calendar day, per point."""

    implied_volatility: float
    delta: float
    gamma: float
    theta: float
    vega: float
    rho: float


class OptionBoard:
    """Options on the symbols of a source. `recorded` chains replace the model for their underlyings.

    Raises ConfigurationError for a recorded chain whose underlying the source has no prices of.
    """

    def __init__(self, source: Source, seed: int, recorded: Mapping[str, RecordedChain] | None = None) -> None:
        self.source = source
        self.seed = seed
        self.splits = Splits()  # set by who knows of corporate actions
        self.recorded = dict(recorded or {})
        self._underlying_of = {symbol: name for name, chain in self.recorded.items() for symbol in chain}
        self._by_id = {each.contract.id: symbol for chain in self.recorded.values() for symbol, each in chain.items()}
        # By splits too, which decide what a past close is on the day that asks.
        self._histories: dict[tuple[str, Terms], History] = {}
        self._volatilities: dict[tuple[str, date, Terms], Volatility] = {}
        self._rewritten: dict[tuple[str, date, Terms], frozenset[int]] = {}
        self._chains: OrderedDict[tuple[str, date, Terms, int, int], tuple[Contract, ...]] = OrderedDict()
        self._days: OrderedDict[tuple[str, date, Terms], tuple[Contract, ...]] = OrderedDict()
        for name in self.recorded:
            if name not in source.daily:
                raise ConfigurationError(
                    f"recorded options on {name}: the data has no prices of {name}. Add its bars, or remove the quotes"
                )

    # what is listed

    def has_options(self, underlying: str) -> bool:
        return underlying in self.source.daily and (underlying in self.recorded or ROOT.fullmatch(underlying) is not None)

    def underlyings(self) -> tuple[str, ...]:
        """Symbols that have options, sorted."""
        return tuple(symbol for symbol in self.source.symbols if self.has_options(symbol))

    def contracts(self, underlying: str, today: date) -> tuple[Contract, ...]:
        """Contracts listed on `today`, those that expire on it included, sorted by symbol; none for an unknown underlying."""
        key = (underlying, today, self._terms(underlying, today))
        if key not in self._days:
            if not self.has_options(underlying):
                return ()
            self._days[key] = tuple(sorted(self._contracts(underlying, today), key=lambda contract: contract.symbol))
            if len(self._days) > DAYS_KEPT:
                self._days.popitem(last=False)
        return self._days[key]

    def expired(self, underlying: str, today: date, since: date) -> tuple[Contract, ...]:
        """Contracts that expired from `since` on and before `today`, sorted by expiration and symbol."""
        if underlying in self.recorded:
            chain = [quotes.contract for quotes in self.recorded[underlying].values()]
            past = [contract for contract in chain if since <= contract.expiration < today]
        else:
            days = listing_dates.expirations_between(since, today)
            past = [contract for day in days if day < today for contract in self._of_expiration(underlying, day, day)]
        return tuple(sorted(past, key=lambda contract: (contract.expiration, contract.symbol)))

    def contract(self, symbol: str, today: date) -> Contract | None:
        """The contract of that symbol when it is listed on `today`, its expiration included; else None."""
        if symbol in self._underlying_of:
            quotes = self.recorded[self._underlying_of[symbol]][symbol]
            return quotes.contract if quotes.listed_since <= today <= quotes.contract.expiration else None
        try:
            said = occ.parse(symbol)
        except ValueError:
            return None
        if said.root in self.recorded or said.root not in self.source.daily or not self._is_listed(said, today):
            return None
        return next(c for c in self._of_expiration(said.root, said.expiration, today) if c.symbol == symbol)

    def contract_by_id(self, contract_id: str, today: date) -> Contract | None:
        """The contract of that asset id when it is listed on `today`; one that nobody has seen is searched for in every chain."""
        if contract_id in self._by_id:
            return self.contract(self._by_id[contract_id], today)
        every = (contract for underlying in self.underlyings() for contract in self.contracts(underlying, today))
        return next((contract for contract in every if contract.id == contract_id), None)

    def _contracts(self, underlying: str, today: date) -> list[Contract]:
        if underlying in self.recorded:
            chain = self.recorded[underlying].values()
            return [each.contract for each in chain if each.listed_since <= today <= each.contract.expiration]
        days = listing_dates.expirations(today)
        return [contract for day in days for contract in self._of_expiration(underlying, day, today)]

    def _is_listed(self, said: occ.Occ, today: date) -> bool:
        if not listing_dates.listed_since(said.expiration) <= today <= said.expiration:
            return False
        if not listing_dates.is_expiration(said.expiration):
            return False
        return int(said.strike / UNIT_USD) in self._strikes(said.root, said.expiration, today)

    def _of_expiration(self, underlying: str, expiration: date, today: date) -> tuple[Contract, ...]:
        span = self._span(underlying, expiration, today)
        if span is None:
            return ()
        key = (underlying, expiration, self._terms(underlying, today), *span)
        if key not in self._chains:
            strikes = [units * UNIT_USD for units in self._strikes(underlying, expiration, today)]
            said = [occ.Occ(underlying, expiration, type_, strike) for type_ in ("call", "put") for strike in strikes]
            self._chains[key] = tuple(contract_of(each) for each in said)
            self._by_id.update((each.id, each.symbol) for each in self._chains[key])
            if len(self._chains) > CHAINS_KEPT:
                self._chains.popitem(last=False)
        return self._chains[key]

    def _strikes(self, underlying: str, expiration: date, today: date) -> list[int]:
        """Strikes listed on `today` in units, ascending: those of the ladder, and what a split has made of those before it."""
        span = self._span(underlying, expiration, today)
        ladder = [] if span is None else listing_dates.strikes_between(*span).tolist()
        rewritten = self._rewritten_strikes(underlying, expiration, today)
        return sorted({*ladder, *rewritten}) if rewritten else ladder

    def _rewritten_strikes(self, underlying: str, expiration: date, today: date) -> frozenset[int]:
        """What the last split since the listing has made of the strikes that were listed on its eve."""
        splits = self.splits.between(underlying, listing_dates.listed_since(expiration), today)
        if not splits:
            return frozenset()
        key = (underlying, expiration, splits)
        if key not in self._rewritten:
            listed = self._strikes(underlying, expiration, splits[-1].ex_date - timedelta(days=1))
            after = [listing_dates.strike_after(units * UNIT_USD, splits[-1]) for units in listed]
            self._rewritten[key] = frozenset(int(strike / UNIT_USD) for strike in after if strike is not None)
        return self._rewritten[key]

    def before_split(self, contract: Contract, ratio: Fraction) -> Contract | None:
        """What a contract was before one share became `ratio`, to be priced by; None when no recorded chain has it."""
        units = round(contract.strike_units * ratio)
        if contract.underlying not in self.recorded:
            return replace(contract, strike=units * UNIT_USD, strike_units=units)
        wanted = (contract.type, contract.expiration, units)
        chain = (each.contract for each in self.recorded[contract.underlying].values())
        return next((was for was in chain if (was.type, was.expiration, was.strike_units) == wanted), None)

    def _span(self, underlying: str, expiration: date, today: date) -> tuple[int, int] | None:
        """Lowest and highest possible strike: from the close before the listing to the last one before `today`, and around.

        Between splits it only widens, so what is listed once stays. None before the listing, and without a close to list around.
        """
        since = listing_dates.listed_since(expiration)
        history = self._history(underlying, today)
        end = history.before(today)
        closes = history.closes[max(0, history.before(since) - 1) : end]
        if today < since or not len(closes):
            return None
        low = float(closes.min()) * listing_dates.LOWEST_STRIKE_OF_CLOSE
        return int(low), int(float(closes.max()) * listing_dates.HIGHEST_STRIKE_OF_CLOSE)

    # what it costs

    def path(self, contract: Contract, session: Session, underlying_path: SessionPath) -> SessionPath | None:
        """Quotes of a contract at the underlying's points of `session`; None after its expiration."""
        return self.paths((contract,), session, underlying_path)[0]

    def paths(self, contracts: Sequence[Contract], session: Session, underlying_path: SessionPath) -> list[SessionPath | None]:
        """The same of many contracts on one underlying at once, which costs little more than of one."""
        alive = [contract for contract in contracts if contract.expiration >= session.day]
        if not alive:
            return [None] * len(contracts)
        if alive[0].underlying in self.recorded:
            made = {each.symbol: self._recorded_path(each, session, underlying_path) for each in alive}
        else:
            made = self._modelled_paths(alive, session, underlying_path)
        return [made.get(contract.symbol) for contract in contracts]

    def quotes_at(self, contracts: Sequence[Contract], session: Session, underlying_path: SessionPath, index: int) -> list[Quote]:
        """Quotes of contracts on one underlying at one point of its path; none of them may have expired before `session`."""
        seconds, price = (column[index : index + 1] for column in (underlying_path.seconds, underlying_path.price))
        point = SessionPath(seconds, price, price, price, _no_bars)
        paths = self.paths(contracts, session, point)
        return [Quote(int(path.bid[0]), int(path.ask[0]), int(path.price[0])) for path in paths if path is not None]

    def so_far(
        self, contracts: Sequence[Contract], session: Session, underlying_path: SessionPath, elapsed_seconds: float
    ) -> dict[str, SoFar]:
        """What contracts on one underlying did in `session` until then, by symbol; only those that have traded."""
        alive = [contract for contract in contracts if contract.expiration >= session.day]
        if not alive:
            return {}
        if alive[0].underlying in self.recorded:
            paths = [self._recorded_path(each, session, underlying_path) for each in alive]
            found = [so_far(one_row(path.bars), elapsed_seconds)[0] for path in paths]
        else:
            _, _, last = self._modelled(alive, session, underlying_path)
            found = so_far(self._bars(alive, session, underlying_path, last), elapsed_seconds)
        return {contract.symbol: each for contract, each in zip(alive, found, strict=True) if each is not None}

    def _modelled_paths(
        self, contracts: Sequence[Contract], session: Session, underlying_path: SessionPath
    ) -> dict[str, SessionPath]:
        bid, ask, last = self._modelled(contracts, session, underlying_path)
        return {
            each.symbol: self._path_of(each, session, underlying_path, last[row], bid[row], ask[row])
            for row, each in enumerate(contracts)
        }

    def _modelled(
        self, contracts: Sequence[Contract], session: Session, underlying_path: SessionPath
    ) -> tuple[IntArray, IntArray, IntArray]:
        """Bid, ask and last of each contract at each point, shape (k, n)."""
        volatility = self.volatility(contracts[0].underlying, session.day)
        spot = underlying_path.price / UNITS_PER_DOLLAR
        left = np.array([[(each.expires_at - session.opens_at).total_seconds()] for each in contracts])
        years = np.maximum(left - underlying_path.seconds, 0.0) / SECONDS_OF_A_YEAR
        return surface.market(volatility, _calls(contracts), spot, _strikes(contracts), years)

    def _path_of(
        self, contract: Contract, session: Session, underlying_path: SessionPath, last: IntArray, bid: IntArray, ask: IntArray
    ) -> SessionPath:
        def bars() -> NativeBars:
            return self._bars((contract,), session, underlying_path, last[None]).row(0)

        return SessionPath(underlying_path.seconds, last, bid, ask, bars)

    def _bars(self, contracts: Sequence[Contract], session: Session, underlying_path: SessionPath, last: IntArray) -> ChainBars:
        volatility = self.volatility(contracts[0].underlying, session.day)
        return chain_bars(self.seed, contracts, session.day, underlying_path, last, volatility)

    def _recorded_path(self, contract: Contract, session: Session, underlying_path: SessionPath) -> SessionPath:
        """Recorded quotes as they hold at the underlying's points; before the first one there is no bid and no ask."""
        quotes = self.recorded[contract.underlying][contract.symbol]
        opened = int(session.opens_at.timestamp())
        place = np.searchsorted(quotes.at, opened + underlying_path.seconds, side="right") - 1
        known = place >= 0
        worth = np.maximum(contract.intrinsics(underlying_path.price), UNITS_PER_CENT)
        last = np.where(known, quotes.last()[place], worth // UNITS_PER_CENT * UNITS_PER_CENT)
        bid, ask = np.where(known, quotes.bid[place], 0), np.where(known, quotes.ask[place], 0)

        def bars() -> NativeBars:
            return quotes.bars(opened, int(underlying_path.seconds[-1]))

        return SessionPath(underlying_path.seconds, last, bid, ask, bars)

    # what it is like

    def volatility(self, underlying: str, day: date) -> Volatility:
        """The volatility that options are priced by on `day`, from the closes before it."""
        key = (underlying, day, self._terms(underlying, day))
        if key not in self._volatilities:
            history = self._history(underlying, day)
            self._volatilities[key] = surface.realised(history.closes[: history.before(day)] / UNITS_PER_DOLLAR)
        return self._volatilities[key]

    def greeks(self, contract: Contract, now: datetime, underlying_last: int, quote: Quote) -> Greeks | None:
        """Implied volatility and greeks of a quote; None without a bid, without time value (deep in the money), at expiry."""
        return self.many_greeks((contract,), now, underlying_last, (quote,))[0]

    def many_greeks(
        self, contracts: Sequence[Contract], now: datetime, underlying_last: int, quotes: Sequence[Quote]
    ) -> list[Greeks | None]:
        """The same of many contracts on one underlying at once. The volatility is the one that explains the quote's middle."""
        if not contracts:
            return []
        calls, strikes = _calls(contracts)[:, 0], _strikes(contracts)[:, 0]
        spot = underlying_last / UNITS_PER_DOLLAR
        years = np.array([(each.expires_at - now).total_seconds() for each in contracts]) / SECONDS_OF_A_YEAR
        middle = np.array([(quote.bid + quote.ask) / 2 for quote in quotes]) / UNITS_PER_DOLLAR
        sure = np.maximum(
            black_scholes.intrinsic(calls, spot, strikes), black_scholes.price(calls, spot, strikes, years, 0.0, RATE)
        )
        has_greeks = (years > 0) & np.array([quote.bid > 0 for quote in quotes]) & (middle - sure >= 0.01)
        implied = black_scholes.implied_volatility(calls, middle, spot, strikes, years, RATE)
        chosen = [self._recorded_iv(each, now, found) for each, found in zip(contracts, implied, strict=True)]
        has_greeks &= np.isfinite(chosen)
        safe = np.where(has_greeks, chosen, 1.0)
        found = black_scholes.greeks(calls, spot, strikes, np.where(has_greeks, years, 1.0), safe, RATE)
        columns = np.stack([safe, found.delta, found.gamma, found.theta, found.vega, found.rho], axis=1)
        made = [Greeks(*row) if good else None for row, good in zip(columns.tolist(), has_greeks, strict=True)]
        return [self._with_recorded_delta(each, now, greeks) for each, greeks in zip(contracts, made, strict=True)]

    def open_interest(self, contract: Contract, today: date) -> int:
        """Contracts outstanding as of the session before `today`."""
        return self.open_interests((contract,), today)[0]

    def open_interests(self, contracts: Sequence[Contract], today: date) -> list[int]:
        """The same of many contracts on one underlying at once."""
        if not contracts:
            return []
        underlying = contracts[0].underlying
        if underlying in self.recorded:
            return [self.recorded[underlying][contract.symbol].interest_before(today) for contract in contracts]
        history = self._history(underlying, today)
        end = history.before(today)
        if not end:
            return [0] * len(contracts)
        usual = float(history.volumes[max(0, end - USUAL_SESSIONS) : end].mean())
        volatility = self.volatility(underlying, today)
        return open_interests(self.seed, contracts, today, usual, int(history.closes[end - 1]), volatility)

    def _recorded_quotes(self, contract: Contract) -> RecordedQuotes | None:
        return self.recorded.get(contract.underlying, {}).get(contract.symbol)

    def _recorded_iv(self, contract: Contract, now: datetime, otherwise: float) -> float:
        """The file's volatility where it has one: a zero in such files means that none was found."""
        quotes = self._recorded_quotes(contract)
        place = None if quotes is None else quotes.latest(now.timestamp())
        if quotes is None or place is None or not quotes.iv[place] > 0:
            return float(otherwise)
        return float(quotes.iv[place])

    def _with_recorded_delta(self, contract: Contract, now: datetime, greeks: Greeks | None) -> Greeks | None:
        quotes = self._recorded_quotes(contract)
        place = None if quotes is None else quotes.latest(now.timestamp())
        if greeks is None or quotes is None or place is None or not np.isfinite(quotes.delta[place]):
            return greeks
        return replace(greeks, delta=float(quotes.delta[place]))

    def _terms(self, underlying: str, today: date) -> Terms:
        return self.splits.between(underlying, date.min, today)

    def _history(self, underlying: str, today: date) -> History:
        """The past as if the splits up to `today` had always been."""
        terms = self._terms(underlying, today)
        if (underlying, terms) not in self._histories:
            self._histories[underlying, terms] = history_of(self.source.daily[underlying], terms)
        return self._histories[underlying, terms]


def _no_bars() -> NativeBars:
    raise AssertionError("one point of a path has no bars")


def _calls(contracts: Sequence[Contract]) -> np.ndarray:
    return np.array([[contract.is_call] for contract in contracts])


def _strikes(contracts: Sequence[Contract]) -> Floats:
    return np.array([[contract.strike_units] for contract in contracts]) / UNITS_PER_DOLLAR
