"""What a refusal leaves behind, and rules that hang on what kind of asset, hour or open order there is."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from desk.exchange.machine.orders import Quote, Ticket
from desk.exchange.market.sessions import Phase
from desk.exchange.rules.parsing import parse_ticket
from desk.exchange.rules.price_rules import reference_price
from desk.exchange.rules.rejections import Rejection, plain
from desk.exchange.rules.reservations import available, reserved, unprotected_shares
from desk.exchange.rules.situation import Listing, Situation
from desk.exchange.rules.validation import judge
from desk.exchange.situations import situation_of
from desk.exchange.words import Side

Body = dict[str, Any]
ORDER: Body = {"symbol": "ABC", "side": "buy", "type": "market", "qty": "10", "time_in_force": "gtc"}
EXITS: Body = {"take_profit": {"limit_price": "115"}, "stop_loss": {"stop_price": "95"}}
SHORT_EXITS: Body = {"take_profit": {"limit_price": "85"}, "stop_loss": {"stop_price": "105"}}


def account(client: Any) -> Any:
    return next(iter(client.exchange.accounts.values()))


def judged(client: Any, body: Body, listing: Listing | None = None, **world: object) -> Ticket | Rejection:
    """The order as the rules see it in the client's world, changed where the test says so."""
    ticket = parse_ticket({**ORDER, **body})
    assert isinstance(ticket, Ticket), ticket
    situation: Situation = situation_of(account(client), ticket)
    if listing is not None:
        world["listings"] = {"ABC": listing}
    return judge(ticket, replace(situation, **world))


def test_refusal_is_reported_and_changes_nothing(client: Any) -> None:
    assert client.send(qty="100000", client_order_id="poor")[0] == 403
    assert client.get("/v2/orders", status="all") == []
    report = client.get("/admin/report")
    assert report["orders_rejected"] == 1 and report["rejections"][0]["message"] == "insufficient buying power"


@pytest.mark.parametrize(
    ("listing", "body", "status", "message"),
    [
        (Listing(is_fractionable=False), {"qty": "1.5", "time_in_force": "day"}, 403, 'asset "ABC" is not fractionable'),
        (
            Listing(is_fractionable=False),
            {"qty": None, "notional": 5, "time_in_force": "day"},
            403,
            'asset "ABC" is not fractionable',
        ),
        (Listing(is_shortable=False), {"side": "sell"}, 422, 'asset "ABC" cannot be sold short'),
        (
            Listing(is_easy_to_borrow=False),
            {"side": "sell"},
            422,
            'only day orders are allowed for hard-to-borrow asset "ABC"',
        ),
        (
            Listing(is_easy_to_borrow=False),
            {"side": "sell", "order_class": "bracket", **SHORT_EXITS},
            422,
            'only day orders are allowed for hard-to-borrow asset "ABC"',
        ),
        (Listing(is_tradable=False), {}, 422, 'asset "ABC" is not tradable'),
    ],
)
def test_asset_decides_what_may_be_done(client: Any, listing: Listing, body: Body, status: int, message: str) -> None:
    found = judged(client, body, listing)
    assert isinstance(found, Rejection) and (found.status, found.message) == (status, message)


def test_hard_to_borrow_stock_is_sold_short_for_a_day(client: Any) -> None:
    assert isinstance(judged(client, {"side": "sell", "time_in_force": "day"}, Listing(is_easy_to_borrow=False)), Ticket)


def test_market_without_a_price_gives_no_collar_and_no_objection(client: Any) -> None:
    found = judged(client, {"order_class": "bracket", **EXITS}, quotes={})
    assert isinstance(found, Ticket) and found.collar_price is None


@pytest.mark.parametrize(
    ("phase", "price"), [(Phase.REGULAR, "100.10"), (Phase.PRE, "100.05"), (Phase.AFTER, "100.05"), (Phase.NIGHT, "99.99")]
)
def test_market_order_is_valued_as_the_hour_has_it(phase: Phase, price: str) -> None:
    assert reference_price(Quote(bid=1_000_000, ask=1_001_000, last=999_900), Side.BUY, phase) == Decimal(price)


def test_one_sided_quote_is_valued_at_the_last_trade() -> None:
    assert reference_price(Quote(bid=0, ask=0, last=999_900), Side.BUY, Phase.REGULAR) == Decimal("99.99")
    assert reference_price(Quote(bid=0, ask=5, last=999_900), Side.BUY, Phase.PRE) == Decimal("99.99")


def test_trailing_buy_is_collared_above_its_first_stop(client: Any) -> None:
    found = judged(client, {"type": "trailing_stop", "trail_price": "10"})
    assert isinstance(found, Ticket) and found.collar_price == Decimal("112.83")  # (100.08 + 10) * 1.025
    found = judged(client, {"type": "trailing_stop", "trail_percent": "10"})
    assert isinstance(found, Ticket) and found.collar_price == Decimal("112.84")


def test_holding_nothing_reserves_nothing(client: Any) -> None:
    client.send(type="limit", limit_price="90")
    book = account(client).book
    assert reserved(book, "ABC").shares == available(book, "ABC") == 0


def test_shares_without_an_active_exit_are_bare(client: Any) -> None:
    book = account(client).book
    client.send()
    assert unprotected_shares(book) == {"ABC": 10}
    client.send(side="sell", type="trailing_stop", trail_price="5", qty="4")
    assert unprotected_shares(book) == {"ABC": 6}
    client.send(order_class="oco", side="sell", type="limit", qty="6", **EXITS)
    assert unprotected_shares(book) == {}


def test_shorts_and_options_are_no_bare_shares(client: Any) -> None:
    client.send(side="sell")
    assert unprotected_shares(account(client).book) == {}


@pytest.mark.parametrize(
    ("value", "text"), [("100.00", "100"), ("0.50", "0.5"), ("1E+3", "1000"), ("-0.10", "-0.1"), ("0.00", "0")]
)
def test_numbers_of_bodies_are_plain(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text
