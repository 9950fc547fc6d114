"""Errors that end a command, each with its documented exit code.

A refused trade is not an error but a value (`desk.domain.decisions.Denied`); these are for a broken world or bad input.
"""

from __future__ import annotations


class DeskError(Exception):
    """Something a person has to mend. `str(error)` says what happened and what to do; `exit_code` is the process's answer."""

    exit_code = 1


class UsageError(DeskError):
    """The command line is off: an unknown strategy, options that contradict each other."""

    exit_code = 2


class BrokerUnreachable(DeskError):
    """The broker or the exchange does not answer, or refuses the keys."""

    exit_code = 3


class ConfigurationError(DeskError):
    """A setting, a secret or a data file is wrong; the text names the field, the value and the fix."""

    exit_code = 4


class Refused(DeskError):
    """Risk rules or validation refused what was asked for."""

    exit_code = 5


class Halted(DeskError):
    """The desk is halted: it protects and closes, and opens nothing until a person says so."""

    exit_code = 6


class ReconciliationBreak(DeskError):
    """Journal and broker disagree about a position or an order."""

    exit_code = 7


class Naked(ReconciliationBreak):
    """Shares of the desk's have no exit at the broker, and the process that could give them one leaves."""
