"""A block of settings, and the words in which a field says what it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


@dataclass(frozen=True, slots=True)
class Accepts:
    """Says in words what a field takes; an error message repeats it."""

    text: str


# Types that several blocks use. One that takes null has its limits as a whole, so that a message finds what it accepts.
Fraction = Annotated[float, Field(gt=0, lt=1), Accepts("a fraction above 0 and below 1 (0.05 is 5 %)")]
OptionalFraction = Annotated[float | None, Field(gt=0, lt=1), Accepts("a fraction above 0 and below 1 (0.05 is 5 %), or null")]
Probability = Annotated[float, Field(ge=0, le=1), Accepts("a probability from 0 to 1")]
Minutes = Annotated[int, Field(ge=0, le=390), Accepts("whole minutes from 0 to 390, the length of a session")]
OptionalMultiple = Annotated[float | None, Field(gt=0, le=100), Accepts("a number above 0, at most 100, or null")]
Switch = Annotated[bool, Accepts("true or false")]


class Section(BaseModel):
    """A block of settings: no unknown key, no silent conversion of a value, no change after loading."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True, hide_input_in_errors=True
    )
