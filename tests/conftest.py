"""What every test shares: no account in reach, and property tests that search the same examples on every build server."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from desk import lumibot_switches
from desk.settings.credentials import NAMES

# Test files import Lumibot before the desk.
lumibot_switches.apply()

# Modules that tests share stand beside this file. `tests` is no package: libraries install one of that name.
sys.path.insert(0, str(Path(__file__).parent))

# A person's own keys must not reach a test, nor a command that a test starts. Set to nothing they also hide those of a .env file.
for _name in {name for name in os.environ if name.startswith(("ALPACA_", "APCA_"))} | set(NAMES):
    os.environ[_name] = ""

# Deadlines judge the machine, not the code. A build repeats the same search; a person's machine goes on searching.
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeat", settings.get_profile("search"), derandomize=True, database=None, print_blob=True)
settings.register_profile("quick", settings.get_profile("repeat"), max_examples=15)  # for `make check`
settings.load_profile("repeat" if os.environ.get("CI") else "search")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "rule(id, text, source=, status=): proves a rule of docs/exchange-rules.md")
