"""Every refusal that Alpaca is known to send, and what it means for the one who sent the request."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
import requests
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient

from desk.brokers.guarded.errors import MEANING, ErrorClass, Execution, Failure, NeverSent, Retry, classify, failure_of

HTML = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body></body>\r\n</html>\r\n"
HELD = {"available": "0", "existing_qty": "21", "held_for_orders": "21", "related_orders": ["a"], "symbol": "FCX"}
WASH = {"existing_order_id": "a", "reject_reason": "opposite side market/stop order exists"}
# status, code, message, extra fields, class
TABLE: list[tuple[int, int | None, str, dict[str, Any], ErrorClass]] = [
    (403, 40310000, "insufficient qty available for order (requested: 21, available: 0)", HELD, ErrorClass.SHARES_HELD),
    (403, 40310000, "insufficient qty available for order (requested: 2, available: 0)", {}, ErrorClass.SHARES_HELD),
    (403, 40310000, "words that changed", HELD, ErrorClass.SHARES_HELD),
    (403, 40310000, "potential wash trade detected. use complex orders", WASH, ErrorClass.WASH),
    (403, 40310000, "words that changed", WASH, ErrorClass.WASH),
    (403, 40310000, "cannot open a short sell while a long buy order is open", {}, ErrorClass.WASH),
    (403, 40310000, "insufficient buying power", {"buying_power": "1", "cost_basis": "2"}, ErrorClass.BUYING_POWER),
    (403, 40310000, "words that changed", {"buying_power": "1", "cost_basis": "2"}, ErrorClass.BUYING_POWER),
    (403, 40310000, "insufficient options buying power (required: 3, available: 1)", {}, ErrorClass.BUYING_POWER),
    (422, 42210000, "stop_loss.stop_price must be <= base_price - 0.01", {"base_price": "195.02"}, ErrorClass.PRICE_MOVED),
    (422, 42210000, "take_profit.limit_price must be >= base_price + 0.01", {}, ErrorClass.PRICE_MOVED),
    (422, 42210000, "qty cannot be changed for advanced orders", {}, ErrorClass.NEEDS_CANCEL),
    (422, 42210000, "order parameters are not changed", {}, ErrorClass.NOT_CHANGED),
    (422, 42210000, "cannot replace order in accepted status", {}, ErrorClass.RETRY_LATER),
    (422, 42210000, "cannot replace order in pending_new status", {}, ErrorClass.RETRY_LATER),
    (422, 42210000, "cannot replace order in pending_cancel status", {}, ErrorClass.RETRY_LATER),
    (422, 42210000, "order pending cancel", {}, ErrorClass.RETRY_LATER),
    (422, 42210000, "order chain not fully replaced", {}, ErrorClass.RETRY_LATER),
    (422, 42210000, "unable to replace order, order isn't sent to exchange yet", {}, ErrorClass.UNSETTLED),
    (422, 42210000, 'order is already in "filled" state', {}, ErrorClass.ALREADY_ENDED),
    (422, 42210000, 'order is already in "canceled" state', {}, ErrorClass.ALREADY_ENDED),
    (422, 42210000, "leg order is already in held state", {}, ErrorClass.ALREADY_ENDED),
    (422, 42210000, "order already replaced", {}, ErrorClass.ALREADY_ENDED),
    (422, 40010001, "client_order_id must be unique", {}, ErrorClass.DUPLICATE_ID),
    (422, 42210000, "client_order_id must be unique", {}, ErrorClass.DUPLICATE_ID),
    (422, 42210000, "bracket orders must be entry orders", {}, ErrorClass.WRONG_SIDE_OF_POSITION),
    (403, 40310000, "bracket orders must be entry orders", {}, ErrorClass.WRONG_SIDE_OF_POSITION),
    (422, 42210000, "oco orders must be exit orders", {}, ErrorClass.WRONG_SIDE_OF_POSITION),
    (422, 42210000, "position intent mismatch, inferred: a, specified: b", {}, ErrorClass.WRONG_SIDE_OF_POSITION),
    (422, 42210000, 'contract "ABC080905P00100000" expires soon, unable to open new positions', {}, ErrorClass.TOO_LATE),
    (422, 42210000, 'contract "ABC080905P00100000" is expired', {}, ErrorClass.TOO_LATE),
    (422, 42210000, "options market orders are only allowed during market hours", {}, ErrorClass.TOO_LATE),
    (422, 42210000, "cannot replace order in expired status", {}, ErrorClass.ALREADY_ENDED),
    (403, 40310000, "account not eligible to trade uncovered option contracts", {}, ErrorClass.REFUSED),
    (422, 42210000, "fractional orders must be DAY orders", {}, ErrorClass.REFUSED),
    (422, 42210000, "qty must be > filled_qty", {}, ErrorClass.REFUSED),
    (422, 40010001, "limit orders require a limit price", {}, ErrorClass.REFUSED),
    (403, 40310000, "account is not allowed to short", {}, ErrorClass.REFUSED),
    (403, 40310100, "trade denied due to pattern day trading protection", {}, ErrorClass.REFUSED),
    (403, None, "forbidden.", {}, ErrorClass.UNAUTHORIZED),
    (401, None, "unauthorized.", {}, ErrorClass.UNAUTHORIZED),
    (401, 40110000, "request is not authorized", {}, ErrorClass.UNAUTHORIZED),
    (404, 40410000, "order not found for x", {}, ErrorClass.NOT_FOUND),
    (429, 42910000, "rate limit exceeded", {}, ErrorClass.RATE_LIMITED),
    (429, None, "too many requests.", {}, ErrorClass.RATE_LIMITED),
    (500, None, "internal server error", {}, ErrorClass.BROKEN),
    (504, 50410000, "request timed out", {}, ErrorClass.BROKEN),
    (400, 40010000, "request body format is invalid", {}, ErrorClass.REFUSED),
]


@pytest.mark.parametrize(("status", "code", "message", "extra", "wanted"), TABLE)
def test_a_refusal_is_understood_by_status_code_fields_and_then_words(
    status: int, code: int | None, message: str, extra: dict[str, Any], wanted: ErrorClass
) -> None:
    body = {"message": message, **({} if code is None else {"code": code}), **extra}
    found = classify(status, None, json.dumps(body))
    assert (found.error_class, found.status, found.code, found.message, found.extra) == (wanted, status, code, message, extra)
    assert classify(status, code, body) == found


@pytest.mark.parametrize("body", [HTML, "", "{", '{"code": ', "[1, 2]", "null", '"text"', b"\xff\xfe", "[" * 100_000])
@pytest.mark.parametrize(
    ("status", "wanted"),
    [(502, "broken"), (503, "broken"), (429, "rate_limited"), (401, "unauthorized"), (404, "not_found"), (422, "refused")],
)
def test_a_body_that_is_no_json_leaves_the_status(status: int, wanted: str, body: str) -> None:
    found = classify(status, None, body)
    assert (found.error_class, found.code) == (wanted, None)
    assert len(found.message) <= 500


def test_words_in_a_page_of_a_broken_server_say_nothing() -> None:
    assert classify(502, None, "client_order_id must be unique").error_class is ErrorClass.BROKEN


def test_an_answer_that_should_have_been_an_order_and_could_not_be_read_may_have_been_one() -> None:
    assert classify(200, None, HTML).execution is Execution.MAYBE
    assert classify(301, None, "").error_class is ErrorClass.BROKEN
    assert classify(None).error_class is ErrorClass.NO_ANSWER


def test_every_class_has_a_meaning_and_one_sentence_of_its_own() -> None:
    assert set(MEANING) == set(ErrorClass)
    sentences = [meaning.sentence for meaning in MEANING.values()]
    assert len(set(sentences)) == len(sentences)
    assert all(sentence.endswith(".") and sentence.count(".") == 1 for sentence in sentences)


@pytest.mark.parametrize("error_class", ErrorClass)
def test_only_what_was_certainly_not_executed_is_sent_again_unseen(error_class: ErrorClass) -> None:
    found = Failure(error_class)
    assert found.is_certain or found.retry is Retry.LOOK_UP
    assert found.retry is not Retry.SAME_LATER or found.is_certain


def test_the_text_for_a_person_has_the_sentence_and_what_the_broker_said() -> None:
    text = classify(403, 40310000, {"message": "insufficient buying power", "cost_basis": "2"}).text
    assert text == "The account has too little buying power for this order. (HTTP 403, code 40310000: insufficient buying power)"


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_a_refused_connection_certainly_carried_nothing() -> None:
    client = TradingClient("key", "secret", url_override=f"http://127.0.0.1:{closed_port()}")
    client._session.trust_env = False
    with pytest.raises(requests.ConnectionError) as error:
        client.get_account()
    assert failure_of(error.value).error_class is ErrorClass.NOT_REACHED


@pytest.mark.parametrize("proxied", [False, True])
def test_a_name_or_a_proxy_that_is_not_there_certainly_carried_nothing(proxied: bool) -> None:
    session = requests.Session()
    session.trust_env = False
    proxies = {"https": f"http://127.0.0.1:{closed_port()}"} if proxied else {}
    url = "https://broker.invalid/v2/account" if proxied else f"http://127.0.0.1:{closed_port()}/v2/account"
    with pytest.raises(requests.ConnectionError) as error:
        session.get(url, proxies=proxies, timeout=5)
    assert failure_of(error.value).error_class is ErrorClass.NOT_REACHED


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (requests.ConnectTimeout("no"), ErrorClass.NOT_REACHED),
        (NeverSent("held back"), ErrorClass.NOT_REACHED),
        (requests.ReadTimeout("no"), ErrorClass.NO_ANSWER),
        (requests.ConnectionError("reset"), ErrorClass.NO_ANSWER),
        (requests.ConnectionError(), ErrorClass.NO_ANSWER),
        (requests.exceptions.ChunkedEncodingError("cut off"), ErrorClass.NO_ANSWER),
        (requests.exceptions.JSONDecodeError("no", HTML, 0), ErrorClass.NO_ANSWER),
        (APIError(HTML), ErrorClass.NO_ANSWER),
    ],
)
def test_any_other_silence_may_have_carried_it(error: Any, wanted: ErrorClass) -> None:
    assert failure_of(error).error_class is wanted
