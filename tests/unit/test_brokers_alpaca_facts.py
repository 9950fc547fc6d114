"""What Alpaca says of orders, in the desk's words."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from alpaca.trading.enums import OrderStatus as AlpacaStatus

from desk.brokers.alpaca_facts import STATUS, facts_of_message, facts_of_order
from desk.core.groups import Execution, Fact
from desk.core.lifecycle import next_status
from desk.domain.orders import TERMINAL, OrderStatus

# ---- statuses and events -------------------------------------------------------------------------------------------


# The OrderStatus of Alpaca's Trading API v2 document.
ALPACAS_STATUSES = {
    "new", "partially_filled", "filled", "done_for_day", "canceled", "expired", "replaced", "pending_cancel", "pending_replace",
    "accepted", "pending_new", "accepted_for_bidding", "stopped", "rejected", "suspended", "calculated", "held",
}  # fmt: skip


def test_each_of_alpacas_seventeen_statuses_has_a_word_here() -> None:
    assert len(ALPACAS_STATUSES) == 17
    assert set(STATUS) >= ALPACAS_STATUSES | {status.value for status in AlpacaStatus}
    assert {type(status) for status in STATUS.values()} == {OrderStatus}


@pytest.mark.parametrize("word", ["filled", "canceled", "expired", "rejected", "replaced"])
def test_what_is_over_at_alpaca_is_over_here(word: str) -> None:
    assert STATUS[word].value == word
    assert STATUS[word] in TERMINAL


@pytest.mark.parametrize(
    "word",
    [
        "new",
        "accepted",
        "pending_new",
        "held",
        "partially_filled",
        "pending_cancel",
        "pending_replace",
        "pending_review",
        "done_for_day",  # a GTC order works again tomorrow
    ],
)
def test_what_can_still_fill_at_alpaca_can_still_fill_here(word: str) -> None:
    assert STATUS[word] not in TERMINAL


def test_an_order_that_is_done_for_today_works_again_tomorrow() -> None:
    assert next_status(STATUS["done_for_day"], OrderStatus.WORKING) is OrderStatus.WORKING


# ---- updates -------------------------------------------------------------------------------------------------------


def message(event: str = "fill", **data: Any) -> dict[str, Any]:
    order = {
        "id": "61e69015-8549-4bfd-b9c3-01e75843f47d",
        "client_order_id": "n-20240103T150000-AAPL-open",
        "symbol": "AAPL",
        "side": "buy",
        "status": "filled",
        "filled_qty": "10",
        "updated_at": "2026-10-09T14:00:01Z",
        "replaced_by": None,
        **data.pop("order", {}),
    }
    return {"stream": "trade_updates", "data": {"event": event, "order": order, **data}}


def told(**data: Any) -> Fact:
    (fact,) = facts_of_message(message(**data))
    return fact


def test_a_fill_is_read_with_its_own_price_and_quantity() -> None:
    """The sample of Alpaca's stream: 6 of 10 shares in this fill."""
    fact = told(
        execution_id="2f63ea93-423d-4169-b3f6-3fdafc10c418",
        timestamp="2026-10-09T14:00:00.123456Z",
        at="2026-10-09T14:00:00.2Z",
        event_id="01J",
        price="101",
        qty="6",
        position_qty="10",
        order={"filled_avg_price": "100.6"},
    )
    assert fact.execution == Execution("2f63ea93-423d-4169-b3f6-3fdafc10c418", 6, Decimal(101))
    assert (fact.status, fact.filled, fact.average_price) == (OrderStatus.FILLED, 10, Decimal("100.6"))
    assert fact.at == datetime(2026, 10, 9, 14, 0, 0, 123456, tzinfo=UTC)
    assert fact.updated_at == datetime(2026, 10, 9, 14, 0, 1, tzinfo=UTC)
    assert (fact.broker_id, fact.replaced_by) == ("61e69015-8549-4bfd-b9c3-01e75843f47d", None)


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2026-10-09T14:00:00Z", 0),
        ("2026-10-09T14:00:00+00:00", 0),
        ("2026-10-09T14:00:00.1Z", 100_000),
        ("2026-10-09T14:00:00.123456789Z", 123_456),
        ("2026-10-09T14:00:00.999999999Z", 999_999),
        ("2026-10-09T10:00:00.123456789-04:00", 123_456),
        ("2026-10-09T19:30:00.5+05:30", 500_000),
    ],
)
def test_moments_are_read_with_any_number_of_digits(text: str, micros: int) -> None:
    at = told(timestamp=text).at
    assert at == datetime(2026, 10, 9, 14, 0, 0, micros, tzinfo=UTC)
    assert at.utcoffset() is not None


def test_a_message_without_a_timestamp_uses_what_it_has() -> None:
    assert told(event="new", at="2026-10-09T14:00:00Z").at == datetime(2026, 10, 9, 14, tzinfo=UTC)
    assert told(event="new").at == datetime(2026, 10, 9, 14, 0, 1, tzinfo=UTC)


def test_a_message_that_is_no_fill_has_no_execution() -> None:
    assert told(event="canceled", timestamp="2026-10-09T14:00:00Z").execution is None


def test_a_changed_price_names_its_successor() -> None:
    fact = told(event="replaced", order={"status": "replaced", "replaced_by": "b2"})
    assert (fact.status, fact.replaced_by) == (OrderStatus.REPLACED, "b2")


def test_an_event_of_the_future_counts_by_what_its_order_says() -> None:
    assert told(event="teleported").status is OrderStatus.FILLED


def test_legs_are_facts_of_their_own() -> None:
    leg = {"id": "l1", "status": "filled", "filled_qty": "2", "filled_avg_price": "1.25", "updated_at": "2026-10-09T14:00:01Z"}
    facts = facts_of_message(message(order={"legs": [leg]}))
    assert [(fact.broker_id, fact.filled) for fact in facts[1:]] == [("l1", 2)]


@pytest.mark.parametrize(
    "strange",
    [
        {"stream": "authorization", "data": {"status": "authorized", "action": "authenticate"}},
        {"stream": "listening", "data": {"streams": ["trade_updates"]}},
        {},
        message(order={"status": "dreaming"}),
    ],
)
def test_what_is_no_update_is_not_read_as_one(strange: dict[str, Any]) -> None:
    with pytest.raises(KeyError):
        facts_of_message(strange)


# ---- groups --------------------------------------------------------------------------------------------------------


def spread_order(status: str, filled: int) -> dict[str, Any]:
    """A multi-leg order of three units, as Alpaca writes it; `filled` units so far, at a credit of 1.25."""
    plain = {"status": status, "updated_at": "2026-10-09T14:00:01Z", "order_class": "mleg", "replaced_by": None}
    average = {"filled_avg_price": "-1.25" if filled else None}
    legs = [
        {**plain, "id": leg, "symbol": symbol, "filled_qty": str(filled), "filled_avg_price": price if filled else None}
        for leg, symbol, price in (("leg-1", "SPY300118P00400000", "3.50"), ("leg-2", "SPY300118P00395000", "2.25"))
    ]
    return {**plain, **average, "id": "parent", "symbol": "", "filled_qty": str(filled), "legs": legs}


def test_the_legs_of_a_spread_fill_and_the_spread_itself_ends_after_them() -> None:
    legs = [
        {"execution_id": f"x{leg}", "order_id": leg, "symbol": "", "price": price, "qty": "2"}
        for leg, price in (("leg-1", "3.51"), ("leg-2", "2.25"))
    ]
    data = {"event": "partial_fill", "timestamp": "2026-10-09T14:00:00Z", "price": "-1.26", "qty": "2", "legs": legs}
    facts = facts_of_message({"data": {**data, "order": spread_order("partially_filled", 2)}})
    assert [(fact.broker_id, fact.filled, fact.average_price) for fact in facts] == [
        ("leg-1", 2, Decimal("3.50")),
        ("leg-2", 2, Decimal("2.25")),
        ("parent", 0, None),
    ]
    assert [fact.execution for fact in facts] == [
        Execution("xleg-1", 2, Decimal("3.51")),
        Execution("xleg-2", 2, Decimal("2.25")),
        None,
    ]
    assert {fact.status for fact in facts} == {OrderStatus.PARTIALLY_FILLED}


def test_an_answer_about_a_spread_says_the_same() -> None:
    facts = facts_of_order(spread_order("filled", 3))
    assert [(fact.broker_id, fact.filled, fact.status) for fact in facts] == [
        ("leg-1", 3, OrderStatus.FILLED),
        ("leg-2", 3, OrderStatus.FILLED),
        ("parent", 0, OrderStatus.FILLED),
    ]


def test_an_order_that_took_the_place_of_another_says_so_when_nothing_else_does() -> None:
    plain = {"status": "new", "updated_at": "2026-10-09T14:00:05Z", "created_at": "2026-10-09T14:00:03Z", "filled_qty": "0"}
    successor = {**plain, "id": "target-2", "replaces": "target", "replaced_by": None}
    parent = {**plain, "id": "entry", "legs": [successor]}
    (gone,) = [fact for fact in facts_of_order(parent) if fact.broker_id == "target"]
    assert (gone.status, gone.replaced_by, gone.filled) == (OrderStatus.REPLACED, "target-2", 0)
    assert gone.updated_at == datetime(2026, 10, 9, 14, 0, 3, tzinfo=UTC)
    listed = {**plain, "id": "target", "status": "replaced", "replaced_by": "target-2"}
    assert [fact.broker_id for fact in facts_of_order({**parent, "legs": [successor, listed]})] == ["entry", "target-2", "target"]
