"""The journal of a run, told as a RunRecord."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from typing import Any
from zoneinfo import ZoneInfo

from desk.core.book import NOBODY_ANSWERED
from desk.core.costs import shortfall
from desk.core.spread_book import SpreadBook
from desk.data.source import Source
from desk.domain.decisions import Denied, IntentKind, Reason
from desk.domain.journal import BreakFound, BrokerRefusal, IterationDone, Row
from desk.domain.market import DailyBars
from desk.domain.orders import Fill, GroupRole, OrderEvent
from desk.domain.records import EquityPoint, Refusal, RunRecord, SpreadTrip, Trip
from desk.domain.spreads import Spread
from desk.domain.steps import NewOrder, Submit
from desk.domain.trades import Book, Trade
from options import occ

NEW_YORK = ZoneInfo("America/New_York")
OPENING = time(9, 30)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a record needs that no journal row holds."""

    strategy: str
    broker: str
    source_label: str
    seed: int | None
    gate_threshold: float | None
    gate_enforced: bool
    fee_bps: float = 0.0
    unprotected_share_seconds: float = math.nan
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Counts:
    """Counters of a run, as `--json` gives them."""

    orders_submitted: int
    orders_rejected: int
    orders_rejected_unexplained: int
    fills: int
    reconciliation_breaks: int


def run_record(
    rows: Sequence[Row], book: Book, source: Source | None, facts: RunFacts, spreads: SpreadBook | None = None
) -> RunRecord:
    """Put the record together from journal `rows` and the books that they fold into."""
    done = [(row.at, row.value) for row in rows if isinstance(row.value, IterationDone)]
    sessions = sorted({value.session for _, value in done})
    trades = [trade for trade in (*book.closed, *book.open.values()) if trade.entered]
    stops = _first_stop_fills(rows, trades)
    return RunRecord(
        strategy=facts.strategy,
        broker=facts.broker,
        source=facts.source_label,
        seed=facts.seed,
        first_session=sessions[0] if sessions else None,
        last_session=sessions[-1] if sessions else None,
        sessions=len(sessions),
        iterations=len(done),
        equity=tuple(EquityPoint(at, value.equity_usd, value.cash_usd) for at, value in done),
        trips=tuple(
            _trip(trade, facts, stops.get(trade.key))
            for trade in sorted(trades, key=lambda trade: trade.entered_at or trade.decided_at)
        ),
        refusals=tuple(_refusals(rows)),
        daily=_daily(source, {trade.symbol for trade in trades}, sessions),
        gate_threshold=facts.gate_threshold,
        gate_refusals=gate_refusals(rows, facts.gate_threshold),
        gate_enforced=facts.gate_enforced,
        unprotected_share_seconds=facts.unprotected_share_seconds,
        entries=sum(isinstance(row.value, Submit) and row.value.covers is None for row in rows),
        costs_usd=sum(shortfall(trade, trade.decided_price, facts.fee_bps).total_usd for trade in trades),
        notes=facts.notes,
        spreads=() if spreads is None else spread_trips(spreads),
    )


def spread_trips(spreads: SpreadBook) -> tuple[SpreadTrip, ...]:
    """Every spread of which anything was sold, by its opening; and those whose bought put alone came and went, for its cash."""
    every = (*spreads.closed.values(), *spreads.open.values())
    traded = (spread for spread in every if spread.sold or (spread.is_closed and spread.opened_at is not None))
    return tuple(sorted(map(_spread_trip, traded), key=lambda trip: (trip.opened_at, trip.key)))


def _spread_trip(spread: Spread) -> SpreadTrip:
    plan, short, long = spread.plan, occ.parse(spread.plan.short), occ.parse(spread.plan.long)
    debit_usd = float(spread.credit_usd - spread.cash_usd) if spread.is_closed else None
    return SpreadTrip(
        key=plan.key,
        underlying=plan.underlying,
        short=plan.short,
        long=plan.long,
        short_strike=float(short.strike),
        long_strike=float(long.strike),
        expiration=short.expiration,
        contracts=spread.sold,
        opened_at=spread.opened_at or plan.decided_at,
        credit=float(spread.credit or 0),
        credit_usd=float(spread.credit_usd),
        phase=spread.phase.value,
        closed_at=spread.closed_at,
        debit_usd=debit_usd,
        pnl_usd=float(spread.cash_usd) if spread.is_closed else None,
        exit_reason=spread.why if spread.is_closed else None,
    )


def counts(rows: Iterable[Row]) -> Counts:
    values = [row.value for row in rows]
    # What never reached the broker was not refused by it; it goes out again under the same key.
    said = (value for value in values if isinstance(value, BrokerRefusal))
    refused = [value for value in said if not value.unsent and value.message != NOBODY_ANSWERED]
    return Counts(
        orders_submitted=sum(isinstance(value, NewOrder) for value in values),
        orders_rejected=len(refused),
        orders_rejected_unexplained=sum(not value.explained for value in refused),
        fills=sum(isinstance(value, OrderEvent) and value.fill is not None for value in values),
        reconciliation_breaks=sum(isinstance(value, BreakFound) and not value.repaired for value in values),
    )


def gate_refusals(rows: Iterable[Row], threshold: float | None) -> int:
    """Entries below the gate's threshold: refused when it is enforced, sent all the same when it only reports.

    A refusal counts once a symbol and session: an hourly strategy asks again every hour.
    """
    if threshold is None:
        return 0
    kept = list(rows)
    denied = ((row.at.date(), row.value) for row in kept if isinstance(row.value, Denied))
    refused = {(day, value.symbol) for day, value in denied if value.reason is Reason.LOW_CONFIDENCE}
    entries = (row.value for row in kept if isinstance(row.value, Submit) and row.value.covers is None)
    return len(refused) + sum(entry.intent.confidence is not None and entry.intent.confidence < threshold for entry in entries)


def _first_stop_fills(rows: Iterable[Row], trades: Iterable[Trade]) -> Mapping[str, Fill]:
    """The earliest fill of each trade's stop, by the trade's key; news of a later fill may come before that of an earlier one."""
    owners = {key: trade for trade in trades for key in (trade.key, *trade.covers)}
    first: dict[str, Fill] = {}
    for row in rows:
        event = row.value
        if not isinstance(event, OrderEvent) or event.fill is None or event.key not in owners:
            continue
        trade = owners[event.key]
        if _is_of_stop(event, trade) and (trade.key not in first or event.fill.at < first[trade.key].at):
            first[trade.key] = event.fill
    return first


def _is_of_stop(event: OrderEvent, trade: Trade) -> bool:
    """A plain sale that covers bare shares stands where the stop would, as in the book."""
    return event.role is GroupRole.STOP_LOSS or (event.role is GroupRole.ENTRY and event.key != trade.key)


def _trip(trade: Trade, facts: RunFacts, first_stop_fill: Fill | None) -> Trip:
    closed = trade.shares == 0 and trade.exited_at is not None
    stop = float(trade.stop_price or 0)
    exit_price = float(trade.exit_price) if closed and trade.exit_price is not None else None
    fees_usd = float(trade.entry_value + trade.exit_value) * facts.fee_bps / 10_000
    return Trip(
        symbol=trade.symbol,
        shares=trade.entered,
        entry_at=trade.entered_at or trade.decided_at,
        entry_price=float(trade.entry_price or 0),
        stop_price=stop,
        target_price=float(trade.first_target or trade.spec.take_profit or 0),
        confidence=trade.confidence,
        exit_at=trade.exited_at if closed else None,
        exit_price=exit_price,
        exit_reason=_exit_reason(trade) if closed else None,
        pnl_usd=float(trade.exit_value - trade.entry_value) - fees_usd if closed else None,
        is_protected=trade.is_protected,
        gapped=closed and _is_gapped(trade, first_stop_fill),
    )


def _is_gapped(trade: Trade, first: Fill | None) -> bool:
    """Whether the market opened below the stop: its `first` fill is then at the opening price, whatever that is.

    The rest may fill later: an order that gapped can be too large for the first minute. What a target sold before may have
    brought more than the stop lost; such a trade counts as none.
    """
    stop = trade.stop_price
    if first is None or stop is None or trade.exit_role is not GroupRole.STOP_LOSS:
        return False
    at_opening = first.at.astimezone(NEW_YORK).time().replace(second=0, microsecond=0) == OPENING
    return at_opening and first.price < stop and (trade.exit_price or stop) < stop


# A plain sale stands where the stop would.
SALE_WORDS = {IntentKind.REDUCE: "trim", IntentKind.CLOSE: "time"}


def _exit_reason(trade: Trade) -> str:
    if trade.exit_role is GroupRole.STOP_LOSS:
        return "stop" if trade.sold_as is None or trade.stop_passed else SALE_WORDS[trade.sold_as]
    return "time" if trade.exit_requested else "target"


def _refusals(rows: Sequence[Row]) -> Iterable[Refusal]:
    """Each denial once a session: an hourly strategy asks again every hour. A spread's says by its code what was in the way."""
    seen: set[tuple[date, str, str]] = set()
    for row in rows:
        value = row.value
        if isinstance(value, Denied):
            reason = str(value.detail.get("code", value.reason.value))
            mark = (row.at.date(), value.symbol, reason)
            if mark not in seen:
                seen.add(mark)
                yield Refusal(row.at, value.symbol, reason, value.text)


def _daily(source: Source | None, symbols: set[str], sessions: Sequence[date]) -> Mapping[str, DailyBars]:
    if source is None or not sessions:
        return {}
    return {
        symbol: _between(source.bars(symbol), sessions[0], sessions[-1]) for symbol in sorted(symbols) if symbol in source.daily
    }


def _between(bars: DailyBars, first: date, last: date) -> DailyBars:
    chosen = slice(bisect_left(bars.sessions, first), bisect_right(bars.sessions, last))
    columns: dict[str, Any] = {name: getattr(bars, name)[chosen] for name in ("open", "high", "low", "close", "volume")}
    return DailyBars(bars.sessions[chosen], **columns)
