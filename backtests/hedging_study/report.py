"""The study as tables for people, at 100 columns. No figure of a fund stands without the word that it is derived."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from desk.report.terminal import print_within
from desk.report.wording import NO_PROMISE, count, dollars, percent
from desk.settings.behaviour import Behaviour
from hedging.sentiment import Mood
from hedging_study.constructed import LABEL, Moment
from hedging_study.figures import BookFigures
from hedging_study.random_days import MIDDLE, NullTest, Placed
from hedging_study.sleeve import Hedge
from hedging_study.walks import WalkTest

DERIVED = "derived: SH, SPXS and SQQQ are index returns times their leverage here, not prices of the real funds"
RULE = f"{percent(Behaviour().bearish_share, digits=0)} with an RSI of {Behaviour().overbought_rsi:g} or more"
SIGNIFICANT_T = 2.0


@dataclass(frozen=True)
class Study:
    """Everything that is told. `null` is None when the rule opened nothing."""

    period: str
    source: str
    notes: tuple[str, ...]
    books: tuple[BookFigures, ...]
    null: NullTest | None
    walks: WalkTest
    example: tuple[Moment, ...]


def say(console: Console, study: Study) -> None:
    """Print all of it."""
    print_within(console, Text(f"The hedge, {study.period}; {study.source}"))
    for title, table in tables(study):
        console.print()
        print_within(console, Text(title, style="bold"))
        print_within(console, table)
    console.print()
    for note in (*study.notes, NO_PROMISE):
        print_within(console, Text(note, style="italic"))


def tables(study: Study) -> Iterator[tuple[str, Table]]:
    yield f"Two books, each with and without the hedge, after modelled costs ({DERIVED})", books(study.books)
    for each in study.books:
        if each.hedges:
            yield f"Every hedge of the book {each.book} ({DERIVED})", each_hedge(each.hedges)
            yield "Why", reasons(each.hedges)
    if study.null is not None:
        yield _null_title(study.null), null(study.null)
    yield _walk_title(study.walks), walks(study.walks)
    yield f"The mechanics: {LABEL}. Prices, names and funds are made up", example(study.example)


def _table(*heads: str, left: int = 1) -> Table:
    """Columns, the first `left` of them to the left and to be folded."""
    found = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for place, head in enumerate(heads):
        found.add_column(head, justify="left" if place < left else "right", overflow="fold", no_wrap=place >= left)
    return found


# ---- the books -----------------------------------------------------------------------------------------------------------

Cell = Callable[[BookFigures], str]
ROWS: tuple[tuple[str, Cell], ...] = (
    ("total return", lambda f: percent(f.total_return_fraction, signed=True)),
    ("deepest drawdown", lambda f: percent(f.max_drawdown_fraction)),
    ("worst session", lambda f: f"{percent(f.worst_session_fraction, signed=True)}"),
    ("  on", lambda f: f.worst_session),
    ("fees and slippage of the book", lambda f: dollars(f.costs_usd)),
    ("average share invested", lambda f: percent(f.average_invested_fraction)),
)
SLEEVE_ROWS: tuple[tuple[str, Cell], ...] = (
    ("sleeve's own profit or loss", lambda f: dollars(f.sleeve_pnl_usd, signed=True)),
    ("  its fees and slippage", lambda f: dollars(f.sleeve_costs_usd)),
    ("the rest of the book: return", lambda f: percent(f.rest_return_fraction, signed=True)),
    ("  and deepest drawdown", lambda f: percent(f.rest_drawdown_fraction)),
    ("average hedge, of the equity", lambda f: percent(f.average_hedge_fraction, digits=2)),
    ("  while one was held", lambda f: percent(f.average_held_fraction)),
    ("  index it stood against", lambda f: percent(f.average_index_fraction, digits=2)),
    ("openings at which the rule fired", lambda f: f"{f.firings.fired} of {f.firings.sessions}"),
    ("  a hedge held at that close", lambda f: f"{f.firings.hedged}"),
    ("  no stock held to hedge", lambda f: f"{f.firings.nothing_to_hedge}"),
    ("hedges opened", lambda f: f"{len(f.hedges)}"),
    ("sessions with a hedge", lambda f: f"{f.sessions_held}"),
    ("buying orders of the sleeve", lambda f: f"{f.workings.entries}"),
    ("  of them when it did not fire", lambda f: f"{f.workings.bought_unasked}"),
    ("filled later than decided", lambda f: f"{f.workings.late_entries}"),
    ("left later than asked for", lambda f: f"{f.workings.late_exits}"),
    ("changes of size that it wanted", lambda f: f"{f.workings.resized}"),
)


def books(found: Sequence[BookFigures]) -> Table:
    heads = (f"{each.book}, {'hedged' if each.hedging else 'alone'}" for each in found)
    shown = _table("", *heads)
    for label, cell in ROWS:
        shown.add_row(label, *(cell(each) for each in found))
    for label, cell in SLEEVE_ROWS:
        shown.add_row(label, *(cell(each) if each.hedging else "" for each in found))
    shown.add_row("openings with a refusal", *("" for _ in found))
    for key in sorted({key for each in found for key in each.workings.refusals}):
        symbol, reason = key
        shown.add_row(f"  {named(symbol)} {reason}", *(f"{each.workings.refusals.get(key, 0):,}" for each in found))
    shown.caption = (
        "The rule fires when, of the leading names that are listed, the share with an overbought RSI at the last close is large "
        f"enough ({RULE}); every opening counts once. The rest of the book: its equity without what the sleeve earned."
    )
    shown.caption_justify = "left"
    return shown


def named(symbol: str) -> str:
    return symbol if symbol == "stocks" else f"{symbol} (derived)"


# ---- the hedges ----------------------------------------------------------------------------------------------------------


def each_hedge(found: Sequence[Hedge]) -> Table:
    shown = _table("fund (derived)", "bought", "sold", "held", "of equity", "result", "at opens", "costs", "decay", "as it came")
    for hedge in found:
        shown.add_row(
            hedge.fund.symbol,
            f"{hedge.entered}",
            f"{hedge.left:%m-%d}" if hedge.left else "open",
            f"{hedge.sessions}",
            percent(hedge.weight),
            f"{hedge.pnl_usd:+,.0f}",
            "" if hedge.at_openings_usd is None else f"{hedge.at_openings_usd:+,.0f}",
            f"{hedge.costs_usd:,.0f}",
            *(_mean([decay]) for decay in (hedge.expected_decay, hedge.realised_decay)),
        )
    at_openings = sum(hedge.at_openings_usd or 0.0 for hedge in found)
    total, costs = sum(hedge.pnl_usd for hedge in found), sum(hedge.costs_usd for hedge in found)
    held = sum(hedge.sessions for hedge in found)
    decays = (_mean([hedge.expected_decay for hedge in found]), _mean([hedge.realised_decay for hedge in found]))
    shown.add_row("all", "", "", f"{held}", "", f"{total:+,.0f}", f"{at_openings:+,.0f}", f"{costs:,.0f}", *decays)
    shown.caption = (
        "Held: closes it was held at. Result: dollars after costs; at opens: had both orders been filled at the openings of the "
        "sessions that decided them. Decay: what the daily reset was expected to cost of the fund's money over the sessions "
        "held, at the volatility of the day that decided, and as it came; for all, the mean."
    )
    shown.caption_justify = "left"
    return shown


def _mean(fractions: Sequence[float | None]) -> str:
    known = [fraction for fraction in fractions if fraction is not None]
    return percent(sum(known) / len(known), digits=2) if known else ""


def reasons(found: Sequence[Hedge]) -> Table:
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    shown.add_column(no_wrap=True)
    shown.add_column(overflow="fold")
    for hedge in found:
        for place, text in enumerate(_why(hedge)):
            shown.add_row(f"{hedge.decided} {named(hedge.fund.symbol)}" if place == 0 else "", text)
    return shown


def _why(hedge: Hedge) -> Iterator[str]:
    yield hedge.why_opened
    yield f"{hedge.why_index}; {hedge.why_fund}"
    if hedge.mood_at_entry is not Mood.BEARISH:
        seen = f"{percent(hedge.share_at_entry, digits=0)} overbought, {hedge.mood_at_entry.value}"
        yield f"bought on {hedge.entered} although the mood did not ask for it any more: {seen}"
    yield _left(hedge)


def _left(hedge: Hedge) -> str:
    if hedge.asked is None:
        return "still held at the end" if hedge.left is None else f"left by its {hedge.exit_kind}"
    return f"asked to leave on {hedge.asked}: {hedge.why_left}"


# ---- the null tests ------------------------------------------------------------------------------------------------------


def _null_title(found: NullTest) -> str:
    return (
        f"The null test on history: the same {count(len(found.checked), 'hedge')} on days drawn at random, "
        f"{found.draws:,} times, seed {found.seed} ({DERIVED})"
    )


def null(found: NullTest) -> Table:
    shown = _table("", "the rule's days", f"{MIDDLE[0]:g} %", "median", f"{MIDDLE[1]:g} %", "lower", "verdict")
    figures: tuple[tuple[str, Placed, Callable[[float], str]], ...] = (
        ("sleeve, dollars", found.sleeve_usd, lambda value: f"{value:+,.0f}"),
        ("book's total return", found.total_return_fraction, lambda value: percent(value, signed=True)),
        ("book's deepest drawdown", found.drawdown_fraction, percent),
        ("book's worst session", found.worst_session_fraction, lambda value: percent(value, signed=True, digits=2)),
    )
    for label, placed, words in figures:
        values = (words(value) for value in (placed.real, placed.low, placed.median, placed.high))
        shown.add_row(label, *values, f"{placed.percentile:.0f} %", verdict(placed))
    apart = [abs(ours - theirs) for ours, theirs in found.checked]
    shown.caption = (
        "Same funds, shares of the equity and lengths, same fills and costs, beside the unhedged book (its own deepest drawdown: "
        f"{percent(found.unhedged_drawdown_fraction)}). Lower: random draws whose figure is below that of the rule's days. The "
        f"arrays that played the draws agree with the backtester to the cent on {sum(usd < 0.01 for usd in apart)} of "
        f"{count(len(apart), 'real hedge')}; the furthest apart are {dollars(max(apart))}."
    )
    shown.caption_justify = "left"
    return shown


def verdict(placed: Placed) -> str:
    return "as on random days" if placed.is_ordinary else "rare; no proof"


def _walk_title(found: WalkTest) -> str:
    return (
        f"The null test on {found.walks:,} driftless random walks of {found.sessions} sessions, no costs (made-up prices, a fund "
        "derived from them)"
    )


def walks(found: WalkTest) -> Table:
    shown = _table("", "fired", "hedges", "bps a hedge", "std error", "t", "verdict")
    values = (f"{found.mean_bps:+.2f}", f"{found.standard_error_bps:.2f}", f"{found.t_value:.1f}")
    words = "not distinguishable from zero"
    if abs(found.t_value) >= SIGNIFICANT_T:
        words = "earns" if found.t_value > 0 else "loses"
    shown.add_row("the rule, in arrays", f"{found.fired:,}", f"{found.hedges:,}", *values, words)
    shown.caption = (
        "Of the money in the fund, -3x the walks' index. Bought and sold in the same sessions by the desk's own backtest on the "
        f"first {count(found.desk_walks, 'walk')}: {found.same_hedges} of {count(found.desk_hedges, 'hedge')}."
    )
    shown.caption_justify = "left"
    return shown


# ---- the example ---------------------------------------------------------------------------------------------------------


def example(found: Sequence[Moment]) -> Table:
    shown = _table(
        "session", "what the rule says at the opening", "over", "index", "fund", "shares", "sleeve", "alone", "hedged", left=2
    )
    for moment in found:
        shown.add_row(
            f"{moment.session:%m-%d}",
            f"{moment.mood}; {moment.said}",
            f"{moment.overbought}/{moment.counted}",
            percent(moment.index_fraction, signed=True),
            percent(moment.fund_fraction, signed=True) if moment.fund else "",
            f"{moment.shares}",
            f"{moment.sleeve_usd:+,.0f}",
            f"{moment.unhedged_usd:+,.0f}",
            f"{moment.hedged_usd:+,.0f}",
        )
    shown.caption = (
        "Over: overbought names of those counted, by the close before. Index, fund and shares: of the session and at its close. "
        "Sleeve, alone, hedged: dollars since the start, after costs, of the sleeve and of the book without and with it."
    )
    shown.caption_justify = "left"
    return shown
