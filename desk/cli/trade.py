"""What live_trader.py does once it is loaded: options, settings, the place to trade, the run."""

from __future__ import annotations

from collections.abc import Sequence

from desk.cli.broker_choice import choose_broker
from desk.cli.errors import told_to_the_person
from desk.cli.trade_alpaca import trade_at_alpaca
from desk.cli.trade_exchange import trade_on_exchange
from desk.cli.trade_options import parse
from desk.cli.trade_settings import settings_of
from desk.cli.trade_start import check_report_folder


def trade(argv: Sequence[str]) -> int:
    """Trade as `argv` says. Returns the exit code; an error is told and raises SystemExit with its own."""
    with told_to_the_person():
        options = parse(argv)
        check_report_folder(options.report)
        settings = settings_of(options)
        run = trade_on_exchange if choose_broker(options, settings) == "exchange" else trade_at_alpaca
        return run(options, settings)
