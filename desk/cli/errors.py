"""How a command ends when something is wrong: one clear message on stderr and the documented exit code, no traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from desk.domain.errors import DeskError


@contextmanager
def told_to_the_person() -> Iterator[None]:
    """Turn a DeskError into a red message on stderr and SystemExit with its exit code; another exception is a bug and passes."""
    try:
        yield
    except DeskError as error:
        tell(error)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        tell(DeskError("stopped before the run began; nothing was traded"))
        raise SystemExit(1) from None


def tell(error: DeskError) -> None:
    """Print `error` on stderr, in red where that is a terminal."""
    # Not wrapped: a message in a log or a pipe should stay on the lines that it was written in.
    Console(file=sys.stderr, soft_wrap=True).print(Text(f"Error: {error}", style="red"))
