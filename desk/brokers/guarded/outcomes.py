"""How sending an order, changing it or cancelling it can end. Every end is a value; none of them leaves open what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from desk.brokers.guarded.errors import Failure
from desk.brokers.guarded.matching import Difference
from desk.brokers.guarded.problems import Problem


@dataclass(frozen=True, slots=True)
class Sent:
    """The broker has it. `order` is Alpaca's JSON, with ids, legs, group and status, which may be an end already; empty after a
    cancel that was taken. `adopted` when no answer said so and the order was found by looking."""

    order: Mapping[str, Any] = field(default_factory=dict)
    adopted: bool = False


@dataclass(frozen=True, slots=True)
class NotSent:
    """The broker certainly does not have it. A `Problem` was found before anything was sent."""

    refusal: Failure | Problem


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can say yet whether the broker has it: look again later, and send nothing in its place."""

    why: str


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Under this id the broker has another order than was meant: something is wrong with the desk, which halts."""

    found: Mapping[str, Any]
    differences: tuple[Difference, ...]

    @property
    def text(self) -> str:
        return "; ".join(difference.text for difference in self.differences)


@dataclass(frozen=True, slots=True)
class Ended:
    """The order to be changed or cancelled had ended; `order` says how. One that is "replaced" lives on as its `replaced_by`."""

    order: Mapping[str, Any]


Outcome = Sent | NotSent | Unknown | Mismatch | Ended
