"""The one thread that owns book and journal. Others hand it work; nobody else touches its state."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread, current_thread
from typing import Any, TypeVar

Result = TypeVar("Result")


class InlineRunner:
    """Runs work at once in the caller's thread: a backtest has one thread, so the caller owns the desk."""

    def call(self, work: Callable[[], Result]) -> Result:
        return work()

    def post(self, work: Callable[[], Any]) -> None:
        work()

    def close(self) -> None:
        """Nothing to stop."""


class DeskThread:
    """Runs work one piece at a time, in the order of arrival, in a thread of its own.

    `on_error` hears of exceptions in posted work, which has no caller to tell.
    """

    def __init__(self, on_error: Callable[[BaseException], None]) -> None:
        self._work: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._on_error = on_error
        self._thread = Thread(target=self._run, name="desk", daemon=True)
        self._thread.start()

    def call(self, work: Callable[[], Result]) -> Result:
        """Run `work` after everything handed over before it, and wait for its result; its exception is the caller's.

        Once the thread is closed nobody else is left, and the caller runs it.
        """
        if current_thread() is self._thread or not self._thread.is_alive():
            return work()
        future: Future[Result] = Future()
        self._work.put(lambda: _settle(future, work))
        return future.result()

    def post(self, work: Callable[[], Any]) -> None:
        """Hand over `work` and go on."""
        if self._thread.is_alive():
            self._work.put(lambda: self._guarded(work))
        else:
            self._guarded(work)

    def close(self) -> None:
        """Finish what was handed over, then stop."""
        self._work.put(None)
        self._thread.join(5)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()

    def _guarded(self, work: Callable[[], Any]) -> None:
        try:
            work()
        except Exception as error:
            # Whoever hears of it may fail too (a journal that cannot be written); the thread must live to answer callers.
            with contextlib.suppress(Exception):
                self._on_error(error)


def _settle(future: Future[Result], work: Callable[[], Result]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:
        future.set_exception(error)


Runner = InlineRunner | DeskThread
