"""Puts together what opens option spreads and what looks after them, from settings and a broker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from desk.brokers.alpaca import DeskAlpaca
from desk.brokers.alpaca_option_activities import AlpacaOptionActivities
from desk.brokers.alpaca_options import option_feed
from desk.brokers.endpoint import Endpoint
from desk.core.ports import Clock
from desk.core.spread_entry import SpreadPolicy
from desk.domain.spreads import Manner, SpreadRules
from desk.runtime.desk import Desk
from desk.runtime.guardian import Hours
from desk.runtime.spread_keeper import Pace, SpreadKeeper
from desk.runtime.spread_opener import SpreadArm, SpreadOpener, Standing
from desk.settings.spreads import SpreadSettings
from options.expirations import ExpiryWindow
from options.gates import EntryLimits
from options.legs import SpreadChoice
from options.liquidity import LiquidityLimits
from options.money import exact
from options.roll import RollChoice
from options.strikes import AtDelta, AtDistance, AtWidth, Snap, StrikeChoice

Show = Callable[[str], None]
# Indices have contracts of standard terms under another name: those that settle at the close.
WEEKLY_ROOTS = frozenset({"SPXW", "NDXP", "RUTW"})


@dataclass(frozen=True)
class SpreadTeam:
    """What opens spreads, and what looks after them until they are gone."""

    opener: SpreadOpener
    keeper: SpreadKeeper

    @property
    def arm(self) -> SpreadArm:
        """What an iteration uses: opens, and has the first order go out at once."""
        return SpreadArm(self.opener, self.keeper.look, self.keeper.part)


def team_at(
    broker: DeskAlpaca,
    endpoint: Endpoint,
    desk: Desk,
    clock: Clock,
    hours: Hours,
    pace: Pace,
    settings: SpreadSettings,
    show: Show,
) -> SpreadTeam:
    """The team of one account at Alpaca, or at the built-in exchange."""
    policy = policy_of(settings)
    interest = broker.api if settings.min_open_interest else None
    opener = SpreadOpener(desk, option_feed(endpoint, clock, contracts=interest), lambda: standing_of(broker.api), hours, policy)
    # Its own feed: live it works in the guardian's thread.
    feed = option_feed(endpoint, clock, contracts=interest)
    keeper = SpreadKeeper(desk, feed, AlpacaOptionActivities(broker.api), hours, pace, policy, show, broker.resync)
    return SpreadTeam(opener, keeper)


def standing_of(api: Any) -> Standing:
    """The account's option level and what spreads may take of it; one request."""
    account = api.get_account()
    return Standing(int(account.options_trading_level or 0), Decimal(str(account.options_buying_power or 0)))


def policy_of(settings: SpreadSettings) -> SpreadPolicy:
    """The settings in the words of those who choose, size, enter and leave."""
    window = ExpiryWindow(settings.min_days, settings.max_days, settings.target_days)
    choice = SpreadChoice(
        window=window,
        strikes=_strikes(settings),
        liquidity=LiquidityLimits(
            min_bid=exact(settings.min_bid_usd),
            max_spread_fraction=settings.max_spread_fraction,
            allowed_spread=exact(settings.allowed_spread_usd),
            min_open_interest=settings.min_open_interest or None,
        ),
        min_credit=exact(settings.min_credit_usd),
        min_credit_fraction=settings.min_credit_fraction,
        roots=WEEKLY_ROOTS,
    )
    limits = EntryLimits(
        min_score=settings.min_score,
        min_confidence=settings.min_confidence,
        max_contracts=settings.max_contracts,
        max_risk_usd=exact(settings.max_risk_usd),
        max_positions=settings.max_positions,
        min_days=settings.min_days,
        exit_days=settings.exit_days,
    )
    roll = RollChoice(choice, min_net_credit=exact(settings.min_roll_credit_usd))
    return SpreadPolicy(
        choice, limits, rules_of(settings), roll, Manner(settings.entry), dict(settings.earnings), dict(settings.ex_dividends)
    )


def rules_of(settings: SpreadSettings) -> SpreadRules:
    """When a spread is left, and how it is entered."""
    return SpreadRules(
        profit_fraction=settings.profit_fraction,
        loss_multiple=settings.loss_multiple,
        exit_days=settings.exit_days,
        breach_delta=settings.breach_delta,
        exits_through_strike=settings.exits_through_strike,
        expiry_exit_minutes=settings.expiry_exit_minutes,
        let_expire_above_fraction=settings.let_expire_above_fraction,
        pin_fraction=settings.pin_fraction,
        is_rolled=settings.rolls,
        rungs=settings.rungs,
        rung_seconds=settings.rung_seconds,
        entry_seconds=settings.entry_seconds,
        floor_fraction=settings.floor_fraction,
        keeps_long=settings.keeps_long,
    )


def _strikes(settings: SpreadSettings) -> StrikeChoice:
    """By distance from the market, unless a delta or a width is given."""
    short: AtDistance | AtDelta = AtDistance(settings.short_distance_fraction, Snap.NEAREST)
    long: AtDistance | AtWidth = AtDistance(settings.long_distance_fraction, Snap.NEAREST)
    if settings.short_delta is not None:
        short = AtDelta(settings.short_delta)
    if settings.width_usd is not None:
        long = AtWidth(exact(settings.width_usd))
    return StrikeChoice(short, long)
