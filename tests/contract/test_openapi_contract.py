"""The judge of answers: it knows every operation, sees what is wrong, and excuses only what Alpaca's own examples force it to."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path

import openapi
import pytest
import requests
import yaml
from openapi import ContractViolation, Json, Operation, check_contract
from unit.exchange.conftest import Client

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not openapi.documents(), reason=f"{openapi.PACKAGE} is not installed")]

OUT_OF_SCOPE = Path(__file__).parents[1] / "rules" / "out_of_scope.yaml"
ORDER = "/v2/orders/61e69015-8549-4bfd-b9c3-01e75843f47d"
# Examples of the documents whose shape, not their content, is off: one order shown where the answer is a list of orders.
SHOWN_WITHOUT_THEIR_LIST = ("GET /v2/orders",)


def examples() -> Iterator[tuple[Operation, int, object]]:
    """Every example of an answer: those of the operations, and those of the schemas of activities, which have no others."""
    for operation in openapi.operations():
        document = openapi.documents()[operation.document]
        for status, response in document["paths"][operation.path][operation.method]["responses"].items():
            content = openapi.resolved(document, response).get("content", {}).get("application/json", {})
            for shown in content.get("examples", {}).values():
                value = openapi.resolved(document, shown)["value"]
                yield operation, int(status), [value] if str(operation) in SHOWN_WITHOUT_THEIR_LIST else value
        if operation.path.startswith("/v2/account/activities"):
            for name in ("TradingActivities", "NonTradeActivities"):
                yield operation, 200, document["components"]["schemas"][name]["examples"]


def example(operation_text: str, name: str) -> Json:
    operation = next(each for each in openapi.operations() if str(each) == operation_text)
    document = openapi.documents()[operation.document]
    responses = document["paths"][operation.path][operation.method]["responses"]
    shown: Json = openapi.resolved(document, responses["200"]["content"]["application/json"]["examples"][name])["value"]
    return copy.deepcopy(shown)


def equity_order(**changes: object) -> bytes:
    return json.dumps({**example("POST /v2/orders", "Equity"), **changes}).encode()


def test_every_example_of_the_documents_passes_with_the_listed_exceptions() -> None:
    found = {str(operation): list(openapi.violations(operation, status, value)) for operation, status, value in examples()}
    assert len(found) > 40
    assert {name: problems for name, problems in found.items() if problems} == {}


def test_each_listed_exception_is_forced_by_an_example(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = openapi.listed()
    shown = list(examples())
    for entry in everything:
        monkeypatch.setattr(openapi, "listed", lambda entry=entry: [other for other in everything if other is not entry])
        forced = [value for operation, status, value in shown if list(openapi.violations(operation, status, value))]
        assert forced, f"no example shows {entry}"
        assert entry.reason


def test_an_order_as_documented_passes() -> None:
    check_contract("POST", "/v2/orders", 200, equity_order())
    check_contract("PATCH", ORDER, 200, equity_order())


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "asleep"},
        {"id": "7"},
        {"created_at": "2026-09-28 10:00"},
        {"qty": 3},
        {"side": ""},
        {"symbol": ""},
        {"expires_at": None},
        {"legs": [{"status": "asleep"}]},
        {"extended_hours": "no"},
    ],
    ids=str,
)
def test_an_order_with_a_wrong_field_is_seen(wrong: Json) -> None:
    with pytest.raises(ContractViolation, match=next(iter(wrong))):
        check_contract("POST", "/v2/orders", 200, equity_order(**wrong))


def test_a_missing_field_is_seen() -> None:
    order = example("POST /v2/orders", "Equity")
    del order["type"]
    with pytest.raises(ContractViolation, match="'type' is a required property"):
        check_contract("GET", "/v2/orders", 200, json.dumps([order]))


def test_empty_side_of_a_multi_leg_parent_passes_and_of_another_order_does_not() -> None:
    spread = example("POST /v2/orders", "MultilegOptions")
    check_contract("POST", "/v2/orders", 200, json.dumps(spread))
    with pytest.raises(ContractViolation, match="side"):
        check_contract("POST", "/v2/orders", 200, json.dumps({**spread, "order_class": "bracket"}))


def test_undocumented_endpoints_and_statuses_are_seen() -> None:
    with pytest.raises(ContractViolation, match="no such endpoint"):
        check_contract("GET", "/v2/orders/of/yesterday", 200, b"{}")
    with pytest.raises(ContractViolation, match="status 201 is not documented"):
        check_contract("POST", "/v2/orders", 201, equity_order())
    with pytest.raises(ContractViolation, match="without a body"):
        check_contract("DELETE", ORDER, 204, b"{}")


def test_what_is_not_alpacas_is_not_judged() -> None:
    check_contract("GET", "/admin/status", 200, b"anything")
    check_contract("GET", "/healthz", 200, b"")


def test_refusals_have_a_message_and_a_code_of_eight_digits() -> None:
    check_contract("POST", "/v2/orders", 403, b'{"code": 40310000, "message": "insufficient buying power"}')
    check_contract("GET", "/v2/nowhere", 404, b'{"code": 40410000, "message": "endpoint not found"}')
    check_contract("GET", "/v2/account", 503, b"<html>Service Unavailable</html>")
    for body in (b"", b"<html></html>", b'{"code": 40310000}', b'{"code": 403, "message": "no"}', b'{"message": ""}'):
        with pytest.raises(ContractViolation):
            check_contract("POST", "/v2/orders", 403, body)


def test_in_an_answer_for_many_each_part_is_judged_by_its_own_status() -> None:
    order = example("POST /v2/orders", "Equity")
    refused = {"code": 40310000, "message": "insufficient qty available for order (requested: 21, available: 0)"}
    parts = [{"symbol": "AAPL", "status": 200, "body": order}, {"symbol": "FCX", "status": 403, "body": refused}]
    check_contract("DELETE", "/v2/positions", 207, json.dumps(parts))
    with pytest.raises(ContractViolation, match="required property"):
        check_contract("DELETE", "/v2/positions", 207, json.dumps([{"symbol": "FCX", "status": 200, "body": refused}]))
    with pytest.raises(ContractViolation, match="message"):
        check_contract("DELETE", "/v2/positions", 207, json.dumps([{"symbol": "FCX", "status": 403, "body": {"code": 40310000}}]))


def test_both_ends_of_a_long_list_are_judged() -> None:
    bar = {"t": "2022-01-03T09:00:00Z", "o": 1.0, "h": 1.0, "l": 1.0, "c": 1.0, "v": 1, "n": 1, "vw": 1.0}
    page = {"bars": {"AAPL": [bar] * 2000}, "next_page_token": None}
    check_contract("GET", "/v2/stocks/bars", 200, json.dumps(page))
    page["bars"]["AAPL"][-1] = {**bar, "o": "1.0"}
    with pytest.raises(ContractViolation, match="AAPL"):
        check_contract("GET", "/v2/stocks/bars", 200, json.dumps(page))


def test_literal_paths_win_over_templates() -> None:
    found = {
        path: openapi.find("GET", path)
        for path in ("/v2/stocks/bars/latest", "/v2/stocks/AAPL/bars", "/v2/orders:by_client_order_id")
    }
    assert [each.path for each in found.values() if each] == [
        "/v2/stocks/bars/latest",
        "/v2/stocks/{symbol}/bars",
        "/v2/orders:by_client_order_id",
    ]


def test_every_documented_operation_is_served_or_out_of_scope() -> None:
    entries = yaml.safe_load(OUT_OF_SCOPE.read_text(encoding="utf-8"))
    excused = tuple(path for entry in entries for path in entry.get("paths", ()))
    client = Client()
    for operation in openapi.operations():
        blank = re.sub(r"\{\w+\}", "no-such-thing", operation.path)
        answer = client.http.request(operation.method.upper(), blank, json={} if operation.method != "get" else None)
        is_served = answer.status_code != 405 and answer.text.find("endpoint not found") < 0
        assert answer.status_code < 500, operation
        assert is_served or operation.path.startswith(excused), operation


def test_orders_of_trade_updates_are_judged_too() -> None:
    openapi.check_order(example("POST /v2/orders", "Equity"))
    with pytest.raises(ContractViolation, match="status"):
        openapi.check_order({**example("POST /v2/orders", "Equity"), "status": "asleep"})


def test_a_watched_session_raises_where_the_call_is_made() -> None:
    session = requests.Session()
    openapi.watch(session)
    session.mount("http://", Canned(200, b'{"status": "asleep"}'))
    with pytest.raises(ContractViolation):
        session.get("http://127.0.0.1:1/v2/account?x=1", timeout=1)
    assert session.get("http://127.0.0.1:1/healthz", timeout=1).status_code == 200


class Canned(requests.adapters.BaseAdapter):
    """Answers without a network."""

    def __init__(self, status: int, content: bytes) -> None:
        super().__init__()
        self.status, self.content = status, content

    def send(self, request: requests.PreparedRequest, **options: object) -> requests.Response:
        answer = requests.Response()
        answer.status_code, answer._content, answer.request, answer.url = self.status, self.content, request, str(request.url)
        return answer

    def close(self) -> None:
        pass
