"""The hedge sleeve's one decision: from market and book to targets for the inverse funds, each with its reasons.

A plain rule: a BEARISH mood opens a hedge of a stock portfolio, and only it buys. The hedge ends when the mood has turned by
a margin (after a minimum hold), when an episode of it has lasted for so many sessions, or at once when there is nothing left to
hedge. After its stop or its longest hold it rests until the mood has turned. What is held, what was, and since when is read from
the book, so the same market, book, equity and rules give the same plan.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from desk.domain.decisions import Shares, Target
from desk.domain.market import Market
from desk.domain.trades import Book
from hedging.choice import Choice, choose_fund, choose_index, costs_too_much, offer
from hedging.episodes import last_ending, sessions_since
from hedging.exposure import Exposure, exposure
from hedging.outlook import Outlook, confirms, outlook
from hedging.prices import dear_price
from hedging.returns import IndexReturns, index_returns
from hedging.rules import INDEX_WORDS, HedgeRules, IndexName, InverseFund
from hedging.sentiment import Mood, Sentiment, has_ended, in_words, sentiment, was_calm_since
from hedging.sizing import bounds, cap_usd, exit_rule, percent, resized, whole_shares
from hedging.sleeve import Adopted, Position, adopted, buyable, positions


@dataclass(frozen=True, slots=True)
class HedgePlan:
    """Targets for inverse funds (none: the sleeve is empty and stays so), the reasons for people, and the figures.

    `outlook` and `choice` are those of the fund that is held, else of the one that the rules prefer (None: none has a price).
    `wanted_shares` is what the rules would hold of it without dead band and without asking for the mood.
    """

    targets: tuple[Target, ...]
    reasons: tuple[str, ...]
    sentiment: Sentiment
    exposure: Exposure
    held: tuple[Position, ...]
    outlook: Outlook
    choice: Choice | None
    wanted_shares: int


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """What every rule looks at."""

    market: Market
    book: Book
    equity_usd: float
    rules: HedgeRules
    mood: Sentiment
    indices: IndexReturns
    exposure: Exposure
    held: tuple[Position, ...]
    adopted: Mapping[str, Adopted]

    def outlook(self, index: IndexName) -> Outlook:
        # One fund at a time: the largest has the room that the others and a person's own leave, and an empty sleeve all of that.
        others = sum(position.value_usd for position in self.held[1:]) + sum(one.value_usd for one in self.adopted.values())
        cap = cap_usd(self.equity_usd, others, self.rules) if math.isfinite(self.equity_usd) else 0.0
        return outlook(index, self.exposure, self.indices, self.mood, cap, self.rules)


@dataclass(frozen=True, slots=True)
class _Idea:
    """A fund that could be held, with the outlook on its index and the shares of it that would be wanted."""

    out: Outlook
    choice: Choice | None
    shares: int
    index_reason: str = ""


def hedge(market: Market, book: Book, equity_usd: float, rules: HedgeRules) -> HedgePlan:
    """The sleeve's targets in whole shares. `equity_usd` is the whole portfolio's; one that is not finite buys nothing."""
    indices = index_returns(market, rules)
    stocks = exposure(market, book, indices, rules)
    held, theirs = positions(book, market, rules), adopted(book, market, rules)
    scene = _Scene(market, book, equity_usd, rules, sentiment(market, rules), indices, stocks, held, theirs)
    if scene.held:
        idea = _keeping(scene, scene.held[0])
        targets, said = _with_hedge(scene, idea)
    else:
        idea = _preferred(scene, None)
        targets, said = _without_hedge(scene, idea)
    reasons = (in_words(scene.mood, rules), *_doubts(scene), *said)
    return HedgePlan(targets, reasons, scene.mood, stocks, scene.held, idea.out, idea.choice, idea.shares)


Decision = tuple[tuple[Target, ...], tuple[str, ...]]


# ---- which fund, and how much of it ------------------------------------------------------------------------------------


def _preferred(scene: _Scene, held: InverseFund | None) -> _Idea:
    """The fund that the rules would have now; `held` is the one that it would replace."""
    priced = buyable(scene.market, scene.rules, scene.adopted, held)
    too_dear = costs_too_much(scene.outlook("NASDAQ"), priced, held, scene.rules)
    index, why = choose_index(scene.exposure, priced, held, scene.rules, too_dear)
    out = scene.outlook(index)
    choice = choose_fund(out, priced, held, scene.rules)
    return _Idea(out, choice, 0 if choice is None else _wanted(scene, out, choice), why)


def _keeping(scene: _Scene, position: Position) -> _Idea:
    out = scene.outlook(position.fund.index)
    choice = offer(position.fund, out, scene.rules)
    return _Idea(out, choice, _wanted(scene, out, choice))


def _wanted(scene: _Scene, out: Outlook, choice: Choice) -> int:
    price = dear_price(scene.market, choice.fund.symbol)
    return 0 if price is None else whole_shares(choice.needed_usd, out.cap_usd, price, scene.rules)


# ---- an empty sleeve ---------------------------------------------------------------------------------------------------


def _without_hedge(scene: _Scene, idea: _Idea) -> Decision:
    refusal = _first(OPENING, scene, idea)
    if refusal is not None or idea.choice is None:
        return (), (f"no hedge: {refusal}",)
    target = _target(scene, idea.choice.fund, idea.shares, _hedging(idea, idea.choice, idea.shares))
    return (target,), (idea.index_reason, idea.choice.reason, target.reason)


def _switched_off(scene: _Scene, _: _Idea) -> str | None:
    return None if scene.rules.is_on else "hedging is switched off"


def _not_bearish(scene: _Scene, _: _Idea) -> str | None:
    if scene.mood.mood is Mood.BEARISH:
        return None
    return f"only a share of {percent(scene.rules.bearish_share)} overbought names or more opens one"


def _nothing_to_hedge(scene: _Scene, idea: _Idea) -> str | None:
    return None if scene.exposure.long_usd > 0 and idea.out.exposure_usd > 0 else "the book has nothing to hedge"


def _equity_unknown(scene: _Scene, _: _Idea) -> str | None:
    return None if math.isfinite(scene.equity_usd) else "the portfolio's equity is not known"


def _unconfirmed(scene: _Scene, idea: _Idea) -> str | None:
    if not scene.rules.confirm_trend or confirms(idea.out.trend, scene.rules):
        return None
    extended = f"{percent(scene.rules.extended_fraction)} above its average of {scene.rules.average_sessions} sessions"
    return f"{INDEX_WORDS[idea.out.index]} does not fall, and it is not {extended}, as far as its history tells"


def _no_fund(scene: _Scene, idea: _Idea) -> str | None:
    if idea.choice is not None:
        return None
    too_dear = costs_too_much(idea.out, buyable(scene.market, scene.rules, scene.adopted), None, scene.rules)
    own = ", ".join(f"{symbol} is a person's own" for symbol in scene.adopted)
    return too_dear or f"no fund against {INDEX_WORDS[idea.out.index]} has a price{f' ({own})' if own else ''}"


def _at_rest(scene: _Scene, _: _Idea) -> str | None:
    # The market went on against the hedge: what asked for it then is no reason to take the same risk again.
    ending = last_ending(scene.book, scene.market, scene.rules)
    if ending is None:
        return None
    rest = scene.rules.min_hold_sessions
    if sessions_since(ending.on, scene.market, scene.rules) < rest:
        return f"{ending.words}, and nothing is bought for {rest} sessions"
    if was_calm_since(ending.on, scene.market, scene.rules):
        return None
    return f"{ending.words}, and nothing is bought before the mood has been calm at a close"


def _left_today(scene: _Scene, _: _Idea) -> str | None:
    # A hedge that ran into its stop or its longest hold would else come back within the hour under another name.
    left = [fund.symbol for fund in scene.rules.inverse_etfs if scene.book.last_exit.get(fund.symbol) == scene.market.session]
    return f"{', '.join(left)} was left today, and nothing is opened before the next session" if left else None


def _too_small(scene: _Scene, idea: _Idea) -> str | None:
    least = f"a share or {scene.rules.min_notional_usd:,.0f} dollars"
    return None if idea.shares > 0 else f"what is wanted, or has room in the sleeve, is less than {least}"


Rule = Callable[[_Scene, _Idea], str | None]

# What forbids to buy at all, and what forbids to open.
BUYING: tuple[Rule, ...] = (_switched_off, _not_bearish, _nothing_to_hedge, _equity_unknown, _unconfirmed, _at_rest)
OPENING: tuple[Rule, ...] = (*BUYING, _left_today, _no_fund, _too_small)


# ---- a hedge that is held ----------------------------------------------------------------------------------------------


def _with_hedge(scene: _Scene, idea: _Idea) -> Decision:
    main, *others = scene.held
    end = _first(ENDING, scene, idea) or _change(scene, main) or _asked_to_leave(main)
    if end is not None:
        leaving = tuple(_target(scene, position.fund, 0, f"{end}: leaving {position.fund.symbol}") for position in scene.held)
        return leaving, tuple(target.reason for target in leaving)
    kept = _resized(scene, idea, main)
    one_fund = tuple(
        _target(scene, p.fund, 0, f"one fund at a time, and {main.fund.symbol} is larger: leaving it") for p in others
    )
    return (kept, *one_fund), tuple(target.reason for target in (kept, *one_fund))


def _nothing_left(scene: _Scene, _: _Idea) -> str | None:
    return None if scene.exposure.symbols else "the book holds nothing any more that a hedge stands against"


def _held_long_enough(scene: _Scene, _: _Idea) -> str | None:
    most, main = scene.rules.max_hold_sessions, scene.held[0]
    return f"held for as many sessions as allowed, {most}" if main.episode_sessions >= most else None


def _reason_ended(scene: _Scene, _: _Idea) -> str | None:
    if _is_in_minimum_hold(scene) or not has_ended(scene.mood, scene.rules):
        return None
    share = percent(scene.mood.share)
    return f"the reason has ended: {share} of the leading names are overbought, below {percent(scene.rules.unwind_share)}"


ENDING: tuple[Rule, ...] = (_switched_off, _nothing_left, _held_long_enough, _reason_ended)


def _is_in_minimum_hold(scene: _Scene) -> bool:
    """An entry that has not filled is not held yet: it may be called off at any time."""
    main = scene.held[0]
    return main.shares > 0 and main.sessions < scene.rules.min_hold_sessions


def _change(scene: _Scene, main: Position) -> str | None:
    """Why the fund has to make room for another, which is opened once this one is gone."""
    if _is_in_minimum_hold(scene) or _is_nearly_over(scene):
        return None
    idea = _preferred(scene, main.fund)
    if idea.choice is None or idea.choice.fund == main.fund or _first(OPENING, scene, idea):
        return None
    return f"{idea.choice.fund.symbol} fits better ({idea.index_reason}; {idea.choice.reason})"


def _is_nearly_over(scene: _Scene) -> bool:
    """Another fund goes on with the episode, one session later: it is not bought for less than the minimum hold."""
    rules, main = scene.rules, scene.held[0]
    return main.shares > 0 and main.episode_sessions + 1 + rules.min_hold_sessions > rules.max_hold_sessions


def _asked_to_leave(main: Position) -> str | None:
    return "its exit was asked for and has not filled yet" if main.is_leaving else None


def _resized(scene: _Scene, idea: _Idea, main: Position) -> Target:
    obstacle = _obstacle(scene, idea, main)
    # What has not filled is bought only while everything still asks for it.
    held, price = main.committed if obstacle is None else main.staying, main.price_usd
    if not held:
        return _target(scene, main.fund, 0, f"{obstacle}: calling off {main.fund.symbol}")
    if price is None or not math.isfinite(scene.equity_usd):
        unknown = "its price" if price is None else "the portfolio's equity"
        return _target(scene, main.fund, held, f"{unknown} is not known: keeping {held} {main.fund.symbol}")
    needed = 0.0 if idea.choice is None else idea.choice.needed_usd
    limits = bounds(needed, idea.out.cap_usd, scene.rules.cap_band_fraction * scene.equity_usd, price, scene.rules)
    count = resized(held, price, limits, scene.rules)
    count = count if obstacle is None else min(count, held)
    if not count:
        why = _nothing_to_hedge(scene, idea) or _too_small(scene, idea)
        return _target(scene, main.fund, 0, f"{why}: leaving {main.fund.symbol}")
    if count != held and idea.choice is not None:
        return _target(scene, main.fund, count, f"{_hedging(idea, idea.choice, count)} (instead of {held})")
    return _target(scene, main.fund, held, f"keeping {held} {main.fund.symbol}: {_why_kept(scene, obstacle)}")


def _obstacle(scene: _Scene, idea: _Idea, main: Position) -> str | None:
    """Why nothing more of the fund is bought."""
    if len(scene.held) > 1:
        return "another fund has to go first"
    if main.staying < main.shares:
        return f"{main.shares - main.staying} shares of it are being sold"
    return _first(BUYING, scene, idea)


def _why_kept(scene: _Scene, obstacle: str | None) -> str:
    if obstacle is None:
        return f"the rules want no more than {percent(scene.rules.dead_band_fraction)} more or less"
    if scene.mood.mood is Mood.BEARISH:
        return obstacle
    if _is_in_minimum_hold(scene):
        return f"session {scene.held[0].sessions + 1} of at least {scene.rules.min_hold_sessions}"
    if scene.mood.mood is Mood.UNKNOWN:
        return "an unknown mood does not end the reason"
    return f"the share of overbought names is not below {percent(scene.rules.unwind_share)} yet"


# ---- words -------------------------------------------------------------------------------------------------------------


def _first(rules: tuple[Rule, ...], scene: _Scene, idea: _Idea) -> str | None:
    return next((words for rule in rules if (words := rule(scene, idea)) is not None), None)


def _target(scene: _Scene, fund: InverseFund, count: int, reason: str) -> Target:
    # A target is for all shares of a symbol; those of a person stay.
    theirs = scene.adopted[fund.symbol].shares if fund.symbol in scene.adopted else 0
    words = f"{in_words(scene.mood, scene.rules)}: {reason}"
    return Target(fund.symbol, Shares(count + theirs), exit_rule(fund, scene.rules), words)


def _hedging(idea: _Idea, choice: Choice, count: int) -> str:
    exposed = f"{idea.out.exposure_usd:,.0f} dollars of beta-weighted exposure to {INDEX_WORDS[idea.out.index]}"
    words = f"hedging {idea.out.strength.words} of {exposed} with {count} {choice.fund.symbol}"
    if choice.needed_usd <= idea.out.cap_usd:
        return words
    return f"{words}, as far as the sleeve's {idea.out.cap_usd:,.0f} dollars go"


def _doubts(scene: _Scene) -> tuple[str, ...]:
    """What the figures rest on less firmly than they look."""
    stocks = scene.exposure
    guessed = [symbol for symbol, known in zip(stocks.symbols, stocks.sp500.is_estimated, strict=True) if not known]
    found = (
        (scene.mood.left_out, "left out of the mood: " + "; ".join(f"{symbol} ({why})" for symbol, why in scene.mood.left_out)),
        (
            guessed,
            f"fewer than {scene.rules.min_beta_sessions} sessions in common with the S&P 500, so beta 1: {', '.join(guessed)}",
        ),
        (scene.adopted, f"bought by hand, so no part of the hedge: {', '.join(scene.adopted)}"),
        (stocks.at_cost, f"without a price, so at what was paid: {', '.join(stocks.at_cost)}"),
    )
    return tuple(words for names, words in found if names)
