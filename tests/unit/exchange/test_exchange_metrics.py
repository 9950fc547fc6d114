"""Figures for Prometheus: what is counted, under which names, and that labels stay few."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

New = Callable[..., Any]


ROUTES = ("/admin/advance", "/v2/orders", "/v2/orders/{order_id}")


def figures(client: Any) -> dict[str, float]:
    """Every sample by its name and labels."""
    answer = client.http.get("/metrics")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = (sample for family in text_string_to_metric_families(answer.text) for sample in family.samples)
    return {sample.name + "".join(f" {value}" for _, value in sorted(sample.labels.items())): sample.value for sample in samples}


def test_requests_are_counted_by_route_and_status(client: Any) -> None:
    order_id = client.send()[1]["id"]
    client.get(f"/v2/orders/{order_id}")
    for odd in ("unknown", "orders", "v2", "o", "%20"):
        client.http.get(f"/v2/orders/{odd}")
    client.http.get("/nowhere/at/all")
    said = figures(client)
    assert said["exchange_requests_total POST /v2/orders 200"] == 1
    assert said["exchange_requests_total GET /v2/orders/{order_id} 200"] == 1
    assert said["exchange_requests_total GET unrouted 404"] == 1
    routes = {name for name in said if name.startswith("exchange_request_seconds_count")}
    assert routes == {f"exchange_request_seconds_count {path}" for path in (*ROUTES, "unrouted")}
    assert said["exchange_request_seconds_count /v2/orders"] == 1
    assert not [name for name in said if order_id in name or "nowhere" in name]


def test_the_exchange_is_read_when_it_is_asked(client: Any) -> None:
    client.send()
    client.send(symbol="NOPE")
    said = figures(client)
    assert said["exchange_orders_taken_total"] == 1
    assert said["exchange_orders_refused_total"] == 1
    assert said["exchange_events_total"] == 2
    assert said["exchange_accounts"] == 1
    assert said["exchange_listeners trading"] == said["exchange_listeners data"] == 0
    assert said["exchange_virtual_time_seconds"] == client.exchange.now.timestamp()


def test_two_exchanges_do_not_meet(new_client: New) -> None:
    one, other = new_client(), new_client()
    one.get("/v2/account")
    assert "exchange_requests_total GET /v2/account 200" not in figures(other)


@pytest.mark.parametrize("path", ["/metrics", "/healthz"])
def test_no_keys_are_needed_from_this_machine(client: Any, path: str) -> None:
    assert client.stranger({}).get(path).status_code == 200
    assert client.stranger({}, "evil.example:80").get(path).status_code == 401
