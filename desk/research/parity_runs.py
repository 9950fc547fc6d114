"""One strategy run twice on the same prices and at the same stamps: by the backtester, and through the whole live path.

The prices are the built-in exchange's own. The live path trades them over HTTP and the stream; the backtester is given the bars,
quotes and trades that the same exchange, further in time, answers for the period: the bars for the strategy, the rest for its
orders. Both decide when a bar of the strategy has ended and never at the opening: there the live path sees the first trade, which
no bar can show before it is complete.

A second backtest has what `make backtest` has, bars alone and the slippage of the settings: it tells what these assume.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import requests

from desk.data.calendars import NEW_YORK, Session, next_session, session_on
from desk.data.intraday_feed import HOUR_SECONDS
from desk.data.source import OHLCV, Source
from desk.domain.errors import BrokerUnreachable, DeskError
from desk.domain.journal import Row
from desk.exchange.admin_client import AdminClient
from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess
from desk.journal.reader import JournalReader
from desk.runtime.build import hedge_rules
from desk.runtime.desk_backtest import backtest_desk
from desk.runtime.exchange_run import ExchangeRun
from desk.runtime.request import RunRequest
from desk.runtime.result import RunResult
from desk.runtime.run_folder import RunIdentity, create
from desk.runtime.strategy import DeskStrategy
from desk.settings.behaviour import Behaviour
from desk.settings.load import Settings
from hedging.rules import symbols as hedge_symbols

Told = Callable[[str], None]
Ask = Callable[..., Iterator[dict[str, Any]]]
Journaled = tuple[Row, ...]
# New York opens half an hour after a full hour of the clock, whatever its distance from UTC.
OPENING_PHASE = 1800
# Every strategy is shown so many bars live (desk.brokers.alpaca_intraday.BARS_SHOWN), of hours those of 58 sessions.
LEAD = timedelta(days=100)
PAGE_LINES, ANSWER_SECONDS = 10_000, 60.0


@dataclass(frozen=True, slots=True)
class Setting:
    """What is run on which prices. `data` None is the bundled history; `spread_bps` is the exchange's, bid to offer."""

    strategy: str
    strategy_class: type[DeskStrategy]
    settings: Settings
    source: Source
    start: date | None
    sessions: int
    data: Path | None = None
    seed: int = 1
    spread_bps: float = 2.0

    @property
    def bar_seconds(self) -> int:
        return self.strategy_class.bar_seconds or HOUR_SECONDS

    @property
    def assumed_bps(self) -> float:
        """How far prices of a fill on bars may be apart: the assumed slippage, and the exchange's spread from its middle."""
        return self.settings.behaviour.slippage_bps + self.spread_bps / 2

    @property
    def first_end_seconds(self) -> int:
        """When the first bar of a session ends, from its opening on: a whole bar, less where the data counts by the clock."""
        phases = Counter(phase for frame in self.source.intraday.values() for phase in _phases(frame, self.bar_seconds))
        return (
            (phases.most_common(1)[0][0] - OPENING_PHASE) % self.bar_seconds or self.bar_seconds if phases else self.bar_seconds
        )


@dataclass(frozen=True, slots=True)
class BothRuns:
    """The journals of the runs, over the same `sessions` and `symbols`, and the `bars` by symbol that they saw.

    `assumed` is that of a backtest on these bars alone, with the slippage of the settings.
    """

    sessions: tuple[date, ...]
    symbols: tuple[str, ...]
    backtest: tuple[Row, ...]
    live: tuple[Row, ...]
    assumed: tuple[Row, ...]
    bars: Mapping[str, pd.DataFrame]


def run_both(setting: Setting, say: Told = lambda text: None) -> BothRuns:
    """Run the live path, then the backtests. Raises ConfigurationError for dates without data, and what a run raises."""
    with TemporaryDirectory(prefix="parity-") as place:
        run = _live_run(setting, Path(place))
        sessions, universe = run.sessions(), run.universe()
        seen = tuple(dict.fromkeys((*universe, *_watched(setting))))
        say(f"asking the exchange for bars, quotes and trades of {len(sessions)} sessions")
        source = _as_told(setting, seen, sessions, Path(place))
        say("through the live path: the exchange's HTTP and stream")
        live = _played(run)
    say("through the backtester")
    days = tuple(session.day for session in sessions)
    exact, assumed = backtests(setting, source, universe, days)
    return BothRuns(days, universe, exact, live, assumed, source.intraday)


def backtests(setting: Setting, source: Source, universe: tuple[str, ...], days: Sequence[date]) -> tuple[Journaled, Journaled]:
    """The journals of the backtest on the ticks of `source`, and of the one on its bars at the assumed slippage."""
    behaviour = _without_fees(setting).behaviour
    # A quote has its half of the spread already, and stops meet the next price, so nothing else is lost.
    free = behaviour.model_copy(update={"slippage_bps": 0.0, "stop_slippage_bps": 0.0})
    on_bars = replace(source, ticks=MappingProxyType({}))
    return _backtest(setting, free, source, universe, days), _backtest(setting, behaviour, on_bars, universe, days)


def _backtest(
    setting: Setting, behaviour: Behaviour, source: Source, universe: tuple[str, ...], days: Sequence[date]
) -> Journaled:
    strategy_class = at_bar_ends(setting.strategy_class, setting.bar_seconds, setting.first_end_seconds)
    done = backtest_desk(strategy_class, behaviour, source, universe, days[0], days[-1], name=setting.strategy)
    return tuple(done.journal.rows())


def _without_fees(setting: Setting) -> Settings:
    """For all runs: the exchange charges no fee, and a strategy may reckon with the one in the settings."""
    return replace(setting.settings, behaviour=setting.settings.behaviour.model_copy(update={"fee_bps": 0.0}))


# ---- the same stamps -------------------------------------------------------------------------------------------------------


def at_bar_ends(strategy_class: type[DeskStrategy], bar_seconds: int, first_end_seconds: int) -> type[DeskStrategy]:
    """The strategy, asked when a bar has ended, the first so long after the opening: on both sides, and only then."""

    def initialize(self: DeskStrategy, *_: Any, **__: Any) -> None:
        strategy_class.initialize(self)
        if not self.is_backtesting:
            executor: Any = self._executor
            executor.cron_count_target = 1
            executor.calculate_strategy_trigger = lambda *_, **__: BarEnds(bar_seconds, first_end_seconds)

    def on_trading_iteration(self: DeskStrategy) -> None:
        now = self.get_datetime()
        session = session_on(now.date())
        if session is not None and now > session.opens_at:
            strategy_class.on_trading_iteration(self)

    body = {"bar_seconds": bar_seconds, "initialize": initialize, "on_trading_iteration": on_trading_iteration}
    return type(strategy_class.__name__, (strategy_class,), {"__module__": strategy_class.__module__, **body})


class BarEnds:
    """A trigger, as Lumibot's scheduler asks one, that fires whenever a bar has ended inside a session."""

    def __init__(self, bar_seconds: int, first_end_seconds: int) -> None:
        self._step, self._first = timedelta(seconds=bar_seconds), timedelta(seconds=first_end_seconds)

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        """The first end of a bar at or after `now` (aware), its session's close left out."""
        day = now.astimezone(NEW_YORK).date()
        session = session_on(day) or next_session(day)
        later = max(0, -(-(now - session.opens_at - self._first) // self._step))
        moment = session.opens_at + self._first + later * self._step
        return moment if moment < session.closes_at else next_session(session.day).opens_at + self._first


def _phases(frame: pd.DataFrame, bar_seconds: int) -> list[int]:
    """By how much each bar of a frame begins after a whole number of `bar_seconds`; none where its bars have another length."""
    starts = pd.DatetimeIndex(frame.index).as_unit("s").asi8
    gaps, counts = np.unique(np.diff(starts), return_counts=True)
    return (starts % bar_seconds).tolist() if len(gaps) and gaps[counts.argmax()] == bar_seconds else []


# ---- the live path ---------------------------------------------------------------------------------------------------------


def _live_run(setting: Setting, place: Path) -> ExchangeRun:
    request = RunRequest(
        strategy=setting.strategy,
        settings=_without_fees(setting),
        runs=place,
        start=setting.start,
        sessions=setting.sessions,
        seed=setting.seed,
        data=setting.data,
    )
    start = None if setting.start is None else setting.start.isoformat()
    identity = RunIdentity(setting.strategy, "exchange", _name(setting), start, setting.sessions, setting.seed)

    def certain(admin: AdminClient) -> None:
        # Chance fills one order in ten in part only, as Alpaca's paper account does, and no bar can tell of it.
        admin.reset(partial_fill_probability=0.0, spread_bps=setting.spread_bps)

    return ExchangeRun(
        request,
        at_bar_ends(setting.strategy_class, setting.bar_seconds, setting.first_end_seconds),
        setting.source,
        create(place, "live", identity),
        on_exchange=certain,
    )


def _played(run: ExchangeRun) -> tuple[Row, ...]:
    result: RunResult = run.run()
    if result.error is not None:
        raise result.error
    if result.stopped:
        raise DeskError("the live path was stopped before its last session; nothing is compared")
    with closing(JournalReader(run.folder.journal)) as reader:
        return tuple(stored.row() for stored in reader.rows())


# ---- what the exchange tells ---------------------------------------------------------------------------------------------------


def _as_told(setting: Setting, symbols: Sequence[str], sessions: Sequence[Session], place: Path) -> Source:
    """The source with the bars that the exchange answers for the period and for what is shown before it, and with the ticks."""
    first, last = sessions[0], sessions[-1]
    config = ExchangeConfig(_name(setting), last.day, seed=setting.seed, spread_bps=setting.spread_bps)
    with ExchangeProcess(config, place / "bars.log") as exchange:
        while not exchange.admin.advance(last.closes_at).reached:
            pass
        with _session(exchange) as session:
            ask = partial(_listed, session, f"{exchange.url}/v2/stocks")
            # A stock that is not listed yet has none, and stays in the universe.
            bars = {symbol: _bars(ask, symbol, first.opens_at - LEAD, last.closes_at) for symbol in symbols}
            ticks = {symbol: _ticks(ask, symbol, first.opens_at, last.closes_at) for symbol in symbols}
    known = {symbol: frame for symbol, frame in ticks.items() if len(frame)}
    return replace(setting.source, intraday=MappingProxyType(bars), ticks=MappingProxyType(known))


def _bars(ask: Ask, symbol: str, start: datetime, end: datetime) -> pd.DataFrame:
    """The finest bars that there are: of minutes, unless the data has longer ones."""
    bars = list(ask(symbol, "bars", start, end, timeframe="1Min"))
    return pd.DataFrame({name: [float(bar[name[0]]) for bar in bars] for name in OHLCV}, index=_times(bars))


def _ticks(ask: Ask, symbol: str, start: datetime, end: datetime) -> pd.DataFrame:
    """Every trade beside the quote of its moment: the exchange tells one of each whenever a price changes."""
    trades, quotes = list(ask(symbol, "trades", start, end)), list(ask(symbol, "quotes", start, end))
    last = pd.Series([float(trade["p"]) for trade in trades], index=_times(trades), dtype=np.float64)
    sides = {name: [float(quote[key]) for quote in quotes] for name, key in (("bid", "bp"), ("ask", "ap"))}
    return pd.DataFrame(sides, index=_times(quotes), dtype=np.float64).assign(last=last).dropna()


def _times(listed: Sequence[Mapping[str, Any]]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(pd.to_datetime([each["t"] for each in listed], format="ISO8601", utc=True))


def _listed(
    session: requests.Session, stocks_url: str, symbol: str, kind: str, start: datetime, end: datetime, **more: str
) -> Iterator[dict[str, Any]]:
    """All of `kind` (bars, trades, quotes) from `start` to `end`, page after page."""
    url = f"{stocks_url}/{symbol}/{kind}"
    asked: dict[str, str | int] = {"feed": "iex", "limit": PAGE_LINES, "start": start.isoformat(), "end": end.isoformat(), **more}
    while True:
        answer = session.get(url, params=asked, timeout=ANSWER_SECONDS)
        if answer.status_code != 200:
            raise BrokerUnreachable(f"the exchange refused {url}: {answer.text}")
        said = answer.json()
        yield from said[kind] or ()
        if not said["next_page_token"]:
            return
        asked["page_token"] = said["next_page_token"]


@contextmanager
def _session(exchange: ExchangeProcess) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False  # a proxy has no business between us and loopback
        session.headers.update({"APCA-API-KEY-ID": exchange.api_key, "APCA-API-SECRET-KEY": exchange.api_secret})
        yield session


def _name(setting: Setting) -> str:
    return "bundled" if setting.data is None else str(setting.data.resolve())


def _watched(setting: Setting) -> tuple[str, ...]:
    behaviour = setting.settings.behaviour
    rules = hedge_rules(behaviour, behaviour.sentiment_symbols.exchange)
    return tuple(symbol for symbol in hedge_symbols(rules) if symbol in setting.source.daily) if rules.is_on else ()
