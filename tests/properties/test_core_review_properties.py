from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

from hypothesis import given
from hypothesis import strategies as st

from desk.core.review import SHRINKING, Limits, Situation, review
from desk.domain.decisions import Approved, Denied, FixedExit, Intent, IntentKind, Mode, Reason
from desk.domain.orders import OrderClass, OrderSpec, OrderStatus, OrderType, Side, TimeInForce
from desk.domain.trades import Account, Book, Trade

SYMBOLS = ("AAA", "BBB", "CCC", "DDD", "EEE")
SESSION = date(2024, 1, 3)
NOW = datetime(2024, 1, 3, 15, tzinfo=UTC)
RULE = FixedExit(0.05, 0.15)
# Money is added up in floats; half a cent is below anything that a broker counts.
CENT = 0.005

symbols = st.sampled_from(SYMBOLS)
confidences = st.none() | st.floats(min_value=0, max_value=1)


def trade(symbol: str, quantity: int, entered: int, limit: Decimal) -> Trade:
    spec = OrderSpec(
        f"n-{symbol}-open", symbol, Side.BUY, quantity, OrderType.LIMIT, OrderClass.BRACKET, TimeInForce.GTC, limit,
        take_profit=limit * 2, stop_loss=limit / 2,
    )  # fmt: skip
    status = OrderStatus.FILLED if entered == quantity else OrderStatus.WORKING
    value = limit * entered
    return Trade(spec, NOW, float(limit), "test", entry_status=status, entered=entered, entry_value=value)


@st.composite
def trades(draw: st.DrawFn, symbol: str) -> Trade:
    quantity = draw(st.integers(1, 300))
    entered = draw(st.sampled_from([0, quantity // 2, quantity]))
    return trade(symbol, quantity, entered, Decimal(draw(st.integers(100, 30_000))) / 100)


@st.composite
def books(draw: st.DrawFn) -> Book:
    held = draw(st.sets(symbols, max_size=3))
    opened = {one.key: one for one in (draw(trades(symbol)) for symbol in sorted(held))}
    exits = draw(st.dictionaries(symbols, st.sampled_from([SESSION, SESSION - timedelta(days=1)]), max_size=3))
    return Book(MappingProxyType(opened), last_exit=MappingProxyType(exits))


@st.composite
def intents(draw: st.DrawFn, kinds: tuple[IntentKind, ...] = tuple(IntentKind)) -> Intent:
    return Intent(
        draw(st.sampled_from(kinds)),
        draw(symbols),
        draw(st.integers(0, 2_000)),
        draw(st.integers(1, 50_000)) / 100,
        RULE,
        "test",
        draw(confidences),
    )


@st.composite
def situations(draw: st.DrawFn, modes: tuple[Mode, ...] = tuple(Mode)) -> Situation:
    book = draw(books())
    strange = draw(st.dictionaries(symbols, st.integers(1, 50), max_size=2))
    shares = {symbol: count + strange.get(symbol, 0) for symbol, count in ((s, book.shares_of(s)) for s in SYMBOLS)}
    equity_usd = draw(st.floats(min_value=0, max_value=2_000_000))
    account = Account(equity_usd, draw(st.floats(min_value=-10_000, max_value=500_000)), {s: n for s, n in shares.items() if n})
    limits = Limits(draw(st.floats(min_value=0.01, max_value=0.99)), draw(st.none() | st.floats(min_value=0, max_value=1)))
    return Situation(book, account, limits, draw(st.sampled_from(modes)), SESSION)


lists_of_intents = st.lists(intents(), max_size=8)


def grows(intent: Intent) -> bool:
    return intent.kind in (IntentKind.OPEN, IntentKind.ADD)


def approved(verdicts: list[Approved | Denied]) -> list[Intent]:
    return [verdict.intent for verdict in verdicts if isinstance(verdict, Approved)]


def free_usd(situation: Situation) -> float:
    """Cash that no working order may still spend, counted apart from the code under test."""
    waiting = [one for one in situation.book.open.values() if one.entry_status is OrderStatus.WORKING]
    promised = sum((one.spec.quantity - one.entered) * one.spec.limit_price for one in waiting)
    return situation.account.cash_usd - float(promised)


@given(lists_of_intents, situations())
def test_every_intent_gets_one_verdict_in_its_place(wanted: list[Intent], situation: Situation) -> None:
    verdicts = review(wanted, situation)
    named = [verdict.intent.symbol if isinstance(verdict, Approved) else verdict.symbol for verdict in verdicts]
    assert named == [intent.symbol for intent in wanted]
    assert all(
        verdict.intent is intent for verdict, intent in zip(verdicts, wanted, strict=True) if isinstance(verdict, Approved)
    )


@given(lists_of_intents, situations())
def test_approvals_together_never_cost_more_than_the_free_cash(wanted: list[Intent], situation: Situation) -> None:
    spent = sum(intent.quantity * intent.price for intent in approved(review(wanted, situation)) if grows(intent))
    assert spent <= max(free_usd(situation), 0) + CENT


@given(st.lists(intents((IntentKind.OPEN,)), min_size=2, max_size=8), situations((Mode.ACTIVE,)))
def test_an_approval_counts_against_every_later_one(wanted: list[Intent], situation: Situation) -> None:
    verdicts = review(wanted, situation)
    promised: tuple[tuple[str, float], ...] = ()
    for intent, verdict in zip(wanted, verdicts, strict=True):
        assert review([intent], replace(situation, promised=promised))[0] == verdict
        if isinstance(verdict, Approved):
            promised = (*promised, (intent.symbol, intent.quantity * intent.price))


@given(lists_of_intents, situations())
def test_no_approval_is_above_the_cap_of_a_position(wanted: list[Intent], situation: Situation) -> None:
    cap = situation.limits.max_position_fraction * situation.account.equity_usd
    assert all(intent.quantity * intent.price <= cap + CENT for intent in approved(review(wanted, situation)) if grows(intent))


@given(lists_of_intents, situations((Mode.HALTED, Mode.REDUCING)))
def test_a_desk_that_is_not_active_approves_nothing_that_grows(wanted: list[Intent], situation: Situation) -> None:
    verdicts = review(wanted, situation)
    assert not any(grows(intent) for intent in approved(verdicts))
    told = {verdict.reason for verdict in verdicts if isinstance(verdict, Denied)}
    assert told <= {Reason.HALTED if situation.mode is Mode.HALTED else Reason.REDUCING}


@given(lists_of_intents, situations())
def test_what_shrinks_a_position_is_always_approved(wanted: list[Intent], situation: Situation) -> None:
    for intent, verdict in zip(wanted, review(wanted, situation), strict=True):
        if intent.kind in SHRINKING:
            assert verdict == Approved(intent)


@given(st.lists(intents((IntentKind.REDUCE, IntentKind.CLOSE)), max_size=4), lists_of_intents, situations())
def test_closing_takes_nothing_from_what_may_be_opened(
    closing: list[Intent], opening: list[Intent], situation: Situation
) -> None:
    assert review([*closing, *opening], situation)[len(closing) :] == review(opening, situation)


@given(intents((IntentKind.OPEN, IntentKind.ADD)), situations((Mode.ACTIVE,)))
def test_a_symbol_left_today_is_not_bought_back_today(intent: Intent, situation: Situation) -> None:
    (verdict,) = review([intent], situation)
    if situation.book.last_exit.get(intent.symbol) == SESSION:
        assert isinstance(verdict, Denied)
        assert verdict.reason in (Reason.EXITED_TODAY, Reason.FOREIGN_POSITION)
    else:
        assert not (isinstance(verdict, Denied) and verdict.reason is Reason.EXITED_TODAY)


@given(intents((IntentKind.OPEN, IntentKind.ADD)), situations((Mode.ACTIVE,)))
def test_shares_that_the_desk_did_not_buy_bar_the_symbol(intent: Intent, situation: Situation) -> None:
    (verdict,) = review([intent], situation)
    strange = situation.account.shares.get(intent.symbol, 0) != situation.book.shares_of(intent.symbol)
    assert strange == (isinstance(verdict, Denied) and verdict.reason is Reason.FOREIGN_POSITION)


@given(lists_of_intents, situations())
def test_confidence_bars_nothing_unless_the_gate_is_enforced(wanted: list[Intent], situation: Situation) -> None:
    verdicts = review(wanted, situation)
    for intent, verdict in zip(wanted, verdicts, strict=True):
        if isinstance(verdict, Denied) and verdict.reason is Reason.LOW_CONFIDENCE:
            least = situation.limits.min_confidence
            assert least is not None and intent.confidence is not None and intent.confidence < least
    reporting = replace(situation, limits=replace(situation.limits, min_confidence=None))
    assert not any(isinstance(one, Denied) and one.reason is Reason.LOW_CONFIDENCE for one in review(wanted, reporting))


@given(lists_of_intents, situations())
def test_an_enforced_gate_lets_no_low_confidence_pass(wanted: list[Intent], situation: Situation) -> None:
    least = situation.limits.min_confidence
    for intent in approved(review(wanted, situation)):
        assert not grows(intent) or least is None or intent.confidence is None or intent.confidence >= least


@given(lists_of_intents, situations())
def test_no_order_for_nothing_is_approved(wanted: list[Intent], situation: Situation) -> None:
    assert all(intent.quantity > 0 for intent in approved(review(wanted, situation)) if grows(intent))
