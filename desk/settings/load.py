"""Puts the effective settings together and says where each value came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError

from desk.domain.errors import ConfigurationError
from desk.settings import problems
from desk.settings.behaviour import Behaviour
from desk.settings.credentials import Credentials, read_credentials
from desk.settings.variables import JOURNAL_URL_NAME, read_variables
from desk.settings.yaml_file import Document, Location, dotted, read_yaml

DEFAULT_CONFIG = Path("config") / "default.yaml"
_CHECKOUT = Path(__file__).resolve().parents[2]
_MASK = "********"
_SHORTEST_REAL_KEY = 16  # Alpaca's are 20 letters and more; of anything shorter, two letters would be too much to show


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One effective setting for display: dotted name, value with secrets masked, and where it came from."""

    name: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The effective settings. `sources` holds the origin of every value that is not the default, by dotted name.

    `config_file` is the behaviour file that was read, None when there is none and every default stands.
    """

    behaviour: Behaviour
    credentials: Credentials | None
    sources: Mapping[str, str]
    config_file: Path | None
    journal_url: SecretStr | None = None

    def describe(self) -> list[SettingRow]:
        """Rows for people, in the order of the documentation; secrets are masked."""
        values = {dotted(at): problems.plain(value) for at, value in _leaves(self.behaviour)}
        values |= _described_credentials(self.credentials)
        if self.journal_url is not None:
            values["journal_url"] = _MASK
        return [SettingRow(name, value, self.sources.get(name, "default")) for name, value in values.items()]


def load_settings(
    *, config: Path | None = None, environ: Mapping[str, str] | None = None, dotenv: Path | None = Path(".env")
) -> Settings:
    """Read behaviour from `config` and secrets from `environ` and `dotenv`.

    `config` None: `config/default.yaml` of the working directory, else of the checkout, else the same defaults from the
    model. Only one file is read; keys that it leaves out have their defaults. `environ` None: the process's environment,
    which wins over `dotenv` (None or missing: no such file). Raises ConfigurationError naming field, value and fix.
    """
    variables = read_variables(environ, dotenv)
    path = config if config is not None else _default_config()
    document = Document({}) if path is None else read_yaml(path, variables)
    behaviour = _behaviour(document, path)
    credentials, origins = read_credentials(variables)
    journal_url = variables.secret(JOURNAL_URL_NAME)
    if journal_url is not None:
        origins = {**origins, "journal_url": variables.told(JOURNAL_URL_NAME)}
    return Settings(behaviour, credentials, {**_origins(behaviour, document, path), **origins}, path, journal_url)


def _default_config() -> Path | None:
    candidates = (DEFAULT_CONFIG, _CHECKOUT / DEFAULT_CONFIG)
    return next((path for path in candidates if path.is_file()), None)


def _behaviour(document: Document, path: Path | None) -> Behaviour:
    try:
        return Behaviour.model_validate(document.values)
    except ValidationError as error:
        # The cause is dropped: pydantic's own text may show values that came from variables.
        raise ConfigurationError(problems.told(error, str(path), document.raw)) from None


def _origins(behaviour: Behaviour, document: Document, path: Path | None) -> dict[str, str]:
    defaults = dict(_leaves(Behaviour()))
    changed = [at for at, value in _leaves(behaviour) if value != defaults[at]]
    return {dotted(at): _origin(at, document, path) for at in changed}


def _origin(at: Location, document: Document, path: Path | None) -> str:
    # A setting comes from a variable when it, a block around it, or an item of its list was written with one.
    used = [text for key, text in document.raw.items() if key[: len(at)] == at or at[: len(key)] == key]
    return f"{path} ({', '.join(used)})" if used else str(path)


def _leaves(section: BaseModel, at: Location = ()) -> Iterator[tuple[Location, Any]]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _leaves(value, (*at, name))
        else:
            yield (*at, name), value


def _described_credentials(credentials: Credentials | None) -> dict[str, str]:
    if credentials is None:
        return {"credentials": "none: trades at the built-in exchange"}
    return {
        "credentials.api_key": _masked_key(credentials.api_key),
        "credentials.api_secret": _MASK,
        "credentials.is_paper": problems.plain(credentials.is_paper),
    }


def _masked_key(key: SecretStr) -> str:
    """The first two letters tell a paper key (PK) from a live one (AK); the rest stays hidden."""
    value = key.get_secret_value()
    return value[:2] + _MASK if len(value) >= _SHORTEST_REAL_KEY else _MASK
