"""The activity listing over a ledger, and the ledger's own book-keeping."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from desk.exchange.api.activities import listed, parse_query
from desk.exchange.ledger import Execution, Ledger, Mark, Posting, activity_id
from desk.exchange.machine.orders import Event, LegFill, Order
from desk.exchange.rules.rejections import Rejection
from desk.exchange.words import AssetClass, EventKind, OrderClass, OrderType, Side, Status, TimeInForce

D = Decimal
START = datetime(2008, 9, 2, 14, tzinfo=UTC)
LATER = START + timedelta(days=30)


def uuid(number: int) -> str:
    return f"{number:08d}-0000-0000-0000-000000000000"


def fill(number: int, at: datetime) -> Execution:
    return Execution(
        uuid(number), at, f"order {number % 2}", "c", "ABC", "buy", "fill", D("100.50"), D("1.5"), D(1), D(0), "filled"
    )


def ledger() -> Ledger:
    """Four fills an hour apart, a dividend after the second and a fee after the last."""
    made = Ledger(START, seed=7)
    made.executions += [fill(number, START + timedelta(hours=number)) for number in range(4)]
    made.enter("DIV", START + timedelta(minutes=90), START.date(), D("3.70"), sub_kind="CDIV", symbol="ABC", per_share=D("0.37"))
    made.enter("FEE", START + timedelta(hours=6), START.date(), D("-0.01"), sub_kind="TAF")
    return made


def page(now: datetime = LATER, kind: str | None = None, **params: str) -> list[dict[str, Any]]:
    query = parse_query(params, kind)
    assert not isinstance(query, Rejection), query.message
    return listed(ledger(), query, now)


def kinds(**options: Any) -> list[str]:
    return [str(each["activity_type"]) for each in page(**options)]


def test_fills_and_other_activities_are_listed_together_newest_first() -> None:
    assert kinds() == ["FEE", "FILL", "FILL", "DIV", "FILL", "FILL"]
    assert kinds(direction="asc") == kinds()[::-1]


def test_activities_are_chosen_by_type_path_or_category() -> None:
    assert kinds(activity_types="DIV,FEE") == ["FEE", "DIV"] == kinds(category="non_trade_activity")
    assert kinds(kind="FILL") == ["FILL"] * 4 == kinds(category="trade_activity")
    assert kinds(activity_types="MISC") == ["FEE"]
    assert kinds(activity_types="TRANS") == []


def test_an_order_has_its_fills() -> None:
    assert [each["id"][19:] for each in page(order_id="order 1")] == [uuid(3), uuid(1)]


def test_moments_bound_the_listing() -> None:
    after, until = (START + timedelta(hours=1)).isoformat(), (START + timedelta(hours=3)).isoformat()
    assert kinds(after=after, until=until) == ["FILL", "DIV"]
    assert kinds(date="2008-09-02") == ["FILL", "FILL", "DIV", "FILL", "FILL"]
    assert kinds(date="2008-09-03T10:00:00Z") == ["FEE"]  # fees are booked a day later


def test_fees_and_options_are_shown_the_next_morning() -> None:
    assert kinds(now=START + timedelta(hours=12))[0] == "FILL"
    assert kinds(now=datetime(2008, 9, 3, 10, tzinfo=UTC))[0] == "FEE"


def test_pages_follow_one_another_without_gap_or_repetition() -> None:
    for direction in ("asc", "desc"):
        whole, asked = page(direction=direction), {"direction": direction, "page_size": "4"}
        seen: list[dict[str, Any]] = []
        while part := page(LATER, None, **asked):
            seen += part
            asked["page_token"] = str(part[-1]["id"])
        assert seen == whole


def test_a_token_of_no_activity_goes_on_where_it_would_stand() -> None:
    between = activity_id(START + timedelta(minutes=30), uuid(99))
    assert kinds(page_token=between) == ["FILL"]
    assert len(kinds(page_token=between, direction="asc")) == 5


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"page_size": "101"}, "page_size"),
        ({"page_size": "0"}, "page_size"),
        ({"page_size": "²"}, "page_size"),
        ({"page_token": "next"}, "page_token"),
        ({"direction": "up"}, "direction"),
        ({"activity_types": "FILL,GIFT"}, "GIFT"),
        ({"activity_types": "FILL", "category": "trade_activity"}, "category"),
        ({"category": "all"}, "category"),
        ({"date": "2008-09-02", "after": "2008-09-01"}, "date"),
        ({"until": "never"}, "until"),
    ],
)
def test_a_query_that_cannot_be_is_refused_by_its_field(params: dict[str, str], named: str) -> None:
    refusal = parse_query(params)
    assert isinstance(refusal, Rejection) and (refusal.status, refusal.code) == (422, 40010001)
    assert named in refusal.message


def test_ids_begin_with_new_yorks_time_to_the_millisecond() -> None:
    # The example of Alpaca's document: executed at 18:55:09.981482 UTC in winter.
    assert activity_id(datetime(2022, 2, 2, 18, 55, 9, 981482, UTC), "x") == "20220202135509981::x"


def test_entries_carry_their_fields_and_leave_out_what_they_lack() -> None:
    dividend, fee = page(activity_types="DIV")[0], page(activity_types="FEE")[0]
    assert (dividend["net_amount"], dividend["per_share_amount"], dividend["date"]) == ("3.7", "0.37", "2008-09-02")
    assert (dividend["activity_sub_type"], dividend["status"], dividend["currency"]) == ("CDIV", "executed", "USD")
    assert "symbol" not in fee and "qty" not in fee and fee["created_at"] == "2008-09-03T10:00:00Z"


def test_two_accounts_never_share_an_id() -> None:
    entries = [Ledger(START, seed=seed).post(Posting("DIV", START.date()), START) for seed in (1, 2)]
    assert entries[0].id != entries[1].id


def test_an_exercise_and_its_trade_share_a_group() -> None:
    made = Ledger(START)
    for at in (START, START + timedelta(days=1)):
        made.enter_option("OPEXC", "ABC080919C00100000", D(-1), D(0), at)
        made.enter_option("OPTRD", "ABC", D(100), D(100), at)
    made.enter_option("OPEXP", "ABC080919P00100000", D(1), D(0), at)
    groups = [entry.group_id for entry in made.entries]
    assert groups[0] == groups[1] != groups[2] == groups[3] != groups[4] is not None
    assert [entry.net_amount for entry in made.entries] == [0, -10000, 0, -10000, 0]
    assert [entry.position_change for entry in made.entries] == [-1, 100, -1, 100, 1]


def order(symbol: str, side: Side | None, parent: str | None = None) -> Order:
    return Order(
        id=symbol or "spread",
        client_order_id="c",
        number=1,
        symbol=symbol,
        asset_class=AssetClass.OPTION,
        side=side,
        type=OrderType.LIMIT,
        order_class=OrderClass.MLEG,
        time_in_force=TimeInForce.DAY,
        quantity=D(2),
        status=Status.FILLED,
        created_at=START,
        updated_at=START,
        submitted_at=START,
        filled_quantity=D(2),
        parent_id=parent,
    )


def test_a_multi_leg_fill_is_one_execution_for_each_leg() -> None:
    made = Ledger(START)
    legs = tuple(
        LegFill(order(symbol, side, "spread"), f"e{symbol}", D(price), D(2), D(2))
        for symbol, side, price in [("P90", Side.SELL, "1.50"), ("P85", Side.BUY, "0.40")]
    )
    made.record(Event(EventKind.FILL, order("", None), START, "e", D("-1.10"), D(2), legs=legs), is_opening=False)
    assert [(each.symbol, each.side, each.price, each.signed_quantity) for each in made.executions] == [
        ("P90", "sell", D("1.50"), D(-2)),
        ("P85", "buy", D("0.40"), D(2)),
    ]
    assert made.events_emitted == 1


def test_a_mark_of_an_earlier_day_closes_it() -> None:
    made = Ledger(START, marks=[Mark(START, D(1), D(1)), Mark(START + timedelta(hours=6), D(2), D(2))])
    assert made.closing_mark(date(2008, 9, 2)) is None
    found = made.closing_mark(date(2008, 9, 3))
    assert found is not None and found.equity_usd == 2
