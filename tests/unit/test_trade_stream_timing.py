"""Delays that grow, and clocks that jump."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.brokers.stream_timing import Backoff, ClockWatch, StreamTiming

seeds = st.integers(0, 2**32 - 1)
first_delays = st.floats(0.001, 10.0)
longest_delays = st.floats(10.0, 600.0)
START = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)


@given(seeds, first_delays, longest_delays, st.integers(0, 40))
def test_a_delay_is_at_most_the_doubled_one_or_the_longest_and_at_least_half_of_it(
    seed: int, first: float, longest: float, failures: int
) -> None:
    backoff = Backoff(first, longest, np.random.default_rng(seed))
    for number in range(failures):
        whole = min(longest, first * 2**number)
        assert whole / 2 <= backoff.next_seconds() <= whole


@given(seeds, first_delays, longest_delays)
def test_a_delay_never_overflows_however_long_the_network_is_gone(seed: int, first: float, longest: float) -> None:
    backoff = Backoff(first, longest, np.random.default_rng(seed))
    delays = [backoff.next_seconds() for _ in range(2000)]
    assert longest / 2 <= delays[-1] <= longest


@given(seeds, first_delays, longest_delays, st.integers(1, 50))
def test_after_a_reset_delays_begin_anew(seed: int, first: float, longest: float, failures: int) -> None:
    backoff = Backoff(first, longest, np.random.default_rng(seed))
    for _ in range(failures):
        backoff.next_seconds()
    backoff.reset()
    assert first / 2 <= backoff.next_seconds() <= first


@given(seeds, st.integers(1, 30))
def test_the_same_seed_gives_the_same_delays(seed: int, count: int) -> None:
    one, other = (Backoff(1.0, 30.0, np.random.default_rng(seed)) for _ in range(2))
    assert [one.next_seconds() for _ in range(count)] == [other.next_seconds() for _ in range(count)]


class Hands:
    """The hands of two clocks."""

    def __init__(self) -> None:
        self.wall_seconds = 0.0
        self.monotonic_seconds = 0.0
        self.watch = ClockWatch(lambda: START + timedelta(seconds=self.wall_seconds), lambda: self.monotonic_seconds, 60.0)

    def look_after(self, wall: float, monotonic: float, waited: float | None = None) -> bool:
        self.wall_seconds += wall
        self.monotonic_seconds += monotonic
        return self.watch.look(waited)


@given(st.lists(st.tuples(st.floats(0.0, 1e5), st.floats(-30.0, 30.0)), max_size=20))
def test_clocks_that_run_nearly_together_never_jump(steps: list[tuple[float, float]]) -> None:
    hands = Hands()
    assert not any(hands.look_after(passed + drift, passed) for passed, drift in steps)


@given(st.floats(0.0, 1e5), st.floats(61.0, 1e6), st.sampled_from([1, -1]))
def test_a_clock_that_is_set_or_a_suspended_machine_is_seen_once(passed: float, jump: float, sign: int) -> None:
    hands = Hands()
    assert hands.look_after(passed + sign * jump, passed)
    assert not hands.look_after(1.0, 1.0)


@given(st.floats(0.0, 5.0), st.floats(61.0, 1e6))
def test_a_wait_that_took_far_too_long_is_a_jump_although_both_clocks_agree(waited: float, late: float) -> None:
    hands = Hands()
    assert hands.look_after(waited + late, waited + late, waited)
    assert not hands.look_after(waited, waited, waited)


@pytest.mark.parametrize("name", StreamTiming.__slots__)
def test_every_wait_has_its_unit_in_its_name_and_is_positive(name: str) -> None:
    assert name.endswith("_seconds")
    assert getattr(StreamTiming(), name) > 0
