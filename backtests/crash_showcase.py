"""The showcase, killed in the middle of its run and resumed: nothing is lost, nothing is doubled.

    make trade CRASH=1 [ARGS="--sessions 20 --seed 7"]

Starts live_trader.py with the arguments given here, kills it with SIGKILL once so many iterations are journaled (`--at`), resumes
it, and reads the journal: each message to the broker once, each answered.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from desk.domain.errors import ConfigurationError
from desk.journal.reader import JournalReader
from desk.runtime.clock import wait_seconds

ROOT = Path(__file__).resolve().parents[1]
RUNS = Path("runs")
LOOK_SECONDS = 0.05
ANSWERS = ("acknowledged", "refused", "event")


def folders() -> set[Path]:
    return {file.parent for file in RUNS.glob("*/journal.db")}


def iterations(folder: Path) -> int:
    """Finished iterations in a journal that somebody else writes; 0 while there is none yet."""
    try:
        with JournalReader(folder / "journal.db") as reader:
            return sum(1 for _ in reader.rows(kinds=("iteration",)))
    except ConfigurationError:
        return 0


def killed(command: Sequence[str], at: int) -> Path | None:
    """Start the run and kill it after its iteration number `at`. Returns its folder, None when it ended before."""
    known = folders()
    with subprocess.Popen(command) as trader:
        while trader.poll() is None:
            wait_seconds(LOOK_SECONDS)
            fresh = sorted(folders() - known)
            if fresh and iterations(fresh[0]) >= at:
                trader.kill()
                return fresh[0]
    return None


def unanswered(folder: Path) -> tuple[int, list[str]]:
    """How many messages to the broker the journal has, and the keys of those of which nothing more was heard."""
    with JournalReader(folder / "journal.db") as reader:
        sent = [str(stored.step_key) for stored in reader.rows(kinds=("submit", "replace", "cancel"))]
        heard = {str(json.loads(stored.body)["key"]) for stored in reader.rows(kinds=ANSWERS)}
    assert len(sent) == len(set(sent)), "a message stands twice in the journal"
    return len(sent), [key for key in sent if key not in heard]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Kill the showcase in mid-run and resume it.")
    parser.add_argument("--at", type=int, default=20, help="kill it after this iteration")
    options, given = parser.parse_known_args(arguments)
    trader = [sys.executable, str(ROOT / "live_trader.py"), "--config", str(ROOT / "config" / "showcase.yaml")]
    folder = killed([*trader, "--strategy", "combined", "--broker", "exchange", *given], options.at)
    if folder is None:
        print(f"the run ended before iteration {options.at}: nothing was killed. Give a smaller --at")
        return 2
    print(f"\nkill -9 after iteration {iterations(folder)}: resuming {folder}\n")
    code = subprocess.run([*trader, "--resume", str(folder)], check=False).returncode
    count, open_ends = unanswered(folder)
    told = "every one of them answered" if not open_ends else f"no answer to {', '.join(open_ends)}"
    print(f"\nkilled once, resumed once: {count} messages to the broker, each journaled and sent once, {told}")
    return code or int(bool(open_ends))


if __name__ == "__main__":
    sys.exit(main())
