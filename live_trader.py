"""Trade a strategy: `python live_trader.py --strategy combined` (see --help for the rest).

With Alpaca keys in the environment or in .env it trades the paper account that they belong to; without any it trades
recorded history on the built-in exchange. Real money needs three keys at once: ALPACA_IS_PAPER=false, --live, --account ID.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from desk.cli.broker_choice import choose_broker, config_of
from desk.cli.errors import told_to_the_person
from desk.cli.trade_alpaca import trade_at_alpaca
from desk.cli.trade_exchange import trade_on_exchange
from desk.cli.trade_options import parse
from desk.settings.load import load_settings


def main(argv: Sequence[str]) -> int:
    """Settings, then build, then run. Returns the exit code."""
    with told_to_the_person():
        options = parse(argv)
        settings = load_settings(config=options.config or config_of(options.resume))
        trade = trade_on_exchange if choose_broker(options, settings) == "exchange" else trade_at_alpaca
        return trade(options, settings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
