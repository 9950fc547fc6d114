"""Gives any Lumibot strategy class the executor that its run needs, without touching the class itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lumibot.strategies import Strategy
from lumibot.strategies.strategy_executor import StrategyExecutor

ExecutorFactory = Callable[[Any], StrategyExecutor]


def hosted(strategy_class: type, executor_for: ExecutorFactory) -> type:
    """A subclass of the same name whose executor `executor_for` makes. Works for plain Lumibot strategies too."""

    def _build_executor(self: Any) -> StrategyExecutor:
        executor = executor_for(self)
        self.broker._add_subscriber(executor)
        return executor

    fields = {"_build_executor": _build_executor, "__doc__": strategy_class.__doc__, "__module__": strategy_class.__module__}
    return type(strategy_class.__name__, (strategy_class,), fields)


def wants_statistics(strategy: Any) -> bool:
    """Whether the strategy overrides Lumibot's `trace_stats`.

    Without that nobody reads Lumibot's statistics, which cost a request at every hook and grow without bound; the journal has
    the equity of every iteration.
    """
    return type(strategy).trace_stats is not Strategy.trace_stats


# Arguments that keep Lumibot off the network and out of the working directory: no benchmark or risk-free rate from Yahoo, no
# analysis files, no variables in a database.
QUIET_ARGUMENTS: dict[str, Any] = {
    "risk_free_rate": 0.0,
    "benchmark_asset": None,
    "analyze_backtest": False,
    "save_logfile": False,
    "should_backup_variables_to_database": False,
    "should_send_summary_to_discord": False,
}
