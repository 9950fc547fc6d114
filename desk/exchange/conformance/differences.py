"""Two runs of one scenario side by side: which answers differ, and what the real ones settle."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from desk.exchange.conformance.runner import Outcome, plain
from desk.exchange.conformance.scenario import Expectation

NOT_RUN = "not run"
# Ids, prices and instants are each server's own.
OWN = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)|(?<==)\d+\.\d+|\$?\d+\.\d{2,}"
)


@dataclass(frozen=True)
class Row:
    """One step: what was expected, what either side said, and the verdict: "same", "differs", "not compared" or "as expected"."""

    step: str
    tells: str
    expected: str
    ours: str
    theirs: str
    verdict: str
    settles: str | None = None

    @property
    def is_wrong(self) -> bool:
        return self.verdict in ("differs", "not as expected")

    def cells(self) -> tuple[str, ...]:
        return (self.step, self.expected, self.ours, self.theirs, self.verdict)


def compare(ours: Sequence[Outcome], theirs: Sequence[Outcome] | None) -> list[Row]:
    """A row a step; `theirs` None when only this exchange was asked. Both must come from the same scenario."""
    others = {outcome.step.id: outcome for outcome in theirs or ()}
    return [_row(outcome, others.get(outcome.step.id), theirs is not None) for outcome in ours]


def wrong(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.is_wrong]


def settled(rows: Sequence[Row]) -> list[Row]:
    """Open questions to which Alpaca gave an answer."""
    return [row for row in rows if row.settles and row.theirs and not row.theirs.startswith(NOT_RUN)]


def expected(expect: Expectation) -> str:
    """An expectation in the words of an answer."""
    words = ["/".join(str(status) for status in expect.statuses), "/".join(str(code) for code in expect.codes)]
    words += [expect.message or "", *(f"{path}={_alternatives(wanted)}" for path, wanted in expect.fields.items())]
    return " ".join(word for word in words if word)


def _alternatives(wanted: object) -> str:
    return "/".join(plain(each) for each in wanted) if isinstance(wanted, list) else plain(wanted)


def _row(ours: Outcome, theirs: Outcome | None, is_compared: bool) -> Row:
    step = ours.step
    other = "" if theirs is None else _said(theirs)
    return Row(step.id, step.tells, expected(step.expect), _said(ours), other, _verdict(ours, theirs, is_compared), step.settles)


def _said(outcome: Outcome) -> str:
    return f"{NOT_RUN}: {outcome.skipped}" if outcome.skipped is not None else outcome.said


def _verdict(ours: Outcome, theirs: Outcome | None, is_compared: bool) -> str:
    if not is_compared:
        return {True: "as expected", False: "not as expected", None: NOT_RUN}[ours.holds]
    if theirs is None or ours.holds is None or theirs.holds is None:
        return "not compared"
    # Two answers that the scenario both allows are no difference: an order may still be pending at one of them.
    both_hold = ours.holds and theirs.holds
    return "same" if both_hold or _without_own(ours.said) == _without_own(theirs.said) else "differs"


def _without_own(said: str) -> str:
    return OWN.sub("*", said)


def as_json(rows: Sequence[Row]) -> list[Mapping[str, object]]:
    """Rows for programs."""
    return [
        {
            "step": row.step,
            "tells": row.tells,
            "expected": row.expected,
            "ours": row.ours,
            "theirs": row.theirs or None,
            "verdict": row.verdict,
            "settles": row.settles,
        }
        for row in rows
    ]
