"""What a strategy's decisions come to in money, fast: the desk's own rebalancing and review over daily bars, without Lumibot.

Rules of fills are those of the backtesting broker (desk.brokers.daily_fills). Simpler than a full backtest in three things: an
entry is bought at once or in the same session or not at all, an exit is one sale at the opening, and prices of exits are
not rounded to ticks. It is for comparing one run with another; the full backtest says what a strategy is worth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from desk.brokers.daily_fills import Kind, Resting, at_opening, during_session
from desk.core.exits import ratcheted
from desk.core.rebalance import rebalance
from desk.core.review import Situation, review
from desk.core.targets import checked
from desk.data.calendars import NEW_YORK
from desk.data.history_feed import HistoryFeed
from desk.domain.decisions import Approved, Intent, IntentKind, Mode, Target, Weight
from desk.domain.market import FloatArray, Market
from desk.domain.orders import OrderClass, OrderSpec, OrderStatus, OrderType, Side, TimeInForce
from desk.domain.prices import Rounding, legal_price
from desk.domain.trades import Account, Book, Trade
from desk.research.planner import Isolation, planner
from desk.research.subject import Subject
from desk.runtime.build import limits_of, rules_of
from desk.runtime.desk_backtest import costs_of
from desk.runtime.strategy import DeskStrategy

BUDGET_USD = 100_000.0
OPENING = time(9, 30)
Decision = tuple[str, ...]  # one line a target, sorted


class Bar(NamedTuple):
    """One session's prices in dollars."""

    open: float
    high: float
    low: float
    close: float


@dataclass(frozen=True)
class Trial:
    """One run. `returns` are simple daily returns of the equity at the closes, shape (sessions,); costs are in them.

    `decisions` has what was wanted at each session. `failed` is the exception that ended the run early, in words.
    """

    sessions: tuple[date, ...]
    decisions: tuple[Decision, ...]
    returns: FloatArray
    entries: int
    turnover_usd: float
    failed: str | None = None

    @property
    def t_value(self) -> float:
        return t_of(self.returns)

    @property
    def sharpe(self) -> float:
        """A session's mean return over its deviation, not annualised; 0 for a run that never moved."""
        deviation = float(self.returns.std(ddof=1)) if len(self.returns) > 1 else 0.0
        return float(self.returns.mean()) / deviation if deviation > 0 else 0.0

    @property
    def total_return(self) -> float:
        return float(np.prod(1 + self.returns) - 1)


def t_of(values: FloatArray) -> float:
    """Mean over its standard error; 0 for fewer than two values or values that are all the same."""
    error = float(values.std(ddof=1)) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return float(values.mean() / error) if error > 0 else 0.0


def simulate(subject: Subject, isolation: Isolation) -> Trial:
    """Run the subject over its sessions. What the strategy raises ends the run and is told in `failed`."""
    run = _Run(subject)
    decisions: list[Decision] = []
    equity = [BUDGET_USD]
    try:
        strategy = planner(subject, isolation)
        for session in subject.sessions:
            decisions.append(run.morning(strategy, session))
            equity.append(run.evening(session))
    except Exception as error:  # another author's code may fail in any way it likes
        failed = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return run.told(decisions, equity, failed)
    return run.told(decisions, equity, None)


def plan(subject: Subject, isolation: Isolation, book: Book) -> list[Decision]:
    """Decisions of the subject over its sessions when `book` is what it holds all the time. Raises what the strategy raises."""
    run, strategy = _Run(subject), planner(subject, isolation)
    return [_decision(run.wished(strategy, run.seen(session), book, BUDGET_USD)) for session in subject.sessions]


def held_book(subject: Subject, session: date) -> Book:
    """A book in which every symbol of the universe that has a price at `session` is held since then."""
    market = _Run(subject).seen(session)
    prices = {symbol: market.last_price(symbol) for symbol in subject.universe}
    trades = [_trade(symbol, 10, price, session, None) for symbol, price in prices.items() if price]
    return Book(open={trade.key: trade for trade in trades})


def moment(session: date) -> datetime:
    return datetime.combine(session, OPENING, NEW_YORK).astimezone(UTC)


def _decision(targets: Sequence[Target]) -> Decision:
    return tuple(sorted(_line(target) for target in targets))


def _line(target: Target) -> str:
    amount = target.amount
    size = f"weight {amount.fraction:.9g}" if isinstance(amount, Weight) else f"shares {amount.count}"
    sure = "" if target.confidence is None else f" confidence {target.confidence:.9g}"
    return f"{target.symbol} {size}{sure} {target.exit_rule}"


def _trade(symbol: str, shares: int, price: float, session: date, intent: Intent | None) -> Trade:
    rule = intent.exit_rule if intent is not None else None
    limit = legal_price(price, Rounding.DOWN)
    stop = limit * (1 - Decimal(str(rule.stop_loss_fraction))) if rule else None
    target = limit * (1 + Decimal(str(rule.take_profit_fraction))) if rule else None
    key = f"{symbol} {session}"
    spec = OrderSpec(key, symbol, Side.BUY, shares, OrderType.LIMIT, OrderClass.SIMPLE, TimeInForce.DAY, limit)
    return Trade(
        spec,
        moment(session),
        price,
        intent.reason if intent else "held",
        entry_status=OrderStatus.FILLED,
        target_status=OrderStatus.WORKING,
        stop_status=OrderStatus.WORKING,
        target_price=target,
        entered=shares,
        entry_value=Decimal(str(price)) * shares,
        entered_at=moment(session),
        rule=rule,
        stop_price=stop,
    )


@dataclass(frozen=True, slots=True)
class _Level:
    """How the exits of a trade are reached today: from the opening on, or only by what comes after its entry."""

    is_whole: bool


class _Run:
    """Cash, book and bars of one run."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._limits = limits_of(subject.behaviour, subject.behaviour.confidence_gate == "enforce")
        self._rules = rules_of(subject.behaviour)
        self._now = moment(subject.sessions[0])
        self._feed = HistoryFeed(subject.histories, lambda: self._now)
        self._bars = {symbol: _by_day(subject, symbol) for symbol in subject.symbols}
        costs = costs_of(subject.behaviour)
        self._slip, self._stops_slip, self._fee = (each / 1e4 for each in (costs.slippage_bps, costs.stops_bps, costs.fee_bps))
        self.cash_usd = BUDGET_USD
        self.book = Book()
        self.entries, self.turnover_usd = 0, 0.0
        self._prices: dict[str, float] = {}
        self._lagged: list[Market] = []

    def told(self, decisions: list[Decision], equity: list[float], failed: str | None) -> Trial:
        values = np.array(equity)
        days = self._subject.sessions[: len(decisions)]
        return Trial(days, tuple(decisions), np.diff(values) / values[:-1], self.entries, self.turnover_usd, failed)

    def seen(self, session: date) -> Market:
        self._now = moment(session)
        return self._feed.observe(self._subject.symbols)

    def wished(self, strategy: DeskStrategy, market: Market, book: Book, equity_usd: float) -> tuple[Target, ...]:
        """As the corridor asks a strategy (desk.runtime.corridor)."""
        shown = market.within(self._subject.universe)
        signals = tuple(strategy.signals(shown, book))
        hedge = strategy.hedge(market, book, equity_usd)
        hedges = () if hedge is None else hedge.targets
        return (*hedges, *strategy.targets(signals, shown, book))

    def morning(self, strategy: DeskStrategy, session: date) -> Decision:
        """Decide and trade at the opening."""
        market = self.seen(session)
        self._prices.update({symbol: float(bars.close[-1]) for symbol, bars in market.bars.items()})
        self._lagged = [*self._lagged[-self._subject.lag_sessions :], market] if self._subject.lag_sessions else [market]
        self._raise_stops()
        account = Account(self._equity(), self.cash_usd, self.book.shares())
        targets = self.wished(strategy, self._lagged[0], self.book, account.equity_usd)
        sound, _ = checked(targets, market, self.book)
        balanced = rebalance(sound, self.book, account.equity_usd, account.cash_usd, market, self._rules)
        verdicts = review(balanced.intents, Situation(self.book, account, self._limits, Mode.ACTIVE, session))
        self._levels: dict[str, _Level] = {key: _Level(True) for key in self.book.open}
        self._open_exits(session)
        for verdict in verdicts:
            if isinstance(verdict, Approved):
                self._carry_out(verdict.intent, session)
        return _decision(targets)

    def evening(self, session: date) -> float:
        """Let the session's range reach stops and targets; the equity at the close."""
        for trade in tuple(self.book.open.values()):
            bar = self._bars[trade.symbol].get(session)
            if bar is not None:
                self._during(trade, bar, session)
        for symbol, bars in self._bars.items():
            if session in bars:
                self._prices[symbol] = bars[session].close
        return self._equity()

    def _equity(self) -> float:
        return self.cash_usd + sum(count * self._prices[symbol] for symbol, count in self.book.shares().items())

    def _raise_stops(self) -> None:
        for trade in tuple(self.book.open.values()):
            higher = None if trade.rule is None else ratcheted(trade, self._prices[trade.symbol])
            if higher is not None:
                self._keep(replace(trade, stop_price=higher))

    def _exits(self, trade: Trade) -> Iterator[Resting]:
        """The stop first: a bar that touches both fills it."""
        if trade.stop_price is not None:
            yield Resting(Kind.STOP, is_buy=False, stop=float(trade.stop_price))
        if trade.target_price is not None:
            yield Resting(Kind.LIMIT, is_buy=False, limit=float(trade.target_price))

    def _open_exits(self, session: date) -> None:
        for trade in tuple(self.book.open.values()):
            bar = self._bars[trade.symbol].get(session)
            for order in self._exits(trade) if bar is not None else ():
                outcome = at_opening(order, bar.open) if bar is not None else None
                if outcome is not None and outcome.price is not None:
                    self._sell(trade, trade.shares, outcome.price, self._slip if order.kind is Kind.STOP else 0.0, session)
                    break

    def _during(self, trade: Trade, bar: Bar, session: date) -> None:
        level = self._levels.get(trade.key, _Level(True))
        for order in self._exits(trade):
            outcome = during_session(order, bar, level.is_whole)
            if outcome.price is not None:
                slip = self._stops_slip if outcome.at_stop else self._slip
                self._sell(trade, trade.shares, outcome.price, slip if outcome.takes_liquidity else 0.0, session)
                return

    def _carry_out(self, intent: Intent, session: date) -> None:
        bar = self._bars[intent.symbol].get(session)
        if bar is None:
            return
        if intent.kind in (IntentKind.OPEN, IntentKind.ADD):
            self._buy(intent, bar, session)
            return
        left = intent.quantity
        for trade in self.book.trades_of(intent.symbol):
            if left > 0 and intent.trade in (None, trade.key):
                count = min(left, trade.shares)
                self._sell(trade, count, bar.open, self._slip, session)
                left -= count

    def _buy(self, intent: Intent, bar: Bar, session: date) -> None:
        order = Resting(Kind.LIMIT, is_buy=True, limit=intent.price)
        opened = at_opening(order, bar.open)
        outcome = opened if opened.price is not None else during_session(order, bar, True)
        if outcome.price is None:
            return
        price = min(outcome.price * (1 + self._slip), intent.price) if outcome.takes_liquidity else outcome.price
        paid = price * intent.quantity
        if paid * (1 + self._fee) > self.cash_usd:
            return
        self.cash_usd -= paid * (1 + self._fee)
        made = _trade(intent.symbol, intent.quantity, intent.price, session, intent)
        trade = replace(made, entry_value=Decimal(str(price)) * intent.quantity)
        self._levels[trade.key] = _Level(opened.price is not None)
        self.entries += 1
        self.turnover_usd += paid
        self._keep(trade)

    def _sell(self, trade: Trade, count: int, price: float, slip: float, session: date) -> None:
        got = price * (1 - slip) * count
        self.cash_usd += got * (1 - self._fee)
        self.turnover_usd += got
        self._keep(replace(trade, exited=trade.exited + count, exit_value=trade.exit_value + Decimal(str(got))))
        if trade.shares == count:
            self.book = replace(self.book, last_exit={**self.book.last_exit, trade.symbol: session})

    def _keep(self, trade: Trade) -> None:
        trades = {**self.book.open, trade.key: trade}
        if trade.shares == 0:
            del trades[trade.key]
        self.book = replace(self.book, open=trades)


def _by_day(subject: Subject, symbol: str) -> dict[date, Bar]:
    bars = subject.histories[symbol]
    columns = (bars.open.tolist(), bars.high.tolist(), bars.low.tolist(), bars.close.tolist())
    rows = zip(bars.sessions, *columns, strict=True)
    first = subject.sessions[0]
    return {day: Bar(*prices) for day, *prices in rows if day >= first}
