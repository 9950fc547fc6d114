"""What a backtest's venue keeps aside, and when the limit of an order allows a fill."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from desk.brokers.option_venue import kept_aside_usd, leg_price, legs_of, limit_allows
from desk.domain.options import OptionQuote
from desk.domain.orders import Leg, OrderClass, OrderSpec, OrderType, PositionIntent, Side
from options import occ

DAY = date(2024, 7, 19)
AT = datetime(2024, 6, 3, tzinfo=UTC)
CENTS = st.integers(0, 500).map(lambda cents: Decimal(cents) / 100)
BOOKS = st.dictionaries(st.integers(50, 150), st.integers(-5, 5).filter(bool), max_size=6)


def symbol(strike: int) -> str:
    return occ.format("ABC", DAY, "put", Decimal(strike))


@given(BOOKS)
def test_kept_aside_is_the_most_that_any_price_can_cost(book: dict[int, int]) -> None:
    told = kept_aside_usd({symbol(strike): count for strike, count in book.items()})
    worst = max(sum(-count * max(strike - price, 0) for strike, count in book.items()) for price in range(0, 201))
    assert told == max(worst, 0) * 100


@given(st.integers(51, 150), st.integers(1, 50), st.integers(1, 10))
def test_a_bull_put_spread_takes_its_width(strike: int, width: int, contracts: int) -> None:
    held = {symbol(strike): -contracts, symbol(max(strike - width, 1)): contracts}
    assert kept_aside_usd(held) == min(width, strike - 1) * 100 * contracts


@given(st.lists(st.tuples(CENTS, CENTS), min_size=2, max_size=2), st.integers(-500, 500), st.booleans())
def test_a_package_never_fills_beyond_its_limit_nor_inside_the_middle(
    sides: list[tuple[Decimal, Decimal]], limit: int, at_mid: bool
) -> None:
    legs = (Leg(symbol(95), 1, PositionIntent.SELL_TO_OPEN), Leg(symbol(90), 1, PositionIntent.BUY_TO_OPEN))
    net_limit = Decimal(limit) / 100
    spec = OrderSpec("k", "ABC", Side.SELL, 1, OrderType.LIMIT, OrderClass.MULTI_LEG, limit_price=net_limit, legs=legs)
    quotes = [OptionQuote(leg.symbol, bid, bid + wide, AT) for leg, (bid, wide) in zip(legs_of(spec), sides, strict=True)]
    prices = [leg_price(leg, quote, at_mid) for leg, quote in zip(legs, quotes, strict=True)]
    sold, bought = prices
    if sold is None or bought is None:
        assert quotes[1].ask == 0
        return
    assert limit_allows(spec, legs, [sold, bought]) == (bought - sold <= net_limit)
    assert quotes[0].bid <= sold <= quotes[0].mid and quotes[1].mid <= bought <= quotes[1].ask
    if not at_mid:
        assert (sold, bought) == (quotes[0].bid, quotes[1].ask)
