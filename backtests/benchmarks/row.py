"""One line of the benchmark's table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """What was measured here and beside it; `met` is None where there is no aim."""

    what: str
    here: str
    beside: str
    ratio: float | None = None
    aim: str = ""
    met: bool | None = None
