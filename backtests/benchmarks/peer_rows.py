"""The same rules on other backtesting engines: daily bars of few and of many symbols, and minutes. One process a measurement.

Each peer's module says what of the rules it cannot express and what it does instead; the table repeats it in a few words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from statistics import median

from benchmarks.isolated import isolated
from benchmarks.row import Row
from benchmarks.rules import Outcome, Task


@dataclass(frozen=True)
class Peer:
    """Another engine: the package that it needs, our module that runs the rules on it, and how these differ there."""

    name: str
    package: str
    module: str
    differs: str


@dataclass(frozen=True)
class PeerTask:
    """What is run: `function` of each module on `task`, after the uncounted `warm_up`, `rounds` times in turn.

    `aims` are the largest ratios of our time to a peer's that are wanted, by the peer's name.
    """

    label: str
    function: str
    task: Task
    warm_up: Task
    rounds: int
    peers: tuple[Peer, ...]
    aims: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class PeerSize:
    tasks: tuple[PeerTask, ...]


@dataclass
class PeerFigures:
    """Runs by task and engine, in the order of the rounds."""

    tasks: tuple[PeerTask, ...]
    outcomes: dict[tuple[str, str], list[Outcome]] = field(default_factory=dict)


DAYS, MINUTES = "run", "run_minutes"
HERE = Peer("here", "desk", "benchmarks.peer_rows", "")
LUMIBOT = Peer("stock Lumibot", "lumibot", "benchmarks.stock_lumibot", "other rules for a bar that leaves doubt")
BACKTRADER = Peer("backtrader", "backtrader", "benchmarks.on_backtrader", "decides at the close, trades from the next open")
OTHERS = (
    Peer("vectorbt", "vectorbt", "benchmarks.on_vectorbt", "one compiled function; no exit in the bar of the entry"),
    Peer("backtesting.py", "backtesting", "benchmarks.on_backtesting_py", "an account a symbol, the end is their mean"),
    Peer("NautilusTrader", "nautilus_trader", "benchmarks.on_nautilus", "fills at the close that it decides at"),
)
WARM_DAYS, WARM_MINUTES = Task(symbols=3, sessions=160), Task(symbols=2, sessions=1)
LUMIBOT_AIM = {LUMIBOT.name: 0.1}
# The whole of each would take stock Lumibot minutes, so it runs a part of it, and so do we beside it. Its rows and backtrader's
# on 10 symbols of days stand above, beside the model's.
FULL = PeerSize(
    (
        PeerTask("days, 10 symbols", DAYS, Task(10, 1258), WARM_DAYS, 3, OTHERS),
        PeerTask("days, 100 symbols", DAYS, Task(100, 1258), WARM_DAYS, 3, (BACKTRADER, *OTHERS), {BACKTRADER.name: 0.2}),
        PeerTask("a year of days, 100 symbols", DAYS, Task(100, 252), WARM_DAYS, 1, (LUMIBOT,), LUMIBOT_AIM),
        PeerTask("minutes, 10 symbols", MINUTES, Task(10, 20), WARM_MINUTES, 1, (BACKTRADER, *OTHERS)),
        PeerTask("3 sessions of minutes, 10 symbols", MINUTES, Task(10, 3), WARM_MINUTES, 1, (LUMIBOT,), LUMIBOT_AIM),
    )
)
QUICK = PeerSize(
    (
        PeerTask("days, 3 symbols", DAYS, Task(3, 60), WARM_DAYS, 1, (BACKTRADER, *OTHERS)),
        PeerTask("minutes, 2 symbols", MINUTES, Task(2, 1), Task(1, 1), 1, (LUMIBOT, BACKTRADER, *OTHERS)),
    )
)


def run(task: Task) -> Outcome:
    """The rules here, on days."""
    from benchmarks import ours

    return ours.run_rsi_alone(task)


def run_minutes(task: Task) -> Outcome:
    """The same on minutes; no name is bought again on the day on which it was left."""
    from benchmarks import ours_minutes

    return ours_minutes.run_minutes(task)


def measure(size: PeerSize, tell: Callable[[str], None]) -> PeerFigures:
    """Every task on every engine that is installed, in turns."""
    found = PeerFigures(size.tasks)
    for each in size.tasks:
        there = _installed(each.peers)
        # Without a rival there is nothing to compare with.
        engines = [*([HERE] if there else []), *there]
        for _ in range(each.rounds):
            for peer in engines:
                outcome = isolated(timed, peer.module, each)
                found.outcomes.setdefault((each.label, peer.name), []).append(outcome)
                tell(f"{each.label}, {peer.name}: {outcome.seconds:.2f} s")
    return found


def timed(module: str, what: PeerTask) -> Outcome:
    """For a process of its own: what has to be imported and compiled is, before anything counts."""
    function: Callable[[Task], Outcome] = getattr(import_module(module), what.function)
    function(what.warm_up)
    return function(what.task)


def rows(found: PeerFigures) -> list[Row]:
    compared = [_row(found, each, peer) for each in found.tasks for peer in _installed(each.peers)]
    wanted = dict.fromkeys(peer for each in found.tasks for peer in each.peers)
    missing = [peer for peer in wanted if peer not in _installed(wanted)]
    return compared + [
        Row(f"backtest on {peer.name}", "not measured", "not installed; `make bench` installs it") for peer in missing
    ]


def _installed(peers: Iterable[Peer]) -> list[Peer]:
    return [peer for peer in peers if find_spec(peer.package) is not None]


def _row(found: PeerFigures, each: PeerTask, peer: Peer) -> Row:
    theirs = found.outcomes[each.label, peer.name]
    beside = f"{peer.name} {_seconds(theirs):.2f} s, {_result(theirs[0])} ({peer.differs})"
    mine = found.outcomes[each.label, HERE.name]
    ratio = median(one.seconds / other.seconds for one, other in zip(mine, theirs, strict=True))
    shared = len(mine[0].entries & theirs[0].entries)
    here = f"{_seconds(mine):.2f} s, {_result(mine[0])}, {shared} of them the same"
    aim = each.aims.get(peer.name)
    if aim is None:
        return Row(f"backtest of {each.label}", here, beside, ratio)
    return Row(f"backtest of {each.label}", here, beside, ratio, f"at most {aim:g}", ratio <= aim)


def _seconds(runs: Sequence[Outcome]) -> float:
    return median(run.seconds for run in runs)


def _result(outcome: Outcome) -> str:
    return f"{len(outcome.entries)} entries, {outcome.final_usd:,.0f} dollars"
