from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from desk.core.lifecycle import next_status
from desk.domain.orders import OrderStatus

FINAL = frozenset({OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED})
statuses = st.sampled_from(list(OrderStatus))


class OneOrder(RuleBasedStateMachine):
    """An order that hears any news in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.status = OrderStatus.JOURNALED
        self.final: OrderStatus | None = None

    @rule(news=statuses)
    def hears(self, news: OrderStatus) -> None:
        try:
            self.status = next_status(self.status, news)
        except ValueError:
            return
        if self.final is None and self.status in FINAL:
            self.final = self.status

    @invariant()
    def keeps_its_end(self) -> None:
        assert self.final is None or self.status is self.final

    @invariant()
    def never_goes_back_to_the_journal_unless_it_never_left(self) -> None:
        assert self.status is not OrderStatus.JOURNALED or self.final is None


TestAnOrderHasOneEnd = OneOrder.TestCase


@given(st.lists(statuses, max_size=12), st.lists(statuses, max_size=12))
def test_no_filled_order_becomes_canceled(before: list[OrderStatus], after: list[OrderStatus]) -> None:
    status = OrderStatus.JOURNALED
    for news in (*before, OrderStatus.FILLED, *after):
        was = status
        with suppress(ValueError):
            status = next_status(status, news)
        assert not (was is OrderStatus.FILLED and status is OrderStatus.CANCELED)


@given(statuses, statuses)
def test_hearing_the_same_news_twice_says_no_more_than_once(status: OrderStatus, news: OrderStatus) -> None:
    try:
        once = next_status(status, news)
    except ValueError:
        return
    assert next_status(once, news) is once
