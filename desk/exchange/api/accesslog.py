"""The access log: one JSON line for each request answered and each message sent. Keys never appear in it."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from desk.domain.errors import ConfigurationError
from desk.exchange.api.jsontext import dumps


class AccessLog:
    """Appends to a file, or nowhere when the path is None."""

    def __init__(self, path: Path | None) -> None:
        self._file: TextIO | None = None
        if path is not None:
            try:
                self._file = path.open("a", buffering=1, encoding="utf-8")
            except OSError as error:
                raise ConfigurationError(f"access_log {path}: not writable ({error.strerror}); give another path") from error

    def write(self, **fields: object) -> None:
        """One line; fields that are None are left out."""
        if self._file is not None:
            kept = {name: value for name, value in fields.items() if value is not None}
            self._file.write(dumps(kept).decode() + "\n")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
