"""The orders that were sent for an option spread, in order of time, with what became of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from desk.domain.spreads import SpreadTurned
from desk.domain.steps import SpreadOrder
from desk.journal.reader import JournalReader
from desk.report.execution_log import ExecutionLog
from desk.runtime.run_folder import RunFolder
from desk.settings.load import Settings


def orders_of(folder: RunFolder, settings: Settings, key: str, asked: str | None = None) -> list[dict[str, Any]]:
    """A spread's orders as the execution log has them, in the journal's order.

    With `asked`, the reason of a turn, those since the spread last turned for it; all of them where it never did.
    """
    log, keys = ExecutionLog(folder.path.name), list[str]()
    with JournalReader(folder.journal_with(settings.journal_url)) as reader:
        for stored in reader.rows():
            row = stored.row()
            log.read([row])
            if isinstance(row.value, SpreadOrder) and row.value.spread == key:
                keys.append(row.value.key)
            elif isinstance(row.value, SpreadTurned) and (row.value.key, row.value.reason) == (key, asked):
                keys.clear()
    entries = [entry for day in log.changed_days() for entry in log.entries(day) if entry["kind"] == "order"]
    by_key = {entry["client_order_id"]: entry for entry in entries}
    return [by_key[each] for each in keys]


def order_words(entry: Mapping[str, Any]) -> str:
    """An order in a line: the broker's id, its limit in dollars a share, and what became of it."""
    limit = "at the market" if entry["limit_price"] is None else f"at {entry['limit_price']:+.2f}"
    return f"{entry['order_id']} {limit}: {entry['status']}"
