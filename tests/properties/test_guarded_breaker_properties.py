"""The circuit breaker: its table of transitions, and what it promises whatever comes."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.brokers.guarded.breaker import TRANSITIONS, BreakerLimits, Change, CircuitBreaker, Signal, State

LIMITS = BreakerLimits(failures=3, cool_down_seconds=5.0, longest_cool_down_seconds=20.0)


class World:
    def __init__(self) -> None:
        self.now = 1000.0
        self.heard: list[Change] = []
        self.breaker = CircuitBreaker(lambda: self.now, self.hear, LIMITS)

    def hear(self, change: Change) -> None:
        # A listener may ask the breaker: it is told outside the lock.
        assert self.breaker.text
        self.heard.append(change)

    def broken(self) -> World:
        for _ in range(LIMITS.failures):
            self.breaker.admit()
            self.breaker.failed("HTTP 502")
        return self


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.booleans()),
        st.just(("answered", False)),
        st.just(("failed", False)),
        st.tuples(st.just("time"), st.floats(0.0, 30.0)),
    ),
    max_size=80,
)


def play(world: World, event: tuple[str, float]) -> None:
    kind, value = event
    if kind == "ask":
        world.breaker.admit(protective=bool(value))
    elif kind == "answered":
        world.breaker.answered()
    elif kind == "failed":
        world.breaker.failed("HTTP 502")
    else:
        world.now += value


def test_the_table_has_every_state_with_every_signal() -> None:
    assert set(TRANSITIONS) == set(product(State, Signal))


@given(EVENTS)
def test_every_change_is_told_once_and_is_one_of_the_table(events: list[tuple[str, float]]) -> None:
    world = World()
    for event in events:
        before, told = world.breaker.state, len(world.heard)
        play(world, event)
        after = world.breaker.state
        assert len(world.heard) - told == (before is not after)
        assert any(TRANSITIONS[before, signal] is after for signal in Signal)
    states = [State.CLOSED, *(change.after for change in world.heard)]
    assert all((change.before, change.after) == pair for change, pair in zip(world.heard, pairwise(states), strict=True))


@given(EVENTS)
def test_a_protective_request_never_waits_longer_than_its_pause(events: list[tuple[str, float]]) -> None:
    world = World()
    for event in events:
        play(world, event)
        seconds = world.breaker.seconds_until_allowed(protective=True)
        assert seconds <= LIMITS.protective_pause_seconds
        if not seconds:
            assert world.breaker.admit(protective=True) == 0.0


@given(EVENTS)
def test_an_answer_closes_it_whatever_came_before(events: list[tuple[str, float]]) -> None:
    world = World()
    for event in events:
        play(world, event)
    world.breaker.answered()
    assert world.breaker.state is State.CLOSED
    assert world.breaker.admit() == 0.0


@given(EVENTS)
def test_it_never_stays_shut_for_ever(events: list[tuple[str, float]]) -> None:
    world = World()
    for event in events:
        play(world, event)
    world.now += max(LIMITS.longest_cool_down_seconds, LIMITS.probe_seconds)
    assert world.breaker.admit() == 0.0


@given(EVENTS)
def test_an_open_one_lets_ordinary_requests_through_one_probe_at_a_time(events: list[tuple[str, float]]) -> None:
    world = World().broken()
    for event in events:
        play(world, event)
        if world.breaker.state is not State.CLOSED and world.breaker.admit() == 0.0:
            assert world.breaker.state is State.HALF_OPEN
            assert world.breaker.admit() > 0


def test_failures_that_are_not_in_a_row_leave_it_closed() -> None:
    world = World()
    for _ in range(10):
        world.breaker.failed("HTTP 502")
        world.breaker.failed("HTTP 502")
        world.breaker.answered()
    assert world.heard == []


def test_the_cool_down_doubles_with_each_probe_that_fails_up_to_its_bound_and_begins_anew() -> None:
    world, waits = World().broken(), []
    for _ in range(4):
        waits.append(world.breaker.seconds_until_allowed())
        world.now += waits[-1]
        assert world.breaker.admit() == 0.0
        world.breaker.failed("HTTP 502")
    world.breaker.answered()
    world.broken()
    assert [*waits, world.breaker.seconds_until_allowed()] == [5.0, 10.0, 20.0, 20.0, 5.0]


def test_a_person_is_told_what_is_the_matter_and_when_it_is_over() -> None:
    world = World().broken()
    world.now += 5
    world.breaker.admit()
    world.breaker.answered()
    assert [change.after for change in world.heard] == [State.OPEN, State.HALF_OPEN, State.CLOSED]
    failed = "The broker failed 3 times in a row, the last time so: HTTP 502."
    assert world.heard[0].text == (
        f"{failed} Nothing new is sent for 5 seconds; exits and cancels are still tried, and orders at the broker stay in force."
    )
    assert world.heard[1].text == f"{failed} One request is on its way to find out whether it is back."
    assert world.heard[2].text == world.breaker.text == "The broker answers."


def test_a_probe_that_hangs_holds_no_protective_request_back() -> None:
    world = World().broken()
    world.now += 5
    assert world.breaker.admit() == 0.0
    world.now += LIMITS.protective_pause_seconds
    assert world.breaker.admit(protective=True) == 0.0
    assert world.breaker.admit() > 0


def test_it_needs_a_number_of_failures() -> None:
    with pytest.raises(ValueError, match="failures 0"):
        BreakerLimits(failures=0)
