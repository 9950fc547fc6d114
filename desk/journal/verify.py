"""Proves a journal row by row: numbers without gaps, chain unbroken, rows readable, references to known messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from desk.domain.errors import ReconciliationBreak
from desk.domain.journal import Acknowledged, BrokerRefusal, RowValue, SentAgain
from desk.domain.orders import OrderEvent
from desk.domain.spreads import SpreadOpened, SpreadSettled, SpreadTurned
from desk.domain.steps import Cancel, Replace, SpreadOrder, Submit
from desk.journal.chain import digest
from desk.journal.reader import JournalReader
from desk.journal.stored import Stored

# Which earlier messages and spreads a value speaks of.
_REFERENCES: Mapping[type[Any], Callable[[Any], tuple[str | None, ...]]] = {
    Submit: lambda value: (value.splits or value.covers,),  # a lot begins with the order that sells it
    Replace: lambda value: (value.of_key,),
    Cancel: lambda value: (value.of_key,),
    OrderEvent: lambda value: (value.key,),
    Acknowledged: lambda value: (value.key,),
    BrokerRefusal: lambda value: (value.key,),
    SentAgain: lambda value: (value.key,),
    SpreadOpened: lambda value: (value.plan.rolled_from,),
    SpreadOrder: lambda value: (value.spread, value.into),
    SpreadTurned: lambda value: (value.key,),
    SpreadSettled: lambda value: (value.key,),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`rows` were proven, up to the one with digest `head`; `problem` names the first bad row, None when all are sound."""

    rows: int
    head: str
    chained: bool
    problem: str | None


@dataclass
class _Seen:
    seq: int
    digest: str
    keys: set[str] = field(default_factory=set)


def verify(reader: JournalReader) -> Verdict:
    """Read every row once. Raises JournalBroken when the reading itself fails, JournalDamaged above all."""
    seen = _Seen(0, reader.nonce)
    damage = reader.damage()
    if damage is not None:
        return Verdict(0, "", reader.chained, f"the file is damaged: {damage}")
    for stored in reader.rows():
        problem = next(_problems(stored, seen, reader.chained), None)
        if problem is not None:
            return Verdict(seen.seq, seen.digest, reader.chained, f"row {stored.seq} ({stored.kind}, {stored.at}): {problem}")
    return Verdict(seen.seq, seen.digest if reader.chained else "", reader.chained, None)


def _problems(stored: Stored, seen: _Seen, chained: bool) -> Iterator[str]:
    if stored.seq != seen.seq + 1:
        yield f"it follows row {seen.seq}; those between are missing"
    if chained:
        expected = digest(seen.digest, stored.seq, stored.at, stored.kind, stored.step_key, stored.body)
        if stored.digest != expected:
            yield "its digest does not fit; this row, or one before it, was changed after it was written"
    yield from _reading_problems(stored, seen)
    seen.seq, seen.digest = stored.seq, stored.digest or ""


def _reading_problems(stored: Stored, seen: _Seen) -> Iterator[str]:
    try:
        row = stored.decoded()
    except ReconciliationBreak as error:
        yield str(error)
        return
    if row.step_key != stored.step_key:
        yield f"its key column says {stored.step_key!r}, its body {row.step_key!r}"
    if stored.step_key in seen.keys:
        yield f"its key {stored.step_key} was used before"
    for about in _REFERENCES.get(type(row.value), lambda value: ())(row.value):
        if about is not None and about not in seen.keys:
            yield f"it speaks of {about}, which was never journaled before it"
    seen.keys |= {key for key in (stored.step_key, _begins(row.value)) if key is not None}


def _begins(value: RowValue) -> str | None:
    """Key of a lot or a spread that begins with a row, without a message of that name."""
    if isinstance(value, SpreadOpened):
        return value.plan.key
    return value.covers if isinstance(value, Submit) and value.splits is not None else None
