"""Runs schedules one after another: one exchange for all of them, one forked process for each life of the desk."""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import select
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from crash import bare, broker_truth, judge, made_market
from crash.broker_truth import Json
from crash.doom import Reaper
from crash.judge import Failure
from crash.life import BROKEN_BOOKS, DONE, Life, Whereabouts, moment
from crash.schedule import BOUND_SECONDS, LEAD_SESSIONS, Doom, Schedule, drawn
from desk.exchange.config import ExchangeConfig
from desk.exchange.faults.plan import FaultKind
from desk.exchange.process import ExchangeProcess
from desk.runtime.clock import stopwatch

# Real time after which a life is stuck; its stacks are written down a moment before it is ended.
LONGEST_LIFE_SECONDS = 60.0
CRASHED = 4
MOST_FINAL_LIVES = 4
MEMORY = Path("/dev/shm")
MODULES = "modules.txt"


@dataclass
class Run:
    """What became of a schedule. `kills` are the labels of those that happened; `faults` those that did, by kind."""

    seed: int
    failures: list[Failure] = field(default_factory=list)
    kills: list[str] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)
    lives: int = 0
    orders: int = 0
    fills: int = 0
    rows: int = 0
    bare_seconds: float = 0.0
    undisturbed_bare_seconds: float = 0.0
    halts: list[str] = field(default_factory=list)
    stillborn: list[str] = field(default_factory=list)
    wall_seconds: float = 0.0

    def line(self) -> dict[str, Any]:
        return asdict(self)


class Worker:
    """Use as a context manager; `run` plays the schedule of a seed. `folder` keeps what failed, and with `keep` everything."""

    def __init__(self, folder: Path, keep: bool = False, playing: type[Playing] | None = None) -> None:
        self._folder, self._keep = folder, keep
        self._playing = playing or Playing
        # Killing a process takes nothing from the disk's cache, so a disk would only cost time.
        self._stage = TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self._life_seconds = 0.0
        made = made_market.write(folder / "made")
        config = ExchangeConfig(str(made), made_market.DAYS[LEAD_SESSIONS], multiplier=1)
        self._exchange = ExchangeProcess(config, folder / "exchange.log")
        self._where = Whereabouts(
            self._exchange.url, self._exchange.stream_url, self._exchange.api_key, self._exchange.api_secret
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._exchange.stop()
        self._stage.cleanup()

    def run(self, seed: int) -> Run:
        """Play, judge, and say what was found."""
        if not self._life_seconds:
            self._rehearse()
            self._life_seconds = self._rehearse()
        began = stopwatch()
        place = Path(self._stage.name) / f"seed-{seed}"
        place.mkdir()
        run = self._playing(self._playing.drawn(seed), self._where, place, self._exchange, self._life_seconds).play()
        run.wall_seconds = round(stopwatch() - began, 3)
        if run.failures or self._keep:
            shutil.copytree(place, self._folder / place.name, dirs_exist_ok=True)
        shutil.rmtree(place)
        return run

    def _rehearse(self) -> float:
        """Import here what a life imports on its way, once and not in every life. Returns the seconds of the life."""
        place = Path(self._stage.name) / "rehearsal"
        place.mkdir()
        schedule = replace(self._playing.drawn(0), dooms=(), pauses_minutes=(), faults=())
        began = stopwatch()
        self._playing(schedule, self._where, place, self._exchange, 0.0).play()
        seconds = stopwatch() - began
        for name in (place / MODULES).read_text().split():
            if name not in sys.modules and find_spec(name) is not None:
                import_module(name)
        shutil.rmtree(place)
        gc.freeze()
        return seconds


class Playing:
    """One schedule while it is played; another kind of schedule has another kind of life, and another judge."""

    drawn: ClassVar[Callable[[int], Any]] = staticmethod(drawn)
    longest_life_seconds: ClassVar[float] = LONGEST_LIFE_SECONDS

    def __init__(
        self, schedule: Schedule, where: Whereabouts, place: Path, exchange: ExchangeProcess, life_seconds: float
    ) -> None:
        self._schedule, self._where, self._place, self._exchange = schedule, where, place, exchange
        self._life_seconds = life_seconds
        self._admin = exchange.admin
        self._run = self._begun()
        self._alive: list[tuple[datetime, datetime]] = []

    def _begun(self) -> Run:
        return Run(self._schedule.seed)

    def _life(self) -> Life:
        return Life(self._schedule, self._where, self._place)

    def _terms(self) -> Json:
        """What the exchange begins with."""
        schedule = self._schedule
        return {
            "start": schedule.start.isoformat(),
            "seed": schedule.seed,
            "partial_fill_probability": schedule.partial_fill_probability,
            "latency": schedule.latency,
        }

    def play(self) -> Run:
        schedule = self._schedule
        self._admin.reset(**self._terms())
        self._switch_on(schedule.faults)
        for number, (doom, pause) in enumerate(zip(schedule.dooms, schedule.pauses_minutes, strict=True)):
            if number == schedule.clear_before:
                self._clear()
                now = self._now()
                self._switch_on([each for each in schedule.faults if moment(each["when"]["since"]) > now])
            self._live(doom, settles=False)
            self._pass(pause)
        self._clear()
        self._recover()
        self._judge()
        return self._run

    def _recover(self) -> None:
        """Start the desk until it settles, as a person would; a start that fails for good is a failure."""
        for _ in range(MOST_FINAL_LIVES):
            code = self._live(None, settles=True)
            if code == DONE:
                return
            self._pass(10)
        self._fail("does not recover", f"exit code {code}: {self._said(code)}")

    def _said(self, code: int) -> str:
        name = "breaks.txt" if code == BROKEN_BOOKS else f"life-{self._run.lives}.txt"
        file = self._place / name
        return file.read_text()[-600:] if file.exists() else "nothing was said"

    def _now(self) -> datetime:
        return moment(self._admin.status()["now"])

    def _pass(self, minutes: int) -> None:
        """Time without a desk."""
        if minutes:
            self._advance(self._now() + timedelta(minutes=minutes))

    def _advance(self, until: datetime) -> None:
        while not self._admin.advance(until).reached:
            pass

    def _switch_on(self, faults: Sequence[Json]) -> None:
        for fault in faults:
            given = {name: value for name, value in fault.items() if name not in ("kind", "when")}
            self._admin.fault(fault["kind"], fault["when"], **given)

    def _clear(self) -> None:
        for each in self._admin.faults():
            if each["hits"]:
                self._run.faults[each["kind"]] = self._run.faults.get(each["kind"], 0) + each["hits"]
        self._admin.clear_faults()

    # ---- lives ---------------------------------------------------------------------------------------------------------

    def _live(self, doom: Doom | None, settles: bool) -> int:
        """One life in a process of its own. Returns its exit code, below zero for one that was killed."""
        self._run.lives += 1
        began = self._now()
        child = os.fork()
        if child == 0:
            self._be_the_desk(doom, settles)
        code = self._watched(child, doom)
        self._alive.append((began, self._now()))
        return code

    def _be_the_desk(self, doom: Doom | None, settles: bool) -> None:
        """Never returns."""
        code = CRASHED
        log = self._place / f"life-{self._run.lives}.txt"
        try:
            _write_to(log)
            faulthandler.dump_traceback_later(self.longest_life_seconds - 2, exit=False)
            if doom is not None:
                Reaper(doom, self._place / "killed.txt").install()
            code = self._life().live(settles)
            if not self._schedule.dooms:
                (self._place / MODULES).write_text("\n".join(name for name in sys.modules if name != "__main__"))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    def _watched(self, child: int, doom: Doom | None) -> int:
        is_random = doom is not None and doom.means == "instant"
        limit = doom.fraction * self._life_seconds if doom is not None and is_random else self.longest_life_seconds
        with _handle(child) as handle:
            has_ended = bool(select.select([handle], [], [], limit)[0])
        if not has_ended:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        self._note(code, has_ended, doom)
        return code

    def _note(self, code: int, has_ended: bool, doom: Doom | None) -> None:
        is_random = doom is not None and doom.means == "instant"
        if code == -signal.SIGKILL and doom is not None and (has_ended or is_random):
            self._run.kills.append(doom.label)
        elif not has_ended and not is_random:
            self._fail("stuck", self._said(code))
        elif code == CRASHED:
            self._run.stillborn.append(self._said(code).strip().splitlines()[-1][:200])
        elif code == BROKEN_BOOKS:
            self._run.stillborn.append(f"books: {self._said(code)}")

    # ---- judgement -----------------------------------------------------------------------------------------------------

    def _fail(self, kind: str, text: str) -> None:
        self._run.failures.append(Failure(kind, text))

    def _judge(self) -> None:
        where, run = self._where, self._run
        truth = broker_truth.ask(where.url, where.api_key, where.api_secret)
        run.orders, run.fills = len(truth.orders), len(truth.executions)
        journal, final = self._place / "journal.db", self._place / "final.json"
        if not journal.exists():
            return
        account = judge.read(journal)
        run.halts, run.rows = account.modes, account.rows
        if final.exists():
            run.failures += judge.verdict(account, truth, json.loads(final.read_text()))
        self._measure(truth)

    def _measure(self, truth: broker_truth.Truth) -> None:
        now = self._now()
        found = bare.stretches(truth, now, self._disturbances(now))
        self._run.bare_seconds = max((each.seconds for each in found), default=0.0)
        self._run.undisturbed_bare_seconds = max((each.undisturbed_seconds for each in found), default=0.0)
        for each in found:
            if each.undisturbed_seconds > BOUND_SECONDS:
                text = f"{each.symbol} from {each.began:%Y-%m-%d %H:%M:%S}: {each.undisturbed_seconds:.0f} undisturbed seconds"
                self._fail("bare too long", text)

    def _disturbances(self, now: datetime) -> Sequence[tuple[datetime, datetime]]:
        """When no desk lived, and when a fault was on."""
        edges = [self._alive[0][0], *(edge for span in self._alive for edge in span), now]
        dead = list(zip(edges[0::2], edges[1::2], strict=False))
        return [*dead, *self._windows(*FaultKind)]

    def _windows(self, *kinds: FaultKind) -> list[tuple[datetime, datetime]]:
        """When faults of these kinds may begin. What a cancel makes hang may hang for longer."""
        whens = [fault["when"] for fault in self._schedule.faults if fault["kind"] in kinds]
        return [(datetime.fromisoformat(when["since"]), datetime.fromisoformat(when["until"])) for when in whens]


@contextmanager
def _handle(process: int) -> Iterator[int]:
    """A file descriptor that can be read when the process has ended."""
    handle = os.pidfd_open(process)
    try:
        yield handle
    finally:
        os.close(handle)


def _write_to(log: Path) -> None:
    """Send everything that this process says to a file."""
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(target, 1)
    os.dup2(target, 2)
