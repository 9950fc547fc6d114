"""Settings of an exchange on their way to its child process: JSON in the command, keys in the environment alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from desk.domain.errors import ConfigurationError
from desk.exchange.codec import decode, encode
from desk.exchange.config import KEY_VARIABLE, SECRET_VARIABLE, ExchangeConfig


def as_text(config: ExchangeConfig) -> str:
    """The settings as JSON without any key; `from_text` reads them back."""
    accounts = tuple(replace(account, api_key=str(number), api_secret="") for number, account in enumerate(config.accounts, 1))
    return json.dumps(encode(replace(config, api_key="", api_secret="", accounts=accounts)))


def from_text(text: str, environment: Mapping[str, str]) -> ExchangeConfig:
    """The settings of `as_text` with the keys that `environment` holds. Raises ConfigurationError."""
    try:
        config = decode(ExchangeConfig, json.loads(text))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"settings of the child: {error}; start it through desk.exchange.process") from error
    keys = [tuple(environment.get(name, "") for name in variables(number)) for number in range(len(config.accounts) + 1)]
    missing = [name for number, pair in enumerate(keys) for name, value in zip(variables(number), pair, strict=True) if not value]
    if missing:
        raise ConfigurationError(f"{missing[0]}: not set; choose any word and set it")
    pairs = zip(config.accounts, keys[1:], strict=True)
    accounts = tuple(replace(account, api_key=key, api_secret=secret) for account, (key, secret) in pairs)
    return replace(config, api_key=keys[0][0], api_secret=keys[0][1], accounts=accounts)


def variables(number: int) -> tuple[str, str]:
    """Names of the environment variables with the key and the secret of an account."""
    return (KEY_VARIABLE, SECRET_VARIABLE) if number == 0 else (f"{KEY_VARIABLE}_{number}", f"{SECRET_VARIABLE}_{number}")
