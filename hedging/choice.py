"""Which inverse fund fits the book: the index that explains it, and leverage only where it is needed and cheap enough.

What is held already has the benefit of the doubt, or a figure near its threshold would change the fund every day.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from hedging.decay import drag_fraction
from hedging.exposure import Exposure
from hedging.outlook import Outlook
from hedging.rules import INDEX_WORDS, HedgeRules, IndexName, InverseFund
from hedging.sizing import needed_usd, percent


@dataclass(frozen=True, slots=True)
class Choice:
    """A fund to hedge with, the dollars of it that are needed, and why.

    `drag_fraction` is expected over the longest hold at the present volatility, None when that is unknown.
    """

    fund: InverseFund
    drag_fraction: float | None
    needed_usd: float
    reason: str


def choose_index(
    exposure: Exposure, funds: Collection[InverseFund], held: InverseFund | None, rules: HedgeRules
) -> tuple[IndexName, str]:
    """The index to hedge against and why: the S&P 500, unless the NASDAQ is clearly better and one of `funds` follows it."""
    sp500, nasdaq = exposure.sp500.r2, exposure.nasdaq.r2
    margin = 0.0 if held is not None and held.index == "NASDAQ" else rules.nasdaq_margin_r2
    compared = f"the NASDAQ explains {percent(nasdaq)} of the names' moves, the S&P 500 {percent(sp500)}"
    if not (nasdaq > sp500 and nasdaq - sp500 >= margin):
        return "SP500", f"{compared}: not better by {percent(margin)}, so the S&P 500 is hedged"
    if all(fund.index != "NASDAQ" for fund in funds):
        return "SP500", f"{compared}, but no fund against it has a price: the S&P 500 is hedged"
    return "NASDAQ", f"{compared}: better by at least {percent(margin)}, so the NASDAQ is hedged"


def choose_fund(out: Outlook, funds: Collection[InverseFund], held: InverseFund | None, rules: HedgeRules) -> Choice | None:
    """The least leveraged of `funds` against the outlook's index, or a more leveraged one; None without any.

    Leverage is taken when the milder fund needs more dollars than the sleeve has and the drag of the other is cheap enough.
    """
    offered = [offer(fund, out, rules) for fund in sorted(funds, key=lambda fund: fund.multiple) if fund.index == out.index]
    if not offered:
        return None
    chosen = offered[0]
    for dearer in offered[1:]:
        objection = _objection(chosen, dearer, out, held, rules)
        if objection is None:
            chosen = replace(dearer, reason=_in_favour(chosen, dearer, out))
        else:
            chosen = replace(chosen, reason=f"{chosen.fund.symbol}, not {dearer.fund.symbol}: {objection}")
    return chosen


def offer(fund: InverseFund, out: Outlook, rules: HedgeRules) -> Choice:
    """What hedging with `fund` would take."""
    swing = out.volatility_per_year
    drag = None if swing is None else drag_fraction(fund.leverage, swing, rules.max_hold_sessions)
    needed = needed_usd(out.exposure_usd, out.strength.fraction, fund, drag or 0.0)
    return Choice(fund, drag, needed, f"{fund.symbol} is the least leveraged fund against {INDEX_WORDS[fund.index]}")


def _in_favour(milder: Choice, dearer: Choice, out: Outlook) -> str:
    short = f"{milder.fund.symbol} would take {milder.needed_usd:,.0f} dollars and the sleeve has {out.cap_usd:,.0f}"
    return f"{short}; {dearer.fund.symbol} is expected to lose {percent(dearer.drag_fraction or 0.0)} to its daily reset"


def _objection(milder: Choice, dearer: Choice, out: Outlook, held: InverseFund | None, rules: HedgeRules) -> str | None:
    """Why the more leveraged fund is not taken instead, None when it is."""
    room_usd, cost = out.cap_usd, rules.max_drag_fraction
    if held == milder.fund:
        room_usd *= 1.0 + rules.dead_band_fraction
    if held == dearer.fund:
        room_usd, cost = room_usd * (1.0 - rules.dead_band_fraction), cost * (1.0 + rules.dead_band_fraction)
    if milder.needed_usd <= room_usd:
        return f"the sleeve has room for the {milder.needed_usd:,.0f} dollars that it takes"
    if dearer.drag_fraction is None:
        return "what a daily reset costs is not known without the index's volatility"
    if dearer.drag_fraction > cost:
        return f"the latter is expected to lose {percent(dearer.drag_fraction)} to its daily reset, more than {percent(cost)}"
    return None
