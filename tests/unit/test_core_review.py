"""What a refusal tells the person: its code, its words and its figures."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType

import pytest

from desk.core.review import Limits, Situation, review
from desk.domain.decisions import Approved, Denied, FixedExit, Intent, IntentKind, Mode, Reason
from desk.domain.orders import OrderClass, OrderSpec, OrderType, Side
from desk.domain.trades import Account, Book, Trade

SESSION = date(2024, 1, 3)


def intent(symbol: str = "AAA", quantity: int = 100, price: float = 100.0, confidence: float | None = None) -> Intent:
    return Intent(IntentKind.OPEN, symbol, quantity, price, FixedExit(0.05, 0.15), "test", confidence)


def situation(
    cash_usd: float = 100_000.0,
    mode: Mode = Mode.ACTIVE,
    book: Book | None = None,
    min_confidence: float | None = None,
    **shares: int,
) -> Situation:
    account = Account(100_000.0, cash_usd, shares)
    return Situation(book or Book(), account, Limits(0.15, min_confidence), mode, SESSION)


def refusal(asked: Intent, facts: Situation) -> Denied:
    (verdict,) = review([asked], facts)
    assert isinstance(verdict, Denied)
    return verdict


def test_position_above_the_cap_is_refused_with_both_figures() -> None:
    denied = refusal(intent(quantity=151), situation())
    assert denied.reason is Reason.MAX_POSITION
    assert denied.text == "151 shares cost 15,100 dollars, above the cap of 15,000"
    assert denied.detail == {"notional_usd": 15_100.0, "held_usd": 0.0, "cap_usd": 15_000.0}


def test_position_at_the_cap_is_approved() -> None:
    assert review([intent(quantity=150)], situation()) == [Approved(intent(quantity=150))]


@pytest.mark.parametrize(("price", "approved"), [(150.00004, True), (150.0001, False)])
def test_dust_of_half_a_cent_refuses_no_position_and_more_than_that_does(price: float, approved: bool) -> None:
    for facts in (situation(), situation(cash_usd=15_000.0)):
        (verdict,) = review([intent(quantity=100, price=price)], facts)
        assert isinstance(verdict, Approved) is approved


def test_lack_of_cash_is_told_with_what_is_free() -> None:
    denied = refusal(intent(), situation(cash_usd=9_999.0))
    assert (denied.reason, denied.text) == (Reason.CASH, "100 shares cost 10,000 dollars, 9,999 are free")


def test_overdrawn_account_has_nothing_free() -> None:
    assert refusal(intent(), situation(cash_usd=-5_000.0)).text.endswith(", 0 are free")


def test_third_purchase_finds_the_cash_of_two_gone() -> None:
    wanted = [intent("AAA"), intent("BBB"), intent("CCC")]
    first, second, third = review(wanted, situation(cash_usd=25_000.0))
    assert (first, second) == (Approved(wanted[0]), Approved(wanted[1]))
    assert isinstance(third, Denied)
    assert third.detail == {"notional_usd": 10_000.0, "free_usd": 5_000.0}


def test_a_refused_purchase_costs_the_next_one_nothing() -> None:
    wanted = [intent("AAA", quantity=1_000), intent("BBB")]
    assert isinstance(review(wanted, situation(cash_usd=10_000.0))[1], Approved)


def test_cash_of_a_working_entry_is_spoken_for() -> None:
    spec = OrderSpec(
        "n-BBB-open", "BBB", Side.BUY, 100, OrderType.LIMIT, OrderClass.BRACKET, limit_price=Decimal(100),
        take_profit=Decimal(115), stop_loss=Decimal(95),
    )  # fmt: skip
    half_filled = Trade(spec, datetime(2024, 1, 3, 15, tzinfo=UTC), 100.0, "test", entered=40)
    book = Book(MappingProxyType({spec.key: half_filled}))
    denied = refusal(intent(), situation(cash_usd=15_000.0, book=book, BBB=40))
    assert denied.detail["free_usd"] == 15_000.0 - 60 * 100.0


def test_no_whole_share_is_a_refusal_of_its_own() -> None:
    denied = refusal(intent(quantity=0, price=20_000.0), situation())
    assert (denied.reason, denied.text) == (Reason.ZERO_SHARES, "the target buys no whole share at 20000.00")


def test_low_confidence_is_told_with_its_threshold() -> None:
    denied = refusal(intent(confidence=0.52), situation(min_confidence=0.6))
    assert denied.text == "confidence 0.52 is below 0.60"
    assert denied.detail == {"confidence": 0.52, "threshold": 0.6}


@pytest.mark.parametrize("confidence", [None, 0.6, 0.95])
def test_an_enforced_gate_passes_the_threshold_itself_and_silence(confidence: float | None) -> None:
    assert isinstance(review([intent(confidence=confidence)], situation(min_confidence=0.6))[0], Approved)


def test_confidence_that_is_no_number_does_not_pass_an_enforced_gate() -> None:
    assert refusal(intent(confidence=float("nan")), situation(min_confidence=0.6)).reason is Reason.LOW_CONFIDENCE


def test_a_price_that_is_no_number_buys_nothing() -> None:
    assert isinstance(review([intent(price=float("nan"))], situation())[0], Denied)


def test_foreign_shares_are_counted_for_the_person() -> None:
    denied = refusal(intent(), situation(AAA=7))
    assert (denied.reason, denied.text) == (Reason.FOREIGN_POSITION, "the account holds 7 shares that the desk did not buy")


def test_a_halted_desk_gives_its_halt_as_the_reason_before_any_other() -> None:
    poor = situation(cash_usd=0.0, mode=Mode.HALTED, AAA=7)
    assert refusal(intent(quantity=0), poor).reason is Reason.HALTED
