"""Kills the desk again and again, under every fault of the exchange, and looks whether an order was lost, doubled or forgotten.

    make crash [N=10000]        schedules 1 to N; those that are done already are left out
    make crash SEED=123         one schedule again, with all that it wrote kept in runs/crash/seed-123

Each schedule is drawn from its seed: the faults, the kills, the orders. A result is a line in runs/crash/results.jsonl and
counts for the code that it was found with. See docs/crash.md for what is compared.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from crash import report
from crash.worker import Playing, Run, Worker
from rich.console import Console

from desk.cli.errors import tell
from desk.domain.errors import ConfigurationError
from desk.runtime.clock import stopwatch

RESULTS = "results.jsonl"
ROOT = Path(__file__).resolve().parents[1]
UNDER_TEST = ("desk", "options", "backtests/crash")

Line = dict[str, Any]


def code_under_test() -> str:
    """Names the state of the desk and of this harness, whatever version control says: 16 digits of a SHA-256 over their files."""
    found = hashlib.sha256()
    for file in sorted(file for folder in UNDER_TEST for file in (ROOT / folder).rglob("*.py")):
        found.update(f"{file.relative_to(ROOT)}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()[:16]


def done(file: Path) -> Iterator[Line]:
    """Results, oldest first; a line that was cut off in writing counts as not done."""
    for text in file.read_text().splitlines() if file.exists() else ():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and "seed" in line:
            yield line


@dataclass(frozen=True, slots=True)
class Harness:
    """What is played, how its results are shown, and the folder that they are kept in."""

    playing: type[Playing]
    show: Callable[[Sequence[Line], Console], None]
    runs: Path


STOCKS = Harness(Playing, report.show, Path("runs") / "crash")


def play(
    seeds: Sequence[int], folder: Path, seconds: float, keep: bool, console: Console, playing: type[Playing] = Playing
) -> Iterator[Run]:
    """Run the schedules of `seeds`, and begin none after `seconds`."""
    began = stopwatch()
    with Worker(folder, keep, playing) as worker:
        for seed in seeds:
            if stopwatch() - began > seconds:
                return
            run = worker.run(seed)
            for failure in run.failures:
                console.print(f"[red]seed {seed}: {failure.kind}[/]: {failure.text}", highlight=False, markup=True)
            yield run


def main(arguments: Sequence[str] | None = None, harness: Harness = STOCKS) -> int:
    options = _parser(harness).parse_args(arguments)
    try:
        return _judged(options, Console(width=120), harness)
    except ConfigurationError as error:
        tell(error)
        return error.exit_code


def _judged(options: argparse.Namespace, console: Console, harness: Harness) -> int:
    code, is_single = code_under_test(), options.seed is not None
    asked = [options.seed] if is_single else range(options.first, options.first + options.schedules)
    with _results(options.runs) as (folder, file):
        known = {} if is_single else _known(folder / RESULTS, code, asked, console)
        left = [seed for seed in asked if seed not in known]
        played = 0
        for run in play(left, folder, options.seconds, is_single, console, harness.playing) if left else ():
            played += 1
            known[run.seed] = run.line() | {"code": code}
            if not is_single:
                print(json.dumps(known[run.seed]), file=file, flush=True)
    if left and not played:
        console.print(f"nothing was played: --seconds {options.seconds:g} were over before the first schedule began; give more")
        return 1
    harness.show([known[seed] for seed in asked if seed in known], console)
    return int(any(known[seed]["failures"] for seed in asked if seed in known))


def _known(file: Path, code: str, asked: Sequence[int], console: Console) -> dict[int, Line]:
    """Results of `code` by seed; says how many of those asked for were found with another one only."""
    lines = [line for line in done(file) if line["seed"] in asked]
    known = {line["seed"]: line for line in lines if line.get("code") == code}
    others = {line["seed"] for line in lines} - set(known)
    if others:
        console.print(f"{len(others)} results of another state of the code are left out; their schedules are played again")
    return known


@contextmanager
def _results(runs: Path) -> Iterator[tuple[Path, TextIO]]:
    """The folder of the results and their file, to add to. Raises ConfigurationError when they cannot be written."""
    folder = runs.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / RESULTS).open("a")
        if (folder / RESULTS).read_bytes()[-1:] not in (b"", b"\n"):
            file.write("\n")  # or the next result would hang on one that was cut off
    except OSError as error:
        raise ConfigurationError(
            f"--runs {runs}: cannot be written ({error.strerror or error}); make the folder writable or give another"
        ) from None
    with file:
        yield folder, file


def _parser(harness: Harness) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Kill the desk by seeded schedules and judge what is left.")
    parser.add_argument("--schedules", type=_from(1), default=100, help="play the schedules of seeds 1 to N")
    parser.add_argument("--first", type=_from(0), default=1, help="begin with this seed")
    parser.add_argument("--seed", type=_from(0), help="play this one again, and keep what it writes")
    parser.add_argument("--seconds", type=_seconds, default=float("inf"), help="begin no schedule after so many seconds")
    parser.add_argument("--runs", type=Path, default=harness.runs, help="folder of the results")
    return parser


def _from(lowest: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        try:
            found = int(text)
        except ValueError:
            found = lowest - 1
        if found < lowest:
            raise argparse.ArgumentTypeError(f"{text}: give a whole number from {lowest} up")
        return found

    return number


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not found > 0:
        raise argparse.ArgumentTypeError(f"{text}: give a number of seconds above 0")
    return found


if __name__ == "__main__":
    sys.exit(main())
