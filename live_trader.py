"""Trade a strategy: `python live_trader.py --strategy combined` (see --help for the rest).

With Alpaca keys in the environment or in .env it trades the paper account that they belong to; without any it trades
recorded history on the built-in exchange. Real money needs three keys at once: ALPACA_IS_PAPER=false, --live, --account ID.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from desk.garbage import unsearched
from desk.runtime.signals import end_on_signals, leave_on_signals


def main(argv: Sequence[str]) -> int:
    """Settings, then build, then run. Returns the exit code."""
    with leave_on_signals("Stopped before the run began; nothing was traded."):
        # Here and not at the top: loading takes seconds, in which a person may press Ctrl-C.
        with unsearched():
            from desk.cli.trade import trade

        return trade(argv)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    finally:
        end_on_signals()
