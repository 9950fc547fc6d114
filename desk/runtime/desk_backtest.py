"""A desk strategy under Lumibot's backtester: the same corridor as live, with another feed, broker and clock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import chain
from typing import Any

from desk.brokers.backtest_gateway import BacktestGateway
from desk.core.ports import Journal
from desk.data.history_feed import HistoryFeed
from desk.data.intraday_feed import daily_from_intraday
from desk.data.source import Source
from desk.domain.market import DailyBars
from desk.domain.records import RunRecord, SpreadTrip
from desk.journal.memory import MemoryJournal
from desk.runtime.account import LumibotAccountFeed
from desk.runtime.backtest import BacktestOutcome, Costs, run_backtest
from desk.runtime.build import hedge_rules, limits_of, plain, rules_of
from desk.runtime.corridor import Corridor
from desk.runtime.desk import Desk
from desk.runtime.option_backtest import LookClock, OptionSide, option_side
from desk.runtime.option_history import OptionAssumptions
from desk.runtime.record import Counts, RunFacts, counts, run_record
from desk.runtime.spread_build import policy_of
from desk.runtime.spread_trades import SpreadTrade, spread_trades
from desk.runtime.strategy import DeskStrategy, Surroundings
from desk.settings.behaviour import Behaviour
from hedging.rules import HedgeRules
from hedging.rules import symbols as hedge_symbols

# A backtest's order ids never leave the process, so they need no nonce of chance: the same run gives the same journal.
NONCE = "backtest"


@dataclass(frozen=True)
class DeskBacktest:
    """Result of one backtest: the run as a record, its counters, and what Lumibot made of it.

    `spreads` are the option spreads that it had, the first that were decided first.
    """

    record: RunRecord
    counts: Counts
    outcome: BacktestOutcome
    journal: Journal
    spreads: tuple[SpreadTrade, ...] = ()


def backtest_desk(
    strategy_class: type[DeskStrategy],
    behaviour: Behaviour,
    source: Source,
    symbols: Iterable[str],
    start: date,
    end: date,
    *,
    name: str,
    assumed: OptionAssumptions | None = None,
    **options: Any,
) -> DeskBacktest:
    """Run `strategy_class` on the sessions from `start` to `end` with the behaviour's costs, on the bars that it asks for.

    Option spreads are priced and filled as `assumed`; None for the defaults of `OptionAssumptions`. `options` (budget_usd,
    progress and more) go to `run_backtest`. Raises ConfigurationError as that does, and whatever the strategy raises.
    """
    universe = tuple(symbols)
    bar_seconds, longer = strategy_class.bar_seconds, strategy_class.longer_bar_seconds
    hedge = hedge_rules(behaviour, behaviour.sentiment_symbols.exchange)
    watched = _watched(hedge, source.daily if bar_seconds is None else source.intraday)
    seen = _each_once(universe, watched)
    source = source if bar_seconds is None else daily_from_intraday(source, seen)
    histories = {symbol: source.bars(symbol) for symbol in seen if symbol in source.daily}
    journal, clock = MemoryJournal(NONCE), LookClock()
    side: OptionSide | None = None
    desk = Desk(journal, clock, limits_of(behaviour, behaviour.confidence_gate == "enforce"), rules_of(behaviour))

    def corridor_for(strategy: DeskStrategy) -> Corridor:
        nonlocal side
        clock.broker = strategy.broker
        side = option_side(strategy, desk, source, policy_of(behaviour.spreads), assumed or OptionAssumptions(), clock)
        desk.send_through(BacktestGateway(strategy.broker, strategy, desk, side.venue))
        feed = _feed(histories, strategy.broker, bar_seconds is not None)
        return Corridor(desk, feed, LumibotAccountFeed(strategy), universe, lambda iteration: None, watched, side.arm)

    known = {symbol: histories[symbol] for symbol in universe if symbol in histories}
    surroundings = Surroundings(history=known, hedge=hedge)
    bound = strategy_class.bound(corridor_for, strategy_class.parameters_from(plain(behaviour)), surroundings)
    options |= {"costs": costs_of(behaviour), "bar_seconds": bar_seconds, "longer": longer, "on_clock": clock.passes}
    outcome = run_backtest(bound, source, seen, start, end, **options)
    assert side is not None  # Lumibot initialized the strategy
    traded = _each_once(universe, [symbol for symbol in watched if symbol in desk.book.symbols()])
    return _told(desk, journal, outcome, side, _facts(name, behaviour, source, traded), source)


def _each_once(*groups: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chain.from_iterable(groups)))


def _told(
    desk: Desk, journal: Journal, outcome: BacktestOutcome, side: OptionSide, facts: RunFacts, source: Source
) -> DeskBacktest:
    """What a finished run comes to."""
    rows = tuple(journal.rows())
    record = run_record(rows, desk.book, source, facts, desk.spreads)
    # Iterations see the equity at the opening; the record shows it at the close, after the day's exits.
    record = replace(record, equity=outcome.equity, costs_usd=_costs_usd(outcome))
    spreads = spread_trades(desk.spreads, rows, side.venue.fees_usd)
    return DeskBacktest(_with_spreads(record, spreads, side), counts(rows), outcome, journal, spreads)


def _with_spreads(record: RunRecord, spreads: Sequence[SpreadTrade], side: OptionSide) -> RunRecord:
    """What options cost, and what must be said of them; nothing where there were none."""
    if not spreads:
        return record
    fees = side.venue.fees_usd
    costs_usd = float(side.venue.given_up_usd + sum(fees.values()))
    return replace(
        record,
        costs_usd=record.costs_usd + costs_usd,
        spread_costs_usd=costs_usd,
        spreads=tuple(_less_fees(trip, float(fees.get(trip.key, 0))) for trip in record.spreads),
        notes=(*record.notes, *side.history.notes(each.underlying for each in spreads)),
    )


def _less_fees(trip: SpreadTrip, fees_usd: float) -> SpreadTrip:
    return replace(trip, fees_usd=fees_usd, pnl_usd=None if trip.pnl_usd is None else trip.pnl_usd - fees_usd)


def _feed(histories: Mapping[str, DailyBars], broker: Any, has_intraday: bool) -> HistoryFeed:
    data = broker.data_source
    inside = (data.intraday, data.longer, data.quote) if has_intraday else ()
    return HistoryFeed(histories, lambda: broker.datetime, *inside)


def costs_of(behaviour: Behaviour) -> Costs:
    """What a backtest assumes that trading costs."""
    return Costs(behaviour.fee_bps, behaviour.slippage_bps, behaviour.stop_slippage_bps)


def _watched(hedge: HedgeRules, known: Collection[str]) -> tuple[str, ...]:
    """What the hedge looks at and trades, as far as there are bars to trade on."""
    return tuple(symbol for symbol in hedge_symbols(hedge) if symbol in known) if hedge.is_on else ()


def _facts(name: str, behaviour: Behaviour, source: Source, universe: tuple[str, ...]) -> RunFacts:
    return RunFacts(
        strategy=name,
        broker="backtest",
        source_label=source.label,
        seed=None,
        gate_threshold=behaviour.confidence_threshold,
        gate_enforced=behaviour.confidence_gate == "enforce",
        fee_bps=behaviour.fee_bps,
        notes=source.notes_on(universe),
    )


def _costs_usd(outcome: BacktestOutcome) -> float:
    """Fees and slippage in dollars. The gap from yesterday's close to the opening is the market's doing, not a cost."""
    events = outcome.trade_events
    if events.empty:
        return 0.0
    fills = events[events["status"] == "fill"]
    return float(fills["trade_cost"].astype(float).sum() + fills["trade_slippage"].astype(float).sum())
