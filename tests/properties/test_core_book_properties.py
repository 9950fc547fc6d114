"""The book against a small honest venue: whatever one bracket lives through, the book ends with what the venue counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from desk.core.book import with_event, with_refusal, with_step
from desk.core.covering import MAX_COVERS, cover
from desk.domain.decisions import FixedExit, Intent, IntentKind
from desk.domain.orders import Fill, GroupRole, OrderClass, OrderEvent, OrderSpec, OrderStatus, OrderType, Side, TimeInForce
from desk.domain.steps import Cancel, Replace, Submit
from desk.domain.trades import Book, Trade

START = datetime(2024, 1, 3, 15, tzinfo=UTC)
KEY = "n-20240103T150000-AAA-open"
ENTRY, TARGET, STOP = GroupRole.ENTRY, GroupRole.TAKE_PROFIT, GroupRole.STOP_LOSS
S = OrderStatus


def submit(quantity: int) -> Submit:
    spec = OrderSpec(
        KEY, "AAA", Side.BUY, quantity, OrderType.LIMIT, OrderClass.BRACKET, TimeInForce.GTC, Decimal("100.00"),
        take_profit=Decimal("115.00"), stop_loss=Decimal("95.00"),
    )  # fmt: skip
    return Submit(spec, Intent(IntentKind.OPEN, "AAA", quantity, 100.0, FixedExit(0.05, 0.15), "RSI 28.0", 0.7, 99.5))


@dataclass
class Venue:
    """Tells events of one bracket as Alpaca does: the stop sleeps silently, a cancel of a group is told of its entry alone."""

    quantity: int
    events: list[OrderEvent] = field(default_factory=list)
    bought: int = 0
    sold: int = 0
    paid: Decimal = Decimal(0)
    received: Decimal = Decimal(0)

    def say(self, role: GroupRole, status: OrderStatus, shares: int = 0, price: str = "0") -> None:
        at = START + timedelta(minutes=len(self.events))
        fill = None
        if shares:
            side = Side.BUY if role is ENTRY else Side.SELL
            fill = Fill(f"x{len(self.events)}", KEY, "AAA", side, shares, Decimal(price), at, role)
            self._count(role, fill)
        self.events.append(OrderEvent(KEY, role, status, at, f"broker-{role}", fill))

    def _count(self, role: GroupRole, fill: Fill) -> None:
        if role is ENTRY:
            self.bought += fill.quantity
            self.paid += fill.price * fill.quantity
        else:
            self.sold += fill.quantity
            self.received += fill.price * fill.quantity

    def trade(self, role: GroupRole, shares: int, whole: int, price: str) -> None:
        done = (self.bought if role is ENTRY else self.sold) + shares == whole
        self.say(role, S.FILLED if done else S.PARTIALLY_FILLED, shares, price)


@st.composite
def parts(draw: st.DrawFn, whole: int) -> list[int]:
    """`whole` cut into one to four pieces."""
    cuts = sorted(draw(st.sets(st.integers(1, whole - 1), max_size=3))) if whole > 1 else []
    return [high - low for low, high in zip([0, *cuts], [*cuts, whole], strict=True)]


@st.composite
def lives(draw: st.DrawFn, ends: Sequence[str] = ("refused", "canceled", "held", "target", "stop", "both")) -> Venue:
    venue = Venue(draw(st.integers(1, 60)))
    end = draw(st.sampled_from(ends))
    if end == "refused":
        venue.say(ENTRY, S.REJECTED)
        return venue
    venue.say(ENTRY, S.WORKING)
    pieces = draw(parts(venue.quantity))
    if end == "canceled":
        for piece in pieces[:-1]:
            venue.trade(ENTRY, piece, venue.quantity, "99.98")
        venue.say(ENTRY, S.CANCELED)
        return venue
    for piece in pieces:
        venue.trade(ENTRY, piece, venue.quantity, "99.98")
    venue.say(TARGET, S.WORKING)
    _leave(draw, venue, end)
    return venue


def _leave(draw: st.DrawFn, venue: Venue, end: str) -> None:
    pieces = draw(parts(venue.quantity))
    if end == "target":
        for piece in pieces:
            venue.trade(TARGET, piece, venue.quantity, "115.00")
        venue.say(STOP, S.CANCELED)
    elif end in ("stop", "both"):
        if end == "both" and len(pieces) > 1:
            venue.trade(TARGET, pieces.pop(0), venue.quantity, "115.00")
        venue.say(TARGET, S.REPLACED)
        for piece in pieces:
            venue.trade(STOP, piece, venue.quantity, "94.90")
        venue.say(TARGET, S.CANCELED)


def fold(book: Book, events: Sequence[OrderEvent]) -> Book:
    for event in events:
        book = with_event(book, event)
    return book


def opened(venue: Venue) -> Book:
    return with_step(Book(), submit(venue.quantity), START)


def the_trade(book: Book) -> Trade:
    (trade,) = (*book.open.values(), *book.closed)
    return trade


def outcome(book: Book) -> tuple[Trade, frozenset[str], dict[str, date]]:
    return the_trade(book), book.seen, dict(book.last_exit)


@given(lives())
def test_the_book_counts_what_the_venue_counted(venue: Venue) -> None:
    trade = the_trade(fold(opened(venue), venue.events))
    assert (trade.entered, trade.exited) == (venue.bought, venue.sold)
    assert (trade.entry_value, trade.exit_value) == (venue.paid, venue.received)
    assert trade.is_closed == (trade.shares == 0 and trade.entry_status in (S.FILLED, S.CANCELED, S.REJECTED))


@given(lives())
def test_shares_are_never_below_zero_and_are_entries_less_exits(venue: Venue) -> None:
    book = opened(venue)
    for event in venue.events:
        book = with_event(book, event)
        trade = the_trade(book)
        assert trade.shares == trade.entered - trade.exited >= 0
        assert book.shares_of("AAA") == (0 if trade.is_closed else trade.shares)
        assert trade.entered <= venue.quantity


@given(lives(), st.data())
def test_an_execution_told_again_changes_nothing(venue: Venue, data: st.DataObject) -> None:
    book = opened(venue)
    for place, event in enumerate(venue.events):
        book = with_event(book, event)
        told = [earlier for earlier in venue.events[: place + 1] if earlier.fill is not None]
        if told:
            assert with_event(book, data.draw(st.sampled_from(told))) == book


@given(lives(), st.data())
def test_late_acknowledgements_end_in_the_same_book(venue: Venue, data: st.DataObject) -> None:
    """An order can fill before its acknowledgement is read: `new` may come at any later moment, and twice."""
    late = list(venue.events)
    triggered = any(event.status is S.REPLACED for event in late)
    # After `replaced` a target lives on as its successor, so there `new` is no late news: the adapter tells the two apart.
    for role in (ENTRY,) if triggered else (ENTRY, TARGET):
        for news in [event for event in late if event.role is role and event.status is S.WORKING]:
            place = late.index(news)
            late.remove(news)
            for _ in range(2):
                late.insert(data.draw(st.integers(place, len(late))), news)
    assert outcome(fold(opened(venue), late)) == outcome(fold(opened(venue), venue.events))


@given(lives(("held", "target", "stop")), st.data())
def test_parts_of_an_entry_may_come_in_any_order(venue: Venue, data: st.DataObject) -> None:
    entries = [event for event in venue.events if event.role is ENTRY]
    rest = [event for event in venue.events if event.role is not ENTRY]
    mixed = data.draw(st.permutations(entries))
    one, other = the_trade(fold(opened(venue), [*mixed, *rest])), the_trade(fold(opened(venue), venue.events))
    assert replace(one, entered_at=None) == replace(other, entered_at=None)


@given(lives(), st.sampled_from(list(GroupRole)), st.sampled_from(list(S)))
def test_news_of_an_order_that_is_not_the_desks_changes_nothing(venue: Venue, role: GroupRole, status: OrderStatus) -> None:
    book = fold(opened(venue), venue.events)
    fill = Fill("x99", "somebody-else", "AAA", Side.BUY, 5, Decimal(100), START, role)
    assert with_event(book, OrderEvent("somebody-else", role, status, START, "b", fill)) == book


@given(lives(("target", "stop", "both")))
def test_a_finished_trade_leaves_the_day_of_its_exit(venue: Venue) -> None:
    book = fold(opened(venue), venue.events)
    assert not book.open
    assert dict(book.last_exit) == {"AAA": date(2024, 1, 3)}
    assert book.closed[0].exit_role is (TARGET if venue.events[-1].role is STOP else STOP)


@given(lives(("held",)))
def test_a_complete_entry_is_covered_by_its_own_exits(venue: Venue) -> None:
    book = fold(opened(venue), venue.events)
    assert the_trade(book).is_protected
    assert cover(book) == []


@given(lives(("held", "target", "stop", "both")))
def test_a_bracket_that_runs_its_course_needs_no_cover(venue: Venue) -> None:
    book = opened(venue)
    for event in venue.events:
        book = with_event(book, event)
        assert cover(book) == []


@given(lives(("canceled",)), st.integers(1, MAX_COVERS + 2))
def test_a_half_filled_entry_that_is_canceled_is_covered_once_for_each_refusal(venue: Venue, refusals: int) -> None:
    book = fold(opened(venue), venue.events)
    if not venue.bought:
        assert not book.open and cover(book) == []
        return
    keys: list[str] = []
    for _ in range(refusals):
        steps = cover(book)
        if len(keys) == MAX_COVERS:
            assert steps == []
            break
        (step,) = steps
        assert isinstance(step, Submit) and step.covers == KEY
        spec = step.spec
        assert (spec.order_class, spec.side, spec.quantity) == (OrderClass.OCO, Side.SELL, venue.bought)
        assert (spec.take_profit, spec.stop_loss) == (Decimal("115.00"), Decimal("95.00"))
        keys.append(step.key)
        book = with_step(book, step, START)
        assert cover(book) == []
        book = with_refusal(book, step)
    assert len(set(keys)) == len(keys)


@given(lives(("canceled",)), st.sampled_from([TARGET, STOP]))
def test_shares_sold_by_a_cover_close_the_trade(venue: Venue, role: GroupRole) -> None:
    book = fold(opened(venue), venue.events)
    if not venue.bought:
        return
    (step,) = cover(book)
    book = with_step(book, step, START)
    fill = Fill("y1", step.key, "AAA", Side.SELL, venue.bought, Decimal(115), START, role)
    book = fold(
        book, [OrderEvent(step.key, TARGET, S.WORKING, START, "b"), OrderEvent(step.key, role, S.FILLED, START, "b", fill)]
    )
    assert not book.open
    assert the_trade(book).exited == venue.bought


@given(lives(("held",)), st.integers(9_510, 11_400))
def test_a_refused_exit_leaves_the_trade_as_it_was(venue: Venue, cents: int) -> None:
    book = fold(opened(venue), venue.events)
    step = Replace("n-exit", KEY, "AAA", TARGET, Decimal(cents) / 100, "time is up")
    asked = with_step(book, step, START)
    assert the_trade(asked).target_price == step.limit_price and the_trade(asked).exit_requested == "time is up"
    assert with_refusal(asked, step) == book


@given(st.integers(1, 50))
def test_a_refused_cancel_may_be_asked_again_and_a_refused_entry_never_was(quantity: int) -> None:
    step = submit(quantity)
    book = with_step(Book(), step, START)
    cancel = Cancel("n-cancel", KEY, "AAA", "too old")
    (again,) = with_refusal(with_step(book, cancel, START), cancel).open.values()
    assert again == replace(book.open[KEY], cancel_asked_at=START)
    refused = with_refusal(book, step)
    assert not refused.open and refused.closed[0].entry_status is S.REJECTED and not refused.last_exit


@given(lives(("target", "stop", "both")))
def test_an_exit_told_before_its_entry_ends_in_the_same_book(venue: Venue) -> None:
    entries = [event for event in venue.events if event.role is ENTRY]
    exits = [event for event in venue.events if event.role is not ENTRY]
    early = [*exits[:-1], *entries, exits[-1]]
    assert outcome(fold(opened(venue), early)) == outcome(fold(opened(venue), venue.events))


@given(lives(("canceled",)), st.permutations([TARGET, STOP]), st.booleans())
def test_news_of_exits_that_a_cover_has_replaced_says_nothing_of_the_cover(
    venue: Venue, roles: list[GroupRole], before: bool
) -> None:
    """Some venues tell that the legs are canceled with their entry, and some of that may come late."""
    last = venue.events.pop()
    legs = [OrderEvent(KEY, role, S.CANCELED, last.at, f"broker-{role}") for role in roles]
    venue.events += [*legs, last] if before else [last]
    book = fold(opened(venue), venue.events)
    if not venue.bought:
        return
    (step,) = cover(book)
    covered = with_step(book, step, START)
    assert fold(covered, [*legs, last]) == covered
    assert cover(fold(covered, legs)) == []
