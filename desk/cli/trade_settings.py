"""By which behaviour a run goes: a new one by the file that the person names, one that is resumed by its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from desk.cli.broker_choice import config_of
from desk.cli.trade_options import TradeOptions
from desk.domain.errors import ConfigurationError, UsageError
from desk.runtime.run_folder import RunIdentity, behaviour_digest, reopen
from desk.settings.load import Settings, load_settings


def settings_of(options: TradeOptions) -> Settings:
    """The settings that `options` ask for.

    Raises UsageError for a run that cannot be resumed, or not with the `--config` beside it, and ConfigurationError.
    """
    if options.resume is None:
        return load_settings(config=options.config)
    _, identity = reopen(options.resume, options.strategy, options.broker)
    if identity.dry_run:
        raise UsageError(
            f"--resume {options.resume}: that was a dry run, which sends nothing and has nothing to go on with; leave --resume "
            f"out and give --strategy {identity.strategy}"
        )
    if identity.broker == "alpaca" and identity.behaviour is None and options.config is not None:
        return load_settings(config=options.config)  # earlier versions did not keep the file of a run at Alpaca
    return _own(options.resume, options.config)


def _own(resume: Path, asked: Path | None) -> Settings:
    own = config_of(resume)
    if own is not None and not own.is_file():
        raise ConfigurationError(f"--resume {resume}: the run's behaviour file {own} is gone; put it back, or start a new run")
    settings = load_settings(config=own)
    if asked is not None and not _is_same(asked, settings.config_file):
        raise UsageError(
            f"--config {asked}: the run in {resume} goes on by its own behaviour, {settings.config_file or 'the defaults'}; "
            "leave --config out, or start a new run with it"
        )
    return settings


def _is_same(asked: Path, own: Path | None) -> bool:
    return own is not None and asked.resolve() == own.resolve()


def kept_config(options: TradeOptions) -> str | None:
    """The behaviour file as `run.json` keeps it; None for the default."""
    return None if options.config is None else str(options.config.resolve())


def behaviour_lines(identity: RunIdentity, settings: Settings) -> Iterator[str]:
    """What to tell when a run goes on by other behaviour than it began with; nothing when it does not, or nobody knows."""
    if identity.behaviour not in (None, behaviour_digest(settings.behaviour)):
        file = settings.config_file or "the defaults"
        yield f"The behaviour settings ({file}) changed since the run began; from here on the present ones count."
