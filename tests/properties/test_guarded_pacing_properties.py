"""How often and how long the guarded client tries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.brokers.guarded.pacing import Pace, Patience


class Time:
    def __init__(self) -> None:
        self.now, self.waits = 50.0, list[float]()

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def pace(time: Time, seed: int) -> Pace:
    return Pace(time, time.wait, np.random.default_rng(seed), first_wait_seconds=0.5, longest_wait_seconds=4.0)


@given(st.integers(1, 12), st.floats(0.0, 40.0), st.floats(0.0, 5.0), st.integers(0, 99))
def test_attempts_are_numbered_bounded_and_none_begins_after_the_total(
    attempts: int, total: float, each_seconds: float, seed: int
) -> None:
    time, numbers = Time(), []
    for number in pace(time, seed).tries(Patience(attempts, total)):
        assert number == 0 or time.now - 50.0 <= total + 1e-9
        numbers.append(number)
        time.now += each_seconds
    assert numbers == list(range(len(numbers)))
    assert 1 <= len(numbers) <= attempts
    assert len(time.waits) == len(numbers) - 1


@given(st.integers(0, 2000), st.integers(0, 99))
def test_waits_double_up_to_their_bound_and_chance_takes_at_most_half(number: int, seed: int) -> None:
    longest = min(4.0, 0.5 * 2.0 ** min(number, 60))
    assert longest / 2 <= pace(Time(), seed).pause_seconds(number) <= longest


@pytest.mark.parametrize(("attempts", "seconds"), [(0, 1.0), (1, -1.0), (1, float("nan"))])
def test_patience_needs_an_attempt_and_a_time(attempts: int, seconds: float) -> None:
    with pytest.raises(ValueError, match="attempts"):
        Patience(attempts, seconds)
