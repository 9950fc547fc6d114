"""The option board: contracts listed on a day and the paths of their quotes, from the model or from recorded chains.

Everything is a function of the source, its splits, the seed and the day. Nothing here knows a price of the underlying that is
later than what is asked about: strikes are listed around closes that were, volatility comes from the sessions before. Those
closes are as if the splits up to the day had always been.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from fractions import Fraction

import numpy as np

from desk.data.calendars import Session
from desk.data.source import Source
from desk.domain.errors import ConfigurationError
from desk.exchange.machine.orders import UNIT_USD, Quote
from desk.exchange.market.options import listing_dates, surface
from desk.exchange.market.options.contract import Contract
from desk.exchange.market.options.kept import Kept
from desk.exchange.market.options.listings import ROOT, Listings, Terms, is_listed
from desk.exchange.market.options.recorded import RecordedChain, RecordedQuotes
from desk.exchange.market.options.surface import RATE, Volatility
from desk.exchange.market.options.volume import SoFar, chain_bars, one_row, open_interests, so_far
from desk.exchange.market.path import UNITS_PER_CENT, UNITS_PER_DOLLAR, IntArray
from desk.exchange.market.prices import Splits
from desk.exchange.market.session_path import NativeBars, SessionPath
from desk.exchange.market.sessions import session_seconds
from options import black_scholes, occ
from options.black_scholes import Floats

SECONDS_OF_A_YEAR = 365.0 * 86_400
DAYS_KEPT, VOLATILITIES_KEPT, SESSIONS_KEPT = 256, 16_384, 512
USUAL_SESSIONS = 20


@dataclass(frozen=True, slots=True)
class Greeks:
    """Implied volatility (a fraction a year) and greeks of one contract, a share: per dollar, per calendar day, per point."""

    implied_volatility: float
    delta: float
    gamma: float
    theta: float
    vega: float
    rho: float


@dataclass(slots=True)
class _Ended:
    """What contracts did in the whole of a session of that path, by symbol and strike: a split can change what a symbol means."""

    path: SessionPath
    done: dict[tuple[str, int], SoFar | None] = field(default_factory=dict)


class OptionBoard:
    """Options on the symbols of a source. `recorded` chains replace the model for their underlyings.

    Raises ConfigurationError for a recorded chain whose underlying the source has no prices of.
    """

    def __init__(self, source: Source, seed: int, recorded: Mapping[str, RecordedChain] | None = None) -> None:
        self.source = source
        self.seed = seed
        self.listings = Listings(source)
        self.recorded = dict(recorded or {})
        self._underlying_of = {symbol: name for name, chain in self.recorded.items() for symbol in chain}
        self._by_id = {each.contract.id: symbol for chain in self.recorded.values() for symbol, each in chain.items()}
        # By splits too, which decide what a past close is on the day that asks.
        self._volatilities: Kept[tuple[str, date, Terms], Volatility] = Kept(VOLATILITIES_KEPT)
        self._days: Kept[tuple[str, date, Terms], tuple[Contract, ...]] = Kept(DAYS_KEPT)
        self._sessions: Kept[tuple[str, date, Terms], _Ended] = Kept(SESSIONS_KEPT)
        for name in self.recorded:
            if name not in source.daily:
                raise ConfigurationError(
                    f"recorded options on {name}: the data has no prices of {name}. Add its bars, or remove the quotes"
                )

    @property
    def splits(self) -> Splits:
        """Set by who knows of corporate actions."""
        return self.listings.splits

    @splits.setter
    def splits(self, splits: Splits) -> None:
        self.listings.splits = splits

    # what is listed

    def has_options(self, underlying: str) -> bool:
        return underlying in self.source.daily and (underlying in self.recorded or ROOT.fullmatch(underlying) is not None)

    def underlyings(self) -> tuple[str, ...]:
        """Symbols that have options, sorted."""
        return tuple(symbol for symbol in self.source.symbols if self.has_options(symbol))

    def contracts(self, underlying: str, today: date) -> tuple[Contract, ...]:
        """Contracts listed on `today`, those that expire on it included, sorted by symbol; none for an unknown underlying."""
        if not self.has_options(underlying):
            return ()
        key = (underlying, today, self.listings.terms(underlying, today))
        return self._days.get(key, lambda: tuple(self.some_contracts(underlying, today, None, lambda _: True)))

    def some_contracts(self, underlying: str, today: date, type: str | None, has_day: Callable[[date], bool]) -> list[Contract]:
        """Those of one type, None for both, whose expiration `has_day`; the model makes no others for that."""
        if not self.has_options(underlying):
            return []
        if underlying not in self.recorded:
            return self.listings.contracts(underlying, today, type, has_day)
        chain = [each.contract for each in self.recorded[underlying].values() if each.is_listed(today)]
        found = [each for each in chain if type in (None, each.type) and has_day(each.expiration)]
        return sorted(found, key=lambda contract: contract.symbol)

    def expired(self, underlying: str, today: date, since: date) -> tuple[Contract, ...]:
        """Contracts that expired from `since` on and before `today`, sorted by expiration and symbol."""
        if underlying in self.recorded:
            chain = [quotes.contract for quotes in self.recorded[underlying].values()]
            past = [contract for contract in chain if since <= contract.expiration < today]
        else:
            days = listing_dates.expirations_between(since, today)
            past = [contract for day in days if day < today for contract in self.listings.of_expiration(underlying, day)]
        return tuple(sorted(past, key=lambda contract: (contract.expiration, contract.symbol)))

    def contract(self, symbol: str, today: date) -> Contract | None:
        """The contract of that symbol when it is listed on `today`, its expiration included; else None."""
        if symbol in self._underlying_of:
            quotes = self.recorded[self._underlying_of[symbol]][symbol]
            return quotes.contract if quotes.is_listed(today) else None
        try:
            said = occ.parse(symbol)
        except ValueError:
            return None
        if said.root in self.recorded or said.root not in self.source.daily or not is_listed(said.expiration, today):
            return None
        return self.listings.chain(said.root, said.expiration, said.type, today).get(symbol)

    def contract_by_id(self, contract_id: str, today: date) -> Contract | None:
        """The contract of that asset id when it is listed on `today`; one that nobody has seen is searched for in every chain."""
        made = (each for chain in self.listings.chains_made() for each in chain.values())
        symbol = self._by_id.get(contract_id) or next((each.symbol for each in made if each.id == contract_id), None)
        if symbol is not None:
            return self.contract(symbol, today)
        every = (contract for underlying in self.underlyings() for contract in self.contracts(underlying, today))
        return next((contract for contract in every if contract.id == contract_id), None)

    def listed(self, contracts: Sequence[Contract], day: date) -> list[Contract]:
        """Those of contracts on one underlying that are listed on `day`."""
        if contracts and contracts[0].underlying not in self.recorded:
            return self.listings.listed(contracts[0].underlying, contracts, day)
        return [each for each in contracts if self.contract(each.symbol, day) is not None]

    def before_split(self, contract: Contract, ratio: Fraction) -> Contract | None:
        """What a contract was before one share became `ratio`, to be priced by; None when no recorded chain has it."""
        units = round(contract.strike_units * ratio)
        if contract.underlying not in self.recorded:
            return replace(contract, strike=units * UNIT_USD, strike_units=units)
        wanted = (contract.type, contract.expiration, units)
        chain = (each.contract for each in self.recorded[contract.underlying].values())
        return next((was for was in chain if (was.type, was.expiration, was.strike_units) == wanted), None)

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
        alive = [contract for contract in contracts if contract.expiration >= session.day]
        seconds, price = (column[index : index + 1] for column in (underlying_path.seconds, underlying_path.price))
        point = SessionPath(seconds, price, price, price, _no_bars)
        if not alive or alive[0].underlying in self.recorded:
            paths = (self._recorded_path(each, session, point) for each in alive)
            return [Quote(int(path.bid[0]), int(path.ask[0]), int(path.price[0])) for path in paths]
        columns = self._modelled(alive, session, point)
        return [Quote(*row) for row in zip(*(column[:, 0].tolist() for column in columns), strict=True)]

    def so_far(
        self, contracts: Sequence[Contract], session: Session, underlying_path: SessionPath, elapsed_seconds: float
    ) -> dict[str, SoFar]:
        """What contracts on one underlying did in `session` until then, by symbol; only those that have traded."""
        alive = [contract for contract in contracts if contract.expiration >= session.day]
        if not alive:
            return {}
        if alive[0].underlying in self.recorded:
            chain, opened = self.recorded[alive[0].underlying], int(session.opens_at.timestamp())
            bars = (chain[each.symbol].bars(opened, int(underlying_path.seconds[-1])) for each in alive)
            found = [so_far(one_row(each), elapsed_seconds)[0] for each in bars]
        elif elapsed_seconds >= session_seconds(session):
            found = self._ended(alive, session, underlying_path)
        else:
            found = self._done(alive, session, underlying_path, elapsed_seconds)
        return {contract.symbol: each for contract, each in zip(alive, found, strict=True) if each is not None}

    def _ended(self, contracts: Sequence[Contract], session: Session, underlying_path: SessionPath) -> list[SoFar | None]:
        """What modelled contracts did in the whole of a session, which never changes and is asked for all the next day."""
        underlying = contracts[0].underlying
        key = (underlying, session.day, self.listings.terms(underlying, session.day))
        known = self._sessions.get(key, lambda: _Ended(underlying_path))
        if known.path is not underlying_path:
            known.path, known.done = underlying_path, {}
        missing = [each for each in contracts if (each.symbol, each.strike_units) not in known.done]
        if missing:
            done = self._done(missing, session, underlying_path, float(session_seconds(session)))
            known.done.update(zip(((each.symbol, each.strike_units) for each in missing), done, strict=True))
        return [known.done[each.symbol, each.strike_units] for each in contracts]

    def _done(
        self, contracts: Sequence[Contract], session: Session, underlying_path: SessionPath, elapsed_seconds: float
    ) -> list[SoFar | None]:
        """What modelled contracts did until then; only what traded is priced."""
        price, seconds = underlying_path.price / UNITS_PER_DOLLAR, underlying_path.seconds
        volatility = self.volatility(contracts[0].underlying, session.day)
        calls, strikes, left = _calls(contracts)[:, 0], _strikes(contracts)[:, 0], _seconds_left(contracts, session.opens_at)

        def prices(row: IntArray, point: IntArray) -> IntArray:
            years = np.maximum(left[row] - seconds[point], 0.0) / SECONDS_OF_A_YEAR
            return surface.market(volatility, calls[row], price[point], strikes[row], years)[2]

        known = underlying_path.bars.completed(elapsed_seconds)
        bars = chain_bars(self.seed, contracts, session.day, underlying_path, prices, volatility, known)
        return so_far(bars, elapsed_seconds)

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
        left = _seconds_left(contracts, session.opens_at)[:, None]
        years = np.maximum(left - underlying_path.seconds, 0.0) / SECONDS_OF_A_YEAR
        return surface.market(volatility, _calls(contracts), spot, _strikes(contracts), years)

    def _path_of(
        self, contract: Contract, session: Session, underlying_path: SessionPath, last: IntArray, bid: IntArray, ask: IntArray
    ) -> SessionPath:
        def bars() -> NativeBars:
            volatility = self.volatility(contract.underlying, session.day)
            one = (contract,)
            return chain_bars(self.seed, one, session.day, underlying_path, lambda _, point: last[point], volatility).row(0)

        return SessionPath(underlying_path.seconds, last, bid, ask, bars)

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

        def realised() -> Volatility:
            history = self.listings.history(underlying, day)
            return surface.realised(history.closes[: history.before(day)] / UNITS_PER_DOLLAR)

        return self._volatilities.get((underlying, day, self.listings.terms(underlying, day)), realised)

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
        years = _seconds_left(contracts, now) / SECONDS_OF_A_YEAR
        middle = np.array([(quote.bid + quote.ask) / 2 for quote in quotes]) / UNITS_PER_DOLLAR
        sure = np.maximum(
            black_scholes.intrinsic(calls, spot, strikes), black_scholes.price(calls, spot, strikes, years, 0.0, RATE)
        )
        has_greeks = (years > 0) & np.array([quote.bid > 0 for quote in quotes]) & (middle - sure >= 0.01)
        implied = black_scholes.implied_volatility(calls, middle, spot, strikes, years, RATE)
        is_recorded = contracts[0].underlying in self.recorded
        if is_recorded:
            implied = np.array([self._recorded_iv(each, now, found) for each, found in zip(contracts, implied, strict=True)])
        has_greeks &= np.isfinite(implied)
        safe = np.where(has_greeks, implied, 1.0)
        found = black_scholes.greeks(calls, spot, strikes, np.where(has_greeks, years, 1.0), safe, RATE)
        columns = np.stack([safe, found.delta, found.gamma, found.theta, found.vega, found.rho], axis=1)
        made = [Greeks(*row) if good else None for row, good in zip(columns.tolist(), has_greeks.tolist(), strict=True)]
        if not is_recorded:
            return made
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
        history = self.listings.history(underlying, today)
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


def _no_bars() -> NativeBars:
    raise AssertionError("one point of a path has no bars")


def _calls(contracts: Sequence[Contract]) -> np.ndarray:
    return np.array([[contract.is_call] for contract in contracts])


def _strikes(contracts: Sequence[Contract]) -> Floats:
    return np.array([[contract.strike_units] for contract in contracts]) / UNITS_PER_DOLLAR


def _seconds_left(contracts: Sequence[Contract], at: datetime) -> Floats:
    return np.array([(each.expires_at - at).total_seconds() for each in contracts])
