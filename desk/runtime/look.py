"""One look at a run's account: its journal, the market and the broker, all of it only read.

The journal is copied into memory and brought to the broker's truth, as at a start. A desk over that copy rehearses: it plans,
journals and sends as ever, into a list. So what a person is told is what the desk itself would do, and nothing of it leaves the
machine.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

from alpaca.common.exceptions import APIError
from alpaca.data.requests import StockLatestTradeRequest

from desk.brokers.alpaca_clients import stock_data_client, trading_client
from desk.brokers.alpaca_market import AlpacaMarketFeed
from desk.brokers.endpoint import Endpoint
from desk.brokers.intake import Intake
from desk.brokers.resync import LOST_AFTER, Resync
from desk.core.ports import Clock
from desk.data.bundled import load_bundled
from desk.data.calendars import next_session, previous_session, session_on
from desk.data.directory import load_directory
from desk.domain.breaks import Break
from desk.domain.decisions import Mode, Signal, Target
from desk.domain.errors import BrokerUnreachable, Refused, UsageError
from desk.domain.market import Market
from desk.domain.steps import Step, Submit
from desk.domain.trades import Account, Book, Trade
from desk.exchange.config import Holdings, holdings_of
from desk.exchange.process import ExchangeProcess
from desk.journal.lease import LeaseState
from desk.journal.memory import MemoryJournal
from desk.journal.reader import JournalReader
from desk.runtime.account import broker_account, broker_view
from desk.runtime.adoption import BACK, _statuses
from desk.runtime.alpaca_run import SILENT_AT_MOST, account_number
from desk.runtime.build import NEW_YORK, hedge_rules, limits_of, market_hours, rules_of
from desk.runtime.clock import SystemClock, VirtualClock
from desk.runtime.desk import Desk
from desk.runtime.exchange_run import ExchangeRun
from desk.runtime.live_executor import SILENCE
from desk.runtime.past import Past
from desk.runtime.plugins import load_strategy
from desk.runtime.request import RunRequest
from desk.runtime.run_folder import RunFolder, RunIdentity
from desk.runtime.strategy import DeskStrategy
from desk.settings.load import Settings
from hedging.rules import HedgeRules


class Idle(DeskStrategy):
    """Wants nothing: for those who need a desk at a broker and no strategy."""

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        return ()

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        return ()


class Notebook:
    """Implements `desk.core.ports.Gateway`: keeps the steps that it is given, and sends none."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def send(self, step: Step) -> None:
        self.steps.append(step)


class LastTrades:
    """A market data client whose quotes are the last trades: while the market is closed, bids and offers say nothing."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.get_stock_bars = client.get_stock_bars
        self.get_stock_latest_trade = client.get_stock_latest_trade

    def get_stock_latest_quote(self, request: Any) -> dict[str, Any]:
        wanted = StockLatestTradeRequest(symbol_or_symbols=request.symbol_or_symbols, feed=request.feed)
        return {
            symbol: SimpleNamespace(bid_price=trade.price, ask_price=trade.price, timestamp=trade.timestamp)
            for symbol, trade in self._client.get_stock_latest_trade(wanted).items()
        }


@dataclass(frozen=True)
class Look:
    """What one look found. `desk` rehearses on a copy of the journal, and `notebook` has what it would have sent.

    `mode` is the journal's, `account` the broker's word, `ended` are trades that ended since the journal's last row, `breaks` is
    how account and book differ then. `writer` is the lease of the process that trades the run, None when none does. `close` is
    the close whose last trades are the prices, None while the market is open.
    """

    folder: RunFolder
    identity: RunIdentity
    settings: Settings
    endpoint: Endpoint
    clock: Clock
    reader: JournalReader
    nonce: str
    desk: Desk
    notebook: Notebook
    mode: Mode
    account: Account
    ended: tuple[Trade, ...]
    breaks: tuple[Break, ...]
    writer: LeaseState | None
    close: datetime | None

    @property
    def api(self) -> Any:
        return trading_client(self.endpoint)

    @property
    def trade_date(self) -> date:
        """The day on which an order of now would fill."""
        now = self.clock.now()
        session = session_on(now.astimezone(NEW_YORK).date())
        return (
            session.day if session is not None and now < session.closes_at else next_session(now.astimezone(NEW_YORK).date()).day
        )

    def market(self, symbols: Sequence[str]) -> Market:
        """What is known of these symbols: quotes while the market is open, else the last trades before its close.

        Raises BrokerUnreachable when there is no answer.
        """
        client = stock_data_client(self.endpoint)
        feed = (
            AlpacaMarketFeed(client, self.clock)
            if self.close is None
            else AlpacaMarketFeed(LastTrades(client), VirtualClock(self.close))
        )
        with answered():
            return feed.observe(tuple(dict.fromkeys(symbols)))

    @property
    def rules(self) -> HedgeRules:
        """Rules of the hedge, also when the settings switch it off."""
        behaviour = self.settings.behaviour
        names = behaviour.sentiment_symbols
        return hedge_rules(
            behaviour.model_copy(update={"hedging": True}), names.alpaca if self.identity.broker == "alpaca" else names.exchange
        )

    @property
    def why_no_hedge(self) -> str | None:
        """Why the desk of this run does not hedge at all, None when it does."""
        if not self.settings.behaviour.hedging:
            return "hedging is off in the settings (hedging: false)"
        name = self.identity.strategy
        try:
            strategy = load_strategy(name)
        except UsageError as error:
            return f"its strategy cannot be asked: {error}"
        does = issubclass(strategy, DeskStrategy) and strategy.hedge is not DeskStrategy.hedge
        return None if does else f"the strategy {name} does not hedge"


@contextmanager
def answered(sent: str = "Nothing was sent") -> Iterator[None]:
    """Raises BrokerUnreachable for a broker that does not answer, or refuses; `sent` says what went out before."""
    try:
        yield
    except BrokerUnreachable:
        raise
    except SILENCE as error:
        told = f"HTTP {error.status_code}: {error.message}" if isinstance(error, APIError) else type(error).__name__
        raise BrokerUnreachable(
            f"the broker did not answer what this command has to know ({told}); try again in a minute. {sent}; exits that rest "
            "at the broker stay in force"
        ) from None


@contextmanager
def look_at(folder: RunFolder, settings: Settings, alpaca: Callable[[Settings], tuple[Endpoint, Clock]]) -> Iterator[Look]:
    """Look at the account of a run; `alpaca` tells, for runs there, where it is and its time.

    Works while a run at Alpaca trades. Raises Refused while one on the exchange does, UsageError for keys of another account,
    BrokerUnreachable when there is no answer, ReconciliationBreak for a journal that cannot be read.
    """
    identity = folder.identity()
    with ExitStack() as stack:
        if identity.broker == "exchange":
            reader, endpoint, clock = _exchange(stack, folder, identity, settings)
        else:
            reader = _reader(stack, folder, settings)
            endpoint, clock = alpaca(settings)
            check_keys(folder, identity, endpoint)
        yield _looked(folder, identity, settings, endpoint, clock, reader)


def check_keys(folder: RunFolder, identity: RunIdentity, endpoint: Endpoint) -> str:
    """Number of the account behind the keys. Raises UsageError when it is not the run's."""
    found = account_number(endpoint)
    if identity.account not in (None, found):
        raise UsageError(
            f"--run {folder.path}: that run trades account {identity.account}, the keys belong to {found}; set the keys of the "
            "run's account"
        )
    return found


def _reader(stack: ExitStack, folder: RunFolder, settings: Settings) -> JournalReader:
    return stack.enter_context(closing(JournalReader(folder.journal_with(settings.journal_url))))


def _looked(
    folder: RunFolder, identity: RunIdentity, settings: Settings, endpoint: Endpoint, clock: Clock, reader: JournalReader
) -> Look:
    desk, notebook = recovered(reader, settings, clock), Notebook()
    now, lease, before, mode = clock.now(), reader.lease(), desk.book, desk.mode
    api = trading_client(endpoint)
    with answered():
        _catch_up(desk, api, clock)
        # As a start does too: what is somebody else's is known from here on, and may be taken over.
        breaks = desk.compare(broker_view(api, unheard_since(desk.past) or now, desk.member_of, {}), None)
        account = broker_account(api)
    desk.send_through(notebook)
    return Look(
        folder,
        identity,
        settings,
        endpoint,
        clock,
        reader,
        reader.nonce,
        desk,
        notebook,
        mode,
        account,
        tuple(trade for trade in desk.book.closed if trade.key in before.open),
        breaks,
        lease if lease is not None and lease.binds(SystemClock().now()) else None,
        None if market_hours(now) is not None else _last_close(now),
    )


def recovered(reader: JournalReader, settings: Settings, clock: Clock) -> Desk:
    """A desk over a copy of a journal in memory, as it would be after a restart. Without a gateway it sends nothing."""
    journal = MemoryJournal(reader.nonce)
    journal.append([stored.row() for stored in reader.rows()])
    behaviour = settings.behaviour
    desk = Desk(journal, clock, limits_of(behaviour, behaviour.confidence_gate == "enforce"), rules_of(behaviour))
    desk.recover()
    return desk


def _catch_up(desk: Desk, api: Any, clock: Clock) -> None:
    """Book what happened to the desk's own orders since, as `desk.runtime.adoption.adopt` does: it asks, and changes nothing."""
    intake, book = Intake(desk, lambda event: None), desk.book
    for trade in book.open.values():
        for key in (trade.key, *trade.covers):
            step = desk.step(key)
            if isinstance(step, Submit) and not desk.is_over(key):
                intake.resume(step.spec, trade.decided_at, _statuses(trade, key))
    spreads = desk.spreads
    for spread in spreads.open.values():
        for each in spread.working:
            intake.resume(each.spec, each.sent_at, dict(each.statuses))
    intake.take_as_booked({**book.filled, **spreads.filled})
    last = desk.past.last_at
    Resync(api, intake, desk, clock).run(LOST_AFTER, None if last is None else last - BACK)


def unheard_since(past: Past) -> datetime | None:
    """From when on the journal may lack executions; None for an empty one."""
    return None if past.first_at is None or past.last_at is None else max(past.first_at, past.last_at - SILENT_AT_MOST)


def _last_close(now: datetime) -> datetime:
    today = now.astimezone(NEW_YORK).date()
    session = session_on(today)
    return session.closes_at if session is not None and session.closes_at <= now else previous_session(today).closes_at


# ---- a run on the built-in exchange ----------------------------------------------------------------------------------------


def _exchange(
    stack: ExitStack, folder: RunFolder, identity: RunIdentity, settings: Settings
) -> tuple[JournalReader, Endpoint, Clock]:
    """The run's exchange as it stood when the run ended, in a process of its own over a copy of its state."""
    beside = Path(stack.enter_context(TemporaryDirectory()))
    state = beside / folder.exchange_state.name
    with _stands_still(folder):
        reader = _reader(stack, folder, settings)
        if folder.exchange_state.is_file():
            shutil.copyfile(folder.exchange_state, state)
    run = ExchangeRun(
        _request(folder, identity, settings),
        Idle,
        load_bundled() if _is_bundled(identity) else load_directory(_data(identity)),
        folder,
    )
    config = replace(run._exchange_config(run.sessions()[0].day), state_file=state, access_log=None, port=0)
    config = replace(config, holdings=_began_with(state, config.holdings))
    exchange = stack.enter_context(ExchangeProcess(config, beside / folder.exchange_log.name))
    stack.callback(exchange.admin.close)
    now = datetime.fromisoformat(exchange.admin.status()["now"].replace("Z", "+00:00"))
    endpoint = Endpoint(exchange.api_key, exchange.api_secret, True, exchange.url, exchange.url, exchange.stream_url)
    return reader, endpoint, VirtualClock(now)


def _began_with(state: Path, now: Holdings) -> Holdings:
    """Holdings as a saved exchange has them from its beginning: settings that changed since say nothing about its account."""
    if not state.is_file():
        return now
    try:
        return holdings_of(json.loads(state.read_bytes())["config"]["accounts"][0]["holdings"])
    except (ValueError, LookupError, TypeError):
        return now  # the exchange says what is wrong with its file


def _is_bundled(identity: RunIdentity) -> bool:
    return identity.source == "bundled"


def _data(identity: RunIdentity) -> Path:
    return Path(identity.source)


@contextmanager
def _stands_still(folder: RunFolder) -> Iterator[None]:
    """Nobody trades the run while its state is copied."""
    with ExitStack() as stack:
        try:
            stack.enter_context(folder.locked())
        except Refused:
            raise Refused(
                f"{folder.path}: a process plays this run, and its exchange is that process's own; stop it first (Ctrl-C) and "
                "look then. `desk positions` and `desk status` tell about it meanwhile"
            ) from None
        yield


def _request(folder: RunFolder, identity: RunIdentity, settings: Settings) -> RunRequest:
    return RunRequest(
        identity.strategy,
        settings,
        folder.path.parent,
        None if identity.start is None else date.fromisoformat(identity.start),
        identity.sessions,
        identity.seed or 0,
        data=None if _is_bundled(identity) else _data(identity),
    )
