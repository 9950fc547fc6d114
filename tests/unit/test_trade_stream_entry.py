"""How the trade-updates stream gets in, and what it does at a door that stays shut, over real sockets of this machine."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import replace
from http import HTTPStatus
from socket import create_server
from typing import Any

import pytest
from stream_server import KEYS, QUICK, Diary, Talk, Visit, at, followed, kept, plainly

from desk.brokers.trade_stream import StateName

pytestmark = pytest.mark.slow
IMPATIENT = replace(QUICK, answer_seconds=0.1)


def test_it_authenticates_listens_resyncs_and_only_then_hands_over() -> None:
    heard: list[dict[str, Any]] = []

    def talk(visit: Visit) -> None:
        heard.append(visit.hear())
        visit.say("authorization", status="authorized", action="authenticate")
        heard.append(visit.hear())
        visit.say("listening", streams=["trade_updates"])
        visit.update(1)
        visit.update(2)
        visit.stay()

    with followed(talk) as diary:
        diary.wait_for(2)
    assert diary.story == ["connecting", "connected", "listening", 1, 2, "stopped"]
    assert heard == [
        {"action": "authenticate", "data": {"key_id": KEYS.api_key, "secret_key": KEYS.api_secret}},
        {"action": "listen", "data": {"streams": ["trade_updates"]}},
    ]
    assert diary.troubles == []


def unauthorized(visit: Visit) -> None:
    visit.hear()
    visit.say("authorization", status="unauthorized", action="authenticate")
    visit.stay()


def unauthorized_to_listen(visit: Visit) -> None:
    visit.authorize()
    visit.hear()
    visit.say("authorization", status="unauthorized", action="listen")
    visit.stay()


@pytest.mark.parametrize("refusal", [unauthorized, unauthorized_to_listen, 401, 403])
def test_refused_keys_are_told_and_tried_again_slowly(refusal: Talk | int) -> None:
    # Only the slow delay is short enough for this test.
    timing = replace(QUICK, first_retry_seconds=1000.0, longest_retry_seconds=1000.0)
    with followed(refusal, refusal, plainly, timing=timing) as diary:
        diary.wait_for(9)
    assert [state.name.value for state in diary.states][:5] == ["connecting", "refused", "connecting", "refused", "connecting"]
    assert "API key" in diary.states[1].reason
    assert "connected" not in diary.story[: diary.story.index("listening") - 1]


def taken(visit: Visit) -> None:
    visit.hear()
    visit.say("authorization", status="unauthorized", action="authenticate", message="connection limit exceeded")
    visit.connection.close(1008, "connection limit exceeded")


@pytest.mark.parametrize("refusal", [429, taken])
def test_a_taken_place_is_told_as_such_and_waited_for(refusal: Talk | int) -> None:
    with followed(refusal, plainly, timing=replace(QUICK, refused_seconds=1000.0)) as diary:
        diary.wait_for(9)
    assert diary.story == ["connecting", "waiting", "connecting", "connected", "listening", 9, "stopped"]
    assert "another connection" in diary.states[1].reason


def silent(visit: Visit) -> None:
    visit.stay()


def without_acknowledgement(visit: Visit) -> None:
    visit.authorize()
    visit.stay()


def listening_to_nothing(visit: Visit) -> None:
    visit.authorize()
    visit.hear()
    visit.say("listening", streams=[])
    visit.stay()


def odd_authorization(visit: Visit) -> None:
    visit.hear()
    visit.connection.send(b'{"stream": "authorization", "data": "yes"}')
    visit.stay()


def gone(visit: Visit) -> None:
    visit.break_off()


@pytest.mark.parametrize(
    ("talk", "reason"),
    [
        (silent, "did not answer 'authenticate'"),
        (without_acknowledgement, "did not answer 'listen'"),
        (listening_to_nothing, "does not send trade_updates"),
        (odd_authorization, "answer about the authorization"),
        (gone, "ConnectionClosed"),
        (HTTPStatus.SERVICE_UNAVAILABLE, "HTTP 503"),
    ],
)
def test_a_connection_that_does_not_come_about_is_tried_again(talk: Talk | int, reason: str) -> None:
    with followed(talk, plainly, timing=IMPATIENT) as diary:
        diary.wait_for(9)
    assert reason in diary.states[1].reason
    assert diary.story.index("connected") > diary.story.index("waiting")


def test_updates_that_overtake_the_acknowledgement_wait_for_the_resync() -> None:
    def talk(visit: Visit) -> None:
        visit.authorize()
        visit.hear()
        visit.update(1)
        visit.say("listening", streams=["trade_updates"])
        visit.update(2)
        visit.stay()

    with followed(talk) as diary:
        diary.wait_for(2)
    assert diary.story == ["connecting", "connected", "listening", 1, 2, "stopped"]


def test_nobody_at_the_address_is_waited_for() -> None:
    with create_server(("127.0.0.1", 0)) as bound:
        url = f"ws://127.0.0.1:{bound.getsockname()[1]}/stream"
    with kept(Diary(at(url))) as diary:
        diary.wait_for_state(StateName.WAITING, "ConnectionRefusedError")
    assert diary.troubles == []


def test_an_address_that_is_none_needs_a_person() -> None:
    with kept(Diary(at("http://127.0.0.1/stream"))) as diary:
        diary.wait_for_state(StateName.REFUSED, "stream_url")


def test_a_server_that_accepts_and_says_nothing_is_given_up() -> None:
    with create_server(("127.0.0.1", 0)) as bound:
        url = f"ws://127.0.0.1:{bound.getsockname()[1]}/stream"
        with kept(Diary(at(url), replace(QUICK, open_seconds=0.1))) as diary:
            diary.wait_for_state(StateName.WAITING)
    assert diary.troubles == []


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "ws_proxy", "wss_proxy", "all_proxy", "socks_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with followed(plainly) as diary:
        diary.wait_for(9)
    assert diary.stream.state.connections == 1


def test_the_secret_is_logged_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    # Another test of the same process may have quietened the library.
    heard = (caplog.at_level(logging.DEBUG, name) for name in (None, "websockets", "websockets.server"))
    with ExitStack() as stack:
        for each in heard:
            stack.enter_context(each)
        with followed(plainly) as diary:
            diary.wait_for(9)
    telling = {record.name for record in caplog.records if KEYS.api_secret in record.getMessage()}
    assert telling == {"websockets.server"}  # the other side of this test
