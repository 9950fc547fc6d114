"""Frames, addresses and failures of the trade-updates stream, without a connection."""

from __future__ import annotations

import json
import ssl
from concurrent.futures import Future
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError, InvalidStatus, InvalidURI
from websockets.http11 import Response
from websockets.sync.client import ClientConnection

from desk.brokers.endpoint import Endpoint
from desk.brokers.stream_socket import StreamBroken, address_of, decoded, is_loopback, opened, setback_of
from desk.brokers.stream_timing import StreamTiming

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.text(), values))
def test_any_json_object_is_read(message: dict[str, object]) -> None:
    assert decoded(json.dumps(message).encode()) == message


@given(st.binary() | values.map(lambda value: json.dumps(value).encode()))
@example(b"\xff\xfe\x00")
@example(b"[" * 100_000)
@example(b"")
def test_any_other_frame_is_refused_in_one_way(raw: bytes) -> None:
    with suppress(ValueError):
        assert isinstance(decoded(raw), dict)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("ws://127.0.0.1:8000/stream", True),
        ("ws://127.8.9.1/stream", True),
        ("ws://[::1]:8000/stream", True),
        ("ws://localhost:8000/stream", True),
        ("ws://exchange.localhost/stream", True),
        ("wss://paper-api.alpaca.markets/stream", False),
        ("ws://10.0.0.1/stream", False),
        ("ws://localhost.example.com/stream", False),
        ("no address", False),
    ],
)
def test_this_machine_is_recognised(address: str, expected: bool) -> None:
    assert is_loopback(address) is expected


def test_without_an_address_the_stream_is_alpacas_paper_or_live_one() -> None:
    assert address_of(Endpoint("k", "s")) == "wss://paper-api.alpaca.markets/stream"
    assert address_of(Endpoint("k", "s", is_paper=False)) == "wss://api.alpaca.markets/stream"
    assert address_of(Endpoint("k", "s", stream_url="ws://127.0.0.1/stream")) == "ws://127.0.0.1/stream"


def status(code: int) -> InvalidStatus:
    return InvalidStatus(Response(code, "", Headers()))


@pytest.mark.parametrize(
    ("error", "needs_person", "is_known", "words"),
    [
        (status(401), True, True, "API key"),
        (status(403), True, True, "API key"),
        (status(429), False, True, "another connection"),
        (status(503), False, True, "HTTP 503"),
        (InvalidURI("http://x", "scheme isn't ws or wss"), True, True, "stream_url"),
        (ConnectionRefusedError(111, "Connection refused"), False, True, "Connection refused"),
        (ssl.SSLCertVerificationError("self-signed"), False, True, "self-signed"),
        (ConnectionClosedError(None, None), False, True, "no close frame"),
        (ZeroDivisionError("a bug"), False, False, "a bug"),
    ],
)
def test_every_failure_is_told_in_words(error: Exception, needs_person: bool, is_known: bool, words: str) -> None:
    setback = setback_of(error)
    assert (setback.needs_person, setback.is_known) == (needs_person, is_known)
    assert words in setback.reason


def test_a_connection_that_never_comes_is_given_up() -> None:
    """A name lookup has no time limit of its own."""
    pending: Future[ClientConnection] = Future()
    with pytest.raises(StreamBroken, match=r"no connection within 0\.01 seconds"):
        opened(pending, StreamTiming(open_seconds=0.01))
    assert pending.cancelled()
