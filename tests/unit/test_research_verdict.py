"""What findings come to."""

from __future__ import annotations

import pytest

from desk.research.verdict import LEAST_ENTRIES, Finding, Level, Verdict, reasons, verdict_of

ENOUGH = LEAST_ENTRIES


def finding(level: Level) -> Finding:
    return Finding(level.name, level, f"it is {level.name}")


@pytest.mark.parametrize(
    ("levels", "entries", "verdict"),
    [
        ((), ENOUGH, Verdict.PASS),
        ((Level.OK, Level.NOT_APPLICABLE), ENOUGH, Verdict.PASS),
        ((Level.NOTE,), ENOUGH, Verdict.PASS),
        ((Level.NOTE,), ENOUGH - 1, Verdict.INCONCLUSIVE),
        ((Level.OK, Level.SUSPECT), ENOUGH, Verdict.SUSPECT),
        ((Level.SUSPECT,), 0, Verdict.SUSPECT),
        ((Level.SUSPECT, Level.BIASED), ENOUGH, Verdict.BIASED),
        ((Level.BIASED,), 0, Verdict.BIASED),
    ],
)
def test_the_worst_finding_decides(levels, entries, verdict):
    assert verdict_of([finding(level) for level in levels], entries) is verdict


def test_accusations_come_first_and_notes_only_without_any():
    assert reasons([finding(Level.NOTE), finding(Level.SUSPECT), finding(Level.BIASED)]) == ["it is BIASED", "it is SUSPECT"]
    assert reasons([finding(Level.OK), finding(Level.NOTE)]) == ["it is NOTE"]
