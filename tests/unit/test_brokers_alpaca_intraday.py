"""Intraday bars from answers that Alpaca may give: trades before the opening, forming bars, corrections, a rescaled past."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from desk.brokers.alpaca_clients import stock_data_client
from desk.brokers.alpaca_intraday import IntradayHistory
from desk.brokers.endpoint import Endpoint
from desk.domain.errors import ConfigurationError
from desk.domain.market import IntradayBars
from desk.runtime.build import market_hours

# A Tuesday in winter: 09:30 in New York is 14:30 UTC.
OPENING = datetime(2024, 1, 16, 14, 30, tzinfo=UTC)
Row = tuple[datetime, float, float]


class Tape:
    """A server of /v2/stocks/bars: what it has of symbol AAA, by timeframe, and the requests that were made."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.requests: list[dict[str, str]] = []
        self.is_down = False
        tape = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
                tape.requests.append(query)
                self.send_response(500 if tape.is_down else 200)
                self.end_headers()
                self.wfile.write(json.dumps(tape.answer(query)).encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def answer(self, query: dict[str, str]) -> dict[str, Any]:
        start, end = (datetime.fromisoformat(query[name].replace("Z", "+00:00")) for name in ("start", "end"))
        bars = [
            {"t": at.isoformat(), "o": price, "h": price + 1, "l": price - 1, "c": price, "v": volume, "n": 1, "vw": price}
            for at, price, volume in self.rows
            if start <= at <= end
        ]
        return {"bars": {"AAA": bars} if bars else {}, "next_page_token": None}


@pytest.fixture
def tape() -> Iterator[Tape]:
    made = Tape()
    thread = Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def history(tape: Tape, seconds: int) -> IntradayHistory:
    url = f"http://127.0.0.1:{tape.server.server_port}"
    return IntradayHistory(stock_data_client(Endpoint("key", "secret", True, url, url, url)), seconds, market_hours)


def look(made: IntradayHistory, now: datetime) -> IntradayBars | None:
    return made.bars(["AAA", "NONE"], now).get("AAA")


def half_hours(*from_opening: tuple[int, float, float]) -> list[Row]:
    return [(OPENING + timedelta(minutes=30 * number), price, volume) for number, price, volume in from_opening]


def test_hours_have_no_trades_of_before_the_opening_or_after_the_close(tape: Tape) -> None:
    tape.rows = half_hours((-1, 50.0, 9.0), (0, 100.0, 1.0), (1, 101.0, 2.0), (12, 112.0, 3.0), (13, 60.0, 9.0))
    bars = look(history(tape, 3600), OPENING + timedelta(hours=20))
    assert bars is not None
    assert [datetime.fromtimestamp(int(start), UTC) for start in bars.starts] == [OPENING, OPENING + timedelta(hours=6)]
    assert (bars.open.tolist(), bars.high.tolist(), bars.low.tolist()) == ([100.0, 112.0], [102.0, 113.0], [99.0, 111.0])
    assert (bars.close.tolist(), bars.volume.tolist()) == ([101.0, 112.0], [3.0, 3.0])
    assert {(query["timeframe"], query["feed"], query["adjustment"]) for query in tape.requests} == {("30Min", "iex", "all")}


def test_what_still_forms_is_not_shown(tape: Tape) -> None:
    tape.rows = half_hours((0, 100.0, 1.0), (1, 101.0, 2.0))
    made = history(tape, 3600)
    assert look(made, OPENING + timedelta(minutes=59)) is None
    bars = look(made, OPENING + timedelta(minutes=60))
    assert bars is not None and bars.close.tolist() == [101.0]


def test_a_bar_that_is_corrected_or_comes_late_is_seen_at_the_next_look(tape: Tape) -> None:
    minute = timedelta(minutes=1)
    made = history(tape, 60)
    tape.rows = [(OPENING, 100.0, 1.0), (OPENING + minute, 101.0, 2.0)]
    first = look(made, OPENING + 3 * minute)
    tape.rows = [(OPENING, 100.0, 1.0), (OPENING + minute, 101.5, 3.0), (OPENING + 2 * minute, 102.0, 4.0)]
    second = look(made, OPENING + 4 * minute)
    assert first is not None and second is not None
    assert (first.close.tolist(), second.close.tolist(), second.volume.tolist()) == ([100, 101], [100, 101.5, 102], [1, 3, 4])


def test_a_look_asks_only_for_what_is_new_and_a_session_begins_with_all_of_it(tape: Tape) -> None:
    tape.rows = half_hours((0, 100.0, 1.0))
    made = history(tape, 60)
    for minutes in (60, 61):
        look(made, OPENING + timedelta(minutes=minutes))
    tape.rows = half_hours((0, 50.0, 2.0))  # split 2 for 1 over night
    bars = look(made, OPENING + timedelta(days=1))
    starts = [datetime.fromisoformat(query["start"].replace("Z", "+00:00")) for query in tape.requests]
    whole = datetime(2024, 1, 10, 5, tzinfo=UTC)  # three sessions back: the Monday between was a holiday
    assert starts == [whole + timedelta(days=0), OPENING + timedelta(minutes=50), whole + timedelta(days=1)]
    assert bars is not None and bars.close.tolist() == [50.0]


def test_an_answer_that_failed_leaves_no_hole(tape: Tape) -> None:
    tape.rows = half_hours((0, 100.0, 1.0), (1, 101.0, 1.0), (2, 102.0, 1.0))
    made = history(tape, 1800)
    look(made, OPENING + timedelta(minutes=30))
    tape.is_down = True
    with pytest.raises(Exception):  # noqa: B017  whatever alpaca-py makes of a 500: it is raised, and that is all that counts
        look(made, OPENING + timedelta(minutes=60))
    tape.is_down = False
    bars = look(made, OPENING + timedelta(minutes=90))
    assert bars is not None and bars.close.tolist() == [100.0, 101.0, 102.0]


@pytest.mark.parametrize("seconds", [0, 45, 90, 86_400])
def test_bars_that_are_no_whole_minutes_of_a_session_are_refused(tape: Tape, seconds: int) -> None:
    with pytest.raises(ConfigurationError, match=f"bar_seconds {seconds} of the strategy"):
        history(tape, seconds)
