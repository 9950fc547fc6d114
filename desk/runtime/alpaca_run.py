"""A run at Alpaca, paper or live: Lumibot's own executor on the wall clock, the desk's broker and journal under it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from alpaca.common.exceptions import APIError
from lumibot.strategies import Strategy
from lumibot.strategies.strategy_executor import StrategyExecutor
from requests import RequestException

from desk.brokers.alpaca import DeskAlpaca
from desk.brokers.alpaca_clients import trading_client
from desk.brokers.alpaca_gateway import AlpacaGateway
from desk.brokers.dry_run import DryRunGateway
from desk.brokers.endpoint import Endpoint
from desk.core.ports import Clock, Gateway, Journal
from desk.domain.errors import BrokerUnreachable, ReconciliationBreak, UsageError
from desk.domain.journal import IterationSkipped, RunStarted, RunStopped
from desk.runtime.account import broker_account
from desk.runtime.adoption import adopt
from desk.runtime.build import Cast, connect, host, open_desk
from desk.runtime.clock import SystemClock, stopwatch, wait_seconds
from desk.runtime.corridor import Iteration
from desk.runtime.desk import Desk
from desk.runtime.hosting import wants_statistics
from desk.runtime.record import RunFacts, counts, run_record
from desk.runtime.request import RunRequest
from desk.runtime.result import RunResult, why_stopped
from desk.runtime.run_folder import RunFolder
from desk.runtime.signals import stop_on_signals

STREAM_TIMEOUT_SECONDS = 30.0


class LiveExecutor(StrategyExecutor):
    """Lumibot's executor, repaired: the first iteration's fills reach the strategy, a broker that does not answer skips an
    iteration, and any other exception is remembered.
    """

    def __init__(
        self, strategy: Any, on_crash: Callable[[BaseException], None], on_skip: Callable[[BaseException], None]
    ) -> None:
        super().__init__(strategy)
        self._on_crash = on_crash
        self._on_skip = on_skip
        self._capture_locals = False
        self._on_trading_iteration_callable = strategy.on_trading_iteration

    def _trace_stats(self, context: Any, snapshot_before: Any) -> Any:
        return super()._trace_stats(context, snapshot_before) if wants_statistics(self.strategy) else None

    def process_queue(self, skip_first_iteration_events: bool = False) -> None:
        super().process_queue(skip_first_iteration_events=False)

    def _run_live_trading_iteration_with_priority_drains(self, on_trading_iteration: Callable[[], None]) -> None:
        try:
            super()._run_live_trading_iteration_with_priority_drains(on_trading_iteration)
        except (RequestException, APIError) as error:
            self._on_skip(error)

    def _initialize_live_market_calendars_for_run_once(self) -> None:
        # The broker answers by the desk's clock and calendar; Lumibot's precheck would ask the machine's.
        self._run_once_market_open_override = None

    def _scheduled_drain_after_iteration(self) -> None:
        """Lumibot would wait five minutes for every order to end; a bracket's exits are meant to rest for weeks."""

    def _on_bot_crash(self, error: BaseException) -> None:
        # Lumibot goes on iterating after a crash without anybody noticing; the desk opens nothing more until a person looks.
        self.exception = error
        self._on_crash(error)
        super()._on_bot_crash(error)


def account_number(endpoint: Endpoint) -> str:
    """Number of the account behind the keys. Raises BrokerUnreachable when there is no answer, or the keys are refused."""
    try:
        account: Any = trading_client(endpoint).get_account()
        return str(account.account_number)
    except APIError as error:
        raise BrokerUnreachable(
            f"Alpaca refused the keys (HTTP {error.status_code}): check that ALPACA_API_KEY and ALPACA_API_SECRET belong "
            f"together and to a {'paper' if endpoint.is_paper else 'live'} account. Nothing was traded"
        ) from None
    except RequestException as error:
        raise BrokerUnreachable(
            f"Alpaca does not answer ({type(error).__name__}): check the network and status.alpaca.markets. Nothing was traded; "
            "exits that rest at the broker stay in force"
        ) from None


def check_account(asked: str | None, found: str) -> None:
    """Raises UsageError when the keys belong to another account than the one that the person named."""
    if asked is not None and asked != found:
        raise UsageError(f"--account {asked}: the keys belong to account {found}; nothing was started. Give the right one")


@dataclass
class AlpacaRun:
    """One run at `endpoint`. Fill in the listeners, then call `run` once."""

    request: RunRequest
    strategy_class: type[Strategy]
    endpoint: Endpoint
    folder: RunFolder
    show: Callable[[str], None]
    on_iteration: Callable[[Iteration], None] = lambda iteration: None
    clock: Clock = field(default_factory=SystemClock)
    stop: Event = field(default_factory=Event)

    def run(self) -> RunResult:
        """Trade until stopped, or for one iteration. Raises DeskError for what a person has to mend."""
        began = stopwatch()
        with ExitStack() as stack:
            stack.enter_context(self.folder.locked())
            desk, journal = open_desk(self.request, self.folder.journal, self.clock)
            stack.callback(journal.close)
            stack.callback(desk.close)
            cast = self._cast(desk)
            broker = connect(cast)
            stack.callback(broker.close)
            _await_stream(broker)
            error = self._trade(cast, broker, journal)
            return self._result(desk, journal, stopwatch() - began, error)

    def _trade(self, cast: Cast, broker: DeskAlpaca, journal: Journal) -> BaseException | None:
        desk = cast.desk
        strategy = host(cast, broker, lambda hosted: LiveExecutor(hosted, self._on_crash(desk), self._on_skip(desk)))
        resumed = next(iter(journal.rows()), None) is not None
        if resumed:
            adopt(desk, broker, strategy)
        started = RunStarted(self.request.strategy, "alpaca", "alpaca", None, resumed)
        found = desk.start(started, broker_account(broker.api))
        if found:
            raise ReconciliationBreak("nothing was traded: " + "; ".join(str(each) for each in found))
        executor = strategy._executor
        with stop_on_signals(self.stop):
            self._execute(executor)
        if self.stop.is_set():
            strategy.on_abrupt_closing()
        desk.record(RunStopped(why_stopped(self.stop.is_set(), executor.exception), desk.iterations))
        return executor.exception

    def _on_crash(self, desk: Desk) -> Callable[[BaseException], None]:
        return lambda error: desk.halt(f"the strategy crashed: {error!r}")

    def _on_skip(self, desk: Desk) -> Callable[[BaseException], None]:
        def skip(error: BaseException) -> None:
            desk.record(IterationSkipped(f"{type(error).__name__}: {error}"[:500]))
            self.show("The broker did not answer: this iteration is skipped, nothing was decided; exits stay in force.")

        return skip

    def _result(self, desk: Desk, journal: Journal, seconds: float, error: BaseException | None) -> RunResult:
        rows = tuple(journal.rows())
        facts = RunFacts(
            strategy=self.request.strategy,
            broker="alpaca",
            source_label="the market, as Alpaca's IEX feed showed it",
            seed=None,
            gate_threshold=self.request.settings.behaviour.confidence_threshold,
            gate_enforced=self.request.gate_enforced,
        )
        record = run_record(rows, desk.book, None, facts)
        return RunResult(record, counts(rows), desk.mode, desk.book, self.stop.is_set(), seconds, error)

    def _execute(self, executor: StrategyExecutor) -> None:
        if self.request.once:
            executor.run_once()
            self._drain(executor)
            return
        executor.start()
        while executor.is_alive() and not self.stop.is_set():
            executor.join(0.2)
        executor.stop_event.set()

    def _drain(self, executor: StrategyExecutor) -> None:
        """After the only iteration: let its orders go out and their first answers come in."""
        executor.broker._orders_queue.join()
        wait_seconds(1.0)
        executor.process_queue()

    def _cast(self, desk: Desk) -> Cast:
        behaviour = self.request.settings.behaviour
        return Cast(
            self.strategy_class,
            self.request,
            desk,
            self.endpoint,
            self.clock,
            behaviour.universe.alpaca,
            Path(self.folder.models),
            self.on_iteration,
            self._gateway,
        )

    def _gateway(self, broker: DeskAlpaca, strategy: Strategy) -> Gateway:
        return DryRunGateway(broker.door, self.show) if self.request.dry_run else AlpacaGateway(broker, strategy)


def _await_stream(broker: DeskAlpaca) -> None:
    deadline = stopwatch() + STREAM_TIMEOUT_SECONDS
    while not broker.is_stream_running():
        if stopwatch() > deadline:
            raise BrokerUnreachable(
                "the broker's order stream did not come up: no order is sent without it. Try again in a minute"
            )
        wait_seconds(0.05)
