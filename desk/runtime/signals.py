"""Ctrl-C and SIGTERM: what they do while a process loads, while a run starts and ends, and while it trades.

Only the main thread may set handlers; in another one these do nothing. What was set before is put back afterwards.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Event, current_thread, main_thread
from typing import Any

Handler = Callable[[int, Any], None]
NUMBERS = (signal.SIGINT, signal.SIGTERM)


def leave_on_signals(words: str) -> AbstractContextManager[None]:
    """While modules load and nothing is made yet: say `words` on standard error and end the process at once, with code 0.

    An exception instead would come up in the midst of an import, which turns it into other errors.
    """

    def leave(_signal: int, _frame: Any) -> None:
        os.write(2, f"{words}\n".encode())  # the streams of Python may be in use just now
        os._exit(0)

    return _on_signals(leave)


def interrupt_on_signals() -> AbstractContextManager[None]:
    """While a run starts or ends: KeyboardInterrupt in the main thread, so that what was opened is closed again."""
    return _on_signals(signal.default_int_handler)


def stop_on_signals(stop: Event) -> AbstractContextManager[None]:
    """While a run trades: set `stop`; the run ends between two steps, with everything journaled."""

    def ask(_signal: int, _frame: Any) -> None:
        stop.set()

    return _on_signals(ask)


def end_on_signals() -> None:
    """From now on the system ends the process without a word: for Python's own end, which would show a traceback."""
    for number in NUMBERS:
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def _on_signals(handler: Handler) -> Iterator[None]:
    if current_thread() is not main_thread():
        yield
        return
    former = {number: signal.signal(number, handler) for number in NUMBERS}
    try:
        yield
    finally:
        for number, each in former.items():
            signal.signal(number, each)
