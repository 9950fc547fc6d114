"""A book that trades all day at a real exchange stays protected, whatever a person, the network or a restart does to it.

After every step no share of the desk's is without a live exit, but for those in a transition that is journaled and ends soon,
and those for which the desk is halted and says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import fields
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import pytest
from active_book import NONCE, SYMBOLS, Json, Life, exchange_config, moment, recovered
from active_book_truth import DOUBTED_SECONDS, Person, Watch, closing, is_doubted, opening
from alpaca.trading.enums import OrderSide
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from desk.core.book import NO_SUCH_CHANGE, NOBODY_ANSWERED, NOT_YET
from desk.core.covering import AGAIN_AFTER, MAX_COVERS
from desk.core.upkeep import HALF_FILLED_AT_MOST, SALE_AT_MOST, SLOW_CANCEL
from desk.domain.decisions import FixedExit, Mode, Shares, Target, Weight
from desk.domain.journal import Acknowledged, BrokerRefusal, ModeChanged, Row, RowValue
from desk.domain.orders import GroupRole, OrderEvent, OrderStatus
from desk.domain.steps import Replace, Step, Submit
from desk.domain.trades import Book, Trade
from desk.exchange.process import ExchangeProcess
from desk.runtime.build import market_hours

# A failure takes minutes to be made small.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
EXAMPLES, STEPS = 15, 20
STUCK_CANCEL_SECONDS = 5.0
# A half-filled entry or a sale that hangs is ended after a while, which takes a while, and what was refused is tried again.
BARE_AT_MOST_SECONDS = (max(HALF_FILLED_AT_MOST, SALE_AT_MOST) + AGAIN_AFTER).total_seconds() + STUCK_CANCEL_SECONDS
MOMENT = timedelta(milliseconds=1)
DAYS = (date(2008, 9, 15), date(2008, 10, 7), date(2008, 11, 12))
RULES = st.builds(
    FixedExit,
    stop_loss_fraction=st.sampled_from([0.01, 0.03]),
    take_profit_fraction=st.sampled_from([0.01, 0.05]),
    break_even_after_fraction=st.sampled_from([None, 0.004]),
    trail_fraction=st.sampled_from([None, 0.008]),
)
WEIGHTS = st.sampled_from([None, 0.0, 0.03, 0.05, 0.08, 0.11, 0.14])
WANTED = st.tuples(WEIGHTS, WEIGHTS, WEIGHTS)
Wanted = tuple[float | None, ...]
# Kind, occasion and parameters of what goes wrong once (docs/faults.md).
Fault = tuple[str, Json, Json]
POST, PATCH, DELETE = ({"method": method, "path": "/v2/orders*"} for method in ("POST", "PATCH", "DELETE"))
FAULTS: list[Fault] = [
    *(("dropped_stream", {}, {"delivered": delivered}) for delivered in (True, False)),
    ("duplicate_event", {}, {}),
    ("duplicate_event", {"event": "fill"}, {}),
    *(("reordered_event", {}, {"behind": behind}) for behind in (1, 2)),
    ("late_event", {}, {"seconds": 0.1}),
    ("lost_event", {}, {}),
    ("timeout_after_taken", POST, {}),
    *(("rate_limit", asked, {}) for asked in (POST, PATCH, DELETE)),
    *(
        (kind, asked, {"taken": taken, **more})
        for kind, more in (("reset", {}), ("server_error", {"status": 502}))
        for asked in (POST, PATCH, DELETE)
        for taken in (True, False)
    ),
    ("stuck_pending_cancel", {}, {"seconds": STUCK_CANCEL_SECONDS}),
    ("leg_stuck_held", {}, {"leg": "stop_loss"}),
    ("partial_fill", {}, {"quantity": 1}),
    ("partial_fill", {}, {"leg": "take_profit", "quantity": 7}),
]
# What the search met, by name: a search that never trims proves nothing of trims.
SEEN: Counter[str] = Counter()


class ActiveBook(RuleBasedStateMachine):
    exchanges: ClassVar[Mapping[bool, ExchangeProcess]]  # by whether a stop that sleeps can be moved there

    def __init__(self) -> None:
        super().__init__()
        self.place = TemporaryDirectory()
        self.folder = Path(self.place.name)
        self.posted: dict[str, list[tuple[Json, int]]] = {}
        self.read = self.canceled = 0
        self.doubted = False  # whether an answer to an order got lost
        self.unmoved: Counter[str] = Counter()
        self.stiff: set[str] = set()  # trades of which the broker would not move the stop
        self.life: Life
        self.ends = ExitStack()

    @initialize(stops_move=st.booleans(), day=st.sampled_from(DAYS), seed=st.integers(1, 3), wanted=WANTED)
    def opens(self, stops_move: bool, day: date, seed: int, wanted: Wanted) -> None:
        self.exchange = self.exchanges[stops_move]
        self.exchange.admin.clear_faults()
        self.exchange.admin.reset(start=day.isoformat(), seed=seed)
        self.person = Person(self.exchange)
        self._begin(opening(self._now()) + timedelta(minutes=10), None)
        self._iterate(wanted, FixedExit(0.03, 0.05, 0.004, 0.008), 10)

    def _now(self) -> datetime:
        return moment(self.exchange.admin.status()["now"])

    def _begin(self, at: datetime, protects: FixedExit | None) -> None:
        while not self.exchange.admin.advance(at).reached:
            pass
        self.life = life = Life(self.exchange, self.folder, self.posted)
        self.ends.callback(life.end)
        self.watch = watch = Watch(self.exchange, BARE_AT_MOST_SECONDS)
        life.on_settle(lambda: watch.look(life))
        watch.look(life)
        life.begin(protects)
        self._a_moment_later()  # what fell due while no process was there is done as soon as there is one

    # ---- what may happen -------------------------------------------------------------------------------------------

    @rule(wanted=WANTED, exits=RULES, seconds=st.sampled_from([1, 10, 300]))
    def iterates(self, wanted: Wanted, exits: FixedExit, seconds: int) -> None:
        self._iterate(wanted, exits, seconds)

    @rule(wanted=WANTED, exits=RULES, fault=st.sampled_from(FAULTS))
    def iterates_while_something_goes_wrong(self, wanted: Wanted, exits: FixedExit, fault: Fault) -> None:
        self._will_go_wrong(fault)
        self._iterate(wanted, exits, 30)

    @rule(before=WANTED, wanted=WANTED, exits=RULES)
    def changes_its_mind(self, before: Wanted, wanted: Wanted, exits: FixedExit) -> None:
        self._iterate(before, exits, 1)
        self._iterate(wanted, exits, 70)

    @rule(how=st.sampled_from(["1", "30", "600", "600", "close", "day"]))
    def time_passes(self, how: str) -> None:
        now = self.life.clock.now()
        to = {"close": closing(now), "day": opening(now) + timedelta(seconds=30)}.get(how)
        self.life.stage.move_to(to or now + timedelta(seconds=int(how)))

    @rule(symbol=st.sampled_from(SYMBOLS), shares=st.sampled_from([1, 7, 40]))
    def somebody_buys(self, symbol: str, shares: int) -> None:
        self.exchange.admin.clear_faults()  # what is still to go wrong is meant for the desk
        SEEN["bought by hand"] += self.person.trade(symbol, OrderSide.BUY, shares)
        self._a_moment_later()

    @rule(symbol=st.sampled_from(SYMBOLS), part=st.sampled_from([0.3, 1.0]))
    def somebody_sells_what_is_free_and_not_the_desks(self, symbol: str, part: float) -> None:
        self.exchange.admin.clear_faults()
        theirs = self.watch.theirs(self.life.desk.book)[symbol]
        shares = int(min(self.person.free(symbol), theirs) * part)
        if shares > 0:
            SEEN["sold by hand"] += self.person.trade(symbol, OrderSide.SELL, shares)
        self._a_moment_later()

    @rule(which=st.integers(0, 11))
    def somebody_cancels_an_order_of_the_desks(self, which: int) -> None:
        self.exchange.admin.clear_faults()
        found = sorted(self.watch.truth.open_orders(), key=lambda order: (order["symbol"], order["created_at"], order["type"]))
        if found:
            self.canceled += self.person.cancel(found[which % len(found)]["id"])
        self._a_moment_later()

    @rule(fault=st.sampled_from(FAULTS))
    def something_will_go_wrong(self, fault: Fault) -> None:
        self._will_go_wrong(fault)

    @rule(
        minutes=st.sampled_from([0, 0, 1, 30, 1440]),
        loosens=st.booleans(),
        protects=st.sampled_from([None, FixedExit(0.02, 0.03)]),
    )
    def it_restarts(self, minutes: int, loosens: bool, protects: FixedExit | None) -> None:
        if loosens:
            self.life.desk.record(ModeChanged(Mode.ACTIVE, "looked at it"))
        self.ends.close()
        self._begin(self._now() + timedelta(minutes=minutes, seconds=2), protects)

    @rule(wanted=WANTED, exits=RULES, sent=st.integers(0, 3))
    def it_dies_between_journal_and_broker(self, wanted: Wanted, exits: FixedExit, sent: int) -> None:
        """Of what an iteration decides, `sent` messages go out before the process is gone."""
        self._move_on(10)
        self.life.lose_messages(after=sent)
        self.life.decide(targets(wanted, exits))
        self.ends.close()
        self._begin(self._now() + timedelta(seconds=2), None)

    def _iterate(self, wanted: Wanted, exits: FixedExit, seconds: int) -> None:
        self._move_on(seconds)
        self.life.iterate(targets(wanted, exits))

    def _move_on(self, seconds: int) -> None:
        """To an instant at which the market is open."""
        now = self.life.clock.now()
        due = now + timedelta(seconds=seconds)
        self.life.stage.move_to(due if market_hours(due) is not None else opening(now) + timedelta(seconds=30))

    def _a_moment_later(self) -> None:
        """What is due by now is done, and what others did to the account shows, when time goes on."""
        self.life.stage.move_to(self.life.clock.now() + MOMENT)

    def _will_go_wrong(self, fault: Fault) -> None:
        kind, when, parameters = fault
        if all(each["hits"] for each in self.exchange.admin.faults()):
            self.exchange.admin.clear_faults()
        self.exchange.admin.fault(kind, {"count": 1, **when}, **parameters)

    # ---- what must stay true ---------------------------------------------------------------------------------------

    @invariant()
    def all_is_well(self) -> None:
        rows = list(self.life.journal.rows())
        for row in rows[self.read :]:
            self._judge_row(row.value)
        self.read = len(rows)
        self._judge_exits()
        self._judge_halt()
        self._judge_book(rows)
        self._judge_posted()

    def _judge_row(self, value: RowValue) -> None:
        """Every refusal is explained, and an exit whose price the broker does not change is moved in another way."""
        SEEN[told(value)] += 1
        self.doubted |= isinstance(value, OrderEvent) and value.status is OrderStatus.UNKNOWN
        if isinstance(value, BrokerRefusal):
            assert value.explained, str(value)
        if isinstance(value, Replace) and value.role is GroupRole.STOP_LOSS:
            # A lot of a trade has the trade's key before its own.
            firm = [key for key in self.stiff if f"{self._trade_key(value)}-".startswith(f"{key}-")]
            assert not firm, f"the broker does not move the stop of {firm}, and is asked again: {value}"
        step = self.life.desk.step(value.key) if isinstance(value, BrokerRefusal | Acknowledged) else None
        if isinstance(step, Replace) and NOBODY_ANSWERED not in str(value):
            self._judge_move(step, value if isinstance(value, BrokerRefusal) else None)

    def _judge_move(self, step: Replace, refusal: BrokerRefusal | None) -> None:
        self.unmoved[step.of_key] = 0 if refusal is None else self.unmoved[step.of_key] + 1
        assert self.unmoved[step.of_key] < 3, f"asked again and again to move an exit of {step.of_key}: {refusal}"
        if refusal is not None and step.role is GroupRole.STOP_LOSS and is_firm(refusal):
            self.stiff.add(self._trade_key(step))

    def _trade_key(self, step: Replace) -> str:
        book = self.life.desk.book
        trade = book.owner(step.of_key) or book.former(step.of_key)
        return step.of_key if trade is None else trade.key

    def _judge_exits(self) -> None:
        """Every share is guarded, in a transition that ends, or one for which the desk is halted."""
        why = self.life.why_halted()
        for trade in self.life.desk.book.open.values():
            bare = trade.shares - self.watch.truth.resting(trade.symbol).get(trade.exits_key, 0)
            if bare > 0 and not self._is_passing(trade, self.life.clock.now()):
                assert trade.symbol in why, f"{bare} {trade.symbol} are bare; the desk is {self.life.desk.mode}: {why}; {trade}"

    def _is_passing(self, trade: Trade, now: datetime) -> bool:
        """Whether a trade's shares are without exits for a while that ends by itself."""
        if trade.is_entry_working and trade.cancel_asked_at is not None:
            return now - trade.cancel_asked_at <= SLOW_CANCEL
        if trade.is_entry_working:
            return trade.entered_at is not None and now - trade.entered_at <= HALF_FILLED_AT_MOST
        if is_doubted(self.life.desk.book, trade.symbol):
            return trade.exits_at is not None and (now - trade.exits_at).total_seconds() <= DOUBTED_SECONDS
        if trade.is_being_sold and trade.cancel_asked_at is not None:
            # A sale that hung is asked to end; how long all of it takes together is judged by the seconds that are bare.
            return now - trade.cancel_asked_at <= SLOW_CANCEL
        if trade.is_being_sold and self.watch.truth.selling(trade.symbol).get(trade.exits_key) == trade.shares:
            return trade.stop_passed or (trade.exits_at is not None and now - trade.exits_at <= SALE_AT_MOST)
        return False

    def _judge_halt(self) -> None:
        """What passes halts no desk: exits that are canceled again and again do, and answers that got lost."""
        why = self.life.why_halted()
        is_canceled = self.canceled >= MAX_COVERS and "the broker ended" in why
        is_doubtful = self.doubted and re.search("no open exit|not open at the broker", why) is not None
        assert not why or is_canceled or is_doubtful, f"halted: {why}"

    def _judge_book(self, rows: Sequence[Row]) -> None:
        """The book and what is somebody else's are what the exchange holds; another process reads the same book."""
        book, there = self.life.desk.book, self.watch.truth.shares
        expected = {symbol: book.shares_of(symbol) + self.watch.theirs(book)[symbol] for symbol in SYMBOLS}
        assert expected == {symbol: there.get(symbol, 0) for symbol in SYMBOLS}
        again, said = recovered(rows)
        assert not said, f"nobody answered: {said}"
        assert again.book == book, "; ".join(unlike(again.book, book))
        assert again.mode is self.life.desk.mode

    def _judge_posted(self) -> None:
        """No client order id means two orders."""
        for key, sent in self.posted.items():
            assert not key.startswith(NONCE) or all(body == sent[0][0] for body, _ in sent), f"{key} was sent as {sent}"

    def teardown(self) -> None:
        self.ends.close()
        self.place.cleanup()


def targets(wanted: Wanted, exits: FixedExit) -> list[Target]:
    """A weight for each symbol, 0 to leave it, None to say nothing of it."""
    return [
        Target(symbol, Weight(part) if part else Shares(0), exits, "test")
        for symbol, part in zip(SYMBOLS, wanted, strict=True)
        if part is not None
    ]


def is_firm(refusal: BrokerRefusal) -> bool:
    """Whether the broker said that a change cannot be made as the order stands."""
    return refusal.http_status == NO_SUCH_CHANGE or NOT_YET in refusal.message


def unlike(one: Book, other: Book) -> list[str]:
    """In what two books differ, in words."""
    mine, theirs = ({"book": book} | {each.key: each for each in (*book.closed, *book.open.values())} for book in (one, other))
    pairs = [(key, mine.get(key), theirs.get(key)) for key in sorted({*mine, *theirs}) if mine.get(key) != theirs.get(key)]
    return [
        f"{key}.{each.name}: {getattr(left, each.name, None)} and {getattr(right, each.name, None)}"
        for key, left, right in pairs
        for each in fields(Book if key == "book" else Trade)
        if each.name not in ("open", "closed") and getattr(left, each.name, None) != getattr(right, each.name, None)
    ]


def told(value: RowValue) -> str:
    """What kind of row it is."""
    if isinstance(value, Step):
        shape = f" {value.spec.order_class} {value.spec.type}" if isinstance(value, Submit) else ""
        return f"{type(value).__name__} {re.sub('[0-9]+$', '', value.key.rsplit('-', 1)[-1])}{shape}"
    if isinstance(value, OrderEvent) and value.fill is not None:
        return f"{value.role} {value.status}"
    if isinstance(value, BrokerRefusal):
        return f"refused {value.http_status} {value.message[:60]}"
    return type(value).__name__


@pytest.fixture(scope="module")
def exchanges(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[bool, ExchangeProcess]]:
    """Two: one that changes the price of a stop that sleeps, and one that does not."""
    folder = tmp_path_factory.mktemp("exchanges")
    with ExitStack() as stack:
        yield {
            moves: stack.enter_context(ExchangeProcess(exchange_config(folder / str(moves), moves), folder / "log"))
            for moves in (True, False)
        }


def test_an_active_book_stays_protected(exchanges: Mapping[bool, ExchangeProcess]) -> None:
    ActiveBook.exchanges = exchanges
    run_state_machine_as_test(ActiveBook, settings=settings(max_examples=EXAMPLES, stateful_step_count=STEPS))
    usual = {"Submit open bracket limit", "Submit add simple limit", "Submit cover oco limit", "Cancel trim", "Replace exit"}
    usual |= {"Replace stop", "Cancel stop", "Cancel cancel", "entry partially_filled", "stop_loss filled", "take_profit filled"}
    assert not usual - SEEN.keys(), f"the search never met {usual - SEEN.keys()}"
