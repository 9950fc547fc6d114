"""The trading stream, over real websockets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from live_exchange import KEY, PACKED, SECRET, LiveExchange, Socket, live_exchange
from unit.exchange.conftest import KEYS, MORNING
from websockets.exceptions import ConnectionClosed, InvalidStatus

from desk.exchange.config import AccountConfig
from desk.exchange.switches import Switches

rule = pytest.mark.rule
LOGIN = {"action": "authenticate", "data": {"key_id": KEY, "secret_key": SECRET}}
AUTHORIZED = {"stream": "authorization", "data": {"status": "authorized", "action": "authenticate"}}
LISTEN = {"action": "listen", "data": {"streams": ["trade_updates"]}}
LISTENING = {"stream": "listening", "data": {"streams": ["trade_updates"]}}
EXITS = {"take_profit": {"limit_price": "115"}, "stop_loss": {"stop_price": "90"}}
QUIET = 0.3


@pytest.fixture
def live() -> Iterator[LiveExchange]:
    with live_exchange(accounts=(AccountConfig("second", "second-secret"),)) as made:
        made.to(MORNING)
        yield made


def listen(socket: Socket) -> None:
    assert socket.ask(**LOGIN) == AUTHORIZED
    assert socket.ask(**LISTEN) == LISTENING


def updates(socket: Socket, count: int) -> list[Any]:
    heard = [socket.hear() for _ in range(count)]
    assert all(message["stream"] == "trade_updates" for message in heard)
    return [message["data"] for message in heard]


def hears_nothing(socket: Socket) -> bool:
    try:
        socket.frame(QUIET)
    except TimeoutError:
        return True
    return False


@rule("STR-001", "Frames of the trading stream are binary and hold JSON.", source="DOC", status="documented")
def test_every_frame_is_binary_json(live: LiveExchange) -> None:
    with live.socket("/stream") as socket:
        for message in (LOGIN, LISTEN):
            socket.say(**message)
            assert isinstance(socket.frame(), bytes)
        live.order()
        frame = socket.frame()
        assert isinstance(frame, bytes) and json.loads(frame)["stream"] == "trade_updates"


@rule(
    "STR-002", "A handshake with Content-Type application/msgpack makes every frame msgpack.", source="DOC", status="documented"
)
def test_msgpack_is_spoken_to_who_asks_for_it(live: LiveExchange) -> None:
    with live.socket("/stream", PACKED) as socket:
        listen(socket)
        order = live.order()
        assert updates(socket, 1)[0]["order"]["id"] == order["id"]


@rule("STR-003", "A client authenticates with key_id and secret_key under data.", source="SDK", status="documented")
def test_authenticate_with_data(live: LiveExchange) -> None:
    with live.socket("/stream") as socket:
        assert socket.ask(**LOGIN) == AUTHORIZED


@rule("STR-004", "A client may also authenticate with action auth, key and secret.", source="DOC", status="documented")
def test_auth_with_key_and_secret(live: LiveExchange) -> None:
    with live.socket("/stream") as socket:
        assert socket.ask(action="auth", key=KEY, secret=SECRET) == AUTHORIZED
        assert socket.ask(**LISTEN) == LISTENING


@rule(
    "STR-005",
    "Wrong keys are answered with status unauthorized, and nothing can be listened to.",
    source="DOC",
    status="documented",
)
@pytest.mark.parametrize("wrong", [{"key_id": KEY, "secret_key": "x"}, {"key_id": 1, "secret_key": None}, {}])
def test_wrong_keys_are_unauthorized(live: LiveExchange, wrong: dict[str, object]) -> None:
    with live.socket("/stream") as socket:
        refused = socket.ask(action="authenticate", data=wrong)
        assert refused["data"] == {"status": "unauthorized", "action": "authenticate"}
        assert socket.ask(**LISTEN)["data"]["status"] == "unauthorized"
        live.order()
        assert hears_nothing(socket)


@rule(
    "STR-006", "Listening before authentication is answered with unauthorized, action listen.", source="DOC", status="documented"
)
def test_listening_needs_authentication(live: LiveExchange) -> None:
    with live.socket("/stream") as socket:
        assert socket.ask(**LISTEN) == {"stream": "authorization", "data": {"status": "unauthorized", "action": "listen"}}


@rule("STR-007", "An empty list of streams stops the updates.", source="DOC", status="documented")
def test_an_empty_list_unsubscribes(live: LiveExchange) -> None:
    with live.socket("/stream") as socket:
        listen(socket)
        nothing = {"action": "listen", "data": {"streams": []}}
        assert socket.ask(**nothing) == {"stream": "listening", "data": {"streams": []}}
        live.order()
        assert hears_nothing(socket)


@rule("STR-008", "Only trade_updates is acknowledged among the streams asked for.", source="DOC", status="unknown")
def test_unknown_streams_are_not_listened_to(live: LiveExchange) -> None:
    with live.socket("/stream") as socket:
        socket.ask(**LOGIN)
        assert socket.ask(action="listen", data={"streams": ["account_updates", "trade_updates"]}) == LISTENING
        assert socket.ask(action="listen", data={"streams": ["news"]})["data"] == {"streams": []}


@rule(
    "STR-009",
    "A fill tells price and quantity of the execution and the position after it, as text.",
    source="DOC",
    status="documented",
)
def test_fills_tell_price_quantity_and_position(live: LiveExchange) -> None:
    with live.socket("/stream") as socket:
        listen(socket)
        order = live.order()
        fill = next(update for update in updates(socket, 2) if update["event"] == "fill")
        assert (fill["qty"], fill["position_qty"]) == ("10", "10") and float(fill["price"]) > 0
        assert fill["order"]["id"] == order["id"] and fill["order"]["status"] == "filled"
        assert {"execution_id", "timestamp", "at", "event_id"} <= set(fill)


@rule("STR-010", "Events that are no fills have neither price nor quantity nor position.", source="DOC", status="documented")
def test_other_events_have_no_price(live: LiveExchange) -> None:
    with live.socket("/stream") as socket:
        listen(socket)
        order = live.order(type="limit", limit_price="95")
        live.request("DELETE", f"/v2/orders/{order['id']}")
        heard = updates(socket, 2)
        assert [update["event"] for update in heard] == ["new", "canceled"]
        assert not any({"price", "qty", "position_qty"} & set(update) for update in heard)


@rule("STR-011", "Nothing is replayed: what happened while nobody listened is never told.", source="DOC", status="documented")
def test_there_is_no_replay(live: LiveExchange) -> None:
    with live.socket("/stream") as socket:
        listen(socket)
    live.order()
    with live.socket("/stream") as socket:
        listen(socket)
        assert hears_nothing(socket)
        later = live.order()
        assert updates(socket, 1)[0]["order"]["id"] == later["id"]


@rule(
    "STR-012",
    "A second connection that brings the account's keys as headers is refused with HTTP 429.",
    source="SDK",
    status="unknown",
)
def test_second_handshake_is_answered_with_429(live: LiveExchange) -> None:
    with live.socket("/stream") as first:
        listen(first)
        with pytest.raises(InvalidStatus) as refused, live.socket("/stream", KEYS):
            pass
        assert refused.value.response.status_code == 429
        assert json.loads(refused.value.response.body)["code"] == 42910000
    with live.socket("/stream", KEYS) as again:
        listen(again)


@rule("STR-013", "A second connection that authenticates by message is told so and closed.", source="SDK", status="unknown")
def test_second_authentication_is_closed(live: LiveExchange) -> None:
    with live.socket("/stream") as first, live.socket("/stream") as second:
        listen(first)
        refused = second.ask(**LOGIN)["data"]
        assert (refused["status"], refused["message"]) == ("unauthorized", "connection limit exceeded")
        with pytest.raises(ConnectionClosed) as closed:
            second.frame()
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008
        live.order()
        assert updates(first, 1)


@rule("STR-014", "With one_trading_stream off, several connections of an account hear the same.", source="SDK", status="unknown")
def test_the_connection_limit_is_a_switch() -> None:
    with live_exchange(switches=Switches(one_trading_stream=False)) as live:
        live.to(MORNING)
        with live.socket("/stream") as first, live.socket("/stream", KEYS) as second:
            listen(first)
            listen(second)
            live.order()
            assert updates(first, 2) == updates(second, 2)


@rule(
    "STR-015",
    "A dropped connection frees the account's place; what happens in between is lost.",
    source="SDK",
    status="documented",
)
def test_a_dropped_connection_can_come_back(live: LiveExchange) -> None:
    with live.socket("/stream") as first:
        listen(first)
        live.request("POST", "/admin/faults", json={"kind": "dropped_stream", "when": {"event": "new"}})
        order = live.order(type="limit", limit_price="95")
        with pytest.raises(ConnectionClosed):
            first.frame()
    with live.socket("/stream", KEYS) as again:
        listen(again)
        live.request("DELETE", f"/v2/orders/{order['id']}")
        assert [update["event"] for update in updates(again, 1)] == ["canceled"]


@rule(
    "STR-016",
    "Legs are not populated in updates of brackets; group_id tells what belongs together.",
    source="OAS",
    status="documented",
)
def test_brackets_come_without_legs(live: LiveExchange) -> None:
    with live.socket("/stream") as socket:
        listen(socket)
        order = live.order(order_class="bracket", **EXITS)
        heard = [update["order"] for update in updates(socket, 2)]
        assert all(each["legs"] is None for each in heard)
        assert {each["group_id"] for each in heard} == {order["group_id"]}


@rule("STR-017", "An account's stream tells of its own orders only.", source="DOC", status="documented")
def test_streams_belong_to_accounts(live: LiveExchange) -> None:
    with live.socket("/stream") as mine, live.socket("/stream") as other:
        listen(mine)
        assert other.ask(action="auth", key="second", secret="second-secret") == AUTHORIZED
        other.ask(**LISTEN)
        live.order()
        assert updates(mine, 1) and hears_nothing(other)


@rule("STR-018", "What is no message is passed over, and the connection goes on.", source="DOC", status="unknown")
def test_nonsense_does_not_end_the_connection(live: LiveExchange) -> None:
    with live.socket("/stream") as socket:
        for nonsense in ("{", b"\xff\x00", "[" * 20_000, "[]", '{"action":{}}', '{"action":"listen","data":3}', "null"):
            socket.plain.send(nonsense)
        first = socket.hear()
        assert first["data"] == {"status": "unauthorized", "action": "listen"}
        assert socket.ask(**LOGIN) == AUTHORIZED


@rule("STR-019", "Event ids grow, so that a client can put updates in order.", source="DOC", status="documented")
def test_event_ids_grow(live: LiveExchange) -> None:
    with live.socket("/stream") as socket:
        listen(socket)
        live.order()
        live.order()
        ids = [update["event_id"] for update in updates(socket, 4)]
        assert ids == sorted(set(ids))
