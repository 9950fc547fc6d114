"""The rate budget: no window holds more than it allows, and protective requests find their reserve."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.brokers.guarded.bucket import RateBudget, TokenBucket

WALL_SECONDS = 1_800_000_000.0


class Time:
    """A stopwatch that only waiting moves."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


def bucket(time: Time, budget: RateBudget) -> TokenBucket:
    return TokenBucket(time, lambda: WALL_SECONDS + time.now, time.wait, budget)


BUDGETS = st.builds(
    lambda requests, reserve, window: RateBudget(requests, min(reserve, requests - 1), window),
    st.integers(1, 12),
    st.integers(0, 6),
    st.floats(1.0, 60.0),
)
ASKED = st.lists(st.tuples(st.floats(0.0, 30.0), st.booleans()), max_size=60)


def takes(asked: list[tuple[float, bool]], budget: RateBudget) -> list[tuple[float, bool, float]]:
    """(instant, protective, seconds waited) of requests that come after each other, some seconds apart, and got a token."""
    time, done = Time(), []
    tokens = bucket(time, budget)
    for pause, protective in asked:
        time.now += pause
        waited = tokens.take(protective)
        if waited is not None:
            done.append((time.now, protective, waited))
    return done


@given(ASKED, BUDGETS)
def test_no_window_wherever_it_begins_holds_more_requests_than_the_budget(
    asked: list[tuple[float, bool]], budget: RateBudget
) -> None:
    instants = [at for at, _, _ in takes(asked, budget)]
    for first, beyond in zip(instants, instants[budget.requests :], strict=False):
        assert beyond - first >= budget.window_seconds - 1e-9


@given(ASKED, BUDGETS)
def test_ordinary_requests_alone_never_use_the_reserve(asked: list[tuple[float, bool]], budget: RateBudget) -> None:
    instants = [at for at, protective, _ in takes(asked, budget) if not protective]
    for first, beyond in zip(instants, instants[budget.requests - budget.reserve :], strict=False):
        assert beyond - first >= budget.window_seconds - 1e-9


@given(ASKED, BUDGETS)
def test_a_protective_request_waits_only_for_other_protective_ones(asked: list[tuple[float, bool]], budget: RateBudget) -> None:
    """However ordinary requests drain the budget, as many protective ones as the reserve holds go at once in any window."""
    done = takes(asked, budget)
    for place, (at, protective, waited) in enumerate(done):
        began = at - waited
        before = [then for then, urgent, _ in done[:place] if urgent and then > began - budget.window_seconds]
        if protective and len(before) < budget.reserve:
            assert waited == 0.0


@given(ASKED, BUDGETS, st.floats(0.0, 20.0))
def test_an_ordinary_request_waits_no_longer_than_its_bound_and_without_a_token_costs_none(
    asked: list[tuple[float, bool]], budget: RateBudget, longest: float
) -> None:
    time, budget = Time(), replace(budget, ordinary_wait_seconds=longest)
    tokens = bucket(time, budget)
    for pause, protective in asked:
        time.now += pause
        began, before = time.now, tokens.free(True)
        waited = tokens.take(protective)
        assert waited is not None or (not protective and tokens.free() == 0 and tokens.free(True) >= before)
        assert protective or time.now - began <= longest + 0.01
        assert waited is not None or time.now - began >= longest - 1e-6


@pytest.mark.parametrize("longest", [0.0, 5.0])
def test_a_broker_that_says_wait_holds_an_ordinary_request_no_longer_than_its_bound(longest: float) -> None:
    time = Time()
    tokens = bucket(time, RateBudget(ordinary_wait_seconds=longest))
    tokens.observe(429, {"Retry-After": "120"})
    assert tokens.take() is None
    assert time.now == pytest.approx(longest)
    assert tokens.take(protective=True) == pytest.approx(120.0 - longest)


@given(ASKED, BUDGETS)
def test_what_is_free_is_taken_without_waiting(asked: list[tuple[float, bool]], budget: RateBudget) -> None:
    time = Time()
    tokens = bucket(time, budget)
    for pause, protective in asked:
        time.now += pause
        was_free = tokens.free(protective)
        assert (tokens.take(protective) == 0.0) == (was_free > 0)


@given(st.integers(0, 250), st.integers(1, 60), st.booleans())
def test_what_the_broker_says_is_left_bounds_what_goes_before_its_reset(left: int, seconds: int, protective: bool) -> None:
    """Another program on the same account uses the limit up: the broker's own figure counts."""
    time, budget = Time(1000.0), RateBudget(20, 5)
    tokens = bucket(time, budget)
    reset = WALL_SECONDS + time.now + seconds
    tokens.observe(200, {"X-RateLimit-Remaining": str(left), "X-RateLimit-Reset": str(int(reset))})
    assert tokens.free(protective) == max(0, min(20, left) - (0 if protective else 5))
    time.now += seconds + 1
    assert tokens.free(True) == 20


@given(st.text(max_size=8) | st.sampled_from(["nan", "inf", "-1", "1e400", "Wed, 21 Oct 2015 07:28:00 GMT"]))
def test_headers_that_say_nothing_sensible_hold_nobody_for_longer_than_the_bounds(text: str) -> None:
    time, budget = Time(), RateBudget()
    tokens = bucket(time, budget)
    tokens.observe(429, {"X-RateLimit-Remaining": text, "X-RateLimit-Reset": text, "Retry-After": text})
    waited = tokens.take(protective=True)
    assert waited is not None and waited <= budget.longest_hold_seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 3.0),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "7", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(WALL_SECONDS) + 30)}, 30.0),
        ({"X-RateLimit-Remaining": "0"}, 3.0),
        ({"X-RateLimit-Reset": str(int(WALL_SECONDS) + 9)}, 9.0),
        ({"X-RateLimit-Reset": str(int(WALL_SECONDS) + 10**8)}, 60.0),
        ({"X-RateLimit-Reset": str(int(WALL_SECONDS) - 10**8)}, 3.0),
        ({"Retry-After": "100000"}, 120.0),
    ],
)
def test_after_a_429_everybody_waits_as_long_as_the_headers_say(headers: dict[str, str], seconds: float) -> None:
    for protective in (True, False):
        tokens = bucket(Time(), RateBudget(ordinary_wait_seconds=120.0))
        tokens.observe(429, headers)
        assert tokens.take(protective) == pytest.approx(seconds)


def test_threads_together_take_no_more_than_the_budget() -> None:
    """One stopwatch that stands still: every thread takes one token, and the one too many waits."""
    stuck = threading.Event()
    tokens = TokenBucket(lambda: 0.0, lambda: 0.0, lambda _: stop(stuck), RateBudget(40, 0))
    threads = [threading.Thread(target=take_quietly, args=(tokens,)) for _ in range(41)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert stuck.is_set() and tokens.free() == 0


class Stopped(Exception):
    """Ends a wait that would be for ever."""


def stop(stuck: threading.Event) -> None:
    assert not stuck.is_set(), "a second request had to wait"
    stuck.set()
    raise Stopped


def take_quietly(tokens: TokenBucket) -> None:
    try:
        tokens.take()
    except Stopped:
        return


@pytest.mark.parametrize(("requests", "reserve", "window"), [(10, 10, 60.0), (10, -1, 60.0), (0, 0, 60.0), (10, 1, 0.0)])
def test_a_budget_that_lets_nothing_through_is_refused(requests: int, reserve: int, window: float) -> None:
    with pytest.raises(ValueError, match=r"reserve|window_seconds"):
        RateBudget(requests, reserve, window)


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
def test_a_wait_that_is_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="ordinary_wait_seconds"):
        RateBudget(ordinary_wait_seconds=seconds)
