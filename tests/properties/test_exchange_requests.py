"""Random requests, one after the other, to one account: each is taken or refused, and none is an error or an oversell."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from order_bodies import AMENDMENTS, NEW_PRICES, PLAUSIBLE, WILD
from unit.exchange.conftest import Client

from desk.exchange.rules.rejections import Rejection
from desk.exchange.rules.reservations import available

ANY_ORDER = st.integers(min_value=0, max_value=5)
STEP = st.one_of(
    st.tuples(st.just("submit"), PLAUSIBLE),
    st.tuples(st.just("submit"), PLAUSIBLE),
    st.tuples(st.just("submit"), WILD),
    st.tuples(st.just("replace"), st.tuples(ANY_ORDER, AMENDMENTS | NEW_PRICES)),
    st.tuples(st.just("cancel"), ANY_ORDER),
    st.tuples(st.just("wait"), st.sampled_from([1, 30, 400, 1500])),
)


def act(client: Client, account: Any, verb: str, what: Any) -> object:
    """One request, of the order so many before the last where it is about one; or time passes."""
    if verb == "submit":
        return account.submit(what)
    if verb == "wait":
        return client.exchange.advance(client.exchange.now + timedelta(minutes=what))
    back, body = what if verb == "replace" else (what, None)
    known = list(account.book.orders)[::-1] or ["none"]
    order_id = known[min(back, len(known) - 1)]
    return account.replace(order_id, body) if verb == "replace" else account.cancel(order_id)


@settings(max_examples=40)
@given(st.sampled_from(["buy", "sell", ""]), st.lists(STEP, min_size=4, max_size=14), st.sampled_from([1, 4]))
def test_every_request_is_taken_or_refused(first: str, steps: list[tuple[str, Any]], multiplier: int) -> None:
    client = Client(multiplier=multiplier, partial_fill_probability=0.5)
    account = next(iter(client.exchange.accounts.values()))
    client.exchange.advance(client.exchange.now + timedelta(hours=2))
    account.submit({"symbol": "ABC", "side": first, "type": "market", "qty": "10", "time_in_force": "day"})
    for verb, what in steps:
        answer = act(client, account, verb, what)
        if isinstance(answer, Rejection):
            assert answer.status in (403, 404, 422) and str(answer.body()).encode()
        for symbol, holding in account.book.holdings.items():
            assert abs(available(account.book, symbol)) <= abs(holding.quantity)
            assert multiplier > 1 or holding.is_long or symbol != "ABC"
