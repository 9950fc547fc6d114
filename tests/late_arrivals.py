"""Orders of a process that ends between journal and request."""

from __future__ import annotations

from pathlib import Path

from order_path import order_path

from desk.domain.steps import Step, Submit
from desk.exchange.process import ExchangeProcess


class Nowhere:
    """A gateway of a process that ends between journal and request."""

    def send(self, step: Step) -> None:
        """Nothing goes out."""


def journaled_only(exchange: ExchangeProcess, journal: Path) -> Submit:
    with order_path(exchange, journal) as path:
        path.desk.send_through(Nowhere())
        path.hold("AAPL", 10)
        (step,) = path.steps
        assert isinstance(step, Submit) and path.orders() == []
        return step
