"""Makes the pictures of the README: a run on the built-in exchange, and `desk positions` while it trades.

    python backtests/screenshots.py

The commands are the real ones, in processes of their own; what they print is drawn as it came. Writes docs/assets/*.svg.
"""

from __future__ import annotations

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.text import Text

from desk.runtime.clock import stopwatch, wait_seconds

ROOT = Path(__file__).parents[1]
ASSETS = ROOT / "docs" / "assets"
COLUMNS = 100
FIRST_LINES = 40
BAR = "\u2501"
LONGEST_WAIT_SECONDS = 90.0
# Virtual seconds in a second: two hours of the market pass while the other command looks.
SPEED = "1200"


def main() -> int:
    """Run, look, draw. Returns the exit code."""
    ASSETS.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder:
        runs = Path(folder) / "runs"
        words = ["--strategy", "combined", "--broker", "exchange", "--config", "config/showcase.yaml", "--sessions", "3"]
        command = [sys.executable, "live_trader.py", *words, "--speed", SPEED, "--runs", str(runs)]
        output = Path(folder) / "run.txt"
        with output.open("wb") as sink, subprocess.Popen(command, cwd=ROOT, env=_environment(), stdout=sink) as run:
            try:
                _wait_for(output, "11:00 ET")
                positions = _said(["-m", "desk.cli.main", "positions", "--run", str(next(runs.iterdir()))])
                _wait_for(output, "2008-09-03 12:00 ET")
            finally:
                run.terminate()
        # The bar is drawn anew below every line.
        lines = [_shortened(line, str(runs)) for line in output.read_text(encoding="utf-8").splitlines() if BAR not in line]
    _draw("iteration", "make trade", "\n".join(lines[:FIRST_LINES]))
    _draw("positions", "desk positions", positions.replace(str(runs), "runs"))
    return 0


def _environment() -> dict[str, str]:
    # No keys: the pictures are of the built-in exchange whatever the environment trades.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ALPACA_", "APCA_"))}
    return {**kept, "COLUMNS": str(COLUMNS), "FORCE_COLOR": "1", "PYTHONUNBUFFERED": "1", "LUMIBOT_DISABLE_DOTENV": "1"}


def _shortened(line: str, folder: str) -> str:
    """The line with a folder that a reader has; inside a frame its right border stays where it is."""
    gap = " " * (len(folder) - len("runs"))
    before, border, after = line.replace(folder, "runs").rpartition("\u2502")
    return f"{before}{gap}{border}{after}" if border and folder in line else after if not border else line


def _wait_for(output: Path, words: str) -> None:
    """Raises TimeoutError when the run does not get there."""
    deadline = stopwatch() + LONGEST_WAIT_SECONDS
    while words not in output.read_text(encoding="utf-8", errors="replace"):
        if stopwatch() > deadline:
            raise TimeoutError(f"the run did not say {words!r} in {LONGEST_WAIT_SECONDS:g} seconds")
        wait_seconds(0.05)


def _said(arguments: list[str]) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=_environment(), stdout=subprocess.PIPE, check=False, text=True
    )
    return done.stdout


def _draw(name: str, title: str, text: str) -> None:
    console = Console(record=True, width=COLUMNS, file=StringIO())
    console.print(Text.from_ansi(text))
    path = ASSETS / f"{name}.svg"
    path.write_text(console.export_svg(title=title), encoding="utf-8")
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    sys.exit(main())
