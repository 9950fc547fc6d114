"""Figures for Prometheus: requests and how long they took, and what the exchange has done so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
UNROUTED = "unrouted"
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Reading:
    """How an exchange stands at one moment."""

    virtual_time: datetime
    accounts: int
    orders_taken: int
    orders_refused: int
    events: int
    trading_listeners: int
    data_listeners: int


class Metrics:
    """One registry of its own, so that two exchanges in a process do not meet."""

    def __init__(self, read: Callable[[], Reading]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Standing(read))
        labels = ("method", "route", "status")
        self._requests = Counter("exchange_requests", "Requests answered", labels, registry=self._registry)
        self._seconds = Histogram(
            "exchange_request_seconds", "Time from a request to its answer", ("route",), buckets=BUCKETS, registry=self._registry
        )

    def observe(self, scope: Mapping[str, Any], status: int, seconds: float) -> None:
        """Count a request that took `seconds`; `scope` is the ASGI scope after routing."""
        route = route_of(scope)
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)


def route_of(scope: Mapping[str, Any]) -> str:
    """The path with its parameters named instead of filled in, so that labels stay few; paths that lead nowhere are one."""
    if "endpoint" not in scope:
        return UNROUTED
    parts = scope["path"].split("/")
    # From the right: an order may have the id "orders".
    for name, value in reversed(scope.get("path_params", {}).items()):
        places = [place for place, part in enumerate(parts) if part == str(value)]
        if places:
            parts[places[-1]] = f"{{{name}}}"
    return "/".join(parts)


class _Standing(Collector):
    """Reads the exchange when it is asked, so that trading pays nothing for it."""

    def __init__(self, read: Callable[[], Reading]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        now = self._read()
        yield GaugeMetricFamily("exchange_virtual_time_seconds", "Virtual time, epoch seconds", now.virtual_time.timestamp())
        yield GaugeMetricFamily("exchange_accounts", "Accounts", now.accounts)
        yield CounterMetricFamily("exchange_orders_taken", "Orders taken", now.orders_taken)
        yield CounterMetricFamily("exchange_orders_refused", "Orders refused or rejected", now.orders_refused)
        yield CounterMetricFamily("exchange_events", "Trade updates", now.events)
        listeners = GaugeMetricFamily("exchange_listeners", "Connections that listen to a stream", labels=["stream"])
        listeners.add_metric(["trading"], now.trading_listeners)
        listeners.add_metric(["data"], now.data_listeners)
        yield listeners
