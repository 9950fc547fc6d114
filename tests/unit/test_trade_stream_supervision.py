"""Resyncs that fail, clocks that jump, and a stop at any moment."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import replace
from socket import create_server
from typing import Any

import numpy as np
import pytest
from stream_server import QUICK, Clocks, Diary, Visit, at, followed, kept, plainly, served, updates

from desk.brokers.trade_stream import StateName, StreamHandlers, TradeStream

pytestmark = pytest.mark.slow


# ---- resync ------------------------------------------------------------------------------------------------------------


def test_no_message_is_handed_over_before_the_resync_of_its_connection_is_complete() -> None:
    with served(lambda visit: updates(visit, 1)) as server:
        diary = Diary(at(server.url))
        diary.fail_connected = 2
        with kept(diary):
            diary.wait_for(1)
    assert diary.story == ["connecting", "connected", "waiting", "connected", "connected", "listening", 1, "stopped"]
    assert ["REST does not answer" in trouble.text for trouble in diary.troubles] == [True, True]
    assert diary.stream.state.connections == 1


def test_a_regular_resync_that_fails_is_tried_again_soon_while_updates_go_on() -> None:
    go_on = threading.Event()

    def talk(visit: Visit) -> None:
        visit.welcome()
        go_on.wait(30.0)
        visit.update(1)
        visit.stay()

    with served(talk) as server:
        diary = Diary(at(server.url), replace(QUICK, resync_seconds=0.05))
        diary.fail_resync = 10**9
        with kept(diary):
            diary.wait_for_state(StateName.WAITING, "REST does not answer")
            go_on.set()
            diary.wait_for(1)
            diary.fail_resync = 0
            diary.wait_until(lambda: diary.states[-1].name is StateName.LISTENING)
    assert diary.story.count("connected") == 1
    assert diary.story[:5] == ["connecting", "connected", "listening", "resync", "waiting"]
    assert diary.story.index(1) < len(diary.story) - 1 - diary.story[::-1].index("listening")


def test_a_connection_that_breaks_while_the_resync_fails_is_made_anew() -> None:
    def gone_at_once(visit: Visit) -> None:
        visit.welcome()
        visit.break_off()

    with served(gone_at_once, plainly) as server:
        diary = Diary(at(server.url))
        diary.fail_connected = 10**9
        with kept(diary):
            diary.wait_until(lambda: diary.stream.state.connections == 2)
            diary.fail_connected = 0
            diary.wait_for(9)


def test_resyncs_come_without_regard_to_traffic() -> None:
    def chatter(visit: Visit) -> None:
        visit.welcome()
        while True:  # until the client goes, which ends the conversation
            visit.update(1)

    with followed(chatter, timing=replace(QUICK, resync_seconds=0.02)) as diary:
        diary.wait_for("resync", times=3)
    assert diary.entries.count(1) > 3


def test_a_replay_may_leave_out_the_regular_resync() -> None:
    with followed(plainly, timing=replace(QUICK, resync_seconds=math.inf)) as diary:
        diary.wait_for(9)
    assert diary.story == ["connecting", "connected", "listening", 9, "stopped"]


def test_one_function_may_serve_both_resyncs() -> None:
    came = threading.Event()
    handlers = StreamHandlers(lambda message: came.set(), int, int, lambda text, raw: None, lambda state: None)
    clocks = Clocks()
    with served(plainly) as server:
        stream = TradeStream(
            at(server.url), handlers, now=clocks.now, monotonic=clocks.monotonic, generator=np.random.default_rng(1), timing=QUICK
        )
        thread = threading.Thread(target=stream.run)
        thread.start()
        assert came.wait(30.0)
        stream.stop()
        thread.join()


def test_the_state_says_listening_only_after_the_resync_and_keeps_count() -> None:
    during: list[StateName] = []
    with served(plainly) as server:
        diary = Diary(at(server.url))
        diary.during_connected = lambda: during.append(diary.stream.state.name)
        assert diary.stream.state.name is StateName.STOPPED
        with kept(diary):
            diary.wait_for(9)
            listening = diary.stream.state
    assert during == [StateName.CONNECTING]
    assert (listening.name, listening.connections, listening.reason) == (StateName.LISTENING, 1, "")
    assert listening.last_message_at is not None and listening.last_message_at >= listening.since
    assert diary.stream.state.reason == "stop was asked for"


def test_handlers_that_fail_to_take_a_state_or_a_trouble_do_not_end_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the person is not at home")

    came = threading.Event()
    handlers = StreamHandlers(lambda message: came.set(), int, int, fail, fail)
    clocks = Clocks()
    with served(plainly) as server:
        stream = TradeStream(
            at(server.url), handlers, now=clocks.now, monotonic=clocks.monotonic, generator=np.random.default_rng(1), timing=QUICK
        )
        thread = threading.Thread(target=stream.run)
        thread.start()
        assert came.wait(30.0)
        stream.stop()
        thread.join()
    assert "nobody took this trouble" in caplog.text


# ---- clocks ------------------------------------------------------------------------------------------------------------


def wall_leaps(clocks: Clocks) -> None:
    clocks.wall_ahead_seconds = 120.0


def wall_goes_back(clocks: Clocks) -> None:
    clocks.wall_ahead_seconds = -120.0


def both_leap(clocks: Clocks) -> None:
    clocks.both_ahead_seconds = 120.0


@pytest.mark.parametrize("jump", [wall_leaps, wall_goes_back, both_leap])
def test_a_jump_of_the_clocks_leads_to_a_new_connection_and_a_resync(jump: Callable[[Clocks], None]) -> None:
    with followed(plainly) as diary:
        diary.wait_for(9)
        jump(diary.clocks)
        diary.wait_for(9, times=2)
    assert diary.story.count("connected") == 2
    assert any("the machine slept" in state.reason for state in diary.states)


def test_a_handler_may_take_minutes() -> None:
    with served(lambda visit: updates(visit, 1, 2, 3)) as server:
        diary = Diary(at(server.url))

        def take_two_minutes(message: dict[str, Any]) -> None:
            diary.clocks.both_ahead_seconds += 120.0

        diary.during_message = take_two_minutes
        with kept(diary):
            diary.wait_for(3)
    assert diary.story.count("connected") == 1


# ---- stop --------------------------------------------------------------------------------------------------------------
# Waits here are so long that the test's patience would end before them.

ENDLESS = replace(
    QUICK,
    open_seconds=1000.0,
    answer_seconds=1000.0,
    look_seconds=1000.0,
    first_retry_seconds=1000.0,
    longest_retry_seconds=1000.0,
    refused_seconds=1000.0,
)


def mute_after_welcome(visit: Visit) -> None:
    visit.welcome()
    visit.update(9)
    visit.mute()
    visit.stay()


@pytest.mark.parametrize("talk", [plainly, mute_after_welcome])
def test_stop_ends_the_wait_for_a_message(talk: Callable[[Visit], None]) -> None:
    with followed(talk, timing=ENDLESS) as diary:
        diary.wait_for(9)
    assert diary.story[-1] == "stopped"
    assert diary.troubles == []


def test_stop_ends_the_wait_for_an_answer() -> None:
    asked = threading.Event()

    def talk(visit: Visit) -> None:
        visit.hear()
        asked.set()
        visit.stay()

    with followed(talk, timing=ENDLESS) as diary:
        assert asked.wait(30.0)
    assert diary.story == ["connecting", "stopped"]


def test_stop_ends_the_wait_for_a_connection() -> None:
    with create_server(("127.0.0.1", 0)) as bound:
        with kept(Diary(at(f"ws://127.0.0.1:{bound.getsockname()[1]}/stream"), ENDLESS)) as diary:
            asked, _ = bound.accept()
        asked.close()
    assert diary.story == ["connecting", "stopped"]


def test_a_stop_that_comes_just_before_a_wait_ends_it_too() -> None:
    with create_server(("127.0.0.1", 0)) as bound:
        diary = Diary(at(f"ws://127.0.0.1:{bound.getsockname()[1]}/stream"), ENDLESS)
        diary.during_state = lambda state: diary.stream.stop()
        diary.thread.start()
        diary.thread.join(30.0)
    assert diary.story == ["connecting", "stopped"]


def test_a_connection_that_comes_after_the_stop_is_closed_at_once() -> None:
    asked, may_answer, left = (threading.Event() for _ in range(3))

    def hold() -> None:
        asked.set()
        may_answer.wait(30.0)

    def talk(visit: Visit) -> None:
        visit.stay()
        left.set()

    with served(talk) as server:
        server.before_answer = hold
        with kept(Diary(at(server.url), ENDLESS)):
            assert asked.wait(30.0)
        may_answer.set()
        assert left.wait(30.0)


@pytest.mark.parametrize(("status", "name"), [(401, StateName.REFUSED), (429, StateName.WAITING), (503, StateName.WAITING)])
def test_stop_ends_the_wait_for_the_next_try(status: int, name: StateName) -> None:
    with followed(status, timing=ENDLESS) as diary:
        diary.wait_for_state(name)
    assert diary.story == ["connecting", str(name), "stopped"]


def test_stop_ends_the_wait_for_the_next_resync() -> None:
    with served(plainly) as server:
        diary = Diary(at(server.url), ENDLESS)
        diary.fail_connected = 1
        with kept(diary):
            diary.wait_for_state(StateName.WAITING)
    assert diary.story == ["connecting", "connected", "waiting", "stopped"]


def test_a_handler_may_stop_the_stream() -> None:
    with served(lambda visit: updates(visit, 1, 2)) as server:
        diary = Diary(at(server.url), ENDLESS)
        diary.during_message = lambda message: diary.stream.stop()
        diary.thread.start()
        diary.thread.join(30.0)
    assert diary.story == ["connecting", "connected", "listening", 1, "stopped"]


def test_a_stream_that_was_stopped_before_it_began_asks_nobody() -> None:
    with served(plainly) as server:
        diary = Diary(at(server.url))
        diary.stream.stop()
        diary.stream.run()
        assert server.asked == 0
    assert diary.stream.state.name is StateName.STOPPED
