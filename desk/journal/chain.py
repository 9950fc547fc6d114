"""The chain over the rows: each digest covers its row and the digest before, so a changed or missing row shows from there on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any


@dataclass(frozen=True, slots=True)
class Head:
    """The last row's number and digest; in an empty journal 0 and the nonce, which ties the chain to this journal."""

    seq: int
    digest: str


def digest(before: str, seq: int, at: str, kind: str, step_key: str | None, body: str) -> str:
    """SHA-256, in hexadecimal, of the row's columns as stored and of the digest before it."""
    return sha256(json.dumps([before, seq, at, kind, step_key, body]).encode()).hexdigest()


def chained(records: Iterable[dict[str, Any]], head: Head) -> Iterator[dict[str, Any]]:
    """The records with their numbers and digests, going on from `head`."""
    last = head.digest
    for seq, record in enumerate(records, start=head.seq + 1):
        last = digest(last, seq, record["at"], record["kind"], record["step_key"], record["body"])
        yield record | {"seq": seq, "digest": last}
