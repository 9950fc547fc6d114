"""Trading at Alpaca from the command line: checks the account, runs, and says what is open at the end."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import SecretStr

from desk.brokers.endpoint import Endpoint
from desk.cli.outcome import positions_command, python, resume_command, tell, tell_dry_run, trades_spreads
from desk.cli.run_log import log_to
from desk.cli.trade_console import TradeConsole
from desk.cli.trade_options import TradeOptions
from desk.cli.trade_settings import behaviour_lines, kept_config
from desk.cli.trade_start import started, submits_in
from desk.domain.errors import ConfigurationError, UsageError
from desk.report.console import RunConsole, print_banner
from desk.runtime.alpaca_run import AlpacaRun, account_number, check_account
from desk.runtime.plugins import load_strategy
from desk.runtime.request import RunRequest
from desk.runtime.result import RunResult
from desk.runtime.run_folder import RunFolder, RunIdentity, behaviour_digest, create, journal_name, reopen
from desk.runtime.watch import Watch, gate_words
from desk.settings.load import Settings


def trade_at_alpaca(options: TradeOptions, settings: Settings) -> int:
    """Run at Alpaca and say how it ended. Returns the exit code."""
    console = TradeConsole(is_json=options.json)
    endpoint = endpoint_of(settings)
    number = account_number(endpoint)
    check_account(options.account, number)
    is_new = options.resume is None and not _account_folder(options, number).path.exists()
    digest = behaviour_digest(settings.behaviour)
    opened = started(lambda: _folder(options, number, settings.journal_url, digest), is_new, settings.journal_url, resume_command)
    with opened as folder:
        log_to(folder.log)
        identity = folder.identity()
        for line in behaviour_lines(identity, settings):
            console.say(line)
        request = RunRequest(
            strategy=identity.strategy,
            settings=settings,
            runs=options.runs,
            dry_run=options.dry_run,
            once=options.once or options.dry_run,
        )
        result = _run(request, endpoint, folder, number, console)
        if options.dry_run:
            return tell_dry_run(result, options, console, submits_in(folder, settings.journal_url))
        again = f"{python()} live_trader.py --strategy {request.strategy}"
        is_of_spreads = trades_spreads(load_strategy(request.strategy))
        return tell(result, options, folder, console, (again, positions_command(folder) if is_of_spreads else "make backtest"))


def _run(request: RunRequest, endpoint: Endpoint, folder: RunFolder, number: str, console: TradeConsole) -> RunResult:
    with RunConsole(console, None) as lines:
        watch = Watch(lines, None, gate_words(request.settings.behaviour.confidence_threshold, request.gate_enforced))
        print_banner(console, _banner(request, endpoint, number, folder))
        strategy_class = load_strategy(request.strategy)
        run = AlpacaRun(
            request, strategy_class, endpoint, folder, console.say, watch.iteration, stop=console.stop, account=number
        )
        return run.run()


def endpoint_of(settings: Settings) -> Endpoint:
    """Alpaca's own addresses with the person's keys."""
    credentials = settings.credentials
    if credentials is None:
        raise ConfigurationError("no Alpaca keys are set: put ALPACA_API_KEY and ALPACA_API_SECRET into .env (see .env.example)")
    key, secret = credentials.api_key.get_secret_value(), credentials.api_secret.get_secret_value()
    return Endpoint(key, secret, is_paper=credentials.is_paper)


def _account_folder(options: TradeOptions, number: str) -> RunFolder:
    return RunFolder(options.runs / f"{options.strategy}-alpaca-{number}")


def _folder(options: TradeOptions, number: str, journal_url: SecretStr | None, behaviour: str | None = None) -> RunFolder:
    """One journal for one strategy in one account: a restart goes on with it, whether or not somebody says --resume."""
    if options.resume is not None:
        folder, identity = reopen(options.resume, options.strategy, "alpaca")
        if identity.account != number:
            raise UsageError(
                f"--resume {options.resume}: that run trades account {identity.account}, the keys belong to {number}; "
                "set the keys of the run's account, or leave --resume out"
            )
        return folder
    folder = _account_folder(options, number)
    if folder.path.is_dir() and not folder.lock.exists():
        # A start that died before it traded: nothing can have been sent. Once it has, a missing journal is refused.
        return folder
    if folder.path.is_dir():
        return reopen(folder.path, options.strategy, "alpaca", "run folder")[0]
    load_strategy(options.strategy or "")
    identity = RunIdentity(
        strategy=options.strategy or "",
        broker="alpaca",
        source="alpaca",
        start=None,
        sessions=None,
        seed=None,
        config=kept_config(options),
        account=number,
        journal=None if journal_url is None else journal_name(journal_url),
        behaviour=behaviour,
    )
    return create(options.runs, folder.path.name, identity)


def _banner(request: RunRequest, endpoint: Endpoint, number: str, folder: RunFolder) -> Sequence[str]:
    kind = "paper" if endpoint.is_paper else "LIVE, real money"
    host = "https://app.alpaca.markets/paper/dashboard/overview" if endpoint.is_paper else "https://app.alpaca.markets"
    return (
        f"Trading {request.strategy} at Alpaca ({kind}), account {number}",
        f"Watch it at {host}",
        f"Journal and logs: {folder.path}",
    )
