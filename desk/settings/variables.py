"""Variables from the environment and from `.env`, with where each came from. The environment wins, name by name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import dotenv_values
from pydantic import SecretStr

from desk.domain.errors import ConfigurationError

ENVIRONMENT = "environment"
# Where a run at Alpaca keeps its journal instead of in a file; it may hold a password, so it is a secret as the keys are.
JOURNAL_URL_NAME = "LUMIDESK_JOURNAL_URL"


@dataclass(frozen=True, slots=True)
class Variables:
    """Values that are set and not empty; `origins[name]` is "environment" or the file's name. Values stay out of the repr."""

    values: Mapping[str, str] = field(repr=False)
    origins: Mapping[str, str]

    def get(self, name: str) -> str | None:
        return self.values.get(name)

    def secret(self, name: str) -> SecretStr | None:
        """A value that no repr and no message shows."""
        value = self.values.get(name)
        return None if value is None else SecretStr(value)

    def told(self, name: str) -> str:
        """The variable and its origin, for messages; never its value."""
        return f"{name} ({self.origins[name]})"


def read_variables(environ: Mapping[str, str] | None, dotenv: Path | None) -> Variables:
    """Merge `dotenv` (may be missing) and `environ` (None: this process's own). An empty value counts as not set.

    A name that is set in the environment, even to nothing, hides the one in the file.
    """
    actual = os.environ if environ is None else environ
    pairs = {name: (value, str(dotenv)) for name, value in _dotenv_pairs(dotenv).items()}
    pairs |= {name: (value, ENVIRONMENT) for name, value in actual.items()}
    filled = {name: (value.strip(), origin) for name, (value, origin) in pairs.items() if value.strip()}
    return Variables(
        values={name: value for name, (value, _) in filled.items()},
        origins={name: origin for name, (_, origin) in filled.items()},
    )


def _dotenv_pairs(path: Path | None) -> dict[str, str]:
    if path is None or not path.exists():
        return {}
    try:
        # No interpolation: a secret may hold a dollar sign.
        pairs = dotenv_values(path, interpolate=False, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path} cannot be read ({type(error).__name__}): make it a text file of NAME=value lines, as in .env.example"
        ) from None
    return {name: value or "" for name, value in pairs.items()}
