"""Whatever is held: whole shares and the rest are all of it, and the order for the rest is one that a broker takes."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from desk.brokers.alpaca_orders import residue_request
from desk.brokers.guarded.payload import first_problem
from desk.core.residue import Residue, day_order, exact, fraction, whole
from desk.domain.prices import tick_size
from desk.domain.trades import Book

held = st.decimals(min_value=0, max_value=10**6, places=9)
parts = st.decimals(min_value=Decimal("0.000000001"), max_value=Decimal("0.999999999"), places=9)
prices = st.decimals(min_value=Decimal("0.02"), max_value=10**5, places=4)


@given(held)
def test_whole_shares_and_the_part_of_one_are_all_that_is_held(shares: Decimal) -> None:
    assert whole(shares) + fraction(shares) == shares
    assert 0 <= fraction(shares) < 1
    assert whole(str(shares)) == whole(exact(shares)) == whole(shares)


@given(held, held)
def test_a_trade_moves_the_whole_shares_by_less_than_one_more_or_less_than_it_trades(before: Decimal, bought: Decimal) -> None:
    assert abs(whole(before + bought) - whole(before) - bought) < 1


@given(parts, prices, st.none() | prices, st.floats(0.001, 0.9))
def test_the_order_is_a_legal_one_below_the_market(quantity: Decimal, paid: Decimal, market: Decimal | None, stop: float) -> None:
    order = day_order(Residue("AAPL", quantity, paid, market), Book(), stop, "f00d", date(2024, 1, 3))
    assert order is not None and first_problem(residue_request(order).to_request_fields()) is None
    wanted = paid * (1 - Decimal(str(stop)))
    assert (order.stop_price is None) == (market is not None and market <= wanted)
    if order.stop_price is not None:
        assert order.stop_price % tick_size(order.stop_price) == 0
        assert order.stop_price <= max(wanted, tick_size(wanted))
        assert market is None or order.stop_price < market
