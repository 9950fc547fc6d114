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
    exposure: Exposure, funds: Collection[InverseFund], held: InverseFund | None, rules: HedgeRules, too_dear: str | None = None
) -> tuple[IndexName, str]:
    """The index to hedge against and why: the S&P 500, unless the NASDAQ is clearly better and one of `funds` follows it.

    `too_dear` are the words of `costs_too_much` on the NASDAQ's funds, None when one of them is cheap enough to hold.
    """
    sp500, nasdaq = exposure.sp500.r2, exposure.nasdaq.r2
    margin = 0.0 if held is not None and held.index == "NASDAQ" else rules.nasdaq_margin_r2
    compared = f"the NASDAQ explains {percent(nasdaq)} of the names' moves, the S&P 500 {percent(sp500)}"
    if not (nasdaq > sp500 and nasdaq - sp500 >= margin):
        return "SP500", f"{compared}: not better by {percent(margin)}, so the S&P 500 is hedged"
    if all(fund.index != "NASDAQ" for fund in funds):
        return "SP500", f"{compared}, but no fund against it has a price: the S&P 500 is hedged"
    if too_dear is not None:
        return "SP500", f"{compared}, but {too_dear}: the S&P 500 is hedged"
    return "NASDAQ", f"{compared}: better by at least {percent(margin)}, so the NASDAQ is hedged"


def choose_fund(out: Outlook, funds: Collection[InverseFund], held: InverseFund | None, rules: HedgeRules) -> Choice | None:
    """The least leveraged of `funds` against the outlook's index, or a more leveraged one; None without a cheap enough one.

    Leverage is taken when the milder fund needs more dollars than the sleeve has and the drag of the other is cheap enough.
    """
    offered = _offered(out, funds, rules)
    if not offered or _drag_objection(offered[0], offered[0].fund.symbol, held, rules) is not None:
        return None
    chosen = offered[0]
    for dearer in offered[1:]:
        objection = _objection(chosen, dearer, out, held, rules)
        if objection is None:
            chosen = replace(dearer, reason=_in_favour(chosen, dearer, out))
        else:
            chosen = replace(chosen, reason=f"{chosen.fund.symbol}, not {dearer.fund.symbol}: {objection}")
    return chosen


def costs_too_much(out: Outlook, funds: Collection[InverseFund], held: InverseFund | None, rules: HedgeRules) -> str | None:
    """Why even the least leveraged of `funds` against the outlook's index is too dear to hold; None when it is not."""
    offered = _offered(out, funds, rules)
    return _drag_objection(offered[0], offered[0].fund.symbol, held, rules) if offered else None


def _offered(out: Outlook, funds: Collection[InverseFund], rules: HedgeRules) -> list[Choice]:
    """The funds against the outlook's index, the least leveraged first: drag grows with leverage."""
    return [offer(fund, out, rules) for fund in sorted(funds, key=lambda fund: fund.multiple) if fund.index == out.index]


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
    room_usd = out.cap_usd
    if held == milder.fund:
        room_usd *= 1.0 + rules.dead_band_fraction
    if held == dearer.fund:
        room_usd *= 1.0 - rules.dead_band_fraction
    if milder.needed_usd <= room_usd:
        return f"the sleeve has room for the {milder.needed_usd:,.0f} dollars that it takes"
    return _drag_objection(dearer, "the latter", held, rules)


def _drag_objection(choice: Choice, named: str, held: InverseFund | None, rules: HedgeRules) -> str | None:
    """Why a fund's daily reset costs too much; a -1x fund always may be held."""
    if choice.fund.multiple <= 1.0:
        return None
    if choice.drag_fraction is None:
        return f"what the daily reset of {named} costs is not known without the index's volatility"
    most = rules.max_drag_fraction * (1.0 + rules.dead_band_fraction if held == choice.fund else 1.0)
    if choice.drag_fraction <= most:
        return None
    return f"{named} is expected to lose {percent(choice.drag_fraction)} to its daily reset, more than {percent(most)}"
