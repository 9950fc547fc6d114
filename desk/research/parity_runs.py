"""One strategy run twice on the same prices and at the same stamps: by the backtester, and through the whole live path.

The prices are the built-in exchange's own. The live path trades them over HTTP and the stream; the backtester is given the minute
bars that the same exchange, further in time, answers for the period. Both decide when a bar of the strategy has ended and never
at the opening: there the live path sees the first trade, which no bar can show before it is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

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
from desk.settings.load import Settings
from hedging.rules import symbols as hedge_symbols

Told = Callable[[str], None]
# Every strategy is shown so many bars live (desk.brokers.alpaca_intraday.BARS_SHOWN), of hours those of 58 sessions.
LEAD = timedelta(days=100)
PAGE_BARS, ANSWER_SECONDS = 10_000, 60.0


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
    def tolerance_bps(self) -> float:
        """How far prices of a fill may be apart: the backtest's slippage, and the exchange's spread from its middle."""
        return self.settings.behaviour.slippage_bps + self.spread_bps / 2


@dataclass(frozen=True, slots=True)
class BothRuns:
    """The journals of both runs, over the same `sessions` and `symbols`, and the minute `bars` that the backtest filled on."""

    sessions: tuple[date, ...]
    symbols: tuple[str, ...]
    backtest: tuple[Row, ...]
    live: tuple[Row, ...]
    bars: Mapping[str, pd.DataFrame]


def run_both(setting: Setting, say: Told = lambda text: None) -> BothRuns:
    """Run the live path, then the backtest. Raises ConfigurationError for dates without data, and what a run raises."""
    with TemporaryDirectory(prefix="parity-") as place:
        run = _live_run(setting, Path(place))
        sessions, universe = run.sessions(), run.universe()
        seen = tuple(dict.fromkeys((*universe, *_watched(setting))))
        say(f"asking the exchange for the bars of {len(sessions)} sessions")
        source = _with_bars(setting, seen, sessions, Path(place))
        say("through the live path: the exchange's HTTP and stream")
        live = _played(run)
    say("through the backtester")
    done = backtest_desk(
        at_bar_ends(setting.strategy_class, setting.bar_seconds),
        _without_fees(setting).behaviour,
        source,
        universe,
        sessions[0].day,
        sessions[-1].day,
        name=setting.strategy,
    )
    return BothRuns(tuple(session.day for session in sessions), universe, tuple(done.journal.rows()), live, source.intraday)


def _without_fees(setting: Setting) -> Settings:
    """For both runs: the exchange charges no fee, and a strategy may reckon with the one in the settings."""
    return replace(setting.settings, behaviour=setting.settings.behaviour.model_copy(update={"fee_bps": 0.0}))


# ---- the same stamps -------------------------------------------------------------------------------------------------------


def at_bar_ends(strategy_class: type[DeskStrategy], bar_seconds: int) -> type[DeskStrategy]:
    """The strategy, asked when a bar of `bar_seconds`, counted from the opening, has ended: here and there, and only then."""

    def initialize(self: DeskStrategy, *_: Any, **__: Any) -> None:
        strategy_class.initialize(self)
        if not self.is_backtesting:
            executor: Any = self._executor
            executor.cron_count_target = 1
            executor.calculate_strategy_trigger = lambda *_, **__: BarEnds(bar_seconds)

    def on_trading_iteration(self: DeskStrategy) -> None:
        now = self.get_datetime()
        session = session_on(now.date())
        if session is not None and now > session.opens_at:
            strategy_class.on_trading_iteration(self)

    body = {"bar_seconds": bar_seconds, "initialize": initialize, "on_trading_iteration": on_trading_iteration}
    return type(strategy_class.__name__, (strategy_class,), {"__module__": strategy_class.__module__, **body})


class BarEnds:
    """A trigger, as Lumibot's scheduler asks one, that fires whenever a bar has ended inside a session."""

    def __init__(self, bar_seconds: int) -> None:
        self._step = timedelta(seconds=bar_seconds)

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        """The first end of a bar at or after `now` (aware), its session's close left out."""
        day = now.astimezone(NEW_YORK).date()
        session = session_on(day) or next_session(day)
        ended = max(1, -(-(now - session.opens_at) // self._step))
        moment = session.opens_at + ended * self._step
        return moment if moment < session.closes_at else next_session(session.day).opens_at + self._step


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
        at_bar_ends(setting.strategy_class, setting.bar_seconds),
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


# ---- the exchange's own bars ---------------------------------------------------------------------------------------------------


def _with_bars(setting: Setting, symbols: Sequence[str], sessions: Sequence[Session], place: Path) -> Source:
    """The source with the minute bars that the exchange answers for the period and for what is shown before it."""
    last = sessions[-1]
    config = ExchangeConfig(_name(setting), last.day, seed=setting.seed, spread_bps=setting.spread_bps)
    with ExchangeProcess(config, place / "bars.log") as exchange:
        while not exchange.admin.advance(last.closes_at).reached:
            pass
        frames = dict(_minutes(exchange, symbols, sessions[0].opens_at - LEAD, last.closes_at))
    return replace(setting.source, intraday=MappingProxyType(frames))


def _minutes(exchange: ExchangeProcess, symbols: Sequence[str], start: datetime, end: datetime) -> Iterator[tuple[str, Any]]:
    with _session(exchange) as session:
        for symbol in symbols:
            # A stock that is not listed yet has none, and stays in the universe.
            bars = list(_bars(session, f"{exchange.url}/v2/stocks/{symbol}/bars", start, end))
            index = pd.to_datetime([bar["t"] for bar in bars], utc=True)
            yield symbol, pd.DataFrame({name: [float(bar[name[0]]) for bar in bars] for name in OHLCV}, index=index)


def _bars(session: requests.Session, url: str, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
    """Every bar of a minute that opens from `start` until before `end`, page after page."""
    asked: dict[str, str | int] = {"timeframe": "1Min", "feed": "iex", "limit": PAGE_BARS}
    asked |= {"start": start.isoformat(), "end": end.isoformat()}
    while True:
        answer = session.get(url, params=asked, timeout=ANSWER_SECONDS)
        if answer.status_code != 200:
            raise BrokerUnreachable(f"the exchange refused {url}: {answer.text}")
        said = answer.json()
        yield from said["bars"] or ()
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
