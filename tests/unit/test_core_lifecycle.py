"""Every pair of status and news, written out: what a broker may say about an order, and what the desk makes of it."""

from __future__ import annotations

from itertools import product

import pytest

from desk.core.lifecycle import next_status
from desk.domain.orders import TERMINAL, OrderStatus

COLUMNS = (
    "journaled", "sent", "held", "working", "partially_filled", "pending_cancel",
    "replaced", "filled", "canceled", "expired", "rejected", "unknown",
)  # fmt: skip

# > moves there, = is late news and changes nothing, x cannot be. An order's own status again is always `>`.
#                        jrn sent held work part pend repl fill canc expd rejd unkn
TABLE = {
    "journaled":        " x   >    >    >    >    >    >    >    >    >    >    > ",
    "sent":             " x   >    >    >    >    >    >    >    >    >    >    > ",
    "unknown":          " x   >    >    >    >    >    >    >    >    >    >    > ",
    "held":             " x   =    >    >    >    >    >    >    >    >    >    > ",
    "working":          " x   =    =    >    >    >    >    >    >    >    >    > ",
    "partially_filled": " x   =    =    =    >    >    >    >    >    >    x    > ",
    "pending_cancel":   " x   =    =    >    >    >    >    >    >    >    x    > ",
    "replaced":         " x   =    >    >    >    x    >    >    >    >    >    x ",
    "filled":           " x   =    =    =    =    =    x    >    x    x    x    x ",
    "canceled":         " x   =    =    =    =    =    =    x    >    x    x    x ",
    "expired":          " x   =    =    =    =    =    x    x    x    >    x    x ",
    "rejected":         " x   =    =    =    x    =    x    x    x    x    >    x ",
}  # fmt: skip

CELLS = [(status, news, cell) for status, row in TABLE.items() for news, cell in zip(COLUMNS, row.split(), strict=True)]


def test_the_table_has_every_pair() -> None:
    every = {(one.value, other.value) for one, other in product(OrderStatus, repeat=2)}
    assert {(status, news) for status, news, _ in CELLS} == every
    assert len(CELLS) == len(every)


@pytest.mark.parametrize(("status", "news", "cell"), CELLS)
def test_each_pair_moves_is_late_or_raises(status: str, news: str, cell: str) -> None:
    now, said = OrderStatus(status), OrderStatus(news)
    if cell == "x":
        with pytest.raises(ValueError, match=f"{status} cannot become {news}"):
            next_status(now, said)
    else:
        assert next_status(now, said) is (said if cell == ">" else now)


@pytest.mark.parametrize("status", sorted(TERMINAL - {OrderStatus.REPLACED}))
def test_what_is_over_stays_over(status: OrderStatus) -> None:
    """A replaced order is none of these: under its successor's id it works on."""
    for news in OrderStatus:
        try:
            assert next_status(status, news) is status
        except ValueError:
            continue
