"""The checks before sending and the exchange's own reading of an order share no code: what one refuses, the other does too."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from order_bodies import CALL, HIGHER_CALL, JSON, PLAUSIBLE, WILD

from desk.brokers.guarded.payload import first_problem
from desk.brokers.guarded.problems import Problem
from desk.exchange.rules.parsing import parse_ticket
from desk.exchange.rules.price_rules import exits_crossed
from desk.exchange.rules.rejections import Rejection
from desk.exchange.words import OrderClass, Side

KEY = {"client_order_id": "desk-1"}
_INTENTS = st.sampled_from(["buy_to_open", "sell_to_open", "buy_to_close", "sell_to_close"])
LEG = st.fixed_dictionaries({"symbol": st.sampled_from([CALL, HIGHER_CALL]), "ratio_qty": st.sampled_from([1, 2, "1", 4])}) | JSON
SPREADS = st.fixed_dictionaries(
    {
        "order_class": st.just("mleg"),
        "type": st.sampled_from(["limit", "limit", "market", "stop"]),
        "qty": st.sampled_from([1, "2", 1.5]),
        "time_in_force": st.just("day"),
        "legs": st.lists(
            st.builds(lambda leg, intent: {**leg, "position_intent": intent} if isinstance(leg, dict) else leg, LEG, _INTENTS),
            max_size=5,
        ),
    },
    optional={"limit_price": st.sampled_from([1, "-1.2", "1.234", None])},
)


@given(WILD | PLAUSIBLE | SPREADS)
def test_whatever_an_order_holds_the_checks_answer_with_none_or_with_a_problem(body: dict[str, Any]) -> None:
    found = first_problem(body)
    assert found is None or (isinstance(found, Problem) and found.text)


# Mostly valid, with one field that holds anything.
NEARLY = st.builds(lambda body, wild: {**body, **dict(list(wild.items())[:1])}, PLAUSIBLE, WILD)


@pytest.mark.slow
@given(NEARLY | PLAUSIBLE | SPREADS)
def test_what_has_no_problem_is_read_by_the_exchange(body: dict[str, Any]) -> None:
    body = {**body, **KEY}
    assume(first_problem(body) is None)
    assert not isinstance(
        parse_ticket({name: value for name, value in body.items() if name != "advanced_instructions"}), Rejection
    )


@given(PLAUSIBLE)
def test_what_the_exchange_reads_has_no_problem_but_of_its_exits(body: dict[str, Any]) -> None:
    ticket = parse_ticket({**body, **KEY})
    assume(not isinstance(ticket, Rejection))
    assert not isinstance(ticket, Rejection)
    found = first_problem({**body, **KEY})
    if found is None:
        return
    exit_side = ticket.side if ticket.order_class is OrderClass.OCO else (ticket.side or Side.BUY).opposite
    target = ticket.take_profit.limit_price if ticket.take_profit else None
    stop = ticket.stop_loss.stop_price if ticket.stop_loss else None
    is_crossed = exits_crossed(target, stop, exit_side or Side.SELL) is not None
    assert is_crossed or found.field in ("stop_loss.stop_price", "take_profit.limit_price", "stop_price"), found.text
