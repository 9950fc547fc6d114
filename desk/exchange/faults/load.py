"""Faults from text: a YAML file, the body of an admin request, keywords in a test. All of them go through one check."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from desk.domain.errors import ConfigurationError
from desk.exchange.faults.plan import EVENT_KINDS, HTTP_KINDS, Entry, Fault, FaultKind, Match
from desk.exchange.words import GroupRole

LONGEST_SECONDS = 86_400.0 * 366
_SECONDS = frozenset({"seconds"})
PARAMETERS: Mapping[FaultKind, frozenset[str]] = {
    FaultKind.RATE_LIMIT: frozenset({"with_headers"}),
    FaultKind.SERVER_ERROR: frozenset({"status", "taken"}),
    FaultKind.HANG: frozenset({"taken"}),
    FaultKind.SLOW: frozenset({"seconds", "taken"}),
    FaultKind.RESET: frozenset({"taken"}),
    FaultKind.CLOCK_SKEW: _SECONDS,
    FaultKind.REJECTED_AFTER_ACCEPTED: _SECONDS,
    FaultKind.STUCK_PENDING_CANCEL: _SECONDS,
    FaultKind.LEG_STUCK_HELD: frozenset({"leg"}),
    FaultKind.PARTIAL_FILL: frozenset({"fraction", "quantity", "leg"}),
    FaultKind.LATE_EVENT: _SECONDS,
    FaultKind.REORDERED_EVENT: frozenset({"behind"}),
    FaultKind.DROPPED_STREAM: frozenset({"delivered"}),
}
_ALWAYS = frozenset({"account", "since", "until", "nth", "count", "probability"})
_HINTS = {
    "kind": "give one of " + ", ".join(FaultKind),
    "account": "give an account's number, 0 for the first",
    "since": "give an instant with its zone, 2008-09-02T13:30:00Z",
    "until": "give an instant with its zone, 2008-09-02T13:30:00Z",
    "nth": "give a whole number from 1",
    "count": "give a whole number from 1",
    "probability": "give a chance from 0 to 1",
    "seconds": "give seconds, at most a year",
    "status": "give 500, 502 or 503",
    "fraction": "give a part of the order above 0 and below 1",
    "quantity": "give a quantity above 0",
    "leg": "give take_profit or stop_loss",
    "behind": "give a whole number from 1 to 100",
}


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _When(_Checked):
    method: str | None = Field(None, max_length=20)
    path: str | None = Field(None, max_length=500)
    account: int | None = Field(None, ge=0)
    symbol: str | None = Field(None, max_length=50)
    client_order_id: str | None = Field(None, max_length=200)
    event: str | None = Field(None, max_length=50)
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    nth: int | None = Field(None, ge=1)
    count: int | None = Field(None, ge=1)
    probability: float = Field(1.0, ge=0, le=1)


class _Fault(_Checked):
    kind: FaultKind
    when: _When = _When()
    seconds: float | None = Field(None, ge=-LONGEST_SECONDS, le=LONGEST_SECONDS, allow_inf_nan=False)
    status: int = Field(503, ge=500, le=503)
    with_headers: bool = True
    taken: bool = False
    fraction: Decimal = Field(Decimal("0.5"), gt=0, lt=1)
    quantity: Decimal | None = Field(None, gt=0, le=Decimal(10**9))
    leg: Literal["take_profit", "stop_loss"] | None = None
    behind: int = Field(1, ge=1, le=100)
    delivered: bool = False


class _File(_Checked):
    faults: tuple[_Fault, ...]


def load_faults(path: Path) -> tuple[Fault, ...]:
    """The faults of a YAML file. Raises ConfigurationError that names file, field, value and fix."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"faults {path}: cannot be read ({error.strerror}); give a YAML file that exists") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"faults {path}: is not valid YAML ({error}); see docs/faults.md for an example") from error
    try:
        checked = _File.model_validate(content)
        return tuple(_made(fault, f"faults.{index}.") for index, fault in enumerate(checked.faults))
    except ValidationError as error:
        raise ConfigurationError(f"faults {path}: {_told(error)}") from error
    except ValueError as error:
        raise ConfigurationError(f"faults {path}: {error}") from error


def parse_fault(content: object) -> Fault:
    """One fault from a mapping such as `{"kind": "slow", "seconds": 2, "when": {"path": "/v2/orders"}}`. Raises ValueError."""
    try:
        return _made(_Fault.model_validate(content), "")
    except ValidationError as error:
        raise ValueError(_told(error)) from error


def listed(entry: Entry) -> dict[str, object]:
    """An entry of a plan for people: the fault as it would be written, what matched, and how often it happened."""
    fault = entry.fault
    parameters = {name: _plain(getattr(fault, name)) for name in sorted(PARAMETERS.get(fault.kind, ()))}
    given = {name: _plain(getattr(fault.when, name)) for name in _When.model_fields}
    when = {name: value for name, value in given.items() if value is not None and (name, value) != ("probability", 1.0)}
    counts = {"matched": entry.matched, "hits": entry.hits}
    return {"id": entry.number, "kind": fault.kind.value, "when": when, **parameters, **counts}


def _made(checked: _Fault, prefix: str) -> Fault:
    kind = checked.kind
    _refuse_foreign(checked.model_fields_set - {"kind", "when"}, PARAMETERS.get(kind, frozenset()), kind, prefix)
    _refuse_foreign(checked.when.model_fields_set, conditions(kind), kind, prefix + "when.")
    if kind is FaultKind.HALTED_SYMBOL and checked.when.symbol is None:
        raise ValueError(f"{prefix}when.symbol: is missing; give the symbol that does not trade")
    if checked.seconds is not None and checked.seconds < 0 and kind is not FaultKind.CLOCK_SKEW:
        raise ValueError(f"{prefix}seconds: {checked.seconds} is below zero; only clock_skew goes backwards")
    if checked.status == 501:
        raise ValueError(f"{prefix}status: 501 is none that Alpaca sends; {_HINTS['status']}")
    values = checked.model_dump(exclude={"when", "leg"})
    return Fault(when=_match(checked.when), leg=None if checked.leg is None else GroupRole(checked.leg), **values)


def conditions(kind: FaultKind) -> frozenset[str]:
    """Names of the conditions that a kind of fault understands."""
    if kind is FaultKind.HALTED_SYMBOL:
        return frozenset({"symbol", "since", "until"})
    if kind in HTTP_KINDS:
        return _ALWAYS | {"method", "path"}
    named = _ALWAYS | {"symbol", "client_order_id"}
    return named | {"event"} if kind in EVENT_KINDS else named


def _refuse_foreign(given: set[str], known: frozenset[str], kind: FaultKind, prefix: str) -> None:
    for name in sorted(given - known):
        takes = "takes " + ", ".join(sorted(known)) if known else "takes no parameters"
        raise ValueError(f"{prefix}{name}: has no meaning for {kind}, which {takes}; leave it out")


def _match(when: _When) -> Match:
    values = when.model_dump()
    for name in ("since", "until"):
        values[name] = None if values[name] is None else values[name].astimezone(UTC)
    values["method"] = None if when.method is None else when.method.upper()
    return Match(**values)


def _told(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"]) or "the whole"
    name = str(first["loc"][-1]) if first["loc"] else ""
    if first["type"] == "missing":
        return f"{place}: is missing; {_HINTS.get(name, 'give it')}"
    if first["type"] == "extra_forbidden":
        return f"{place}: is not known; leave it out or mend its spelling"
    shown = repr(first["input"])[:80]
    return f"{place}: {shown} is refused; {_HINTS.get(name) or first['msg']}"


def _plain(value: Any) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
