"""Kills the desk again and again, under every fault of the exchange, and looks whether an order was lost, doubled or forgotten.

    make crash [N=10000]        schedules 1 to N; those that are done already are left out
    make crash SEED=123         one schedule again, with all that it wrote kept in runs/crash/seed-123

Each schedule is drawn from its seed: the faults, the kills, the orders. A result is a line in runs/crash/results.jsonl. See
docs/crash.md for what is compared.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from crash import report
from crash.worker import Run, Worker
from rich.console import Console

from desk.runtime.clock import stopwatch

RESULTS = "results.jsonl"


def done(file: Path) -> dict[int, dict[str, Any]]:
    """Results by seed; a line that was cut off in writing counts as not done."""
    found: dict[int, dict[str, Any]] = {}
    for text in file.read_text().splitlines() if file.exists() else ():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        found[line["seed"]] = line
    return found


def play(seeds: Sequence[int], folder: Path, seconds: float, keep: bool, console: Console) -> Iterator[Run]:
    """Run the schedules of `seeds`, and begin none after `seconds`."""
    began = stopwatch()
    with Worker(folder, keep) as worker:
        for seed in seeds:
            if stopwatch() - began > seconds:
                return
            run = worker.run(seed)
            for failure in run.failures:
                console.print(f"[red]seed {seed}: {failure.kind}[/]: {failure.text}", highlight=False, markup=True)
            yield run


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Kill the desk by seeded schedules and judge what is left.")
    parser.add_argument("--schedules", type=int, default=100, help="play the schedules of seeds 1 to N")
    parser.add_argument("--first", type=int, default=1, help="begin with this seed")
    parser.add_argument("--seed", type=int, help="play this one again, and keep what it writes")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no schedule after so many seconds")
    parser.add_argument("--runs", type=Path, default=Path("runs") / "crash", help="folder of the results")
    options = parser.parse_args(arguments)
    console = Console(width=120)
    folder: Path = options.runs.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    results = folder / RESULTS
    known = {} if options.seed is not None else done(results)
    asked = [options.seed] if options.seed is not None else range(options.first, options.first + options.schedules)
    with results.open("a") as file:
        for run in play(
            [seed for seed in asked if seed not in known], folder, options.seconds, options.seed is not None, console
        ):
            known[run.seed] = run.line()
            if options.seed is None:
                print(json.dumps(run.line()), file=file, flush=True)
    report.show([known[seed] for seed in asked if seed in known], console)
    return int(any(known[seed]["failures"] for seed in asked if seed in known))


if __name__ == "__main__":
    sys.exit(main())
