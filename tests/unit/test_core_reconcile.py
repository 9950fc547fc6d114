"""What a person reads of a difference."""

from __future__ import annotations

import pytest

from desk.domain.breaks import REPAIRS, Break, BreakKind, Repair


def test_a_break_is_told_in_words() -> None:
    assert str(Break("AAA", 10, 7)) == "AAA: the journal says 10 shares, the broker holds 7"


@pytest.mark.parametrize("kind", [kind for kind in BreakKind if REPAIRS[kind] is not Repair.HALT])
def test_a_break_is_told_with_what_is_done_about_it(kind: BreakKind) -> None:
    told = str(Break("AAA", 10, 10, kind, "a reason"))
    assert told.startswith("AAA: the journal says 10 shares, the broker holds 10; a reason; ")
    assert len(told.split("; ")) >= 3


def test_every_kind_has_a_repair() -> None:
    assert set(REPAIRS) == set(BreakKind)
