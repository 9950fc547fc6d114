"""What a guardian knows of a symbol's trades, against the whole list of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from desk.core.prints import Prints, rising_prices, seen_since
from desk.domain.market import Print

OPENING = datetime(2024, 1, 3, 14, 30, tzinfo=UTC)
LEAST = timedelta(seconds=30)
STOP = 95.0
# Looks: how many seconds of the market's time the last trade is after the one before, 0 for the same trade again.
LOOKS = st.lists(st.tuples(st.integers(0, 45), st.sampled_from([90.0, 95.0, 95.01, 100.0])), min_size=1, max_size=25)


def looked(looks: list[tuple[int, float]], began: datetime = OPENING) -> tuple[Prints, list[Print]]:
    """What is known at the end, and every trade that was seen, without those that were seen again."""
    known: dict[str, Prints] = {}
    trades: list[Print] = []
    at = began
    for seconds, price in looks:
        at += timedelta(seconds=seconds)
        if seconds or not trades:
            trades.append(Print(price, at))
        known = seen_since(known, {"AAA": trades[-1]}, OPENING, LEAST)
    return known["AAA"], trades


@given(LOOKS)
def test_a_price_was_passed_when_trades_far_enough_apart_say_so_and_none_between_them_denies_it(
    looks: list[tuple[int, float]],
) -> None:
    known, trades = looked(looks)
    since = next((n for n in reversed(range(len(trades))) if trades[n].price > STOP), -1) + 1
    run = trades[since:]
    assert known.stayed_below(STOP, LEAST) == (bool(run) and run[-1].at - run[0].at >= LEAST)


@given(LOOKS)
def test_a_stop_rises_by_the_lower_of_the_last_two_trades(looks: list[tuple[int, float]]) -> None:
    known, trades = looked(looks)
    lower = min(each.price for each in trades[-2:]) if len(trades) > 1 else None
    assert known.rising_usd == lower
    assert rising_prices({"AAA": known}) == ({} if lower is None else {"AAA": lower})


@given(LOOKS)
def test_no_more_is_kept_than_what_can_still_say_something(looks: list[tuple[int, float]]) -> None:
    known, _ = looked(looks)
    assert len(known.seen) <= 2 or known.seen[-1].at - known.seen[1].at < LEAST


def test_of_a_symbol_without_a_trade_in_these_hours_nothing_is_known() -> None:
    early = Print(90.0, OPENING - timedelta(seconds=1))
    known = seen_since({"AAA": Prints((early,))}, {"AAA": Print(91.0, OPENING)}, OPENING, LEAST)
    assert known == {"AAA": Prints((Print(91.0, OPENING),))}
    assert seen_since(known, {"AAA": early}, OPENING, LEAST) == {}
    assert seen_since(known, {}, OPENING, LEAST) == {}
