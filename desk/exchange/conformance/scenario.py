"""The scenario as data: steps with a request each, what is expected of the answer, and what later steps need to know of it.

A step has exactly one of `get`, `post`, `patch`, `delete` (a path) or `stream` (a number of connections). `${name}` in it stands
for a variable that an earlier step saved or that the runner gives: symbol, run, and the prices derived from the last trade.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from importlib.resources import files
from typing import Any

import yaml

from desk.domain.errors import ConfigurationError

KINDS = ("get", "post", "patch", "delete", "stream")
PLAIN = ("id", "tells", "settles", "must", "needs_open")
KNOWN = frozenset({*KINDS, *PLAIN, "params", "body", "save", "derive", "wait", "expect"})
EXPECTED = frozenset({"status", "code", "message", "fields"})
VARIABLE = re.compile(r"\$\{(\w+)\}")
COUNT = "#"
Fields = Mapping[str, object]


@dataclass(frozen=True)
class Expectation:
    """What an answer should be: one of `statuses` and of `codes` (any when empty), `message` a pattern found in it, and fields by
    dotted path: one value or a list of allowed ones, `~pattern` for a text, `#` at the end for the length of a list."""

    statuses: tuple[int, ...]
    codes: tuple[int, ...] = ()
    message: str | None = None
    fields: Fields = field(default_factory=dict)


@dataclass(frozen=True)
class Derived:
    """A price: so many times another, rounded to cents."""

    of: str
    times: Decimal


@dataclass(frozen=True)
class Step:
    """One request. `tells` says what it shows, `settles` names the open question that the real answer would settle, `must`
    what to do when the expectation does not hold, for steps without which nothing else may run. `wait_seconds` repeats a
    read until it holds or the time is over. `needs_open` steps are left out while the market is closed."""

    id: str
    tells: str
    method: str
    path: str
    expect: Expectation
    params: Fields = field(default_factory=dict)
    body: Fields | None = None
    save: Mapping[str, str] = field(default_factory=dict)
    derive: Mapping[str, Derived] = field(default_factory=dict)
    settles: str | None = None
    must: str | None = None
    needs_open: bool = False
    wait_seconds: float = 0.0

    @property
    def is_stream(self) -> bool:
        return self.method == "STREAM"

    def missing(self, variables: Mapping[str, str]) -> list[str]:
        """Variables that the request names and nothing has saved."""
        return sorted({name for name in _names((self.path, self.params, self.body)) if name not in variables})


@dataclass(frozen=True)
class Scenario:
    """All steps in order, and what no request without a fill can settle."""

    steps: tuple[Step, ...]
    unsettled: tuple[str, ...]


def load(text: str | None = None) -> Scenario:
    """The scenario in `text`, or the one that comes with this package. Raises ConfigurationError naming the step."""
    source = text if text is not None else files(__package__).joinpath("scenario.yaml").read_text(encoding="utf-8")
    try:
        said = yaml.safe_load(source)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"scenario: no YAML ({error})") from error
    if not isinstance(said, dict) or not isinstance(said.get("steps"), list) or not said["steps"]:
        raise ConfigurationError("scenario: no steps; give a list under `steps`")
    steps = tuple(_step(each) for each in said["steps"])
    twice = sorted({step.id for step in steps if [other.id for other in steps].count(step.id) > 1})
    if twice:
        raise ConfigurationError(f"scenario: step {twice[0]} is there twice; give every step an id of its own")
    return Scenario(steps, tuple(said.get("unsettled", ())))


def filled(value: Any, variables: Mapping[str, str]) -> Any:
    """`value` with its variables put in."""
    if isinstance(value, str):
        return VARIABLE.sub(lambda match: variables[match[1]], value)
    if isinstance(value, Mapping):
        return {name: filled(part, variables) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [filled(part, variables) for part in value]
    return value


def look(value: Any, path: str) -> Any:
    """What stands at a dotted path of an answer (`legs.0.status`; `legs.#` is the length); None when nothing does."""
    for name in path.split("."):
        if name == COUNT:
            value = len(value) if isinstance(value, list | dict) else None
        elif isinstance(value, list):
            value = value[int(name)] if name.isdigit() and int(name) < len(value) else None
        else:
            value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from VARIABLE.findall(value)
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _names(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _names(part)


def _step(said: Any) -> Step:
    name = said.get("id") if isinstance(said, dict) else None
    if not name:
        raise ConfigurationError(f"scenario: {said!r} is no step; give it an id, a request and what is expected")
    kinds = [kind for kind in KINDS if kind in said]
    if unknown := sorted(set(said) - KNOWN):
        raise ConfigurationError(f"scenario step {name}: {unknown[0]} is not known; use {', '.join(sorted(KNOWN))}")
    if len(kinds) != 1:
        raise ConfigurationError(f"scenario step {name}: {kinds or 'no request'}; give exactly one of {', '.join(KINDS)}")
    if "tells" not in said:
        raise ConfigurationError(f"scenario step {name}: say under `tells` what it shows")
    plain = {key: said[key] for key in ("settles", "must", "needs_open", "params", "body", "save") if key in said}
    derive = {key: Derived(of["of"], Decimal(str(of["times"]))) for key, of in said.get("derive", {}).items()}
    wait, expect = float(said.get("wait", 0.0)), _expectation(name, said.get("expect"))
    return Step(name, said["tells"], kinds[0].upper(), str(said[kinds[0]]), expect, derive=derive, wait_seconds=wait, **plain)


def _expectation(name: str, said: Any) -> Expectation:
    if not isinstance(said, dict) or not said or set(said) - EXPECTED:
        raise ConfigurationError(f"scenario step {name}: expect {said!r}; give some of {', '.join(sorted(EXPECTED))}")
    return Expectation(
        _several(said.get("status", ())), _several(said.get("code", ())), said.get("message"), said.get("fields", {})
    )


def _several(said: Any) -> tuple[int, ...]:
    return tuple(said) if isinstance(said, list | tuple) else (said,)
