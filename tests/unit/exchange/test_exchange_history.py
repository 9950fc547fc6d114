"""Portfolio history: moments, worth at each of them, baselines and cash flows."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.exchange.api.portfolio_history import parse_query
from desk.exchange.history import Period, changes, equity_at, history, history_json, points_of, whole_days
from desk.exchange.ledger import Execution, Ledger, Mark
from desk.exchange.machine.book import Book, multiplier
from desk.exchange.market.sessions import nyse_sessions
from desk.exchange.rules.rejections import Rejection
from desk.exchange.words import Side

D = Decimal
DAYS = [date(2008, 9, day) for day in (2, 3, 4, 5, 8)]
SESSIONS = nyse_sessions(tuple(DAYS))
OPENED = datetime(2008, 9, 2, 12, tzinfo=UTC)
NOW = datetime(2008, 9, 5, 16, tzinfo=UTC)  # Friday noon
OPTION = "ABC080919C00100000"


def price(symbol: str, at: datetime) -> Decimal:
    """A cent an hour, from 100 on."""
    return D(100) + D(int((at - OPENED).total_seconds()) // 3600) / 100


def fill(side: str, quantity: str, at: datetime, at_price: str, symbol: str = "ABC") -> Execution:
    return Execution("e", at, "o", "c", symbol, side, "fill", D(at_price), D(quantity), D(quantity), D(0), "filled")


def ledger() -> Ledger:
    """Ten shares bought on the first day; marked at each close."""
    made = Ledger(OPENED, marks=[Mark(OPENED, D(10000), D(10000))])
    made.executions.append(fill("buy", "10", datetime(2008, 9, 2, 14, tzinfo=UTC), "100"))
    for session in SESSIONS.sessions[:3]:
        made.marks.append(Mark(session.closes_at, D(9000) + 10 * price("ABC", session.closes_at), D(9000)))
    return made


def asked(**params: str) -> dict[str, object]:
    query = parse_query(params, NOW)
    assert not isinstance(query, Rejection), query.message
    return history_json(history(query, ledger(), SESSIONS, NOW, price), query.timeframe)


def labels(**params: str) -> list[str]:
    query = parse_query(params, NOW)
    assert not isinstance(query, Rejection), query.message
    return [point.label.strftime("%d %H:%M") for point in points_of(query, SESSIONS, NOW)]


def test_days_are_closed_sessions_labelled_twenty_oclock_new_york() -> None:
    assert labels(period="1M") == ["03 00:00", "04 00:00", "05 00:00"]
    assert labels(timeframe="1D", start="2008-09-03T18:00:00Z", end="2008-09-04T23:59:00Z") == ["04 00:00", "05 00:00"]


def test_a_start_on_a_closed_day_rolls_forward() -> None:
    assert labels(timeframe="1D", start="2008-08-31T12:00:00Z", end="2008-09-02T23:59:00Z") == ["03 00:00"]
    assert labels(timeframe="1H", start="2008-08-31T12:00:00Z", end="2008-09-02T14:00:00Z") == ["02 13:30"]


def test_market_hours_include_the_open_and_the_close() -> None:
    found = labels(timeframe="15Min", start="2008-09-03T12:00:00Z", end="2008-09-03T23:00:00Z")
    assert (len(found), found[0], found[-1]) == (27, "03 13:30", "03 20:00")
    assert labels(timeframe="1H", start="2008-09-03T14:45:00Z", end="2008-09-03T16:40:00Z") == [
        "03 14:30",
        "03 15:30",
        "03 16:30",
    ]


def test_one_day_is_today_so_far() -> None:
    found = labels(period="1D", timeframe="15Min")
    assert (found[0], found[-1]) == ("05 13:30", "05 16:00")


def test_extended_hours_and_continuous_reporting_reach_further() -> None:
    extended = labels(period="1D", timeframe="1H", intraday_reporting="extended_hours")
    assert (extended[0], extended[-1]) == ("05 08:00", "05 16:00")
    assert labels(period="1D", timeframe="1H", extended_hours="true") == extended
    nights = labels(period="2D", timeframe="1H", intraday_reporting="continuous")
    assert len(nights) == 49 and nights[0] == "03 16:00"


@pytest.mark.parametrize(
    ("params", "timeframe"),
    [({}, "1D"), ({"period": "1D"}, "1Min"), ({"period": "1W"}, "15Min"), ({"period": "29D"}, "15Min"), ({"period": "1A"}, "1D")],
)
def test_the_timeframe_follows_from_the_length(params: dict[str, str], timeframe: str) -> None:
    query = parse_query(params, NOW)
    assert not isinstance(query, Rejection) and query.timeframe == timeframe


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"period": "1D", "start": "2008-09-02", "end": "2008-09-03"}, "period"),
        ({"period": "fortnight"}, "period"),
        ({"period": "0D"}, "period"),
        ({"period": "9999A"}, "period"),
        ({"timeframe": "2Min"}, "timeframe"),
        ({"timeframe": "1Min", "period": "31D"}, "timeframe 1Min"),
        ({"timeframe": "1H", "start": "2008-01-01", "end": "2008-09-01"}, "timeframe 1H"),
        ({"start": "noon"}, "start"),
        ({"end": "2008-13-01"}, "end"),
        ({"date_end": "tomorrow"}, "date_end"),
        ({"start": "2008-09-04", "end": "2008-09-03"}, "start"),
        ({"intraday_reporting": "always"}, "intraday_reporting"),
        ({"pnl_reset": "weekly"}, "pnl_reset"),
        ({"cashflow_types": "DIV,GIFT"}, "cashflow_types"),
    ],
)
def test_a_query_that_cannot_be_is_refused_by_its_field(params: dict[str, str], named: str) -> None:
    refusal = parse_query(params, NOW)
    assert isinstance(refusal, Rejection) and (refusal.status, refusal.code) == (422, 40010001)
    assert named in refusal.message


def test_start_and_end_may_be_seconds_or_carry_an_offset() -> None:
    spans = [
        parse_query({"start": start, "end": end, "timeframe": "1D"}, NOW)
        for start, end in [
            ("1220450400", "1220536800"),
            ("2008-09-03T14:00:00Z", "2008-09-04T14:00:00Z"),
            ("2008-09-03T10:00:00-04:00", "2008-09-04T10:00:00-04:00"),
        ]
    ]
    assert spans[0] == spans[1] == spans[2]


def test_days_are_measured_from_the_close_before_the_first_of_them() -> None:
    found = asked(timeframe="1D", start="2008-09-03T12:00:00Z", end="2008-09-05T12:00:00Z")
    # closes are 8, 32 and 56 hours after the opening of the account: 100.08, 100.32, 100.56
    assert found["equity"] == [10003.20, 10005.60]
    assert (found["base_value"], found["base_value_asof"]) == (10000.80, "2008-09-02")
    assert found["profit_loss"] == [2.40, 4.80] and found["profit_loss_pct"] == [0.0002, 0.0005]


def test_a_new_account_is_measured_from_its_first_point() -> None:
    found = asked(timeframe="1D", period="1W")
    assert found["base_value"] == 10000.80 and "base_value_asof" not in found
    assert found["profit_loss"] == [0, 2.40, 4.80]


def test_intraday_profit_begins_anew_each_day_unless_told_otherwise() -> None:
    span = {"timeframe": "1H", "start": "2008-09-03T19:00:00Z", "end": "2008-09-04T14:00:00Z"}
    # The windows end at 19:30, at the close, and at 14:30 of the next day: 100.31, 100.32 and 100.50 a share.
    assert asked(**span)["profit_loss"] == [2.30, 2.40, 1.80]
    assert asked(**span, pnl_reset="no_reset")["profit_loss"] == [2.30, 2.40, 4.20]


def test_points_before_the_account_are_left_out() -> None:
    assert asked(start="2008-08-01", end="2008-08-20")["timestamp"] == []
    assert asked(period="1A")["equity"] == asked(period="1W", timeframe="1D")["equity"]


def test_cash_flows_stand_where_they_changed_the_equity() -> None:
    book = ledger()
    paid = datetime(2008, 9, 4, 8, tzinfo=UTC)
    book.enter("DIV", paid, date(2008, 9, 4), D("3.70"), symbol="ABC")
    book.enter("FEE", SESSIONS.sessions[2].closes_at, date(2008, 9, 4), D("-0.02"))
    book.enter("OPTRD", paid, date(2008, 9, 4), D("-100"), symbol="ABC", quantity=D(1))
    for types, flows in {
        "ALL": {"DIV": [0, 0, 3.70], "FEE": [0, 0, -0.02]},
        "FEE,CSD": {"FEE": [0, 0, -0.02]},
        "NONE": {},
        "": {},
    }.items():
        query = parse_query({"period": "1W", "timeframe": "1D", "cashflow_types": types}, NOW)
        assert not isinstance(query, Rejection)
        assert history_json(history(query, book, SESSIONS, NOW, price), "1D")["cashflow"] == flows


def test_periods_go_by_the_calendar() -> None:
    at = datetime(2008, 3, 31, 12, tzinfo=UTC)
    assert Period(1, "M").before(at).date() == date(2008, 2, 29)
    assert Period(1, "A").before(datetime(2008, 2, 29, tzinfo=UTC)).date() == date(2007, 2, 28)
    assert Period(11, "M").after(at).date() == date(2009, 2, 28)
    assert Period(2, "W").after(at).date() == date(2008, 4, 14)
    assert whole_days(Period(1, "D"), NOW) == datetime(2008, 9, 5, 4, tzinfo=UTC)


trades = st.lists(
    st.tuples(
        st.sampled_from(["ABC", "XYZ", OPTION]),
        st.sampled_from(list(Side)),
        st.integers(1, 50),
        st.integers(1, 20_000),
        st.integers(0, 5000),
    ),
    max_size=20,
)


@given(trades=trades, moments=st.lists(st.integers(-10, 6000), min_size=1, max_size=10), gift=st.integers(-100, 100))
def test_equity_at_any_moment_is_what_the_books_showed_then(
    trades: list[tuple[str, Side, int, int, int]], moments: list[int], gift: int
) -> None:
    """The books are kept trade by trade; history is rebuilt from the ledger: they agree to the last digit."""
    seen, book = Ledger(OPENED, marks=[Mark(OPENED, D(10000), D(10000))]), Book(seed=1, cash_usd=D(10000))
    happened = sorted(trades, key=lambda trade: trade[4])
    instants = sorted(OPENED + timedelta(minutes=minute) for minute in moments)
    shown: list[Decimal] = []
    seen.enter("JNLC", OPENED + timedelta(minutes=777), OPENED.date(), D(gift))

    def worth(at: datetime) -> Decimal:
        positions = (held.quantity * multiplier(name) * price(name, at) for name, held in book.holdings.items())
        return book.cash_usd + sum(positions) + (gift if at >= OPENED + timedelta(minutes=777) else 0)

    for instant in instants:
        while happened and OPENED + timedelta(minutes=happened[0][4]) <= instant:
            symbol, side, quantity, cents, minute = happened.pop(0)
            held = book.shares(symbol)
            size = D(quantity) if held * side.sign >= 0 else min(D(quantity), abs(held))
            book.trade(symbol, side, size, D(cents) / 100)
            at = OPENED + timedelta(minutes=minute)
            seen.executions.append(fill(side.value, str(size), at, str(D(cents) / 100), symbol))
        shown.append(worth(instant))
    assert equity_at(D(10000), changes(seen), instants, price) == shown
