"""What comes over the trade-updates stream, understood or not, and every way in which it can end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from stream_server import QUICK, Diary, Talk, Visit, at, followed, kept, plainly, served, then_break_off, updates

pytestmark = pytest.mark.slow


def test_text_frames_are_read_as_binary_ones_are() -> None:
    with followed(lambda visit: updates(visit, 1, as_text=True)) as diary:
        diary.wait_for(1)
    assert diary.troubles == []


GARBAGE = [b"\x00\xff\x13", b"", b"[1, 2]", b'"words"', b"[" * 50_000, b'{"stream": ', b'{"stream": "weather"}', b"{}"]


@pytest.mark.parametrize("frame", GARBAGE)
def test_a_frame_that_is_not_understood_is_trouble_and_no_end(frame: bytes) -> None:
    def talk(visit: Visit) -> None:
        visit.welcome()
        visit.connection.send(frame)
        visit.update(1)
        visit.stay()

    with followed(talk) as diary:
        diary.wait_for(1)
    assert [trouble.raw for trouble in diary.troubles] == [frame]
    assert diary.stream.state.connections == 1


def test_text_that_is_no_utf8_is_trouble_and_no_end() -> None:
    def talk(visit: Visit) -> None:
        visit.welcome()
        visit.connection.socket.sendall(b"\x81\x02\xc3\x28")
        visit.update(1)
        visit.stay()

    with followed(talk) as diary:
        diary.wait_for(1)
    assert [trouble.raw for trouble in diary.troubles] == [b"\xc3\x28"]


def test_garbage_before_the_answers_is_trouble_and_no_end() -> None:
    def talk(visit: Visit) -> None:
        visit.connection.send(b"hello")
        updates(visit, 1)

    with followed(talk) as diary:
        diary.wait_for(1)
    assert [trouble.raw for trouble in diary.troubles] == [b"hello"]


def test_a_handler_that_raises_is_trouble_and_no_end() -> None:
    def raise_at_one(message: dict[str, Any]) -> None:
        if message["data"]["number"] == 1:
            raise KeyError("order")

    with served(lambda visit: updates(visit, 1, 2)) as server:
        diary = Diary(at(server.url))
        diary.during_message = raise_at_one
        with kept(diary):
            diary.wait_for(2)
    assert [("KeyError" in trouble.text, b'"number": 1' in trouble.raw) for trouble in diary.troubles] == [(True, True)]
    assert diary.stream.state.connections == 1


@pytest.mark.parametrize(
    "word", [{"stream": "listening", "data": {"streams": []}}, {"stream": "authorization", "data": {"status": "unauthorized"}}]
)
def test_a_server_that_takes_back_what_it_granted_is_asked_again(word: dict[str, Any]) -> None:
    def talk(visit: Visit) -> None:
        visit.welcome()
        visit.say(word["stream"], **word["data"])
        visit.stay()

    with followed(talk, plainly) as diary:
        diary.wait_for(9)
    assert diary.story.count("connected") == 2


def test_a_message_in_many_fragments_is_one_message() -> None:
    def talk(visit: Visit) -> None:
        visit.welcome()
        visit.connection.send([b'{"stream": "trade_updates", ', b'"data": {"num', b'ber": 1}}'])
        visit.stay()

    with followed(talk) as diary:
        diary.wait_for(1)
    assert diary.troubles == []


def test_a_thousand_updates_during_a_resync_all_come_after_it_in_their_order() -> None:
    said = threading.Event()

    def talk(visit: Visit) -> None:
        visit.welcome()
        for number in range(1000):
            visit.update(number)
        if visit.connection.ping().wait(30.0):  # a client whose queue is full would not read pings and pongs either
            said.set()
        visit.stay()

    with served(talk) as server:
        diary = Diary(at(server.url))
        diary.during_connected = lambda: diary.write(said.wait(30.0))
        with kept(diary):
            diary.wait_for(999)
    assert diary.story == ["connecting", "connected", True, "listening", *range(1000), "stopped"]


# ---- breaking off ------------------------------------------------------------------------------------------------------


def in_mid_message(visit: Visit) -> None:
    visit.welcome()
    visit.connection.socket.sendall(b'\x82\x7e\x01\x00{"stream": "trade_upd')
    visit.break_off()


def in_mid_fragments(visit: Visit) -> None:
    visit.welcome()
    visit.connection.socket.sendall(b"\x02\x05{....")
    visit.break_off()


def too_large(visit: Visit) -> None:
    visit.welcome()
    visit.connection.send(b" " * (2**20 + 1))
    visit.stay()


def protocol_violated(visit: Visit) -> None:
    visit.welcome()
    visit.connection.socket.sendall(b"\xff\xff")
    visit.stay()


def closed_politely(visit: Visit) -> None:
    visit.welcome()
    visit.connection.close(1012, "restart")


ENDS: list[Callable[[Visit], None]] = [
    then_break_off,
    in_mid_message,
    in_mid_fragments,
    too_large,
    protocol_violated,
    closed_politely,
]


@pytest.mark.parametrize("end", ENDS)
def test_after_any_end_of_a_connection_the_resync_comes_before_the_next_message(end: Talk) -> None:
    with followed(end, plainly) as diary:
        diary.wait_for(9)
    again = len(diary.story) - 1 - diary.story[::-1].index("connected")
    assert diary.story.count("connected") == 2
    assert diary.story.index("waiting") < again < diary.story.index(9)
    assert diary.troubles == []


def test_what_came_before_the_end_is_handed_over_before_it() -> None:
    with followed(lambda visit: then_break_off(visit, 1, 2), plainly) as diary:
        diary.wait_for(9)
    assert [entry for entry in diary.story if isinstance(entry, int)] == [1, 2, 9]
    assert diary.story.index(2) < diary.story.index("waiting")


def test_a_peer_that_answers_no_ping_is_given_up() -> None:
    def half_open(visit: Visit) -> None:
        visit.welcome()
        visit.mute()
        visit.stay()

    with followed(half_open, plainly, timing=replace(QUICK, ping_seconds=0.1, pong_seconds=0.2)) as diary:
        diary.wait_for(9)
    assert diary.story.count("connected") >= 2
    assert any("keepalive ping timeout" in state.reason for state in diary.states)


def test_a_silent_server_that_answers_pings_is_kept() -> None:
    with followed(updates, timing=replace(QUICK, ping_seconds=0.02, resync_seconds=0.02)) as diary:
        diary.wait_for("resync", times=20)
    assert diary.stream.state.connections == 1


def test_delays_begin_anew_after_a_connection_that_lived() -> None:
    """Without that the last of these delays would be hours."""
    timing = replace(QUICK, lived_seconds=0.0, first_retry_seconds=0.001, longest_retry_seconds=1e6)
    with followed(*[then_break_off] * 25, plainly, timing=timing) as diary:
        diary.wait_for(9)
    assert diary.stream.state.connections == 26


def test_delays_grow_over_connections_that_do_not_live() -> None:
    timing = replace(QUICK, first_retry_seconds=0.001, longest_retry_seconds=1e6)
    with followed(*[then_break_off] * 5, plainly, timing=timing) as diary:
        diary.wait_for(9)
    assert diary.stream._connect_delays.next_seconds() >= 0.001 * 2**5 / 2
