"""What the account tells of option spreads: contracts that ended without an order, and trades of others in them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from alpaca.common.exceptions import APIError
from requests import RequestException

from desk.core.ports import OptionActivities, OptionActivity
from desk.core.spread_reconcile import ContractBreak, beside, contract_breaks, share_breaks
from desk.core.spread_settlements import contradicts, noted, seen, settlements, share_trades
from desk.domain.options import CONTRACT_SHARES
from desk.domain.spreads import Settlement, Spread, SpreadSettled
from desk.runtime.contract_days import has_ended, is_session_after, last_close
from desk.runtime.desk import Desk
from desk.runtime.others_trades import NEWS_WITHIN, OthersTrades
from desk.runtime.spread_shares import SpreadShares

log = logging.getLogger(__name__)
# Activities of a spread's last days come the next morning; a long weekend may lie between.
LOOK_BACK = timedelta(days=7)
# What a broker's answer raises that is not as documented.
UNREADABLE = (KeyError, TypeError, ValueError, ArithmeticError, AttributeError)
# The account is asked again so soon where a refusal hints at an assignment, a difference is new, or shares are to be sold.
SOON = timedelta(seconds=30)
# A difference in positions that nothing explains is believed when it has lasted so long.
BELIEVED_AFTER = timedelta(minutes=10)
# An order that was asked to end so often, half a minute apart, hangs: it brings no news, and no other is sent until it has ended.
HANGS_AFTER_ASKS = 3
# The broker's books of contracts that have ended are closed by then, whatever they say.
OVERDUE_AFTER_SESSIONS = 2


class SpreadAccount:
    """Used by one thread at a time; asks once in `every`, and books through the desk. `resync` has the broker's orders asked."""

    def __init__(
        self, desk: Desk, activities: OptionActivities, every: timedelta, resync: Callable[[], object] = lambda: None
    ) -> None:
        self._desk = desk
        self._activities = activities
        self._every = every
        self._resync = resync
        self._asked_at: datetime | None = None
        self._was_silent = False
        self._shares = SpreadShares(desk)
        self._trades = OthersTrades(desk, activities)
        self._odd_since: dict[ContractBreak, datetime] = {}
        self._gone_since: dict[tuple[str, int], datetime] = {}

    def ask(self, now: datetime) -> None:
        """Contracts that ended without an order: no stream tells of them, and positions do before the activities do."""
        if self._asked_at is not None and now - self._asked_at < self._patience(now):
            return
        self._asked_at = now
        # Each is asked whatever the other says: an answer of before must not count as one of now.
        answers = [self._answered(book, now) for book in (self._book_activities, self._book_positions)]
        self._was_silent = not all(answers)

    def shares_there(self, spread: Spread) -> int:
        """Shares of its stock that the account holds, or owes, for a spread, as of the last answer, above zero; none where there
        was none: whoever sells what may be gone sells somebody else's, or owes it."""
        if spread.retry_at is not None and (self._asked_at is None or self._asked_at < spread.retry_at):
            return 0  # an order that counts as never sent may have come after all: an answer of after it says
        return self._shares.there(spread)

    def _patience(self, now: datetime) -> timedelta:
        is_urgent = any(spread.refusals or spread.stock for spread in self._desk.spreads.open.values())
        is_new = any(now - since < BELIEVED_AFTER for since in self._odd_since.values())
        return min(self._every, SOON) if self._was_silent or is_urgent or is_new else self._every

    def _answered(self, book: Callable[[datetime], object], now: datetime) -> bool:
        """Do `book`. Returns False where the broker was silent."""
        try:
            book(now)
        except (RequestException, APIError) as error:
            log.warning("the account's options could not be asked for at %s: %r", now, error)
            return False
        except UNREADABLE as error:
            # A person has to look; spreads are left by what is known until then.
            self._desk.trouble(f"what the broker says of the account's options could not be read: {error!r}")
        return True

    # ---- activities ----------------------------------------------------------------------------------------------------------

    def _book_activities(self, now: datetime) -> None:
        book = self._desk.spreads
        # Whatever happened since the oldest spread was decided is asked for: the desk may have been away for long.
        since = min([now - LOOK_BACK, *(spread.plan.decided_at for spread in book.open.values())])
        known = frozenset[str]().union(*(spread.settled for spread in (*book.open.values(), *book.closed.values())))
        for activity in self._activities.since(since):
            self._trades.told(activity)
            if activity.id not in known:
                self._book_activity(activity, now)

    def _book_activity(self, activity: OptionActivity, now: datetime) -> None:
        found = settlements(self._desk.spreads, activity)
        left = activity.contracts - sum(said.contracts for said in found)
        book = self._desk.spreads
        every = (*book.open.values(), *book.closed.values())
        odd = next((spread for spread in every if left > 0 and contradicts(spread, activity)), None)
        if odd is not None:
            self._desk.trouble(
                f"{activity.symbol} of the spread {odd.key} is {activity.kind} by the broker's word, {left} contracts more than "
                "the journal has: compare the account with `desk options positions`"
            )
        self._settle(found or (() if odd is None else (noted(odd.key, activity),)), now)

    def _settle(self, every: Sequence[SpreadSettled], now: datetime) -> None:
        if every:
            self._desk.about_spreads(lambda spreads: spreads.settle(every, now))

    # ---- positions -----------------------------------------------------------------------------------------------------------

    def _book_positions(self, now: datetime) -> None:
        """What the positions say that the activities do not say yet: trades of others, and shares that came for contracts."""
        self._shares.ask()
        positions = self._activities.positions()
        if any(gap not in self._odd_since for gap in self._gaps(positions, now)):
            # What the desk's own orders did is heard before anything is concluded.
            self._resync()
        self._odd_since = {gap: self._odd_since.get(gap, now) for gap in self._gaps(positions, now)}
        for gap, since in self._odd_since.items():
            if now - since >= NEWS_WITHIN and self._is_quiet(gap, now):
                self._answered(partial(self._explain, gap, since, positions), now)
        for spread in tuple(self._desk.spreads.open.values()):
            self._answered(partial(self._book_end, spread, positions), now)
        self._shares.answered(positions)
        self._believe([gap for gap in self._gaps(positions, now) if self._is_quiet(gap, now)], now)

    def _gaps(self, positions: Mapping[str, int], now: datetime) -> list[ContractBreak]:
        """Differences in what spreads hold; notes what agrees."""
        book = self._desk.spreads
        found = [*contract_breaks(book, positions), *share_breaks(book, positions, self._shares.others)]
        self._trades.compared(found, now)
        return found

    def _is_quiet(self, gap: ContractBreak, now: datetime) -> bool:
        """Whether no fill may be on its way: an order that rests for long has told what it filled."""
        return not any(_has_news(spread, now) for spread in beside(self._desk.spreads, gap.symbol))

    def _explain(self, gap: ContractBreak, since: datetime, positions: Mapping[str, int], now: datetime) -> None:
        if not gap.is_contract and self._is_older(gap):
            return
        # Executions prove what shares only suggest, so they are looked at first.
        if not self._book_trades(gap, now):
            self._settle(tuple(self._inferred(gap, since, positions, now)), now)

    def _is_older(self, gap: ContractBreak) -> bool:
        """Whether the positions still show contracts for which shares were booked: they are older than what the account told."""
        mine = {symbol for each in beside(self._desk.spreads, gap.symbol) for symbol in (each.plan.short, each.plan.long)}
        return any(each.symbol in mine and not each.lacking for each in self._odd_since)

    def _book_trades(self, gap: ContractBreak, now: datetime) -> bool:
        """What orders that are not the desk's traded of what it holds: a person closes a spread by hand, and a broker sells
        before the last close what the account could not exercise. Never more than the positions lack, nor than others closed
        on balance. Returns whether there was any."""
        theirs = self._trades.explaining(gap, now)
        closing = [each for each in theirs if each.cash_usd and (each.cash_usd < 0) == (gap.expected < 0)]
        on_balance = sum(each.contracts for each in closing) - sum(each.contracts for each in theirs if each not in closing)
        left = before = max(0, min(gap.lacking, on_balance))
        for each in reversed(closing):
            count = min(left, each.contracts)
            if count:
                part = replace(each, contracts=count, cash_usd=(each.cash_usd or Decimal(0)) * count / each.contracts)
                book = settlements if gap.is_contract else share_trades
                self._settle(book(self._desk.spreads, part), now)
                left -= count
        return left < before

    def _inferred(
        self, gap: ContractBreak, since: datetime, positions: Mapping[str, int], now: datetime
    ) -> Iterable[SpreadSettled]:
        """Assignments of sold puts for which the shares are there. After the last close the broker's own word is waited for
        until a session has been open for a while, and where others bought since: shares may be a person's."""
        book = self._desk.spreads
        owners = [spread for spread in book.of_contract(gap.symbol) if spread.plan.short == gap.symbol]
        lasts = now - since >= BELIEVED_AFTER and is_session_after(gap.symbol, now - BELIEVED_AFTER)
        if not owners or (has_ended(gap.symbol, now) and not lasts):
            return
        came = min(self._shares_came(owners[0], positions, now)) // CONTRACT_SHARES
        left = min(gap.there - gap.expected - _gone_together(owners, positions, now), came)
        for spread in owners:
            count = max(0, min(left, spread.short))
            left -= count
            if count:
                yield seen(spread.key, gap.symbol, Settlement.ASSIGNED, count, now)

    def _book_end(self, spread: Spread, positions: Mapping[str, int], now: datetime) -> None:
        """The end of bought puts which are gone in a session after their last one, while the shares of an assignment wait for
        word of them: by two looks some minutes apart, the broker's books of that day being closed. Where trades of others leave
        open whether they took shares away, the broker tells."""
        symbol, waits = spread.plan.long, spread.stock > 0 and not spread.short and spread.long > 0
        is_quiet = not any(each.working or each.coming for each in beside(self._desk.spreads, symbol))
        if not waits or positions.get(symbol, 0) or not is_session_after(symbol, now) or not is_quiet:
            self._gone_since = {said: since for said, since in self._gone_since.items() if said[0] != spread.key}
            return
        came = self._shares.came(spread.plan.underlying, positions)
        if now - self._gone_since.setdefault((spread.key, came), now) >= BELIEVED_AFTER:
            one, other = (tuple(_inferred_ends(spread, each, now)) for each in self._shares_came(spread, positions, now))
            self._settle(one if one == other else (), now)

    def _shares_came(self, spread: Spread, positions: Mapping[str, int], now: datetime) -> tuple[int, int]:
        """Shares that came (or went, below zero) for contracts: if what others traded since the last close is counted as theirs
        already, and if it is not. Before that close contracts that are gone say enough."""
        plan = spread.plan
        came = self._shares.came(plan.underlying, positions)
        return came, came - (self._trades.bought(plan.underlying, last_close(plan.short)) if has_ended(plan.short, now) else 0)

    def _believe(self, left: list[ContractBreak], now: datetime) -> None:
        """Halt on a difference that lasts: the desk opens nothing more, and a person looks."""
        lasting = [gap for gap in left if now - self._odd_since.get(gap, now) >= BELIEVED_AFTER]
        found = [gap for gap in lasting if self._is_overdue(gap, now)]
        if found:
            self._desk.halt("; ".join(map(str, found)))

    def _is_overdue(self, gap: ContractBreak, now: datetime) -> bool:
        """Whether a difference is no matter of a settlement that the broker has not told yet."""
        mine = beside(self._desk.spreads, gap.symbol)
        symbols = [gap.symbol] if gap.is_contract else [spread.plan.long for spread in mine]
        return not any(has_ended(each, now) and not is_session_after(each, now, OVERDUE_AFTER_SESSIONS) for each in symbols)


def _inferred_ends(spread: Spread, came: int, now: datetime) -> Iterable[SpreadSettled]:
    """Where shares are lacking, the puts took them away."""
    exercised = min(spread.long, max(-came // CONTRACT_SHARES, 0))
    for kind, count in ((Settlement.EXERCISED, exercised), (Settlement.EXPIRED, spread.long - exercised)):
        if count:
            yield seen(spread.key, spread.plan.long, kind, count, now)


def _gone_together(owners: Sequence[Spread], positions: Mapping[str, int], now: datetime) -> int:
    """Bought puts that are gone as well: a package took both, and its news is late, or a split of the shares gave both another
    name. After the last close that says nothing."""
    odd = [spread for spread in owners if spread.working or not has_ended(spread.plan.long, now)]
    return sum(max(0, spread.long - max(0, positions.get(spread.plan.long, 0))) for spread in odd)


def _has_news(spread: Spread, now: datetime) -> bool:
    """Whether an order of it was sent, or asked to end, a moment ago, or another spread's changes it."""
    busy = (order for order in spread.working if order.asks < HANGS_AFTER_ASKS)
    return bool(spread.coming) or any(now - (order.cancel_asked_at or order.sent_at) < NEWS_WITHIN for order in busy)
