"""A journal in memory, for backtests: same contract, gone with the process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from desk.core.ports import DuplicateKey
from desk.domain.journal import Row


class MemoryJournal:
    """Keeps rows in a list. Implements `desk.core.ports.Journal`."""

    def __init__(self, nonce: str) -> None:
        self._nonce = nonce
        self._rows: list[Row] = []
        self._keys: set[str] = set()

    @property
    def nonce(self) -> str:
        return self._nonce

    def append(self, rows: Sequence[Row]) -> None:
        keys = [row.step_key for row in rows if row.step_key is not None]
        repeated = next((key for place, key in enumerate(keys) if key in self._keys or key in keys[:place]), None)
        if repeated is not None:
            raise DuplicateKey(repeated)
        self._keys.update(keys)
        self._rows.extend(rows)

    def rows(self) -> Iterator[Row]:
        return iter(tuple(self._rows))

    def has_step(self, key: str) -> bool:
        return key in self._keys

    def close(self) -> None:
        """Nothing to release."""
