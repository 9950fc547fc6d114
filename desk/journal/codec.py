"""Journal values to JSON and back. The kind names below are the stored format: never rename one."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter, ValidationError

from desk.domain.decisions import Denied
from desk.domain.errors import ReconciliationBreak
from desk.domain.journal import (
    Acknowledged,
    BreakFound,
    BrokerRefusal,
    ForeignOrder,
    ForeignSeen,
    Heard,
    IterationDone,
    IterationSkipped,
    LinkChanged,
    ModeChanged,
    ResidueStop,
    RowValue,
    RunStarted,
    RunStopped,
    SentAgain,
    SharesAdopted,
    SharesSplit,
    SharesWanted,
    StopPassed,
)
from desk.domain.orders import OrderEvent
from desk.domain.spreads import SpreadOpened, SpreadSettled, SpreadTurned
from desk.domain.steps import Cancel, Replace, SpreadOrder, Submit

KINDS: dict[str, type[Any]] = {
    "submit": Submit,
    "spread_order": SpreadOrder,
    "spread_opened": SpreadOpened,
    "spread_turned": SpreadTurned,
    "spread_settled": SpreadSettled,
    "replace": Replace,
    "cancel": Cancel,
    "event": OrderEvent,
    "denied": Denied,
    "run_started": RunStarted,
    "iteration": IterationDone,
    "acknowledged": Acknowledged,
    "refused": BrokerRefusal,
    "foreign": ForeignOrder,
    "foreign_seen": ForeignSeen,
    "adopted": SharesAdopted,
    "residue_stop": ResidueStop,
    "split": SharesSplit,
    "wanted": SharesWanted,
    "heard": Heard,
    "sent_again": SentAgain,
    "break": BreakFound,
    "mode": ModeChanged,
    "link": LinkChanged,
    "stop_passed": StopPassed,
    "skipped": IterationSkipped,
    "run_stopped": RunStopped,
}
_KIND_OF = {cls: kind for kind, cls in KINDS.items()}
_ADAPTERS: dict[str, TypeAdapter[Any]] = {kind: TypeAdapter(cls) for kind, cls in KINDS.items()}


def kind_of(value: RowValue) -> str:
    return _KIND_OF[type(value)]


def encode(value: RowValue) -> str:
    return _ADAPTERS[kind_of(value)].dump_json(value).decode()


def decode(kind: str, body: str) -> RowValue:
    """Raises ReconciliationBreak for a row that this version cannot read: guessing at past orders is not recovery.

    The text says what is wrong with the row; `Stored.row` says which one it is.
    """
    adapter = _ADAPTERS.get(kind)
    if adapter is None:
        raise ReconciliationBreak(f"unknown kind {kind!r}: written by a newer version; upgrade before resuming")
    try:
        value: RowValue = adapter.validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]["msg"]
        raise ReconciliationBreak(f"kind {kind!r} cannot be read ({first}): restore a copy") from None
    return value
