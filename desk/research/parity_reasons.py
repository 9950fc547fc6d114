"""Why two lines differ: each difference has a cause that the two runs themselves prove, or is unexplained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

import pandas as pd

from desk.domain.orders import GroupRole, Side
from desk.research.parity import Line, Pair, Told, allowed_usd

MINUTE = timedelta(minutes=1)


class Cause(StrEnum):
    """Classes of differences, the gravest last."""

    FILL_MODEL = "fill model"
    SIZE = "size"
    TIMING = "timing"
    REJECTION = "rejection"
    CONSEQUENCE = "consequence"
    UNEXPLAINED = "UNEXPLAINED"


MEANING: Mapping[Cause, str] = {
    Cause.FILL_MODEL: "both sides sent the order, and it met another price, another tick or none",
    Cause.SIZE: "shares follow from the account's equity and from the offer, and one of them differed by then",
    Cause.TIMING: "the same order at a neighbouring stamp",
    Cause.REJECTION: "one side refused the order: buying power, a cap, or left in the same session",
    Cause.CONSEQUENCE: "the two accounts held different shares by then, through a difference above it",
    Cause.UNEXPLAINED: "nothing in the two runs says why",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """A pair that is not equal, its cause, and the proof in words."""

    pair: Pair
    cause: Cause
    text: str


Found = tuple[Cause, str] | None


@dataclass(frozen=True)
class Evidence:
    """Both runs, and the minute bars by symbol that the backtest filled on (index: start, UTC; dollars)."""

    backtest: Told
    live: Told
    bars: Mapping[str, pd.DataFrame]
    bar_seconds: int

    def explained(self, pair: Pair) -> Difference:
        """The cause of a pair that differs: of several differences the first, and no cause unless each has one."""
        differs = pair.differences()
        found = [test(self, pair) for name, test in TESTS.items() if name in differs]
        causes = [each for each in found if each is not None]
        if len(causes) < len(found):
            return Difference(pair, Cause.UNEXPLAINED, MEANING[Cause.UNEXPLAINED])
        return Difference(pair, causes[0][0], "; ".join(text for _, text in causes))

    # ---- both are there ------------------------------------------------------------------------------------------------------

    def by_quantity(self, pair: Pair) -> Found:
        one, other = _both(pair)
        if one.side is Side.SELL:
            is_all = one.quantity == one.entered and other.quantity == other.entered
            return (Cause.SIZE, f"all that was bought: {one.entered} and {other.entered}") if is_all else None
        worth, other_worth = self.backtest.equity_usd.get(one.minute), self.live.equity_usd.get(other.minute)
        if not (worth and other_worth and one.limit and other.limit):
            return None
        expected = other.quantity * (worth / other_worth) * (other.limit / one.limit)
        if abs(one.quantity - expected) > 1.0 + 1e-6:
            return None
        return Cause.SIZE, f"equity {worth:,.2f} at a limit of {one.limit:.2f}, and {other_worth:,.2f} at {other.limit:.2f}"

    def by_time(self, pair: Pair) -> Found:
        one, other = _both(pair)
        apart = abs(one.at - other.at)
        if self._is_later_met(*sorted((one, other), key=lambda line: line.at)):
            return Cause.FILL_MODEL, f"it rests at {_level(one)} and {_level(other)}, and was met {apart} apart"
        return (Cause.TIMING, f"{apart} apart") if apart <= timedelta(seconds=self.bar_seconds) else None

    def _is_later_met(self, early: Line, late: Line) -> bool:
        """Whether both are the same exit at nearly one price, and no bar from the first fill until the second reached the later
        one."""
        if early.role is not late.role or early.level is None or late.level is None:
            return False
        if abs(early.level - late.level) > allowed_usd(late.level):
            return False
        between = self.bars[late.symbol].loc[early.minute - MINUTE : late.minute - 2 * MINUTE]
        if early.role is GroupRole.STOP_LOSS:
            return bool((between["low"] > late.level).all())
        return bool((between["high"] < allowed_usd(late.level) + late.level).all())

    def by_price(self, pair: Pair) -> Found:
        one, other = _both(pair)
        lows, highs = zip(*(self._range(line) for line in (one, other)), strict=True)
        slack = allowed_usd(max(highs))
        if not min(lows) - slack <= min(one.price, other.price) <= max(one.price, other.price) <= max(highs) + slack:
            return None
        return (
            Cause.FILL_MODEL,
            f"{(one.price / other.price - 1) * 10_000:+.1f} bps, inside the minute {min(lows):g} to {max(highs):g}",
        )

    def _range(self, line: Line) -> tuple[float, float]:
        """Low and high of the bars that end and begin at a fill; not a number without any."""
        frame = self.bars[line.symbol]
        near = frame.loc[line.minute - MINUTE : line.minute]
        return float(near["low"].min()), float(near["high"].max())

    # ---- one of them stands alone --------------------------------------------------------------------------------------------

    def by_absence(self, pair: Pair) -> Found:
        line = pair.any_line
        own, other = (self.live, self.backtest) if pair.backtest is None else (self.backtest, self.live)
        return _refused(line, own, other) or _held(line, own, other) or _unfilled(line, own, other) or self._rests(line, other)

    def _rests(self, line: Line, other: Told) -> Found:
        """The other account's exit rests at nearly the same price, which no bar of the rest of the session reached."""
        entries = [each for each in other.fills if each.symbol == line.symbol and each.side is Side.BUY and each.at < line.at]
        if line.level is None or not entries or not line.limit:
            return None
        there = replace(line, level=line.level * entries[-1].limit / line.limit, at=line.at.replace(hour=23))
        if not self._is_later_met(line, there):
            return None
        return Cause.FILL_MODEL, f"it rests at {_level(line)} here and {_level(there)} there, which was not reached"


def _refused(line: Line, own: Told, other: Told) -> Found:
    said = [refusal.text for refusal in other.refusals if (refusal.session, refusal.symbol) == (line.session, line.symbol)]
    if said:
        return Cause.REJECTION, said[0]
    was_left = other.left_on(line.symbol, line.at) == line.session != own.left_on(line.symbol, line.at)
    is_buy = line.side is Side.BUY
    return (Cause.REJECTION, "EXITED_TODAY: the other account left it in this session") if is_buy and was_left else None


def _held(line: Line, own: Told, other: Told) -> Found:
    mine, theirs = own.held(line.symbol, line.at), other.held(line.symbol, line.at)
    return None if mine == theirs else (Cause.CONSEQUENCE, f"{mine} shares were held here, {theirs} there")


def _unfilled(line: Line, own: Told, other: Told) -> Found:
    """The other run sent the order too, and the market did not come to it."""
    sent = [each for each in other.orders if (each.symbol, each.side, each.session) == (line.symbol, line.side, line.session)]
    filled = [each for each in other.fills if (each.symbol, each.side, each.session) == (line.symbol, line.side, line.session)]
    if len(sent) <= len(filled) or line in own.orders:
        return None
    return Cause.FILL_MODEL, f"sent there too, at {sent[-1].price:g}, and not filled"


def _both(pair: Pair) -> tuple[Line, Line]:
    assert pair.backtest is not None and pair.live is not None
    return pair.backtest, pair.live


def _level(line: Line) -> str:
    return "no level" if line.level is None else f"{line.level:.2f}"


TESTS: Mapping[str, Callable[[Evidence, Pair], Found]] = {
    "alone": Evidence.by_absence,
    "time": Evidence.by_time,
    "quantity": Evidence.by_quantity,
    "price": Evidence.by_price,
}
