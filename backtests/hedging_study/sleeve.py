"""The sleeve's own account of a run, from its fills: what it was worth, earned and cost, and each hedge from entry to exit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd

from desk.core.targets import is_flat
from desk.data.bundled import load_bundled, load_indices
from desk.data.source import Source
from desk.domain.market import DailyBars, FloatArray
from hedging.decay import drag_fraction
from hedging.plan import HedgePlan
from hedging.rules import HedgeRules, InverseFund
from hedging.sentiment import Mood
from hedging_study.books import Opening, Played


class SleeveFill(NamedTuple):
    """One fill of an inverse fund; `shares` are below zero for a sale, `costs_usd` are fees and slippage."""

    session: date
    symbol: str
    shares: int
    price: float
    fee_usd: float
    costs_usd: float
    kind: str


@dataclass(frozen=True)
class SleeveAccount:
    """Arrays of shape (n,) along `sessions`: value at the close and profit or loss of the session after fees, in dollars.

    `index_usd` are the dollars of index that the sleeve stood against.
    """

    sessions: tuple[date, ...]
    value_usd: FloatArray
    index_usd: FloatArray
    pnl_usd: FloatArray
    costs_usd: float


@dataclass(frozen=True)
class Hedge:
    """One fund from its first fill to its last share. `decided` is when the rule opened it, `asked` when it wanted it gone.

    `paid_usd` is for all purchases, `weight` that over the equity of the first one's morning, `sessions` how many closes it was
    held at. Decays are shares of the money in the fund lost to its daily reset: at the volatility of the day it was decided, and
    as it came. `at_openings_usd` is the profit or loss had it been bought and sold at the openings of `decided` and `asked`; None
    when the rule did not end it.
    """

    fund: InverseFund
    decided: date
    entered: date
    asked: date | None
    left: date | None
    shares: int
    paid_usd: float
    weight: float
    sessions: int
    pnl_usd: float
    at_openings_usd: float | None
    costs_usd: float
    exit_kind: str
    mood_at_entry: Mood
    share_at_entry: float
    why_index: str
    why_fund: str
    why_opened: str
    why_left: str
    expected_decay: float | None
    realised_decay: float | None


def fills(played: Played) -> tuple[SleeveFill, ...]:
    """Fills of the inverse funds, oldest first."""
    if played.rules is None:
        return ()
    funds = [fund.symbol for fund in played.rules.inverse_etfs]
    events = played.done.outcome.trade_events
    rows = events[(events["status"] == "fill") & events["symbol"].isin(funds)]
    return tuple(_fill(row) for row in rows.to_dict("records"))


def _fill(row: Mapping[str, object]) -> SleeveFill:
    shares = int(float(str(row["filled_quantity"])))
    fee_usd, slippage_usd = float(str(row["trade_cost"])), float(str(row["trade_slippage"]))
    signed = shares if str(row["side"]).startswith("buy") else -shares
    day = date.fromisoformat(str(row["time"])[:10])
    return SleeveFill(
        day, str(row["symbol"]), signed, float(str(row["price"])), fee_usd, fee_usd + slippage_usd, str(row["type"])
    )


def account(played: Played) -> SleeveAccount:
    """The sleeve's account over all sessions of the run."""
    sessions, traded = played.sessions, fills(played)
    zeros = np.zeros(len(sessions))
    value, against, pnl = zeros.copy(), zeros.copy(), zeros.copy()
    for fund in played.rules.inverse_etfs if played.rules else ():
        own = [fill for fill in traded if fill.symbol == fund.symbol]
        if own:
            worth = _value(own, sessions, played.source.bars(fund.symbol))
            value += worth
            against += worth * fund.multiple
            pnl += np.diff(worth, prepend=0.0) - _paid(own, sessions)
    return SleeveAccount(sessions, value, against, pnl, sum(fill.costs_usd for fill in traded))


def _value(own: Sequence[SleeveFill], sessions: Sequence[date], bars: DailyBars) -> FloatArray:
    """Dollars at each close."""
    changes = np.zeros(len(sessions))
    for fill in own:
        changes[sessions.index(fill.session)] += fill.shares
    close = dict(zip(bars.sessions, bars.close, strict=True))
    worth: FloatArray = np.cumsum(changes) * np.array([close[day] for day in sessions])
    return worth


def _paid(own: Sequence[SleeveFill], sessions: Sequence[date]) -> FloatArray:
    """Dollars that went into the fund in each session, fees included."""
    paid = np.zeros(len(sessions))
    for fill in own:
        paid[sessions.index(fill.session)] += fill.shares * fill.price + fill.fee_usd
    return paid


# ---- each hedge ----------------------------------------------------------------------------------------------------------


def hedges(played: Played) -> tuple[Hedge, ...]:
    """Every hedge of the run in the order of entry; one still held at the end is valued at the last close."""
    if played.rules is None:
        return ()
    found = [_hedge(played, played.rules, fund, own) for fund in played.rules.inverse_etfs for own in _spells(played, fund)]
    return tuple(sorted(found, key=lambda one: one.entered))


def _spells(played: Played, fund: InverseFund) -> Iterator[list[SleeveFill]]:
    """Fills of a fund, cut where nothing of it is held."""
    spell: list[SleeveFill] = []
    for fill in fills(played):
        if fill.symbol == fund.symbol:
            spell.append(fill)
            if not sum(one.shares for one in spell):
                yield spell
                spell = []
    if spell:
        yield spell


def _hedge(played: Played, rules: HedgeRules, fund: InverseFund, own: Sequence[SleeveFill]) -> Hedge:
    first, last, held = own[0], own[-1], sum(fill.shares for fill in own)
    sessions, bars = played.sessions, played.source.bars(fund.symbol)
    until = sessions[-1] if held else last.session
    opening, entry = _decided(played, fund, first.session), _on(played, first.session)
    asked = _asked(played, fund, first.session, until)
    number = sessions.index(until) - sessions.index(first.session) + (1 if held else 0)
    left_over = held * bars.close[bars.sessions.index(sessions[-1])] if held else 0.0
    paid_usd = sum(fill.shares * fill.price for fill in own if fill.shares > 0)
    plan = _plan(opening)
    swing = plan.outlook.volatility_per_year
    return Hedge(
        fund=fund,
        decided=opening.session,
        entered=first.session,
        asked=None if asked is None else asked.session,
        left=None if held else last.session,
        shares=max(np.cumsum([fill.shares for fill in own]).tolist()),
        paid_usd=paid_usd,
        weight=paid_usd / entry.equity_usd,
        sessions=number,
        pnl_usd=float(left_over) - sum(fill.shares * fill.price + fill.fee_usd for fill in own),
        at_openings_usd=None if asked is None else _at_openings(played, bars, own, opening.session, asked.session),
        costs_usd=sum(fill.costs_usd for fill in own),
        exit_kind="open" if held else "stop" if last.kind == "stop" else "rule" if asked is not None else "target",
        mood_at_entry=_plan(entry).sentiment.mood,
        share_at_entry=_plan(entry).sentiment.share,
        why_index=plan.reasons[-3],
        why_fund=plan.reasons[-2],
        why_opened=plan.reasons[-1],
        why_left="" if asked is None else _plan(asked).targets[0].reason,
        expected_decay=None if swing is None else drag_fraction(fund.leverage, swing, number),
        realised_decay=realised_decay(played.source, fund, first.session, number),
    )


def _at_openings(played: Played, bars: DailyBars, own: Sequence[SleeveFill], decided: date, asked: date) -> float:
    bought, sold = (float(bars.open[bars.sessions.index(day)]) for day in (decided, asked))
    costs = (played.behaviour.slippage_bps + played.behaviour.fee_bps) / 1e4
    return sum(max(fill.shares, 0) for fill in own) * (sold * (1 - costs) - bought * (1 + costs))


def realised_decay(source: Source, fund: InverseFund, entered: date, sessions: int) -> float | None:
    """What the fund trailed its leverage times the index's log growth by, from the close before the entry over `sessions`.

    None for a fund that does not come from a bundled index, and for no session at all.
    """
    if source is not load_bundled() or not sessions:
        return None
    bars, closes = source.bars(fund.symbol), load_indices()[fund.index]["close"]
    place = bars.sessions.index(entered) - 1
    first, last = (pd.Timestamp(bars.sessions[at]) for at in (place, place + sessions))
    own = np.log(bars.close[place + sessions] / bars.close[place])
    return float(1.0 - np.exp(own - fund.leverage * np.log(closes[last] / closes[first])))


def _plan(opening: Opening) -> HedgePlan:
    if opening.hedge is None:
        raise ValueError(f"{opening.session}: a fund was traded without a plan")
    return opening.hedge


def _on(played: Played, day: date) -> Opening:
    return played.openings[played.sessions.index(day)]


def _decided(played: Played, fund: InverseFund, entered: date) -> Opening:
    """The last opening up to `entered` at which the empty sleeve opened this fund."""
    before = played.openings[: played.sessions.index(entered) + 1]
    return next(each for each in reversed(before) if not _plan(each).held and _wants(each, fund))


def _wants(opening: Opening, fund: InverseFund) -> bool:
    return any(target.symbol == fund.symbol and not is_flat(target) for target in _plan(opening).targets)


def _asked(played: Played, fund: InverseFund, entered: date, until: date) -> Opening | None:
    """The first opening after the entry that wanted the fund gone."""
    held = played.openings[played.sessions.index(entered) + 1 : played.sessions.index(until) + 1]
    leaving = (each for each in held if any(t.symbol == fund.symbol and is_flat(t) for t in _plan(each).targets))
    return next(leaving, None)
