"""Decides where to trade, and lets real money through only with all of its keys."""

from __future__ import annotations

from pathlib import Path

from desk.cli.trade_options import TradeOptions, check_alpaca
from desk.domain.errors import ConfigurationError, UsageError
from desk.runtime.run_folder import reopen
from desk.settings.load import Settings


def choose_broker(options: TradeOptions, settings: Settings) -> str:
    """Where to trade. Raises UsageError or ConfigurationError for live trading without all of its keys."""
    credentials = settings.credentials
    if _asked(options, has_keys=credentials is not None) == "exchange":
        return "exchange"
    if credentials is None:
        raise ConfigurationError(
            "--broker alpaca needs keys: set ALPACA_API_KEY and ALPACA_API_SECRET in the environment or in .env (.env.example)"
        )
    check_live(options.live, options.account, is_paper=credentials.is_paper)
    check_alpaca(options)
    return "alpaca"


def _asked(options: TradeOptions, *, has_keys: bool) -> str:
    if options.broker is not None:
        return options.broker
    if options.resume is not None:
        return reopen(options.resume, options.strategy, None)[1].broker
    return "alpaca" if has_keys or options.live else "exchange"


def config_of(resume: Path | None) -> Path | None:
    """The behaviour file that a run was started with, so that it goes on by the same rules; None for a new run."""
    if resume is None:
        return None
    config = reopen(resume, None, None)[1].config
    return None if config is None else Path(config)


def check_live(live: bool, account: str | None, *, is_paper: bool) -> None:
    """Real money needs three keys at once, so that no single slip can trade it. Raises UsageError when one is missing."""
    keys = {"ALPACA_IS_PAPER=false": not is_paper, "--live": live, "--account ID": account is not None}
    if not any(keys.values()) or all(keys.values()):
        return
    missing = ", ".join(name for name, there in keys.items() if not there)
    given = ", ".join(name for name, there in keys.items() if there)
    raise UsageError(f"live trading needs {', '.join(keys)} together; there is {given}, but not {missing}. Nothing was started")
