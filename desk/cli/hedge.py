"""`desk hedge`: what the hedge would do now and why: mood, market, what the book stands to lose, the fund, and when it ends."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from desk.cli.hedge_look import Seen, see
from desk.cli.hedge_page import end_words, printed
from desk.cli.journal import RunOption
from desk.cli.look_options import JsonOption, as_seen, folder_of, heading, looking, sentences, settings_of, show
from desk.cli.tables import print_json
from desk.runtime.look import Look
from hedging.exposure import Exposure
from hedging.outlook import Outlook
from hedging.prices import dear_price
from hedging.rules import HedgeRules, IndexName, InverseFund


def hedge(run: RunOption = None, as_json: JsonOption = False) -> None:
    """Show what the hedge would do now and why, and when it ends. Nothing is sent. Works while the desk trades at Alpaca."""
    folder = folder_of(run, "desk hedge")
    with looking(folder, settings_of(folder)) as look:
        seen = see(look)
        if as_json:
            print_json(as_object(seen, look))
        else:
            show([*sentences(heading(look)), *printed(seen)])


# ---- for programs ------------------------------------------------------------------------------------------------------------


def as_object(seen: Seen, look: Look) -> dict[str, Any]:
    """The same as JSON: fractions of one, money in dollars, null for what is not known."""
    plan, fund = seen.plan, seen.fund
    return as_seen(look) | {
        "is_hedging": seen.off is None,
        "why_not": seen.off,
        "mood": plan.sentiment.mood.value,
        "overbought_share": plan.sentiment.share,
        "names": [_name_object(name, level, seen.rules) for name, level in seen.levels.items()],
        "indices": {index: _index_object(out, plan.exposure, index) for index, out in seen.outlooks.items()},
        "exposure": [
            {
                "symbol": name,
                "value_usd": usd,
                "beta_sp500": plan.exposure.sp500.betas[at],
                "beta_nasdaq": plan.exposure.nasdaq.betas[at],
                "is_estimated": plan.exposure.sp500.is_estimated[at],
            }
            for at, (name, usd) in enumerate(zip(plan.exposure.symbols, plan.exposure.values_usd, strict=True))
        ],
        "fund": None if fund is None else _fund_object(seen, fund),
        "held": [
            {"symbol": each.fund.symbol, "shares": each.shares, "value_usd": each.value_usd, "sessions": each.sessions}
            for each in plan.held
        ],
        "held_since": None if seen.held_since is None else seen.held_since.isoformat(),
        "acts": [asdict(act) | {"fund": act.fund.symbol} for act in seen.acts],
        "reasons": list(plan.reasons),
        "ends": end_words(seen),
    }


def _name_object(name: str, level: float | str, rules: HedgeRules) -> dict[str, Any]:
    is_out = isinstance(level, str)
    return {
        "symbol": name,
        "rsi": None if is_out else level,
        "is_overbought": None if isinstance(level, str) else level >= rules.overbought_rsi,
        "left_out": level if is_out else None,
    }


def _index_object(out: Outlook, exposure: Exposure, index: IndexName) -> dict[str, Any]:
    return {
        "trend": None if out.trend is None else asdict(out.trend),
        "volatility_per_year": out.volatility_per_year,
        "exposure_usd": out.exposure_usd,
        "r2": exposure.of(index).r2,
    }


def _fund_object(seen: Seen, fund: InverseFund) -> dict[str, Any]:
    choice = seen.plan.choice
    return {
        "symbol": fund.symbol,
        "leverage": fund.leverage,
        "index": fund.index,
        "price": dear_price(seen.market, fund.symbol),
        "wanted_shares": seen.plan.wanted_shares,
        "needed_usd": None if choice is None else choice.needed_usd,
        "room_usd": seen.plan.outlook.cap_usd,
        "drag_fraction": None if choice is None else choice.drag_fraction,
        "why": None if choice is None else choice.reason,
    }
