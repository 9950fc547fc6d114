"""The figures of all schedules of spreads that were played, as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import mean

from rich.console import Console
from rich.table import Table

from crash.report import Json, counted, happened, show_failures
from crash.schedule import BOUND_SECONDS

PRAISE = "No failure: no naked leg, no wrong quantity, every spread flat, every share protected, all of it booked to the cent."


def show(lines: Sequence[Json], console: Console) -> None:
    """Everything about `lines`, one for each schedule."""
    console.print(_whole(lines))
    console.print(counted("Kills", "where", Counter(kill for line in lines for kill in line["kills"])))
    console.print(counted("Faults", "kind", happened(lines)))
    names = {
        "moves": "Contracts that ended without an order",
        "turns": "Turns that were decided",
        "settled": "Settlements booked",
    }
    for name, title in {**names, "refusals": "Refusals"}.items():
        console.print(counted(title, "kind", _summed(lines, name)))
    show_failures(
        lines,
        console,
        "No failure: no naked leg, no wrong quantity, every spread flat, every share protected, all of it booked to the cent.",
    )


def _whole(lines: Sequence[Json]) -> Table:
    table = Table("figure", "value", title="Schedules of spreads")
    rows: Mapping[str, object] = {
        "code under test": ", ".join(sorted({line.get("code", "unknown") for line in lines})),
        "schedules": len(lines),
        "of them failed": sum(bool(line["failures"]) for line in lines),
        "lives of the desk": sum(line["lives"] for line in lines),
        "kills": sum(len(line["kills"]) for line in lines),
        "faults that happened": sum(happened(lines).values()),
        "spreads decided": sum(line["spreads"] for line in lines),
        "  of them legged": sum(line["legged"] for line in lines),
        "spreads filled": sum(line["filled"] for line in lines),
        "  of them with all that was decided": sum(line["complete"] for line in lines),
        "rolls decided": sum(line["rolls"] for line in lines),
        "  of them filled": sum(line["rolls_filled"] for line in lines),
        "schedules with stocks beside the spreads": sum(line["has_stocks"] for line in lines),
        "  their executions in stocks": sum(line["stock_fills"] for line in lines),
        "  shares that came or went for contracts beside own ones": sum(line["meetings"] for line in lines),
        "orders at the exchange": sum(line["orders"] for line in lines),
        "executions": sum(line["fills"] for line in lines),
        "journal rows": sum(line["rows"] for line in lines),
        "schedules that halted the desk": sum(bool(line["halts"]) for line in lines),
        "contracts that came late beside what was decided": sum(line["late_excess"] for line in lines),
        "schedules in which the broker took a protection": sum(bool(line["naked_by_broker"]) for line in lines),
        "longest from leaving to nothing owed, undisturbed market seconds": max(
            (line["owed_seconds"] for line in lines), default=0
        ),
        "longest from leaving to flat, undisturbed market seconds": max((line["held_seconds"] for line in lines), default=0),
        "longest bare stretch of shares, market seconds": max((line["bare_seconds"] for line in lines), default=0),
        "  of it with a desk and no fault": max((line["undisturbed_bare_seconds"] for line in lines), default=0),
        "  stated bound": BOUND_SECONDS,
        "regulators' fees, dollars": f"{sum(line['fees_usd'] for line in lines):.2f}",
        "lives that did not start": sum(len(line["stillborn"]) for line in lines),
        "seconds a schedule": f"{mean(line['wall_seconds'] for line in lines):.2f}" if lines else "",
    }
    for name, value in rows.items():
        table.add_row(name, str(value))
    return table


def _summed(lines: Sequence[Json], name: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for line in lines:
        found.update(line[name])
    return found
