"""One measurement, one process: what a run leaves behind (threads, caches, imports) cannot help or hinder the next one."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, set_forkserver_preload, set_start_method
from tempfile import TemporaryDirectory
from typing import TypeVar

from benchmarks.rules import Outcome, Task

Result = TypeVar("Result")


def prepare(*, is_judged: bool) -> None:
    """Call once. Figures that count come from processes that load all they need; those that do not may share the loading."""
    set_start_method("spawn" if is_judged else "forkserver", force=True)
    if not is_judged:
        set_forkserver_preload(["desk.runtime.exchange_run", "lumibot.backtesting", "lumibot.strategies.strategy"])


def isolated(work: Callable[..., Result], *arguments: object) -> Result:
    """Result of `work(*arguments)` in a fresh process and an empty working directory; its exception is the caller's."""
    with (
        TemporaryDirectory(prefix="bench-") as folder,
        ProcessPoolExecutor(1, get_context(), initializer=_move_in, initargs=(folder,)) as pool,
    ):
        return pool.submit(work, *arguments).result()


def _move_in(folder: str) -> None:
    # Stock Lumibot writes logs/ into the working directory at every backtest.
    os.chdir(folder)
    # alpaca-py reports the end of its own websocket as an error when a run is over.
    logging.getLogger("alpaca.trading.stream").setLevel(logging.CRITICAL)


def warmed(run: Callable[[Task], Outcome], warm_up: Task, task: Task) -> Outcome:
    """`run(task)` after a run that is not counted."""
    run(warm_up)
    return run(task)
