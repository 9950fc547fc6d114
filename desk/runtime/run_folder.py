"""One folder a run: journal, exchange state, models, logs, report. `--resume` is given such a folder."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from pydantic import SecretStr

from desk.domain.errors import ConfigurationError, Refused, UsageError
from desk.journal.place import place_of
from desk.settings.behaviour import Behaviour
from desk.settings.variables import JOURNAL_URL_NAME


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """What makes a run the same run when it is resumed. `journal` is a database's URL without its password, None for a file.

    `config` None is the default behaviour file; `behaviour` is the digest of the settings that the run began with, None in
    files of earlier versions. A `dry_run` has nothing that a run could go on with.
    """

    strategy: str
    broker: str
    source: str
    start: str | None
    sessions: int | None
    seed: int | None
    config: str | None = None
    account: str | None = None
    journal: str | None = None
    behaviour: str | None = None
    dry_run: bool = False


def behaviour_digest(behaviour: Behaviour) -> str:
    """SHA-256, in hexadecimal, of the effective settings: comments in their file, and its place, change nothing."""
    return sha256(json.dumps(behaviour.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class RunFolder:
    path: Path

    @property
    def journal(self) -> Path | str:
        """The journal's file, or the URL of its database without the password."""
        url = self.identity().journal if self.identity_file.is_file() else None
        return self.path / "journal.db" if url is None else url

    def journal_with(self, secret_url: SecretStr | None) -> Path | str:
        """Where to open the journal: as `journal`, with the password that the person's `secret_url` holds.

        Raises ConfigurationError when that URL is not this run's.
        """
        there = self.journal
        if secret_url is None:
            return there
        wanted = journal_name(secret_url)
        if wanted != str(there):
            raise ConfigurationError(
                f"{JOURNAL_URL_NAME} is {wanted}, and the run in {self.path} keeps its journal in {there}: unset the variable, "
                "or resume the run that it belongs to"
            )
        return secret_url.get_secret_value()

    @property
    def exchange_state(self) -> Path:
        return self.path / "exchange-state.json"

    @property
    def exchange_log(self) -> Path:
        return self.path / "exchange.log"

    @property
    def access_log(self) -> Path:
        return self.path / "access.log"

    @property
    def log(self) -> Path:
        return self.path / "run.log"

    @property
    def models(self) -> Path:
        return self.path / "models"

    @property
    def lock(self) -> Path:
        """Made by the first process that trades the run, and there from then on."""
        return self.path / "run.lock"

    def identity(self) -> RunIdentity:
        """What run.json says. Raises ConfigurationError when it cannot be read."""
        try:
            return RunIdentity(**json.loads(self.identity_file.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise ConfigurationError(
                f"{self.path}: run.json cannot be read ({error}); restore it, or move the folder away and start anew"
            ) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process; the lock goes with the process, however it ends.

        Raises Refused when another process trades this run: two would send the same orders twice.
        """
        with self.lock.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refused(
                    f"{self.path}: another process trades this run; stop that one first (Ctrl-C), then try again"
                ) from None
            yield

    @property
    def identity_file(self) -> Path:
        return self.path / "run.json"


def journal_name(secret_url: SecretStr) -> str:
    """A database's URL as it may be shown and kept. Raises ConfigurationError when it is not PostgreSQL's."""
    place = place_of(secret_url.get_secret_value())
    if place.path is not None:
        raise ConfigurationError(f"{JOURNAL_URL_NAME}: give postgresql://user:password@host:port/database, or leave it unset")
    return str(place)


def create(runs: Path, name: str, identity: RunIdentity) -> RunFolder:
    """Make a new folder `name` under `runs`; a number is added when the name is taken.

    Raises ConfigurationError when it cannot be written.
    """
    try:
        runs.mkdir(parents=True, exist_ok=True)
        path = _free(runs, name)
        path.mkdir()
        folder = RunFolder(path)
        folder.identity_file.write_text(json.dumps(asdict(identity), indent=2) + "\n")
    except OSError as error:
        raise ConfigurationError(
            f"cannot write a run folder under {runs} ({error.strerror or error}); no order is sent without a journal: "
            "make the folder writable or choose another with --runs DIR"
        ) from error
    return folder


def _free(runs: Path, name: str) -> Path:
    candidates = (runs / (name if number == 1 else f"{name}-{number}") for number in range(1, 10_000))
    return next(path for path in candidates if not path.exists())


def reopen(path: Path, strategy: str | None, broker: str | None, said: str = "--resume") -> tuple[RunFolder, RunIdentity]:
    """The folder of an earlier run; `said` is what the person typed before its path, for messages.

    Raises UsageError when it is none, or belongs to another strategy or broker.
    """
    folder = RunFolder(path)
    if not folder.identity_file.is_file():
        raise UsageError(f"{said} {path}: there is no run in this folder (run.json is missing); give a folder under runs/")
    identity = folder.identity()
    if isinstance(folder.journal, Path) and not folder.journal.is_file():
        raise UsageError(
            f"{said} {path}: its journal.db is gone, and without it nobody knows what was sent; "
            "restore it, or move the folder away and start anew"
        )
    for name, asked, was in (("--strategy", strategy, identity.strategy), ("--broker", broker, identity.broker)):
        if asked is not None and asked != was:
            raise UsageError(f"{said} {path}: this run trades {was}, not {asked}; leave {name} out or give {was}")
    return folder, identity
