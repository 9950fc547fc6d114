"""The exchange itself, without its wire: accounts, prices and one virtual time. Not thread-safe; one event loop owns it.

Virtual time moves by `advance` alone. Orders that arrive while the market is open are matched at once at the current price.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from desk.data.calendars import NEW_YORK, Session
from desk.data.source import Source
from desk.exchange.agenda import next_instant
from desk.exchange.config import ExchangeConfig
from desk.exchange.faults.machine_faults import MachineFaults
from desk.exchange.faults.plan import FaultPlan
from desk.exchange.machine.book import asset_id, is_option
from desk.exchange.machine.commands import Tick
from desk.exchange.machine.orders import Quote
from desk.exchange.market.corporate import CorporateActions, load_corporate_actions
from desk.exchange.market.options.board import OptionBoard
from desk.exchange.market.options.recorded import load_recorded_chains
from desk.exchange.market.prices import Market, Splits
from desk.exchange.market.sessions import EARLY_OPEN, Phase, SessionTable, new_york, nyse_sessions
from desk.exchange.opening import openings
from desk.exchange.rules.rejections import Rejection, unprocessable
from desk.exchange.trading_account import Account

INTRADAY_HISTORY = timedelta(days=366)


class Exchange:
    """Several accounts at one exchange. `advance` answers with a value or with a `Rejection`, never with an error."""

    config: ExchangeConfig
    now: datetime

    def __init__(self, config: ExchangeConfig, source: Source) -> None:
        self._source = source
        self.on_advance: list[Callable[[datetime, datetime], None]] = []
        self.faults = FaultPlan(config.seed)
        self.machine_faults = MachineFaults(self.faults, self._symbols_known)
        self.reset(config)

    def reset(self, config: ExchangeConfig | None = None) -> None:
        """Begin again with the same prices: time, accounts, faults and what follows from `config` as when just made."""
        source = self._source
        config = self.config if config is None else config
        start = config.start or source.sessions()[0]
        sessions: SessionTable = nyse_sessions(_days_needed(source.sessions(), start))
        opened_at = sessions.first_instant(start)
        market, board, actions = _prices(config, source, sessions)
        bought = [openings(account, market, opened_at) for account in config.all_accounts()]
        # What is refused has been by now, and nothing is changed then.
        self.config, self.sessions, self.opened_at = config, sessions, opened_at
        self.market, self.board, self.actions = market, board, actions
        self.now = self.opened_at
        self.faults.clear()
        self.halted: set[str] = set()
        self._halted_before: dict[str, None] = {}
        self.accounts: dict[str, Account] = {
            account.api_key: Account(self, account, number, bought[number])
            for number, account in enumerate(config.all_accounts())
        }

    @property
    def actions(self) -> CorporateActions:
        """What happens to stocks; positions, prices and listed options go by the same."""
        return self._actions

    @actions.setter
    def actions(self, actions: CorporateActions) -> None:
        self._actions = actions
        self.market.splits = self.board.splits = Splits(actions)

    @property
    def first(self) -> Account:
        """The account that the config itself describes."""
        return next(iter(self.accounts.values()))

    def account_of(self, key: object, secret: object) -> Account | None:
        """The account that both belong to. The comparison does not tell by its time how much was right."""
        if not isinstance(key, str) or not isinstance(secret, str):
            return None
        account = self.accounts.get(key)
        wanted = account.config.api_secret if account else ""
        is_right = hmac.compare_digest(secret.encode(), wanted.encode())
        return account if account is not None and wanted and is_right else None

    # time

    @property
    def phase(self) -> Phase:
        return self.sessions.phase(self.now)

    def advance(self, to: datetime) -> bool | Rejection:
        """Move to `to`, or to the first instant before it that sends a trade update. True when `to` was reached."""
        if to < self.now:
            return unprocessable(f"to {to.isoformat()} is before the clock's {self.now.isoformat()}; time only moves forward")
        if to >= self.sessions.end:
            return unprocessable(f"to {to.isoformat()} is beyond the data, which ends with {self.sessions.days[-1]}")
        before = self._events_emitted()
        self._resume_trading()
        while self._events_emitted() == before:
            session = self.sessions.current(self.now)
            instant = self._next_instant(session)
            if instant is None or instant > to:
                self._pass_time(to)
                self._follow_trails()
                return True
            self._pass_time(instant)
            self._reach(session)
        return self.now == to

    def _events_emitted(self) -> int:
        return sum(account.ledger.events_emitted for account in self.accounts.values())

    def _next_instant(self, session: Session | None) -> datetime | None:
        found = [next_instant(account.book, self.market, session, self.now) for account in self.accounts.values()]
        return min((each for each in (*found, self.machine_faults.next_change(self.now)) if each is not None), default=None)

    def next_due(self) -> datetime | None:
        """When the next of the things happens that were asked for and take a moment."""
        return min((timer.at for account in self.accounts.values() for timer in account.book.timers), default=None)

    def _pass_time(self, to: datetime) -> None:
        before, self.now = self.now, to
        for account in self.accounts.values():
            account.expose(before, to)
        for told in self.on_advance:
            told(before, to)

    def take_over(self, now: datetime) -> None:
        """Go on where a saved exchange stopped; its accounts have been put in place. What was halted then is looked at anew."""
        self.now = now
        self._halted_before = dict.fromkeys(symbol for account in self.accounts.values() for symbol in account.book.halted)
        for account in self.accounts.values():
            account.look_again()

    def _reach(self, session: Session | None) -> None:
        """Everything that happens at the present instant, to every account. `session` is open, closes, or is to come."""
        if session is not None and self.now == new_york(session.day, EARLY_OPEN):
            for account in self.accounts.values():
                account.begin_day(session.day)
        for account in self.accounts.values():
            account.tick(self.moment(account.symbols_asked_for(), account, reached=session))
            if session is not None:
                account.close_out(session, self.now == session.closes_at)

    def _resume_trading(self) -> None:
        """A halt that was lifted since the last look: what rested through it meets the market."""
        halted, before = self.halted_now(), self._halted_before
        self._halted_before = halted
        if before.keys() - halted.keys():
            for account in self.accounts.values():
                account.tick(self.moment(account.symbols_asked_for(), account))

    def _follow_trails(self) -> None:
        for account in self.accounts.values():
            symbols = account.trailing_symbols()
            if symbols:
                account.tick(self.moment(symbols, account))

    def moment(self, symbols: Iterable[str], account: Account, reached: Session | None = None) -> Tick:
        """The present with the quotes of `symbols` as far as they trade now.

        `reached` is the session that the clock looks after. The clock alone makes a session's open and its close: to a request
        the closing instant is after hours. Queued orders go to the venue at 04:00 New York, what came after that at the open.
        """
        session = self.sessions.open_at(self.now) if reached is None else self.sessions.open_or_closing_at(self.now)
        quotes = self._quotes(sorted(set(symbols)), session)
        is_early, is_open, is_close = (self.now == mark for mark in _marks(reached))
        ranges = account.ranges(self.now)
        return Tick(self.now, quotes, session is not None, is_open, is_close, is_early or is_open, ranges)

    def _quotes(self, symbols: Iterable[str], session: Session | None) -> dict[str, Quote]:
        if session is None and self.phase is Phase.NIGHT:
            return {}
        found: dict[str, Quote] = {}
        for symbol in symbols:
            if (session is None and is_option(symbol)) or (session is not None and not self.market.trades_in(symbol, session)):
                continue
            quote = self.market.quote(symbol, self.now)
            if quote is not None:
                found[symbol] = quote
        return found

    def _symbols_known(self) -> set[str]:
        """Stocks, and options that orders are for."""
        return {*self._source.symbols}.union(*(account.symbols_asked_for() for account in self.accounts.values()))

    def halted_now(self) -> dict[str, None]:
        """Symbols that do not trade at the present instant, in order."""
        return dict.fromkeys(sorted(self.halted | self.machine_faults.halted(self.now)))

    # instruments

    def contract(self, symbol: str) -> Any:
        """The option of that OCC symbol when it is listed now."""
        return self.market.contract(symbol, self.now)

    def asset(self, symbol: str) -> Any:
        """The instrument or the option contract of that symbol; None when there is none."""
        return self.contract(symbol) if is_option(symbol) else self.market.source.instruments.get(symbol)

    def symbol_of(self, given: str) -> str | None:
        """The stock or listed option with that asset id."""
        stocks = {asset_id(symbol): symbol for symbol in self.market.source.symbols}
        contract = self.board.contract_by_id(given.lower(), self.today) if given.lower() not in stocks else None
        return stocks.get(given.lower()) if contract is None else contract.symbol

    def is_tradable(self, symbol: str) -> bool:
        """Whether `symbol` has traded by now and will trade again."""
        if is_option(symbol):
            return self.contract(symbol) is not None
        session = self.sessions.current(self.now)
        if session is None or not self.market.has(symbol):
            return False
        days = self.market.daily(symbol).days
        return bool(days) and session.day <= days[-1] and self.market.last(symbol, self.now) is not None

    @property
    def today(self) -> date:
        return self.now.astimezone(NEW_YORK).date()


def _prices(config: ExchangeConfig, source: Source, sessions: SessionTable) -> tuple[Market, OptionBoard, CorporateActions]:
    """Stocks, options and what happens to both. Raises ConfigurationError for a file that is broken."""
    directory = None if config.source == "bundled" else Path(config.source)
    is_there = directory is not None and directory.is_dir()
    market = Market(source, sessions, config.seed, config.spread_bps)
    board = OptionBoard(source, config.seed, load_recorded_chains(directory) if directory and is_there else {})
    actions = load_corporate_actions(directory)
    market.board = board
    market.splits = Splits(actions)
    return market, board, actions


def _marks(session: Session | None) -> tuple[datetime | None, ...]:
    """04:00 New York, the open and the close of a session."""
    return (None,) * 3 if session is None else (new_york(session.day, EARLY_OPEN), session.opens_at, session.closes_at)


def _days_needed(days: tuple[date, ...], start: date) -> tuple[date, ...]:
    """Sessions from a year before the start: hours of older ones only intraday bars would need, and they take time to make."""
    if not days or start > days[-1]:
        return days
    return tuple(day for day in days if day >= start - INTRADAY_HISTORY)
