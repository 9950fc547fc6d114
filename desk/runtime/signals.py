"""Ctrl-C and SIGTERM: both only set a flag; the run stops between two steps, with everything journaled."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, current_thread, main_thread
from typing import Any


@contextmanager
def stop_on_signals(stop: Event) -> Iterator[None]:
    """Set `stop` on SIGINT and SIGTERM while inside; the former handlers are put back afterwards.

    Outside the main thread, where Python allows no handlers, it does nothing.
    """
    if current_thread() is not main_thread():
        yield
        return

    def handle(_signal: int, _frame: Any) -> None:
        stop.set()

    former = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
