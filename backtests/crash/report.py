"""The figures of all schedules that were played, as tables."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import mean
from typing import Any

from rich.console import Console
from rich.table import Table

from crash.schedule import BOUND_SECONDS

Json = dict[str, Any]
MOST_SEEDS = 12


def show(lines: Sequence[Json], console: Console) -> None:
    """Everything about `lines`, one for each schedule."""
    console.print(_whole(lines))
    console.print(counted("Kills", "where", Counter(kill for line in lines for kill in line["kills"])))
    console.print(counted("Faults", "kind", happened(lines)))
    show_failures(lines, console, "No failure: nothing lost, doubled or unknown, no share bare for longer than the bound.")


def show_failures(lines: Sequence[Json], console: Console, praise: str) -> None:
    """Failures by kind with the first seeds, or `praise` where there are none."""
    seeds = _failed(lines)
    if not seeds:
        console.print(praise)
        return
    table = Table("failure", "schedules", "seeds", title="Failures")
    for kind, found in sorted(seeds.items(), key=lambda each: -len(each[1])):
        table.add_row(kind, str(len(found)), " ".join(map(str, found[:MOST_SEEDS])))
    console.print(table)


def _whole(lines: Sequence[Json]) -> Table:
    table = Table("figure", "value", title="Schedules")
    rows: Mapping[str, object] = {
        "code under test": ", ".join(sorted({line.get("code", "unknown") for line in lines})),
        "schedules": len(lines),
        "of them failed": sum(bool(line["failures"]) for line in lines),
        "lives of the desk": sum(line["lives"] for line in lines),
        "kills": sum(len(line["kills"]) for line in lines),
        "faults that happened": sum(happened(lines).values()),
        "orders at the exchange": sum(line["orders"] for line in lines),
        "executions": sum(line["fills"] for line in lines),
        "journal rows": sum(line["rows"] for line in lines),
        "schedules that halted the desk": sum(bool(line["halts"]) for line in lines),
        "longest bare stretch, market seconds": max((line["bare_seconds"] for line in lines), default=0),
        "  of it with a desk and no fault": max((line["undisturbed_bare_seconds"] for line in lines), default=0),
        "  stated bound": BOUND_SECONDS,
        "seconds a schedule": f"{mean(line['wall_seconds'] for line in lines):.2f}" if lines else "",
    }
    for name, value in rows.items():
        table.add_row(name, str(value))
    return table


def happened(lines: Iterable[Json]) -> Counter[str]:
    """Faults by kind."""
    found: Counter[str] = Counter()
    for line in lines:
        found.update(line["faults"])
    return found


def counted(title: str, name: str, found: Counter[str]) -> Table:
    """How often each was met, the most frequent first."""
    table = Table(name, "times", title=title)
    for label, count in found.most_common():
        table.add_row(label, str(count))
    return table


def _failed(lines: Iterable[Json]) -> dict[str, list[int]]:
    seeds: dict[str, list[int]] = defaultdict(list)
    for line in lines:
        for kind in sorted({failure["kind"] for failure in line["failures"]}):
            seeds[kind].append(line["seed"])
    return seeds
