"""Turns pydantic's findings about a behaviour file into sentences: field, value, what it takes, and the default."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from desk.settings.behaviour import A_SYMBOL, Behaviour
from desk.settings.section import Accepts
from desk.settings.yaml_file import Location, dotted

_NOT_TEXT = re.compile(r"^([-+]?[\d._]+(e[-+]?\d+)?|\d{4}-\d\d-\d\d|true|false|yes|no|on|off|null|~|)$", re.IGNORECASE)
_SECRET_WORDS = ("key", "secret", "token", "password", "alpaca", "apca")


def told(error: ValidationError, where: str, raw: Mapping[Location, str]) -> str:
    """All findings, one a line, each led by `where` (the file). `raw` gives the text to show for a value from a variable."""
    details = error.errors(include_url=False)
    places = [detail["loc"] for detail in details]
    return "\n".join(f"{where}: {_finding(detail, raw)}" for detail in details if not _is_told_closer(detail["loc"], places))


def _is_told_closer(location: Location, places: list[Location]) -> bool:
    """Whether an item of this list has a finding of its own: a list with a bad item is also reported as too short."""
    return bool(location) and any(place[: len(location)] == location and len(place) > len(location) for place in places)


def _finding(detail: ErrorDetails, raw: Mapping[Location, str]) -> str:
    location = detail["loc"]
    if detail["type"] == "extra_forbidden":
        return _unknown_key(location)
    field = _field(location)
    block = _block(field)
    if not location or (block is not None and isinstance(detail["input"], Mapping)):
        return detail["msg"]  # values that do not go together; whoever found that names them
    subject = f"{dotted(location)} is {_shown(location, detail['input'], raw)}"
    if field is None:
        return f"{subject}: {detail['msg']}"
    if block is not None:
        return f"{subject}; it takes these keys, each with a value: {', '.join(block.model_fields)}"
    # An item of a list of symbols has no default of its own, and what it takes is said of the item.
    is_symbol = isinstance(location[-1], int) and get_origin(field.annotation) is tuple
    return f"{subject}; it takes {A_SYMBOL}" if is_symbol else f"{subject}; {_lesson(field, detail)}"


def _lesson(field: FieldInfo, detail: ErrorDetails) -> str:
    accepts = next((item.text for item in field.metadata if isinstance(item, Accepts)), detail["msg"])
    return f"it takes {accepts}. The default is {plain(field.default)}"


def _unknown_key(location: Location) -> str:
    key, known = str(location[-1]), list(_model(location[:-1]).model_fields)
    text = f"unknown key {dotted(location)}"
    for close in difflib.get_close_matches(key, known, n=1):
        return f"{text}: did you mean {dotted((*location[:-1], close))}?"
    if any(word in key.lower() for word in _SECRET_WORDS):
        return f"{text}: secrets go into the environment or .env (see .env.example), never into this file"
    return f"{text}: the known keys are {', '.join(known)}"


def _model(location: Location) -> type[BaseModel]:
    return _block(_field(location)) or Behaviour


def _block(field: FieldInfo | None) -> type[BaseModel] | None:
    """The model of a field that is a block of settings."""
    annotation = None if field is None else field.annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _field(location: Location) -> FieldInfo | None:
    """The field that `location` lies in: a list's item belongs to the list."""
    model: type[BaseModel] = Behaviour
    field: FieldInfo | None = None
    for part in location:
        if part not in model.model_fields:
            return field
        field = model.model_fields[str(part)]
        model = _block(field) or model
    return field


def _shown(location: Location, value: Any, raw: Mapping[Location, str]) -> str:
    for length in range(len(location), 0, -1):
        if location[:length] in raw:
            return raw[location[:length]]
    if any(key[: len(location)] == location for key in raw):
        return "built from variables"
    return plain(value)


def plain(value: Any) -> str:
    """A value as it would stand in YAML; text that YAML would read as something else is quoted."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(plain(item) for item in value)}]"
    if value is None:
        return "null"
    if isinstance(value, str) and _NOT_TEXT.match(value):
        return f'"{value}"'
    return f"{value:g}" if isinstance(value, float) else str(value)
