"""The crash harness for option spreads: desks killed at every step, early assignments, expirations, every fault of the exchange.

    make crash SPREADS=1 [N=1000]       schedules 1 to N; those that are done already are left out
    make crash SPREADS=1 SEED=123       one schedule again, with all that it wrote kept in runs/spread-crash/seed-123

The judge walks the exchange's own books, execution by execution. See docs/crash.md for what is compared.
"""

from __future__ import annotations

import sys
from pathlib import Path

from crash import spread_report
from crash.spread_worker import SpreadPlaying
from crashes import Harness, main

SPREADS = Harness(SpreadPlaying, spread_report.show, Path("runs") / "spread-crash")

if __name__ == "__main__":
    sys.exit(main(harness=SPREADS))
