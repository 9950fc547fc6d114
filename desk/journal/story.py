"""The story of one order group: every row about it, also raw messages that know it only by the broker's own ids."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Set
from typing import Any

from desk.journal.reader import JournalReader
from desk.journal.stored import Stored

# Rows that give a message its key, or an order its name at the broker.
_SPEAKING = ("submit", "replace", "cancel", "residue_stop", "acknowledged", "event")


def story(reader: JournalReader, key: str) -> Iterator[Stored]:
    """Rows of the group that `key` belongs to, in order; none when no row speaks of it.

    `key` may be the client order id of the group, of a change or cancel of it, or an id that the broker gave one of its orders.
    """
    names = _names(reader, _root(reader, key))
    mentioned = _mention_of(names)
    return (stored for stored in reader.rows() if mentioned(_searched(stored)))


def _root(reader: JournalReader, key: str) -> str:
    """The group's own key."""
    group_of: dict[str, str] = {}
    for stored in reader.rows(kinds=_SPEAKING):
        body = _body(stored)
        if stored.step_key is not None:
            group_of[stored.step_key] = str(body.get("of_key") or stored.step_key)
        elif key in _broker_ids(body):
            key = str(body["key"])
        if key in group_of:
            return group_of[key]
    return key


def _names(reader: JournalReader, root: str) -> Set[str]:
    """Every id that the group goes by: its key, those of messages about it and of its covers, and the broker's."""
    names = {root}
    for stored in reader.rows(kinds=_SPEAKING):
        body = _body(stored)
        if stored.step_key is not None and names & {body.get("of_key"), body.get("covers"), body.get("splits")}:
            names |= {stored.step_key, *filter(None, [body.get("covers")])}
        elif body.get("key") in names:
            names.update(_broker_ids(body))
    return names


def _broker_ids(body: dict[str, Any]) -> Set[str]:
    return {*(body.get("broker_ids") or {}).values(), body.get("broker_id") or ""} - {""}


def _searched(stored: Stored) -> str:
    return f"{stored.step_key or ''} {stored.body}"


def _mention_of(names: Set[str]) -> Callable[[str], object]:
    """A whole id, not the beginning of a longer one."""
    either = "|".join(re.escape(name) for name in sorted(names))
    return re.compile(rf"(?<![\w.-])(?:{either})(?![\w.-])").search


def _body(stored: Stored) -> dict[str, Any]:
    try:
        body = json.loads(stored.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
