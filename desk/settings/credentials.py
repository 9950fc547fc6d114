"""Alpaca keys, by any of their accepted names. A doubt about them is refused; their values are never shown."""

from __future__ import annotations

import difflib

from pydantic import BaseModel, ConfigDict, SecretStr

from desk.domain.errors import ConfigurationError
from desk.settings.variables import Variables

# Ours first; the others are the spellings of Alpaca's own documents and libraries.
API_KEY_NAMES = ("ALPACA_API_KEY", "APCA_API_KEY_ID")
API_SECRET_NAMES = ("ALPACA_API_SECRET", "ALPACA_SECRET_KEY", "APCA_API_SECRET_KEY")
IS_PAPER_NAME = "ALPACA_IS_PAPER"
NAMES = (*API_KEY_NAMES, *API_SECRET_NAMES, IS_PAPER_NAME)

# Alpaca's paper keys begin with PK, live ones with AK (facts of the key format, not secrets).
_PAPER_PREFIX = "PK"


class Credentials(BaseModel):
    """A pair of Alpaca keys and the account that they belong to: paper, or live money."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    api_key: SecretStr
    api_secret: SecretStr
    is_paper: bool = True


def read_credentials(variables: Variables) -> tuple[Credentials | None, dict[str, str]]:
    """The keys in `variables` or None, with where each part came from.

    Raises ConfigurationError for half a pair, for spellings that contradict each other, for an ALPACA_IS_PAPER that is
    neither true nor false, and for a paper key that is declared to be live.
    """
    key, secret = _agreed(API_KEY_NAMES, variables), _agreed(API_SECRET_NAMES, variables)
    is_paper = _is_paper(variables)
    if key is None and secret is None:
        return None, {}
    if key is None:
        raise _half(secret, API_KEY_NAMES[0], variables)
    if secret is None:
        raise _half(key, API_SECRET_NAMES[0], variables)
    if variables.values[key].startswith(_PAPER_PREFIX) and not is_paper:
        raise ConfigurationError(
            f"{variables.told(key)} is a paper key (it starts with {_PAPER_PREFIX}), but "
            f"{variables.told(IS_PAPER_NAME)} is false: set {IS_PAPER_NAME}=true, or use the keys of the live account"
        )
    pair = Credentials(
        api_key=SecretStr(variables.values[key]), api_secret=SecretStr(variables.values[secret]), is_paper=is_paper
    )
    return pair, _origins(variables, key, secret)


def _agreed(names: tuple[str, ...], variables: Variables) -> str | None:
    """The first of `names` that is set; all that are set must hold the same value."""
    present = [name for name in names if variables.get(name) is not None]
    for other in present[1:]:
        if variables.values[other] != variables.values[present[0]]:
            both = f"{variables.told(present[0])} and {variables.told(other)}"
            raise ConfigurationError(f"{both} mean the same and hold different values: remove one of them")
    return present[0] if present else None


LONGEST_SHOWN = 10


def _is_paper(variables: Variables) -> bool:
    text = variables.get(IS_PAPER_NAME)
    if text is None or text.lower() == "true":
        return True
    if text.lower() == "false":
        return False
    # A longer text may be a key that was pasted into the wrong line.
    shown = f" ({text})" if len(text) <= LONGEST_SHOWN else ""
    raise ConfigurationError(
        f"{variables.told(IS_PAPER_NAME)} is neither true nor false{shown}: write {IS_PAPER_NAME}=true for paper"
    )


def _half(present: str | None, missing: str, variables: Variables) -> ConfigurationError:
    told = variables.told(present) if present else ""
    message = f"{told} is set but {missing} is not: set both, or neither to trade at the built-in exchange"
    candidates = [name for name in variables.values if name.startswith(("ALPACA", "APCA")) and name not in NAMES]
    for near in difflib.get_close_matches(missing, candidates, n=1):
        message += f" ({variables.told(near)} looks like a misspelt {missing})"
    return ConfigurationError(message)


def _origins(variables: Variables, key: str, secret: str) -> dict[str, str]:
    origins = {"credentials.api_key": variables.told(key), "credentials.api_secret": variables.told(secret)}
    if variables.get(IS_PAPER_NAME) is not None:
        origins["credentials.is_paper"] = variables.told(IS_PAPER_NAME)
    return origins
