"""The showcase, killed in the middle of its run and resumed: nothing is lost, nothing is doubled.

    make trade CRASH=1 [ARGS="--sessions 20 --seed 7"]

Starts live_trader.py with the arguments given here, kills it with SIGKILL once so many iterations are journaled (`--at`), and
resumes it. Then it plays the same run once more without a kill and compares the journals: each message to the broker once, each
answered, the same fills, the same money at the end.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from desk.domain.errors import ConfigurationError
from desk.journal.reader import JournalReader
from desk.runtime.clock import wait_seconds

ROOT = Path(__file__).resolve().parents[1]
LOOK_SECONDS = 0.05
ANSWERS = ("acknowledged", "refused", "event")


def folders(runs: Path) -> set[Path]:
    return {file.parent for file in runs.glob("*/journal.db")}


def iterations(folder: Path) -> int:
    """Finished iterations in a journal that somebody else writes; 0 while there is none yet."""
    try:
        with JournalReader(folder / "journal.db") as reader:
            return sum(1 for _ in reader.rows(kinds=("iteration",)))
    except ConfigurationError:
        return 0


def killed(command: Sequence[str], runs: Path, at: int) -> Path | int:
    """Start the run and kill it after its iteration number `at`. Returns its folder, or its exit code when it ended before."""
    known = folders(runs)
    with subprocess.Popen([*command, "--runs", str(runs)]) as trader:
        while trader.poll() is None:
            wait_seconds(LOOK_SECONDS)
            fresh = sorted(folders(runs) - known)
            if fresh and iterations(fresh[0]) >= at:
                trader.kill()
                return fresh[0]
    return trader.returncode


@dataclass(frozen=True)
class Outcome:
    """What a run came to: its messages to the broker and those that nothing was heard of, its fills, its dollars at the end."""

    sent: tuple[str, ...]
    unanswered: tuple[str, ...]
    fills: Counter[tuple[str, ...]]
    equity_usd: float


def outcome(folder: Path) -> Outcome:
    with JournalReader(folder / "journal.db") as reader:
        sent = tuple(str(stored.step_key) for stored in reader.rows(kinds=("submit", "replace", "cancel")))
        heard = {str(json.loads(stored.body)["key"]) for stored in reader.rows(kinds=ANSWERS)}
        events = [json.loads(stored.body)["fill"] for stored in reader.rows(kinds=("event",))]
        done = [json.loads(stored.body) for stored in reader.rows(kinds=("iteration",))]
    fills = Counter(tuple(str(fill[name]) for name in ("symbol", "side", "quantity", "price", "at")) for fill in events if fill)
    return Outcome(sent, tuple(key for key in sent if key not in heard), fills, done[-1]["equity_usd"] if done else 0.0)


def undisturbed(command: Sequence[str]) -> Outcome:
    """What the same run comes to when nobody kills it. Raises CalledProcessError when it fails."""
    with TemporaryDirectory(prefix="undisturbed-") as runs:
        subprocess.run([*command, "--runs", runs, "--json"], check=True, capture_output=True)
        (folder,) = (file.parent for file in Path(runs).glob("*/journal.db"))
        return outcome(folder)


def differences(found: Outcome, beside: Outcome) -> list[str]:
    """What was lost or doubled, in words."""
    problems = [f"{key} stands {count} times in the journal" for key, count in Counter(found.sent).items() if count > 1]
    problems += [f"no answer to {key}" for key in found.unanswered]
    problems += [f"a fill too many: {' '.join(fill)}" for fill in (found.fills - beside.fills).elements()]
    problems += [f"a fill is missing: {' '.join(fill)}" for fill in (beside.fills - found.fills).elements()]
    if found.equity_usd != beside.equity_usd:
        problems.append(f"{found.equity_usd:,.2f} dollars at the end, and {beside.equity_usd:,.2f} without the kill")
    return problems


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Kill the showcase in mid-run and resume it.", allow_abbrev=False)
    parser.add_argument("--at", type=_iteration, default=20, help="kill it after this iteration")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the run's folder is made")
    options, given = parser.parse_known_args(arguments)
    trader = [sys.executable, str(ROOT / "live_trader.py"), "--config", str(ROOT / "config" / "showcase.yaml")]
    command = [*trader, "--strategy", "combined", "--broker", "exchange", *given]
    folder = killed(command, options.runs, options.at)
    if isinstance(folder, int):
        if folder == 0:
            told = f"Error: --at {options.at}: the run ended before this iteration, and nothing was killed; give a smaller one"
            print(told, file=sys.stderr)
        return folder or 2  # what the run itself refused it has told itself
    print(f"\nkill -9 after iteration {iterations(folder)}: resuming {folder}\n")
    code = subprocess.run([*trader, "--resume", str(folder)], check=False).returncode
    if code:
        return code
    print("\nThe same run once more, without a kill, to compare with")
    return verdict(outcome(folder), undisturbed(command))


def _iteration(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: give the number of an iteration, from 1 up")
    return int(text)


def verdict(found: Outcome, beside: Outcome) -> int:
    """Say what was lost or doubled. Returns the exit code."""
    problems = differences(found, beside)
    for problem in problems:
        print(f"FAILED: {problem}")
    if problems:
        return 1
    print(f"Killed once, resumed once: {len(found.sent)} messages to the broker, each journaled once and answered.")
    fills = found.fills.total()
    print(f"The same {fills} fills and {found.equity_usd:,.2f} dollars as without the kill: nothing lost or doubled.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
