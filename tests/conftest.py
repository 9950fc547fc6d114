"""What every test shares: no account in reach, and property tests that search the same examples on every build server."""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Generator, Iterator
from pathlib import Path

import forked_exchange
import pytest
from hypothesis import HealthCheck, settings

from desk import lumibot_switches
from desk.settings.credentials import NAMES

# Test files import Lumibot before the desk.
lumibot_switches.apply()
forked_exchange.install()

# A person's own keys must not reach a test, nor a command that a test starts. Set to nothing they also hide those of a .env file.
for _name in {name for name in os.environ if name.startswith(("ALPACA_", "APCA_"))} | set(NAMES):
    os.environ[_name] = ""

# Deadlines judge the machine, not the code. A build repeats the same search, so it learns nothing from a longer one; a person's
# machine goes on searching.
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "repeat", settings.get_profile("search"), max_examples=25, derandomize=True, database=None, print_blob=True
)
settings.register_profile("quick", settings.get_profile("repeat"), max_examples=15)  # for `make check`
settings.load_profile("repeat" if os.environ.get("CI") else "search")

SLOW_FILE = re.compile(r"^pytestmark = .*\bpytest\.mark\.slow\b", re.MULTILINE)


@pytest.fixture(scope="module")
def started_anew() -> Iterator[None]:
    """Exchanges of a module start as a person's do, with a command line of their own."""
    forked_exchange.uninstall()
    yield
    forked_exchange.install()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "rule(id, text, source=, status=): proves a rule of docs/exchange-rules.md")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`make check` does not load files of which it runs nothing: what they import takes as long as many of its tests."""
    if config.option.markexpr != "not slow" or collection_path.suffix != ".py":
        return None
    is_named = any(collection_path.name in argument for argument in config.args)
    is_slow = collection_path.parent.name == "rules" or SLOW_FILE.search(collection_path.read_text(encoding="utf-8"))
    return True if is_slow and not is_named else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is loaded here stays until the end: the search for garbage need not pass through it again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest first. Tests that say how many examples they want are as quick as the others: what a test says goes before a
    profile."""
    items.sort(key=lambda item: item.get_closest_marker("longest") is None)
    if config.getoption("--hypothesis-profile") != "quick":
        return
    for item in items:
        # Where hypothesis keeps the settings of a function, and of a state machine.
        _limit(getattr(item, "obj", None), "_hypothesis_internal_use_settings")
        _limit(getattr(item, "cls", None), "settings")


def _limit(owner: object, name: str) -> None:
    own, most = getattr(owner, name, None), settings.get_profile("quick").max_examples
    if isinstance(own, settings) and own.max_examples > most:
        setattr(owner, name, settings(own, max_examples=most))
