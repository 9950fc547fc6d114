"""Who is compared: installed strategies by name, each with its settings or with some of them changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

import yaml
from pydantic import ValidationError

from desk.domain.errors import UsageError
from desk.runtime.plugins import load_strategy, parameters_of
from desk.runtime.strategy import DeskStrategy
from desk.settings import problems
from desk.settings.behaviour import Behaviour

# The same for everyone, or the rows do not compare.
SHARED = {"fee_bps": "costs", "slippage_bps": "costs", "universe": "symbols"}
SHAPE = "NAME or NAME:setting=value,setting=value, such as combined:oversold_rsi=25"


@dataclass(frozen=True)
class Contender:
    """A strategy with the behaviour that it is run with; `label` is what a person typed."""

    label: str
    strategy: type[DeskStrategy]
    behaviour: Behaviour


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person typed, read: the strategy's name and the settings that differ."""

    label: str
    name: str
    changes: Mapping[str, Any]

    @classmethod
    def read(cls, text: str) -> Self:
        """`NAME` or `NAME:setting=value,setting=value`; values as in YAML. Raises UsageError for anything else."""
        name, colon, rest = text.partition(":")
        pairs = [piece.partition("=") for piece in rest.split(",")] if colon else []
        wrong = [key for key, equals, value in pairs if not (key.strip() and equals and value.strip())]
        if not name or wrong:
            raise UsageError(f"{text}: a contender is {SHAPE}")
        names = [key.strip() for key, _, _ in pairs]
        for key in names:
            if names.count(key) > 1:
                raise UsageError(f"{text}: {key} is set twice; keep one")
        return cls(text, name, MappingProxyType({key.strip(): _value(text, value) for key, _, value in pairs}))


def contender(text: str, behaviour: Behaviour) -> Contender:
    """The strategy that `text` names, its settings those of `behaviour` but for the ones that `text` changes.

    A setting of the behaviour is changed there, one that the strategy alone has in its `Parameters`. Raises UsageError for an
    unknown strategy or setting, a value that is not allowed, and what has to be the same for all.
    """
    wish = Wish.read(text)
    strategy = load_strategy(wish.name)
    if not issubclass(strategy, DeskStrategy):
        raise UsageError(f"{wish.name} is a plain Lumibot strategy; this command runs desk strategies (desk.runtime.strategy)")
    own = {parameter.name for parameter in parameters_of(strategy)}
    for key in wish.changes:
        if key in SHARED:
            raise UsageError(f"{text}: the {SHARED[key]} are the same for all contenders; set {key} in the behaviour file")
        if key not in own and key not in Behaviour.model_fields:
            raise UsageError(f"{text}: {wish.name} has no setting {key}; `desk strategies` lists those that it has")
    general = {key: value for key, value in wish.changes.items() if key in Behaviour.model_fields}
    special = {key: value for key, value in wish.changes.items() if key not in general}
    return Contender(text, _with_parameters(strategy, special), _changed(behaviour, general, text))


def _value(text: str, written: str) -> Any:
    try:
        return yaml.safe_load(written)
    except yaml.YAMLError:
        raise UsageError(f"{text}: {written.strip()} cannot be read as a value; write it as in the behaviour file") from None


def _changed(behaviour: Behaviour, changes: Mapping[str, Any], text: str) -> Behaviour:
    try:
        return Behaviour.model_validate(behaviour.model_dump() | dict(changes))
    except ValidationError as error:
        raise UsageError(problems.told(error, text, {})) from None


def _with_parameters(strategy: type[DeskStrategy], changes: Mapping[str, Any]) -> type[DeskStrategy]:
    """The same strategy whose `Parameters` have other values; itself when none differ."""
    if not changes:
        return strategy

    def parameters_from(cls: type[DeskStrategy], behaviour: Mapping[str, Any]) -> Any:
        return dataclasses.replace(strategy.parameters_from(behaviour), **changes)

    members = {"__doc__": strategy.__doc__, "__module__": strategy.__module__, "parameters_from": classmethod(parameters_from)}
    return type(strategy.__name__, (strategy,), members)
