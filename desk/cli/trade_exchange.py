"""Trading on the built-in exchange from the command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from desk.cli.outcome import positions_command, python, resume_command, tell, tell_dry_run, trades_spreads
from desk.cli.run_log import log_to
from desk.cli.trade_console import TradeConsole
from desk.cli.trade_options import TradeOptions
from desk.cli.trade_settings import behaviour_lines, kept_config
from desk.cli.trade_start import started, submits_in
from desk.data.bundled import load_bundled
from desk.data.calendars import Session
from desk.data.directory import load_directory
from desk.data.source import Source
from desk.domain.records import RunRecord
from desk.report.console import RunConsole, print_banner
from desk.runtime.cadence import period_seconds, sleeptime_for
from desk.runtime.exchange_run import ExchangeRun
from desk.runtime.plugins import load_strategy
from desk.runtime.request import RunRequest
from desk.runtime.run_folder import RunFolder, RunIdentity, behaviour_digest, create, reopen
from desk.runtime.watch import Watch, gate_words
from desk.settings.load import Settings

# A stress period, chosen for its activity and not for its result.
DEFAULT_START = date(2008, 9, 2)
PERIOD_NOTE = "September 2008 is a stress period, chosen for its activity and not for its result."
DEFAULT_SESSIONS = 60
DEFAULT_SEED = 1


def trade_on_exchange(options: TradeOptions, settings: Settings) -> int:
    """Run on the built-in exchange and report. Returns the exit code."""
    console = TradeConsole(is_json=options.json)
    identity = _identity(options, settings)
    request = _request(identity, options, settings)
    strategy_class = load_strategy(request.strategy)
    source = load_directory(request.data) if request.data else load_bundled()
    run = ExchangeRun(request, strategy_class, source, RunFolder(options.runs), stop=console.stop)
    # Both look at the data: what cannot be played is refused before there is a folder.
    sessions, _ = run.sessions(), run.universe()
    with started(lambda: _folder(options, identity), options.resume is None, None, resume_command) as folder:
        log_to(folder.log)
        for line in (*_dates_lines(request, source, sessions), *behaviour_lines(folder.identity(), settings)):
            console.say(line)
        sleeptime = sleeptime_for(settings.behaviour.sleeptime, strategy_class)
        with RunConsole(console, expected_iterations(sleeptime, sessions)) as lines:
            words = gate_words(settings.behaviour.confidence_threshold, request.gate_enforced)
            watch = Watch(lines, [session.day for session in sessions], words)
            run = dataclasses.replace(
                run,
                folder=folder,
                on_address=lambda url: print_banner(console, _banner(url, request, source, len(sessions), folder)),
                show=console.say,
                on_iteration=watch.iteration,
            )
            result = run.run()
        if options.dry_run:
            return tell_dry_run(result, options, console, submits_in(folder, None))
        return tell(result, options, folder, console, _next_commands(result.record, folder, trades_spreads(strategy_class)))


def _dates_lines(request: RunRequest, source: Source, sessions: Sequence[Session]) -> Iterator[str]:
    """What the person asked for and the data does not have."""
    first, start = source.sessions()[0], request.start
    if start is not None and start < first:
        yield f"--start {start}: the data begins on {first}; the run begins there."
    if request.sessions is not None and request.sessions > len(sessions):
        since = f" from {sessions[0].day} on" if start is not None else ""
        yield f"--sessions {request.sessions}: the data has {len(sessions)}{since}; {len(sessions)} are played."


def _next_commands(record: RunRecord, folder: RunFolder, is_of_spreads: bool) -> Sequence[str]:
    again = f"{python()} live_trader.py --strategy {record.strategy}"
    paper = f"{again}   # with ALPACA_API_KEY and ALPACA_API_SECRET set: your paper account"
    if is_of_spreads:
        backtest = f"{python()} backtests/spreads.py   # two years of model prices, at three assumptions of fills"
        return (f"{again} --broker exchange --seed 2", positions_command(folder), backtest, paper)
    spreads = (positions_command(folder),) if record.spreads else ()
    return ('make trade ARGS="--seed 2"', "make backtest", *spreads, paper)


def expected_iterations(sleeptime: str, sessions: Sequence[Session]) -> int:
    """About how many iterations a run has, for the progress bar; a session has at least one."""
    seconds = period_seconds(sleeptime)
    return sum(max(1, int((session.closes_at - session.opens_at).total_seconds()) // seconds) for session in sessions)


def _identity(options: TradeOptions, settings: Settings) -> RunIdentity:
    """The identity of the run that is resumed, or of the new one."""
    if options.resume is not None:
        return reopen(options.resume, options.strategy, options.broker)[1]
    start = options.start or (None if options.data else DEFAULT_START)
    return RunIdentity(
        strategy=options.strategy or "",
        broker="exchange",
        source="bundled" if options.data is None else str(options.data.resolve()),
        start=None if start is None else start.isoformat(),
        sessions=1 if options.once or options.dry_run else options.sessions or DEFAULT_SESSIONS,
        seed=DEFAULT_SEED if options.seed is None else options.seed,
        config=kept_config(options),
        behaviour=behaviour_digest(settings.behaviour),
        dry_run=options.dry_run,
    )


def _folder(options: TradeOptions, identity: RunIdentity) -> RunFolder:
    if options.resume is not None:
        return RunFolder(options.resume)
    return create(options.runs, f"{identity.strategy}-{identity.broker}", identity)


def _request(identity: RunIdentity, options: TradeOptions, settings: Settings) -> RunRequest:
    return RunRequest(
        strategy=identity.strategy,
        settings=settings,
        runs=options.runs,
        start=None if identity.start is None else date.fromisoformat(identity.start),
        sessions=identity.sessions,
        seed=identity.seed if identity.seed is not None else DEFAULT_SEED,
        speed=options.speed,
        data=None if identity.source == "bundled" else Path(identity.source),
        port=options.port,
        resume=options.resume,
        dry_run=options.dry_run,
        once=options.once or options.dry_run,
        notes=(PERIOD_NOTE,) if identity.source == "bundled" and identity.start == DEFAULT_START.isoformat() else (),
    )


def _banner(url: str, request: RunRequest, source: Source, sessions: int, folder: RunFolder) -> Sequence[str]:
    gate = "enforced" if request.gate_enforced else "reports only: entries below it are traded and counted"
    again = "Resuming" if request.resume else "Trading"
    return (
        f"{again} {request.strategy} on the built-in exchange; no keys, no money. Watch it at {url}",
        f"{sessions} sessions of {source.label}, seed {request.seed}",
        f"Confidence gate at {request.settings.behaviour.confidence_threshold:g}: {gate}",
        f"Journal, logs and report: {folder.path}",
    )
