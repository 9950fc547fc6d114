"""An immutable mapping that grows cheaply: what one version holds never changes, and a new one shares it instead of copying."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Grown(Mapping[Key, Value]):
    """Every version is a stretch of one log from its beginning; the newest goes on in the log, an older one begins its own.

    `with_item` takes constant time on the newest version. Any thread may read any version, one thread at a time may grow.
    """

    __slots__ = ("_length", "_log", "_places", "_size")

    def __init__(self, items: Iterable[tuple[Key, Value]] = ()) -> None:
        self._log: list[tuple[Key, Value]] = []
        self._places: dict[Key, tuple[int, ...]] = {}  # where in the log a key stands, the last value last
        self._length = 0  # of this version's stretch
        self._size = 0  # its different keys
        for key, value in items:
            self._write(key, value)

    def with_item(self, key: Key, value: Value) -> Grown[Key, Value]:
        """A version with `key` set to `value`; this one stays as it is."""
        if self._length != len(self._log):
            grown = Grown(self.items())
        else:
            grown = Grown()
            grown._log, grown._places = self._log, self._places
            grown._length, grown._size = self._length, self._size
        grown._write(key, value)
        return grown

    def _write(self, key: Key, value: Value) -> None:
        places = self._places.get(key, ())
        # The log first: a reader of another version may look at `_places` at any moment, and finds what it names.
        self._log.append((key, value))
        self._places[key] = (*places, self._length)
        self._length += 1
        self._size += not places

    def __getitem__(self, key: Key) -> Value:
        for place in reversed(self._places.get(key, ())):
            if place < self._length:
                return self._log[place][1]
        raise KeyError(key)

    def __iter__(self) -> Iterator[Key]:
        for place in range(self._length):
            key = self._log[place][0]
            if self._places[key][0] == place:
                yield key

    def __len__(self) -> int:
        return self._size

    def __repr__(self) -> str:
        return f"Grown({dict(self)!r})"
