"""The market data stream, over real websockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgpack
import pytest
from live_exchange import KEY, PACKED, SECRET, LiveExchange, Socket, live_exchange
from unit.exchange.conftest import KEYS, MORNING
from websockets.exceptions import ConnectionClosed

from desk.exchange.api.data_stream import DataStream

rule = pytest.mark.rule
CONNECTED = [{"T": "success", "msg": "connected"}]
AUTHENTICATED = [{"T": "success", "msg": "authenticated"}]
AUTH = {"action": "auth", "key": KEY, "secret": SECRET}
NOTHING = {
    "T": "subscription",
    "trades": [],
    "quotes": [],
    "bars": [],
    "updatedBars": [],
    "dailyBars": [],
    "statuses": [],
    "lulds": [],
    "corrections": [],
    "cancelErrors": [],
}


def error(code: int, text: str) -> list[dict[str, object]]:
    return [{"T": "error", "code": code, "msg": text}]


@pytest.fixture(scope="module")
def free() -> Iterator[LiveExchange]:
    """An account without SIP; for tests that move no time."""
    with live_exchange() as made:
        made.to(MORNING)
        yield made


@pytest.fixture(scope="module")
def paid() -> Iterator[LiveExchange]:
    with live_exchange(has_sip=True) as made:
        made.to(MORNING)
        yield made


def login(socket: Socket) -> Socket:
    assert socket.hear() == CONNECTED
    assert socket.ask(**AUTH) == AUTHENTICATED
    return socket


def subscribe(socket: Socket, **channels: list[str]) -> Any:
    return login(socket).ask(action="subscribe", **channels)


def told(socket: Socket, count: int) -> list[Any]:
    """So many data points, from frames that may hold several."""
    heard: list[Any] = []
    while len(heard) < count:
        heard.extend(socket.hear())
    assert len(heard) == count
    return heard


def is_closed(socket: Socket) -> bool:
    try:
        socket.frame()
    except ConnectionClosed:
        return True
    return False


@rule("DST-001", "The sequence is connected, auth, authenticated, subscribe, subscription.", source="DOC", status="documented")
def test_the_sequence_of_a_session(free: LiveExchange) -> None:
    with free.socket("/v2/iex") as socket:
        assert subscribe(socket, bars=["ABC"]) == [{**NOTHING, "bars": ["ABC"]}]


@rule("DST-002", "Without a Content-Type, frames are text and hold arrays of JSON.", source="DOC", status="documented")
def test_plain_clients_hear_json_text(free: LiveExchange) -> None:
    with free.socket("/v2/iex") as socket:
        assert socket.frame() == '[{"T":"success","msg":"connected"}]'


@rule(
    "DST-003",
    "Content-Type application/msgpack makes every frame msgpack, with instants of its Timestamp type.",
    source="SDK",
    status="documented",
)
def test_msgpack_frames_have_timestamps() -> None:
    with live_exchange() as live, live.socket("/v2/iex", PACKED) as socket:
        live.to(MORNING)
        subscribe(socket, bars=["ABC"])
        live.to("2008-09-02T14:01:00Z")
        bar = told(socket, 1)[0]
        assert isinstance(bar["t"], msgpack.Timestamp)
        assert bar["t"].to_datetime() == datetime(2008, 9, 2, 14, 0, tzinfo=UTC)


@rule("DST-004", "Keys in the headers of the handshake authenticate without a message.", source="DOC", status="documented")
def test_headers_authenticate(free: LiveExchange) -> None:
    with free.socket("/v2/iex", KEYS) as socket:
        assert (socket.hear(), socket.hear()) == (CONNECTED, AUTHENTICATED)
    with free.socket("/v2/iex", {**KEYS, "APCA-API-SECRET-KEY": "x"}) as socket:
        assert (socket.hear(), socket.hear()) == (CONNECTED, error(402, "auth failed"))


@rule("DST-005", "What does not follow the protocol is answered with 400 invalid syntax.", source="DOC", status="documented")
@pytest.mark.parametrize(
    "nonsense",
    [
        "{",
        "[]",
        "[" * 30_000,
        '{"action":"dance"}',
        '{"action":"subscribe"}',
        '{"action":"subscribe","bars":"ABC"}',
        '{"action":"subscribe","bars":[1]}',
        '{"action":"subscribe","bars":["not a symbol"]}',
        '{"action":"subscribe","candles":["ABC"]}',
    ],
)
def test_nonsense_is_invalid_syntax(free: LiveExchange, nonsense: str) -> None:
    with free.socket("/v2/iex") as socket:
        login(socket).plain.send(nonsense)
        assert socket.hear() == error(400, "invalid syntax")
        assert socket.ask(action="subscribe", bars=["ABC"])[0]["bars"] == ["ABC"]


@rule("DST-006", "Subscribing before authentication is answered with 401.", source="DOC", status="documented")
def test_subscribing_needs_authentication(free: LiveExchange) -> None:
    with free.socket("/v2/iex") as socket:
        assert socket.hear() == CONNECTED
        assert socket.ask(action="subscribe", bars=["ABC"]) == error(401, "not authenticated")
        assert socket.ask(**AUTH) == AUTHENTICATED


@rule("DST-007", "Wrong keys are answered with 402 auth failed.", source="DOC", status="documented")
@pytest.mark.parametrize("wrong", [{"key": KEY, "secret": "x"}, {"key": 1}, {}])
def test_wrong_keys_fail(free: LiveExchange, wrong: dict[str, object]) -> None:
    with free.socket("/v2/iex") as socket:
        assert socket.hear() == CONNECTED
        assert socket.ask(action="auth", **wrong) == error(402, "auth failed")


@rule("DST-008", "Authenticating twice is answered with 403.", source="DOC", status="documented")
def test_authenticating_twice_is_refused(free: LiveExchange) -> None:
    with free.socket("/v2/iex") as socket:
        assert login(socket).ask(**AUTH) == error(403, "already authenticated")


@rule(
    "DST-009",
    "Who does not authenticate in time hears 404 auth timeout and is closed; ten seconds are given.",
    source="DOC",
    status="documented",
)
def test_authentication_has_a_time_limit(free: LiveExchange, monkeypatch: pytest.MonkeyPatch) -> None:
    assert DataStream.auth_seconds == 10
    monkeypatch.setattr(DataStream, "auth_seconds", 0.1)
    with free.socket("/v2/iex") as socket:
        assert (socket.hear(), socket.hear()) == (CONNECTED, error(404, "auth timeout"))
        assert is_closed(socket)


@rule(
    "DST-010",
    "A free account has trades and quotes of 30 symbols; beyond is 405, and nothing changes.",
    source="DOC",
    status="documented",
)
def test_symbols_are_limited(free: LiveExchange) -> None:
    names = [f"S{number}" for number in range(31)]
    with free.socket("/v2/iex") as socket:
        assert len(subscribe(socket, trades=names[:20], quotes=names[:30])[0]["quotes"]) == 30
        assert socket.ask(action="subscribe", trades=names[30:]) == error(405, "symbol limit exceeded")
        assert socket.ask(action="subscribe", trades=["*"]) == error(405, "symbol limit exceeded")
        still = socket.ask(action="subscribe", bars=["*"])[0]
        assert (len(still["trades"]), len(still["quotes"]), still["bars"]) == (20, 30, ["*"])


@rule("DST-011", "A paid account has no symbol limit, and the sip feed.", source="DOC", status="documented")
def test_paid_accounts_are_not_limited(paid: LiveExchange) -> None:
    names = sorted(f"S{number}" for number in range(500))
    with paid.socket("/v2/sip") as socket:
        assert subscribe(socket, trades=names)[0]["trades"] == names


@rule("DST-012", "A second connection to an endpoint is answered with 406 and closed.", source="DOC", status="documented")
def test_one_connection_an_endpoint(free: LiveExchange) -> None:
    with free.socket("/v2/iex") as first, free.socket("/v2/iex") as second, free.socket("/v2/delayed_sip") as other:
        login(first)
        assert second.hear() == CONNECTED
        assert second.ask(**AUTH) == error(406, "connection limit exceeded")
        assert is_closed(second)
        login(other)
        assert first.ask(action="subscribe", bars=["ABC"])[0]["T"] == "subscription"
    with free.socket("/v2/iex") as again:
        login(again)


@rule(
    "DST-013",
    "A client that does not keep up hears 407 slow client, if it still reads, and is closed.",
    source="DOC",
    status="documented",
)
def test_slow_clients_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DataStream, "most_unsent", -1)
    with live_exchange() as live, live.socket("/v2/iex") as socket:
        live.to(MORNING)
        subscribe(socket, bars=["ABC"])
        live.to("2008-09-02T14:01:00Z")
        assert socket.hear() == error(407, "slow client")
        assert is_closed(socket)


@rule(
    "DST-014",
    "A feed that the account has not subscribed to is refused at authentication: 409.",
    source="DOC",
    status="documented",
)
@pytest.mark.parametrize(("path", "headers"), [("/v2/sip", {}), ("/v1beta1/boats", {}), ("/v1beta1/opra", PACKED)])
def test_paid_feeds_need_a_subscription(free: LiveExchange, path: str, headers: dict[str, str]) -> None:
    with free.socket(path, headers) as socket:
        assert socket.hear() == CONNECTED
        assert socket.ask(**AUTH) == error(409, "insufficient subscription")
        assert is_closed(socket)


@rule("DST-015", "A channel that the feed has not is answered with 410.", source="DOC", status="documented")
def test_channels_belong_to_feeds(free: LiveExchange) -> None:
    with free.socket("/v1beta1/indicative", PACKED) as options:
        refused = login(options).ask(action="subscribe", bars=["ABC080920C00100000"])
        assert refused == error(410, "invalid subscribe action for this feed")
    with free.socket("/v2/iex") as stocks:
        assert login(stocks).ask(action="subscribe", news=["*"]) == error(410, "invalid subscribe action for this feed")


@rule("DST-016", "The option stream speaks msgpack only: 412 to others.", source="DOC", status="documented")
def test_options_are_msgpack_only(free: LiveExchange) -> None:
    with free.socket("/v1beta1/indicative") as socket:
        assert socket.hear() == error(412, "option messages are only available in MsgPack format")
        assert is_closed(socket)


@rule("DST-017", "The star is not allowed for option quotes: 413.", source="DOC", status="documented")
def test_no_star_for_option_quotes(free: LiveExchange) -> None:
    with free.socket("/v1beta1/indicative", PACKED) as socket:
        refused = login(socket).ask(action="subscribe", quotes=["*"])
        assert refused == error(413, "star subscription is not allowed for option quotes")
        assert socket.ask(action="subscribe", trades=["*"]) == [{"T": "subscription", "trades": ["*"], "quotes": []}]


@rule(
    "DST-018",
    "Every answer to a change lists the whole subscription; unsubscribing takes away.",
    source="DOC",
    status="documented",
)
def test_acknowledgements_list_everything(free: LiveExchange) -> None:
    with free.socket("/v2/iex") as socket:
        subscribe(socket, bars=["*"], quotes=["ABC", "XYZ"])
        assert socket.ask(action="subscribe", dailyBars=["ABC"])[0]["quotes"] == ["ABC", "XYZ"]
        left = socket.ask(action="unsubscribe", bars=["*"], quotes=["XYZ", "NEW"])
        assert left == [{**NOTHING, "quotes": ["ABC"], "dailyBars": ["ABC"]}]


@rule("DST-019", "Trades bring corrections and cancelErrors of the same symbols.", source="DOC", status="documented")
def test_trades_bring_corrections(free: LiveExchange) -> None:
    with free.socket("/v2/iex") as socket:
        got = subscribe(socket, trades=["ABC"])[0]
        assert got["corrections"] == got["cancelErrors"] == ["ABC"]
        assert socket.ask(action="subscribe", corrections=["XYZ"], statuses=["*"], lulds=["ABC"], updatedBars=["ABC"])[0] == {
            **got,
            "corrections": ["ABC", "XYZ"],
            "statuses": ["*"],
            "lulds": ["ABC"],
            "updatedBars": ["ABC"],
        }


@rule(
    "DST-020", "Minute bars come right after each minute mark, and are those of the history.", source="DOC", status="documented"
)
def test_minute_bars_come_after_their_minute() -> None:
    with live_exchange() as live, live.socket("/v2/iex") as socket:
        live.to(MORNING)
        subscribe(socket, bars=["ABC", "XYZ"])
        live.to("2008-09-02T14:00:59Z")
        live.to("2008-09-02T14:03:00Z")
        bars = told(socket, 6)
        assert [bar["S"] for bar in bars] == ["ABC", "XYZ"] * 3
        assert [bar["t"] for bar in bars[::2]] == [f"2008-09-02T14:0{minute}:00Z" for minute in range(3)]
        path = "/v2/stocks/bars?symbols=ABC&timeframe=1Min&feed=iex&start=2008-09-02T14:00:00Z"
        history = live.request("GET", path).json()["bars"]["ABC"]
        assert [{"T": "b", "S": "ABC", **bar} for bar in history] == bars[::2]


@rule("DST-021", "Daily bars come after each minute and hold the day so far.", source="DOC", status="documented")
def test_daily_bars_hold_the_day_so_far() -> None:
    with live_exchange() as live, live.socket("/v2/iex") as socket:
        subscribe(socket, dailyBars=["ABC"])
        live.to("2008-09-02T20:00:00Z")
        bars = told(socket, 390)
        assert {(bar["T"], bar["t"], bar["o"]) for bar in bars} == {("d", "2008-09-02T04:00:00Z", 100.0)}
        assert [bars[-1][name] for name in "hlcv"] == [102, 99, 101, 39_000]
        assert bars[0]["v"] < bars[100]["v"] < bars[-1]["v"]


@rule("DST-022", "Quotes and trades come as they happen, in order of time over all symbols.", source="DOC", status="documented")
def test_quotes_and_trades_come_in_order() -> None:
    with live_exchange() as live, live.socket("/v2/iex") as socket:
        subscribe(socket, trades=["ABC"], quotes=["ABC", "XYZ"])
        live.to("2008-09-02T13:31:00Z")
        heard = told(socket, 6)
        assert [message["t"] for message in heard] == ["2008-09-02T13:30:00Z"] * 3 + ["2008-09-02T13:31:00Z"] * 3
        quote = next(message for message in heard if message["T"] == "q")
        assert set(quote) == {"T", "S", "t", "ax", "ap", "as", "bx", "bp", "bs", "c", "z"} and quote["bp"] < quote["ap"]
        trade = next(message for message in heard if message["T"] == "t")
        assert set(trade) == {"T", "S", "t", "i", "x", "p", "s", "c", "z"}


@rule("DST-023", "The delayed_sip feed tells what happened 15 minutes before.", source="DOC", status="documented")
def test_delayed_sip_is_late() -> None:
    with live_exchange() as live, live.socket("/v2/delayed_sip") as socket:
        live.to(MORNING)
        subscribe(socket, bars=["ABC"])
        live.to("2008-09-02T14:01:00Z")
        assert told(socket, 1)[0]["t"] == "2008-09-02T13:45:00Z"


@rule("DST-024", "The test stream tells of FAKEPACA at any hour.", source="DOC", status="documented")
def test_the_test_stream_never_sleeps() -> None:
    with live_exchange() as live, live.socket("/v2/test") as socket:
        subscribe(socket, trades=["FAKEPACA"], quotes=["FAKEPACA"], bars=["FAKEPACA"])
        first = told(socket, 3)
        assert {(message["T"], message["S"]) for message in first} == {(kind, "FAKEPACA") for kind in "tqb"}
        live.to("2008-09-02T12:02:00Z")
        assert [message["T"] for message in told(socket, 6)] == ["t", "q", "b"] * 2


@rule("DST-025", "A halt is told on statuses, and so is its end.", source="DOC", status="documented")
def test_halts_are_told() -> None:
    with live_exchange() as live, live.socket("/v2/iex") as socket:
        live.to(MORNING)
        subscribe(socket, statuses=["*"])
        live.exchange.halted.add("ABC")
        live.to("2008-09-02T14:01:00Z")
        halt = told(socket, 1)[0]
        assert (halt["T"], halt["S"], halt["sc"], halt["sm"]) == ("s", "ABC", "H", "Trading Halt")
        live.exchange.halted.discard("ABC")
        live.to("2008-09-02T14:02:00Z")
        assert told(socket, 1)[0]["sc"] == "T"


@rule("DST-026", "A message may come in fragments.", source="SDK", status="documented")
@pytest.mark.parametrize("packing", [str.encode, str], ids=["binary", "text"])
def test_fragments_are_put_together(free: LiveExchange, packing: Callable[[str], Any]) -> None:
    with free.socket("/v2/iex") as socket:
        login(socket).plain.send(packing(part) for part in ('{"action":"subscr', 'ibe","bars":["A', 'BC"]}'))
        assert socket.hear()[0]["bars"] == ["ABC"]


@rule("DST-027", "Nothing is replayed to who subscribes late, and unknown symbols are silent.", source="DOC", status="documented")
def test_there_is_no_replay() -> None:
    with live_exchange() as live:
        live.to(MORNING)
        with live.socket("/v2/iex") as socket:
            subscribe(socket, bars=["NONE"])
            live.to("2008-09-02T14:01:00Z")
            socket.ask(action="subscribe", bars=["ABC"])
            live.to("2008-09-02T14:02:00Z")
            assert told(socket, 1)[0]["t"] == "2008-09-02T14:01:00Z"


@rule("DST-028", "Data points may come several to an array; control messages come alone.", source="DOC", status="documented")
def test_data_points_come_in_arrays() -> None:
    with live_exchange() as live, live.socket("/v2/iex") as socket:
        assert len(subscribe(socket, bars=["ABC"])) == 1
        live.to("2008-09-02T20:00:00Z")
        assert len(socket.hear()) > 1
