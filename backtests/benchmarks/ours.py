"""The rules as this project's combined strategy, under its own backtest."""

from __future__ import annotations

from time import perf_counter
from zoneinfo import ZoneInfo

from benchmarks import rules
from benchmarks.rules import Outcome, Task
from desk.domain.market import Market
from desk.model.gate import ConfidenceGate
from desk.runtime.desk_backtest import backtest_desk
from desk.settings.behaviour import Behaviour
from strategies.combined import Combined, CombinedParameters, RsiBySymbol

NEW_YORK = ZoneInfo("America/New_York")
# The gate reports, so that with the model and without it the same trades are made; slippage is zero since neither rival has it.
BEHAVIOUR = Behaviour(
    rsi_length=rules.RSI_LENGTH,
    oversold_rsi=rules.OVERSOLD_RSI,
    stop_loss_fraction=rules.STOP_LOSS_FRACTION,
    take_profit_fraction=rules.TAKE_PROFIT_FRACTION,
    max_position_fraction=rules.MAX_POSITION_FRACTION,
    time_barrier_sessions=rules.TIME_BARRIER_SESSIONS,
    confidence_gate="report",
    hedging=False,  # no rival has a hedge
    fee_bps=rules.FEE_BPS,
    slippage_bps=0.0,
)


class SilentGate(ConfidenceGate):
    """Has no opinion and computes nothing."""

    def confidence(self, symbol: str, market: Market) -> float | None:
        return None


class RsiAlone(Combined):
    """Combined without its model."""

    def prepare(self) -> None:
        self.rules: CombinedParameters = self.settings
        self.gate = SilentGate(self.rules.meta())
        self.rsi = RsiBySymbol(self.rules.rsi_length, self.surroundings.history)


def run_rsi_alone(task: Task) -> Outcome:
    return _run(RsiAlone, task)


def run_with_model(task: Task) -> Outcome:
    return _run(Combined, task)


def _run(strategy_class: type[Combined], task: Task) -> Outcome:
    source = rules.source(task)
    days = rules.traded_sessions(task)
    began = perf_counter()
    done = backtest_desk(
        strategy_class, BEHAVIOUR, source, source.symbols, days[0], days[-1], name="combined", budget_usd=rules.BUDGET_USD
    )
    seconds = perf_counter() - began
    entries = frozenset((trip.symbol, trip.entry_at.astimezone(NEW_YORK).date()) for trip in done.record.trips)
    return Outcome(seconds, entries, done.record.equity[-1].equity_usd)
