"""What is particular to the journal of a backtest: it is gone with the process, and costs next to nothing."""

from __future__ import annotations

from datetime import UTC, datetime

from desk.domain.journal import Row
from desk.domain.steps import Cancel
from desk.journal.memory import MemoryJournal

NOW = datetime(2024, 1, 3, 15, tzinfo=UTC)


def test_closing_leaves_the_rows_for_the_report() -> None:
    journal = MemoryJournal("n")
    journal.append([Row(NOW, Cancel("k1", "k0", "AAA", "old"))])
    journal.close()
    assert [row.step_key for row in journal.rows()] == ["k1"]


def test_two_journals_share_nothing() -> None:
    one, other = MemoryJournal("a"), MemoryJournal("b")
    one.append([Row(NOW, Cancel("k1", "k0", "AAA", "old"))])
    assert not other.has_step("k1")
    assert (one.nonce, other.nonce) == ("a", "b")


def test_appending_nothing_stores_nothing() -> None:
    journal = MemoryJournal("n")
    journal.append([])
    assert list(journal.rows()) == []
