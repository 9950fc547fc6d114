"""How `desk hedge` is told to people: what it would do, the mood, the market, the money at stake, the fund, and its end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from rich.console import RenderableType
from rich.text import Text

from desk.cli.hedge_look import Act, Seen
from desk.cli.look_options import Line, indented, section, sentences, table
from desk.data.calendars import session_dates
from desk.report.wording import dollars, percent, price
from hedging.exposure import Exposure
from hedging.prices import dear_price
from hedging.rules import INDEX_WORDS, HedgeRules, InverseFund
from hedging.sentiment import Mood, in_words
from hedging.sizing import exit_rule

MOOD_WORDS = {
    Mood.BEARISH: "The market is stretched: so many leading names are overbought that a hedge is opened.",
    Mood.CALM: "The mood is calm: no hedge is opened.",
    Mood.UNKNOWN: "The mood is unknown: too few names can be counted, so no hedge is opened and none is ended for it.",
}
ONE_PERCENT = 0.01


def printed(seen: Seen) -> Iterator[RenderableType]:
    if seen.off is not None:
        stays = "is sold at its next iteration" if seen.is_switched_off else "stays until its stop or its target is reached"
        kept = f" The fund that is held {stays}." if seen.plan.held else ""
        yield Text(f"The desk of this run does not hedge: {seen.off}.{kept} What follows is for one that does.", style="yellow")
    yield from section("Now")
    yield from sentences(now_words(seen))
    yield from section("Mood")
    yield from _mood(seen)
    yield from section("Market")
    yield from _indices(seen)
    yield from section("What the stocks stand to lose")
    yield from _exposure(seen.plan.exposure)
    yield from section("Fund")
    yield from sentences(fund_words(seen))
    yield from section("When it ends")
    yield from sentences(end_words(seen))


def now_words(seen: Seen) -> list[str]:
    """What would be done at this moment, and what is held."""
    held = [
        f"Held: {position.shares:,} {position.fund.symbol}, worth {dollars(position.value_usd)}, "
        + (f"since {seen.held_since} ({position.sessions} sessions are over)." if position.shares else "still being bought.")
        for position in seen.plan.held
    ] or ["No hedge is held."]
    if not seen.acts:
        return [*held, f"Nothing would be bought: {seen.plan.reasons[-1].removeprefix('no hedge: ')}."]
    return [*held, *(_act_words(act, seen) for act in seen.acts)]


_DEEDS = {
    "buy": "Would buy {wanted} {symbol} (about {usd})",
    "add": "Would buy {more} {symbol} more, {wanted} instead of {held} (about {usd})",
    "reduce": "Would sell {more} {symbol}, {wanted} instead of {held} (about {usd})",
    "leave": "Would sell all {held} {symbol} (about {usd})",
    "keep": "Would keep its {held} {symbol}",
}


def _act_words(act: Act, seen: Seen) -> str:
    more = abs(act.wanted - act.held)
    worth = more * (dear_price(seen.market, act.fund.symbol) or 0.0)
    deed = _DEEDS[act.kind].format(symbol=act.fund.symbol, held=act.held, wanted=act.wanted, more=more, usd=dollars(worth))
    refusal = "" if act.refusal is None else f" But the desk would not: {act.refusal}."
    return f"{deed}: {act.reason.removeprefix(in_words(seen.plan.sentiment, seen.rules) + ': ')}.{refusal}"


def _mood(seen: Seen) -> Iterator[RenderableType]:
    mood, rules = seen.plan.sentiment, seen.rules
    yield Text(MOOD_WORDS[mood.mood])
    yield Text(
        f"{len(mood.overbought)} of {len(mood.counted)} counted names ({percent(mood.share, digits=0)}) have an RSI of "
        f"{rules.overbought_rsi:g} or above; from {percent(rules.bearish_share, digits=0)} on a hedge is opened, below "
        f"{percent(rules.unwind_share, digits=0)} one that is held ends."
    )
    lines = [
        Line((name, level, "left out") if isinstance(level, str) else (name, f"{level:.1f}", _overbought(level, rules)))
        for name, level in seen.levels.items()
    ]
    yield from table(("name", "RSI", "overbought"), lines, ("name", "overbought"))


def _overbought(level: float, rules: HedgeRules) -> str:
    return "yes" if level >= rules.overbought_rsi else "no"


def _indices(seen: Seen) -> Iterator[RenderableType]:
    rules, exposure = seen.rules, seen.plan.exposure
    lines = []
    for index, out in seen.outlooks.items():
        swing = "unknown" if out.volatility_per_year is None else percent(out.volatility_per_year)
        trend = "unknown" if out.trend is None else out.trend.state.value
        away = "" if out.trend is None else percent(out.trend.distance_fraction, signed=True)
        slope = "" if out.trend is None else percent(out.trend.slope_fraction, signed=True, digits=2)
        name = INDEX_WORDS[index].removeprefix("the ")
        lines.append(Line((name, trend, away, slope, swing, percent(exposure.of(index).r2, digits=0))))
    columns = ("index", "trend", "to its average", "average a session", "volatility a year", "explains")
    yield from table(columns, lines, ("index", "trend"))
    yield indented(
        f"Average: of {rules.average_sessions} sessions. Volatility: of {rules.volatility_sessions} sessions. Explains: how much "
        "of the moves of the stocks held the index explains."
    )


def _exposure(exposure: Exposure) -> Iterator[RenderableType]:
    if not exposure.symbols:
        yield Text("The desk holds no stock: there is nothing to hedge.")
        return
    sp500, nasdaq = exposure.sp500, exposure.nasdaq
    lines = [
        Line(
            (
                name,
                dollars(usd),
                *_beta(usd, sp500.betas[at], sp500.is_estimated[at]),
                *_beta(usd, nasdaq.betas[at], nasdaq.is_estimated[at]),
            )
        )
        for at, (name, usd) in enumerate(zip(exposure.symbols, exposure.values_usd, strict=True))
    ]
    total = ("together", dollars(exposure.long_usd), "", dollars(sp500.exposure_usd), "", dollars(nasdaq.exposure_usd))
    columns = ("name", "value", "beta S&P 500", "moves like", "beta NASDAQ", "moves like ")
    yield from table(columns, [*lines, Line(total, style="bold")], ("name",))
    yield indented("Moves like: so many dollars of the index itself would move as this holding is expected to.")
    if exposure.at_cost:
        yield indented(f"Without a price now, so counted at what was paid: {', '.join(exposure.at_cost)}.")


def _beta(usd: float, beta: float, is_estimated: bool) -> tuple[str, str]:
    return (f"{beta:.2f}" if is_estimated else f"{beta:.2f}?"), dollars(usd * beta)


def fund_words(seen: Seen) -> list[str]:
    """Which fund, how much of it, what that does for the money at stake and what it costs."""
    fund, choice, out = seen.fund, seen.plan.choice, seen.plan.outlook
    if fund is None or choice is None:
        return [f"No fund against {INDEX_WORDS[out.index]} has a price, so nothing could be bought."]
    paid, shares = dear_price(seen.market, fund.symbol), _shares(seen)
    worth = shares * (paid or 0.0)
    priced = "" if paid is None else f": {shares:,} shares at {price(paid)} are {dollars(worth)}"
    index, at_stake = INDEX_WORDS[fund.index], dollars(out.exposure_usd * ONE_PERCENT)
    return [
        *([] if seen.acts else ["None is bought now. This is the one that would be:"]),
        f"{fund.symbol}, which moves {fund.leverage:g} times {index} a day. {_sentence(seen.index_reason)}",
        _sentence(choice.reason),
        f"Size{priced}. Hedged is {out.strength.words} of {dollars(out.exposure_usd)}; the sleeve has room for "
        f"{dollars(out.cap_usd)} ({percent(seen.rules.max_inverse_fraction, digits=0)} of the equity for all inverse funds).",
        f"If {index} falls by 1 %, the stocks are expected to lose about {at_stake}, and {shares:,} {fund.symbol} to win about "
        f"{dollars(worth * fund.multiple * ONE_PERCENT)}. If it rises, it is the other way round.",
        _drag_words(seen, fund, worth),
    ]


def _shares(seen: Seen) -> int:
    """Shares of the fund: those held, else those that would be bought, were the mood bearish."""
    return seen.plan.held[0].committed if seen.plan.held else seen.plan.wanted_shares


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _drag_words(seen: Seen, fund: InverseFund, worth: float) -> str:
    drag, most = seen.plan.choice.drag_fraction if seen.plan.choice else None, seen.rules.max_hold_sessions
    if drag is None:
        return f"What the daily reset of {fund.symbol} costs cannot be told without the volatility of its index."
    return (
        f"Expected drag: {percent(drag, digits=2)} of it, {dollars(drag * worth)}, over {most} sessions at the present "
        "volatility, whichever way the market ends; a hedge is an insurance with a price."
    )


def end_words(seen: Seen) -> list[str]:
    """When a hedge unwinds: the one that is held, or that would be bought now, with dates; else in general."""
    rules, buys = seen.rules, any(act.kind == "buy" and act.refusal is None for act in seen.acts)
    first = seen.held_since or (seen.trade_date if buys else None)
    earliest, latest = (f"{rules.min_hold_sessions} sessions", f"{rules.max_hold_sessions} sessions")
    if first is not None:
        earliest = f"{earliest} (from {session_after(first, rules.min_hold_sessions)} on)"
        latest = f"{latest} ({session_after(seen.episode_since or first, rules.max_hold_sessions)})"
    return [
        f"When the reason ends: less than {percent(rules.unwind_share, digits=0)} of the leading names are overbought, after at "
        f"least {earliest}.",
        f"After {latest} at the latest, and at once when no stock is left that it stands against.",
        _exit_words(seen),
    ]


def _exit_words(seen: Seen) -> str:
    fund = seen.fund
    if fund is None:
        return "At its stop or its target, which rest at the broker."
    found = [
        f"stop {trade.stop_price}, target {trade.target_price}" for trade in seen.book.trades_of(fund.symbol) if trade.shares
    ]
    if found:
        return f"At its exits, which rest at the broker: {'; '.join(found)}."
    rule = exit_rule(fund, seen.rules)
    return (
        f"At its stop, {percent(rule.stop_loss_fraction)} below the entry, or its target, "
        f"{percent(rule.take_profit_fraction)} above, which rest at the broker from the start."
    )


def session_after(first: date, sessions: int) -> date:
    """The session on which so many sessions, that of `first` included, are over."""
    days = session_dates(first, first + timedelta(days=14 + 2 * sessions))
    return days[sessions]
