"""What live_trader.py does once it is loaded: options, settings, the place to trade, the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from desk.cli.broker_choice import choose_broker
from desk.cli.errors import told_to_the_person
from desk.cli.trade_options import TradeOptions, parse
from desk.cli.trade_settings import settings_of
from desk.cli.trade_start import check_report_folder
from desk.garbage import unsearched
from desk.settings.load import Settings


def trade(argv: Sequence[str]) -> int:
    """Trade as `argv` says. Returns the exit code; an error is told and raises SystemExit with its own."""
    with told_to_the_person():
        options = parse(argv)
        check_report_folder(options.report)
        settings = settings_of(options)
        return _place(choose_broker(options, settings))(options, settings)


def _place(broker: str) -> Callable[[TradeOptions, Settings], int]:
    """Where to trade. Loaded now: whoever mistyped an option need not wait for Lumibot to be told so."""
    with unsearched():
        if broker == "exchange":
            from desk.cli.trade_exchange import trade_on_exchange

            return trade_on_exchange
        from desk.cli.trade_alpaca import trade_at_alpaca

        return trade_at_alpaca
