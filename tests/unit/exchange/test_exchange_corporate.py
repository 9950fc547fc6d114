"""Splits and dividends: the file they come from, and what they do to positions and orders."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from desk.domain.errors import ConfigurationError
from desk.exchange.ledger import Ledger, Mark
from desk.exchange.machine.book import Book, Holding
from desk.exchange.machine.corporate import apply_split, begin_day, pay_dividend
from desk.exchange.machine.orders import Order
from desk.exchange.market.corporate import CorporateActions, Dividend, Split, load_corporate_actions
from desk.exchange.words import AssetClass, GroupRole, OrderClass, OrderType, Side, Status, TimeInForce

D = Decimal
AT = datetime(2008, 9, 3, 8, tzinfo=UTC)
EX = date(2008, 9, 3)
HEAD = "type,symbol,ex_date,pay_date,cash,new_rate,old_rate\n"
TWO_FOR_ONE = Split("ABC", EX, D(2), D(1))
ONE_FOR_TEN = Split("ABC", EX, D(1), D(10))
DIVIDEND = Dividend("ABC", EX, date(2008, 9, 5), D("0.37"))


def book(shares: str = "0", cost: str = "0") -> Book:
    made = Book(seed=3, cash_usd=D(1000))
    made.hold("ABC", Holding(D(shares), D(cost)))
    return made


def put(into: Book, quantity: str, **fields: Any) -> Order:
    order_id = into.mint("order")
    given: dict[str, Any] = {
        "side": Side.SELL,
        "type": OrderType.LIMIT,
        "order_class": OrderClass.SIMPLE,
        "time_in_force": TimeInForce.GTC,
        "status": Status.NEW,
        **fields,
    }
    order = Order(
        id=order_id,
        client_order_id=order_id,
        number=into.minted,
        symbol="ABC",
        asset_class=AssetClass.EQUITY,
        quantity=D(quantity),
        created_at=AT,
        updated_at=AT,
        submitted_at=AT,
        **given,
    )
    return into.put(order)


def put_oco(into: Book, quantity: str, group_id: str) -> list[Order]:
    common: dict[str, Any] = {"order_class": OrderClass.OCO, "group_id": group_id}
    target = put(into, quantity, limit_price=D(120), group_role=GroupRole.TAKE_PROFIT, **common)
    stop = put(
        into,
        quantity,
        type=OrderType.STOP,
        stop_price=D(80),
        status=Status.HELD,
        group_role=GroupRole.STOP_LOSS,
        **common,
    )
    return [target, stop]


# the file


def write(folder: Path, text: str) -> Path:
    (folder / "corporate_actions.csv").write_text(text)
    return folder


def test_dividends_and_splits_are_read_in_order_of_their_ex_dates(tmp_path: Path) -> None:
    rows = "split,ABC,2008-09-05,,,2,1\ndividend,abc,2008-09-03,2008-09-05,0.37,,\n\nDividend,XYZ,2008-09-04,,1.5,,\n"
    found = load_corporate_actions(write(tmp_path, HEAD + rows))
    assert found.actions == (
        DIVIDEND,
        Dividend("XYZ", date(2008, 9, 4), date(2008, 9, 4), D("1.5")),
        Split("ABC", date(2008, 9, 5), D(2), D(1)),
    )


def test_no_file_and_no_folder_mean_no_actions(tmp_path: Path) -> None:
    assert load_corporate_actions(tmp_path) == load_corporate_actions(None) == CorporateActions()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("type,symbol\n", "column ex_date is missing"),
        (HEAD + "bonus,ABC,2008-09-03,,,2,1\n", "line 2: type is 'bonus'; give dividend or split"),
        (HEAD + "split,,2008-09-03,,,2,1\n", "line 2: symbol is ''"),
        (HEAD + "split,ABC,2008-09-03,,,2,1\nsplit,ABC,3.9.2008,,,2,1\n", "line 3: ex_date is '3.9.2008'"),
        (HEAD + "split,ABC,2008-09-03,,,0,1\n", "line 2: new_rate is '0'; give a number above zero"),
        (HEAD + "split,ABC,2008-09-03,,,2,nan\n", "line 2: old_rate is 'nan'"),
        (HEAD + "split,ABC,2008-09-03,,,2,2\n", "give rates that differ"),
        (HEAD + "dividend,ABC,2008-09-03,2008-09-02,1,,\n", "line 2: pay_date is '2008-09-02'"),
        (HEAD + "dividend,ABC,2008-09-03,,,,\n", "line 2: cash is ''"),
        (HEAD + 2 * "dividend,ABC,2008-09-03,,1,,\n", "line 2 has the same action"),
        ("\x00\xff", "is missing"),
    ],
)
def test_a_bad_row_is_refused_with_its_line_and_the_fix(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        load_corporate_actions(write(tmp_path, text))
    assert told in str(error.value) and str(error.value).startswith("corporate_actions.csv")


def test_actions_are_known_ten_days_ahead_and_not_earlier() -> None:
    actions = CorporateActions((DIVIDEND,))
    assert actions.known(date(2008, 8, 23)) == ()
    assert actions.known(date(2008, 8, 24)) == (DIVIDEND,)


# positions


def test_a_forward_split_gives_more_shares_at_the_same_cost() -> None:
    made = book("10", "1000")
    postings = apply_split(made, TWO_FOR_ONE, D(100), AT)
    assert made.holdings["ABC"] == Holding(D(20), D(1000)) and made.cash_usd == 1000
    assert [(posting.kind, posting.sub_kind, posting.quantity) for posting in postings] == [
        ("SPLIT", "FSPLIT", D(-10)),
        ("SPLIT", "FSPLIT", D(20)),
    ]


@pytest.mark.parametrize(("shares", "kept", "in_lieu"), [("15", "1", "50.00"), ("-15", "-1", "-50.00"), ("9", "0", "90.00")])
def test_a_reverse_split_pays_the_fraction_of_a_share_in_cash(shares: str, kept: str, in_lieu: str) -> None:
    made = book(shares, str(D(shares) * 10))
    postings = apply_split(made, ONE_FOR_TEN, D(10), AT)
    assert made.shares("ABC") == D(kept)
    assert [(posting.kind, posting.net_amount) for posting in postings[2:]] == [("JNLC", D(in_lieu))]


def test_a_fractional_position_stays_fractional() -> None:
    made = book("1.5", "150")
    postings = apply_split(made, Split("ABC", EX, D(3), D(2)), D(100), AT)
    assert made.shares("ABC") == D("2.25") and len(postings) == 2


def test_without_a_position_a_split_enters_nothing() -> None:
    assert apply_split(book(), TWO_FOR_ONE, D(100), AT) == []


@pytest.mark.parametrize(("shares", "amount"), [("10", "3.70"), ("-10", "-3.70"), ("0.1", "0.04")])
def test_a_long_is_paid_a_dividend_and_a_short_pays_it(shares: str, amount: str) -> None:
    made = book(shares, "100")
    posting = pay_dividend(made, DIVIDEND, AT)
    assert posting is not None and made.cash_usd == 1000
    assert (posting.net_amount, posting.per_share, posting.quantity) == (D(amount), D("0.37"), D(shares))
    assert (posting.kind, posting.sub_kind, posting.day) == ("DIV", "CDIV", date(2008, 9, 5))


# orders


def test_a_forward_split_adjusts_simple_orders_good_till_cancelled() -> None:
    made = book("10", "1000")
    sell = put(made, "10", limit_price=D("120.01"))
    buy = put(made, "3", side=Side.BUY, limit_price=D("80.01"))
    trailing = put(
        made, "5", type=OrderType.TRAILING_STOP, trail_price=D(10), high_water_mark=D(110), stop_price=D(100), side=Side.BUY
    )
    apply_split(made, TWO_FOR_ONE, D(100), AT)
    assert (made.orders[sell.id].quantity, made.orders[sell.id].limit_price) == (D(20), D("60.01"))
    assert (made.orders[buy.id].quantity, made.orders[buy.id].limit_price) == (D(6), D("40.00"))
    moved = made.orders[trailing.id]
    assert (moved.trail_price, moved.high_water_mark, moved.stop_price) == (D(5), D(55), D(50))


def test_what_was_executed_before_a_split_stays_as_it_was() -> None:
    made = book("4", "400")
    order = put(made, "10", limit_price=D(120), filled_quantity=D(6), filled_usd=D(720), status=Status.PARTIALLY_FILLED)
    apply_split(made, TWO_FOR_ONE, D(100), AT)
    split = made.orders[order.id]
    assert (split.quantity, split.filled_quantity, split.remaining, split.average_price) == (D(14), D(6), D(8), D(120))


def test_members_of_a_group_and_day_orders_are_not_adjusted() -> None:
    made = book("10", "1000")
    left = [*put_oco(made, "5", "g"), put(made, "5", time_in_force=TimeInForce.DAY, limit_price=D(130))]
    apply_split(made, TWO_FOR_ONE, D(100), AT)
    pay_dividend(made, DIVIDEND, AT)
    assert [made.orders[order.id] for order in left] == left


def test_a_reverse_split_cancels_simple_orders_and_says_so() -> None:
    made = book("100", "1000")
    sell, buy = put(made, "10", limit_price=D(12)), put(made, "10", side=Side.BUY, limit_price=D(8))
    apply_split(made, ONE_FOR_TEN, D(10), AT)
    assert {made.orders[order.id].status for order in (sell, buy)} == {Status.CANCELED}
    assert [event.kind.value for event in made.take_events()] == ["canceled", "canceled"]


def test_after_a_reverse_split_groups_that_no_longer_fit_the_position_are_cancelled_newest_first() -> None:
    made = book("100", "1000")
    first, second = put_oco(made, "6", "one"), put_oco(made, "6", "two")
    apply_split(made, ONE_FOR_TEN, D(10), AT)  # ten shares left
    assert [made.orders[order.id].status for order in (*first, *second)] == [
        Status.NEW,
        Status.HELD,
        Status.CANCELED,
        Status.CANCELED,
    ]


def test_a_reverse_split_that_leaves_no_share_leaves_no_exit() -> None:
    made = book("9", "90")
    exits = put_oco(made, "9", "g")
    apply_split(made, ONE_FOR_TEN, D(10), AT)
    assert {made.orders[order.id].status for order in exits} == {Status.CANCELED} and not made.holdings


def test_a_dividend_lowers_buy_limits_and_sell_stops_to_the_next_lower_cent() -> None:
    made = book("10", "1000")
    dividend = Dividend("ABC", EX, EX, D("0.375"))
    buy = put(made, "1", side=Side.BUY, limit_price=D("90.00"))
    stop = put(made, "5", type=OrderType.STOP_LIMIT, stop_price=D("80.00"), limit_price=D("79.00"))
    kept = [
        put(made, "5", limit_price=D(120)),
        put(made, "1", side=Side.BUY, type=OrderType.STOP, stop_price=D(130)),
        put(made, "1", side=Side.BUY, limit_price=D("0.30")),
    ]
    pay_dividend(made, dividend, AT)
    assert made.orders[buy.id].limit_price == D("89.62")
    assert (made.orders[stop.id].stop_price, made.orders[stop.id].limit_price) == (D("79.62"), D("78.62"))
    assert [made.orders[order.id] for order in kept] == kept


# the morning


def morning(made: Book, ledger: Ledger, *actions: Any, day: date = EX) -> None:
    at = datetime(day.year, day.month, day.day, 8, tzinfo=UTC)
    begin_day(made, ledger, CorporateActions(actions), day, at, lambda symbol: D(100))


def ledger_of(close: str = "2008-09-02T20:00:00+00:00") -> Ledger:
    return Ledger(AT, marks=[Mark(datetime.fromisoformat(close), D(2000), D(1000))])


def test_a_dividend_is_earned_on_the_ex_date_and_paid_on_the_pay_date() -> None:
    made, ledger = book("10", "1000"), ledger_of()
    morning(made, ledger, DIVIDEND)
    assert made.cash_usd == 1000 and ledger.entries == []
    made.hold("ABC", Holding(D(0), D(0)))  # sold on the ex-date: the dividend is earned all the same
    morning(made, ledger, DIVIDEND, day=date(2008, 9, 4))
    assert made.cash_usd == 1000
    ledger.marks.append(Mark(datetime(2008, 9, 4, 20, tzinfo=UTC), D(0), D(0)))
    morning(made, ledger, DIVIDEND, day=date(2008, 9, 8))  # the pay date was no session
    assert made.cash_usd == D("1003.70")
    assert [(entry.kind, entry.net_amount, entry.day) for entry in ledger.entries] == [("DIV", D("3.70"), date(2008, 9, 5))]


def test_a_split_and_a_dividend_of_one_day_come_in_that_order() -> None:
    made, ledger = book("10", "1000"), ledger_of()
    morning(made, ledger, Dividend("ABC", EX, EX, D("0.5")), TWO_FOR_ONE)
    assert made.cash_usd == 1010
    assert [entry.kind for entry in ledger.entries] == ["SPLIT", "SPLIT", "DIV"]
    assert ledger.entries[0].group_id == ledger.entries[1].group_id is not None


def test_an_ex_date_without_a_session_takes_effect_in_the_next_one() -> None:
    made, ledger = book("10", "1000"), ledger_of("2008-09-05T20:00:00+00:00")
    morning(made, ledger, Split("ABC", date(2008, 9, 6), D(2), D(1)), day=date(2008, 9, 8))
    assert made.shares("ABC") == 20
