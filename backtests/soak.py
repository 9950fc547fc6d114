"""Ten thousand iterations of the combined strategy while the exchange misbehaves in every way it knows, at random but seeded.

    make soak [ARGS="--iterations 10000 --seed 1 --runs DIR"]    (after ten minutes of made-up requests)

One process trades the bundled market through the whole live path. Every 500 iterations a line says how it stands and the faults
begin anew. When the desk halts itself, the script does what a person would do: looks, sets it to active, resumes. At the end the
faults are off, the run is resumed once more, and journal and exchange have to agree.

It fails (exit code 1) when an iteration is missing, when nothing moves for `STUCK_SECONDS`, when the desk's heartbeat is ever
older than its lease, when journal and exchange differ at the end, or when this process or the exchange grew between a fifth of
the run and its end by more than the tolerances below.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import logging
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import desk.runtime  # noqa: F401  # sets Lumibot's switches, so it comes before Lumibot

# isort: split
import psutil

from desk.data.bundled import load_bundled
from desk.domain.decisions import Mode
from desk.domain.errors import ConfigurationError, ReconciliationBreak
from desk.domain.journal import BreakFound, ModeChanged, Row
from desk.exchange.admin_client import AdminClient
from desk.journal.reader import JournalReader
from desk.journal.sql import SqlJournal
from desk.runtime.clock import SystemClock
from desk.runtime.corridor import Iteration
from desk.runtime.exchange_run import REPLAY_RHYTHM, ExchangeRun
from desk.runtime.request import RunRequest
from desk.runtime.result import RunResult
from desk.runtime.run_folder import RunFolder
from desk.settings.behaviour import Behaviour
from desk.settings.load import Settings
from strategies.combined import Combined

START = date(2003, 1, 2)
EVERY = 500
# The strategy's own settings trade a few times a month; these keep orders coming, so that faults find them.
BUSY = Behaviour(
    confidence_gate="report",
    rsi_length=5,
    oversold_rsi=49.0,
    overbought_rsi=60.0,
    stop_loss_fraction=0.02,
    take_profit_fraction=0.03,
    time_barrier_sessions=3,
)
WARM_SHARE = 0.2
STUCK_SECONDS = 300.0
# How much more may be used at the end than at `WARM_SHARE` of the run. The desk keeps its trades in memory, the exchange every
# order and update, since clients may ask for them.
EXCHANGE_SHARE = 0.5
MEMORY_SHARE, MORE_HANDLES, MORE_SOCKETS, MORE_THREADS = 0.25, 4, 2, 1
ORDERS, ONE_ORDER = "/v2/orders", "/v2/orders/*"
POST: Mapping[str, Any] = {"method": "POST", "path": ORDERS}
PATCH: Mapping[str, Any] = {"method": "PATCH", "path": ONE_ORDER}
# Every kind that the exchange knows (docs/faults.md): kind, chance, when else, parameters. A request that hangs costs its time
# limit, so few do.
FAULTS: tuple[tuple[str, float, Mapping[str, Any], Mapping[str, Any]], ...] = (
    ("rate_limit", 0.02, POST, {"with_headers": False}),
    ("rate_limit", 0.0003, {"path": "/v2/*"}, {}),
    ("server_error", 0.03, POST, {"status": 502, "taken": True}),
    ("server_error", 0.003, {"path": "/v2/*"}, {"status": 500}),
    ("server_error", 0.003, {"path": "/v2/*"}, {"status": 503}),
    ("hang", 0.004, POST, {"taken": True}),
    ("hang", 0.00003, {"method": "GET", "path": "/v2/*"}, {}),
    ("slow", 0.002, {"path": "/v2/*"}, {"seconds": 0.3}),
    ("slow", 0.02, POST, {"seconds": 0.3, "taken": True}),
    ("reset", 0.03, POST, {"taken": True}),
    ("reset", 0.002, {"path": "/v2/*"}, {}),
    ("timeout_after_taken", 0.05, POST, {}),
    ("timeout_after_taken", 0.05, PATCH, {}),
    ("clock_skew", 0.01, {}, {"seconds": -90}),
    ("stuck_pending_cancel", 0.05, {}, {"seconds": 600}),
    ("rejected_after_accepted", 0.01, {}, {"seconds": 2}),
    ("partial_fill", 0.2, {}, {"fraction": 0.3}),
    ("partial_fill", 0.1, {}, {"leg": "take_profit", "fraction": 0.5}),
    ("leg_stuck_held", 0.01, {}, {}),
    ("duplicate_event", 0.1, {}, {}),
    ("late_event", 0.05, {}, {"seconds": 0.4}),
    ("reordered_event", 0.05, {}, {"behind": 2}),
    ("lost_event", 0.05, {}, {}),
    ("dropped_stream", 0.03, {}, {}),
    ("dropped_stream", 0.03, {}, {"delivered": True}),
)
COLUMNS = (
    "iterations",
    "seconds",
    "a second",
    "MB",
    "exchange MB",
    "handles",
    "sockets",
    "threads",
    "skipped",
    "gap s",
    "faults",
)


@dataclass(frozen=True)
class Sample:
    """How the two processes stand after so many iterations; `gap_seconds` is the longest time without one since the last."""

    iterations: int
    seconds: float
    megabytes: float
    exchange_megabytes: float
    handles: int
    sockets: int
    threads: int
    skipped: int
    gap_seconds: float
    faults: int

    def line(self, before: Sample | None) -> str:
        seconds = self.seconds - (before.seconds if before else 0.0)
        pace = (self.iterations - (before.iterations if before else 0)) / max(seconds, 1e-9)
        sizes = (self.megabytes, self.exchange_megabytes)
        counts = (self.handles, self.sockets, self.threads, self.skipped)
        cells = [
            f"{self.iterations}",
            f"{self.seconds:.0f}",
            f"{pace:.1f}",
            *(f"{size:.0f}" for size in sizes),
            *map(str, counts),
        ]
        cells += [f"{self.gap_seconds:.1f}", str(self.faults)]
        return in_columns(cells)


def in_columns(cells: Sequence[str]) -> str:
    return "".join(f"{cell:>12}" for cell in cells)


@dataclass
class Soak:
    """One soak. `tell` prints; only the thread of the strategy changes anything but `_beat`."""

    wanted: int
    seed: int
    folder: RunFolder
    tell: Callable[[str], None]
    began: float = field(default_factory=monotonic)
    samples: list[Sample] = field(default_factory=list)
    hits: Counter[str] = field(default_factory=Counter)
    halts: list[str] = field(default_factory=list)
    is_stuck: bool = False
    oldest_beat_seconds: float = 0.0
    done: int = 0
    _gap: float = 0.0
    _beat: float = field(default_factory=monotonic)
    _run: ExchangeRun | None = None
    _admin: AdminClient | None = None
    _is_armed: bool = False
    _is_halted: bool = False
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> RunResult:
        """Trade until all iterations are made; a desk that halted is set to active and resumed."""
        watchdog = threading.Thread(target=self._watch, name="soak-watchdog", daemon=True)
        watchdog.start()
        try:
            while True:
                result = self._play(self._note)
                if result.error is not None or self.is_stuck or self.done >= self.wanted or not self._is_halted:
                    return result
                self._look_at_it()
        finally:
            self._over.set()
            watchdog.join()

    def resume_once(self) -> RunResult:
        """Start over what the run left, without faults, for one iteration. Raises ReconciliationBreak."""
        return self._play(lambda iteration: self._stop())

    def _play(self, listen: Callable[[Iteration], None]) -> RunResult:
        settings = Settings(BUSY, None, {}, None)
        request = RunRequest("combined", settings, self.folder.path, start=START, seed=self.seed)
        stop = threading.Event()
        self._run = ExchangeRun(
            request, Combined, load_bundled(), self.folder, on_iteration=listen, on_exchange=self._take, stop=stop
        )
        return self._run.run()

    def _take(self, admin: AdminClient) -> None:
        self._admin, self._is_armed = admin, False

    def _note(self, iteration: Iteration) -> None:
        if self.done % EVERY == 0 or not self._is_armed:
            self._sample_and_begin_anew()
        self.done += 1
        now = monotonic()
        self._gap, self._beat = max(self._gap, now - self._beat), now
        news = [value for value in iteration.decided.news if isinstance(value, ModeChanged) and value.mode is Mode.HALTED]
        self._is_halted = bool(news)
        self.halts += [f"{iteration.market.now:%Y-%m-%d %H:%M} {value.reason}" for value in news]
        if self.done >= self.wanted or news:
            self._stop()

    def _stop(self) -> None:
        if self._run is not None:
            self._run.stop.set()

    def _sample_and_begin_anew(self) -> None:
        """A line of the table; then the exchange lets go of what it held, and the faults begin with other draws."""
        assert self._admin is not None
        found = self._admin.faults()
        self.hits.update({each["kind"]: int(each["hits"]) for each in found})
        if self.done and self.done % EVERY == 0:
            self.sample()
        self._admin.clear_faults()
        for kind, probability, when, parameters in FAULTS:
            self._admin.fault(kind, {**when, "probability": probability}, **parameters)
        self._is_armed = True

    def sample(self) -> None:
        gc.collect()
        us = psutil.Process()
        sizes = [child.memory_info().rss for child in us.children()]
        skipped = len(self._rows("skipped"))
        found = Sample(
            self.done,
            monotonic() - self.began,
            us.memory_info().rss / 1e6,
            sum(sizes) / 1e6,
            us.num_fds(),
            len(us.net_connections()),
            us.num_threads(),
            skipped,
            self._gap,
            sum(self.hits.values()),
        )
        self.tell(found.line(self.samples[-1] if self.samples else None))
        self.samples.append(found)
        self._gap, self._beat = 0.0, monotonic()

    def _rows(self, kind: str) -> list[Row]:
        with JournalReader(self.folder.journal) as reader:
            return [stored.row() for stored in reader.rows(kinds=[kind])]

    def breaks(self) -> list[str]:
        """Differences that the desk found on the way."""
        return [f"{row.at:%Y-%m-%d %H:%M} {row.value.found}" for row in self._rows("break") if isinstance(row.value, BreakFound)]

    def _look_at_it(self) -> None:
        """What a person does with `desk mode`."""
        journal = SqlJournal(self.folder.journal, "")
        journal.append([Row(SystemClock().now(), ModeChanged(Mode.ACTIVE, "looked at, and found as the exchange has it"))])
        journal.close()
        self.tell(
            f"{self.done:>12}  halted: {self.halts[-1] if self.halts else 'for no reason known'}; set to active and resumed"
        )

    def _watch(self) -> None:
        while not self._over.wait(1.0):
            self.oldest_beat_seconds = max(self.oldest_beat_seconds, self._beat_age())
            if monotonic() - self._beat > STUCK_SECONDS:
                self.is_stuck = True
                faulthandler.dump_traceback(file=sys.stderr)
                self._stop()
                return

    def _beat_age(self) -> float:
        """Seconds since the heartbeat, as everybody else sees it; 0 while no desk has the journal."""
        with suppress(ConfigurationError), JournalReader(self.folder.journal) as reader:
            lease = reader.lease()
            if lease is not None and not lease.released:
                return (SystemClock().now() - lease.beat_at).total_seconds()
        return 0.0


def grown(samples: Sequence[Sample]) -> list[str]:
    """What grew beyond its tolerance, in words."""
    if len(samples) < 2:
        return []
    first, last = samples[min(int(len(samples) * WARM_SHARE), len(samples) - 2)], samples[-1]
    limits = (
        ("memory", first.megabytes, last.megabytes, first.megabytes * MEMORY_SHARE),
        ("the exchange's memory", first.exchange_megabytes, last.exchange_megabytes, first.exchange_megabytes * EXCHANGE_SHARE),
        ("file handles", first.handles, last.handles, MORE_HANDLES),
        ("sockets", first.sockets, last.sockets, MORE_SOCKETS),
        ("threads", first.threads, last.threads, MORE_THREADS),
    )
    return [
        f"{name} grew from {before:g} at {first.iterations} iterations to {after:g}"
        for name, before, after, more in limits
        if after - before > more
    ]


def verdict(soak: Soak, result: RunResult) -> list[str]:
    """What is wrong, in words; nothing when all is well."""
    found = grown(soak.samples)
    if soak.is_stuck:
        found.append(f"nothing moved for {STUCK_SECONDS:g} seconds")
    if soak.oldest_beat_seconds > REPLAY_RHYTHM.lease_seconds:
        found.append(f"no heartbeat for {soak.oldest_beat_seconds:.0f} seconds")
    if result.error is not None:
        found.append(f"the run ended early: {result.error!r}")
    if soak.done < soak.wanted:
        found.append(f"{soak.done} of {soak.wanted} iterations were made")
    try:
        again = soak.resume_once()
    except ReconciliationBreak as error:
        return [*found, f"journal and exchange differ at the end: {error}"]
    if again.error is not None:
        found.append(f"the run could not be resumed: {again.error!r}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Trade through an exchange that misbehaves, and watch what grows or stops.")
    parser.add_argument("--iterations", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=Path, help="keep the run's folder here; a temporary one is used otherwise")
    options = parser.parse_args(arguments)
    logging.getLogger("desk").setLevel(logging.ERROR)  # every fault is a warning there
    with TemporaryDirectory(prefix="soak-") as temporary:
        home = options.runs or Path(temporary) / "run"
        (home / "models").mkdir(parents=True)
        soak = Soak(options.iterations, options.seed, RunFolder(home), lambda text: print(text, flush=True))
        print(in_columns(COLUMNS), flush=True)
        result = soak.run()
        breaks = soak.breaks()
        problems = verdict(soak, result)
    print(f"faults that happened: {', '.join(f'{kind} {count}' for kind, count in sorted(soak.hits.items()))}")
    print(f"the oldest heartbeat was {soak.oldest_beat_seconds:.1f} seconds old; one is due every {REPLAY_RHYTHM.beat_seconds:g}")
    print(f"{soak.done} iterations, {result.counts}, {len(soak.halts)} halts, {len(breaks)} breaks on the way")
    for text in (*breaks, *(f"FAILED: {problem}" for problem in problems)):
        print(text)
    print("FAILED" if problems else "PASSED: nothing lost, stuck or growing beyond the tolerances")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
