"""What can befall a journal that is in use. What a person set wrong is a ConfigurationError instead."""

from __future__ import annotations

from desk.domain.errors import DeskError, ReconciliationBreak


class JournalBroken(DeskError):
    """The journal cannot be read or written now. Nothing of the failed append is in it, or all of it when the answer was lost."""


class JournalDamaged(JournalBroken, ReconciliationBreak):
    """Part of the journal is gone, and nobody can say what was sent: the file was cut short, a table is missing."""

    exit_code = ReconciliationBreak.exit_code


class LeaseLost(DeskError):
    """Another process writes this journal now; the text says who. Nothing of the refused append is in it."""
