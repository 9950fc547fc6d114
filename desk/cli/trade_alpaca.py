"""Trading at Alpaca from the command line: checks the account, runs, and says what is open at the end."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import SecretStr
from rich.console import Console

from desk.brokers.endpoint import Endpoint
from desk.cli.outcome import python, tell
from desk.cli.run_log import log_to
from desk.cli.trade_options import TradeOptions
from desk.domain.errors import ConfigurationError, UsageError
from desk.report.console import RunConsole, print_banner
from desk.runtime.alpaca_run import AlpacaRun, account_number, check_account
from desk.runtime.plugins import load_strategy
from desk.runtime.request import RunRequest
from desk.runtime.run_folder import RunFolder, RunIdentity, create, journal_name, reopen
from desk.runtime.watch import Watch, gate_words
from desk.settings.load import Settings


def trade_at_alpaca(options: TradeOptions, settings: Settings) -> int:
    """Run at Alpaca and say how it ended. Returns the exit code."""
    console = Console(stderr=options.json, highlight=False)
    endpoint = endpoint_of(settings)
    number = account_number(endpoint)
    check_account(options.account, number)
    folder = _folder(options, number, settings.journal_url)
    log_to(folder.log)
    request = RunRequest(
        strategy=folder.identity().strategy,
        settings=settings,
        runs=options.runs,
        dry_run=options.dry_run,
        once=options.once or options.dry_run,
    )
    with RunConsole(console, None) as lines:
        behaviour = settings.behaviour
        watch = Watch(lines, None, gate_words(behaviour.confidence_threshold, request.gate_enforced))
        print_banner(console, _banner(request, endpoint, number, folder))
        strategy_class = load_strategy(request.strategy)
        run = AlpacaRun(
            request,
            strategy_class,
            endpoint,
            folder,
            lambda text: console.print(text, soft_wrap=True),
            watch.iteration,
            account=number,
        )
        result = run.run()
    if options.dry_run:
        console.print(f"Dry run: {result.counts.orders_submitted} orders were due and shown; none was sent.")
        return 0
    return tell(result, options, folder, console, (f"{python()} live_trader.py --strategy {request.strategy}", "make backtest"))


def endpoint_of(settings: Settings) -> Endpoint:
    """Alpaca's own addresses with the person's keys."""
    credentials = settings.credentials
    if credentials is None:
        raise ConfigurationError("no Alpaca keys are set: put ALPACA_API_KEY and ALPACA_API_SECRET into .env (see .env.example)")
    key, secret = credentials.api_key.get_secret_value(), credentials.api_secret.get_secret_value()
    return Endpoint(key, secret, is_paper=credentials.is_paper)


def _folder(options: TradeOptions, number: str, journal_url: SecretStr | None) -> RunFolder:
    """One journal for one strategy in one account: a restart goes on with it, whether or not somebody says --resume."""
    if options.resume is not None:
        folder, identity = reopen(options.resume, options.strategy, "alpaca")
        if identity.account != number:
            raise UsageError(
                f"--resume {options.resume}: that run trades account {identity.account}, the keys belong to {number}; "
                "set the keys of the run's account, or leave --resume out"
            )
        return folder
    name = f"{options.strategy}-alpaca-{number}"
    folder = RunFolder(options.runs / name)
    if folder.path.is_dir() and not folder.lock.exists():
        # A start that died before it traded: nothing can have been sent. Once it has, a missing journal is refused.
        return folder
    if folder.path.is_dir():
        return reopen(folder.path, options.strategy, "alpaca")[0]
    load_strategy(options.strategy or "")
    journal = None if journal_url is None else journal_name(journal_url)
    identity = RunIdentity(options.strategy or "", "alpaca", "alpaca", None, None, None, account=number, journal=journal)
    return create(options.runs, name, identity)


def _banner(request: RunRequest, endpoint: Endpoint, number: str, folder: RunFolder) -> Sequence[str]:
    kind = "paper" if endpoint.is_paper else "LIVE, real money"
    host = "https://app.alpaca.markets/paper/dashboard/overview" if endpoint.is_paper else "https://app.alpaca.markets"
    return (
        f"Trading {request.strategy} at Alpaca ({kind}), account {number}",
        f"Watch it at {host}",
        f"Journal and logs: {folder.path}",
    )
