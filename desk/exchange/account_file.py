"""The file of accounts: YAML that names, for each, the environment variables with its keys. No key ever stands in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError

from desk.domain.errors import ConfigurationError
from desk.exchange.config import AccountConfig, holdings_of


class _Account(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    key_variable: str = Field(min_length=1)
    secret_variable: str = Field(min_length=1)
    cash_usd: float = 100_000.0
    multiplier: int = 4
    options_level: int = 3
    holdings: dict[str, StrictInt] = Field(default_factory=dict)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    accounts: tuple[_Account, ...] = Field(min_length=1, max_length=100)


def load_accounts(path: Path, environment: Mapping[str, str]) -> tuple[AccountConfig, ...]:
    """The accounts of a file, in order. Raises ConfigurationError that names file, field, value and fix."""
    try:
        read = _File.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigurationError(f"accounts {path}: cannot be read ({error.strerror}); give a YAML file that exists") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"accounts {path}: is not valid YAML ({error}); see docs/exchange.md for an example") from error
    except ValidationError as error:
        raise ConfigurationError(f"accounts {path}: {_told(error)}") from error
    return tuple(_made(account, f"accounts {path}: accounts.{index}", environment) for index, account in enumerate(read.accounts))


def _made(account: _Account, place: str, environment: Mapping[str, str]) -> AccountConfig:
    for field in ("key_variable", "secret_variable"):
        name = getattr(account, field)
        if not environment.get(name):
            raise ConfigurationError(f"{place}.{field}: the environment variable {name} is not set; set it to any word")
    key, secret = environment[account.key_variable], environment[account.secret_variable]
    terms = (account.cash_usd, account.multiplier, account.options_level, holdings_of(account.holdings))
    return AccountConfig(key, secret, *terms)


def _told(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"]) or "the whole"
    if first["type"] == "extra_forbidden":
        # A key that was written here by mistake is not repeated in a message that may end up in a log.
        return f"{place}: is not known; keys go into the environment, named by key_variable and secret_variable"
    if first["type"] == "missing":
        return f"{place}: is missing; see docs/exchange.md for an example"
    return f"{place}: is refused ({first['msg']}); see docs/exchange.md for an example"
