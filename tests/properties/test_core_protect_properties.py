from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

from hypothesis import given
from hypothesis import strategies as st

from desk.core.book import with_step
from desk.core.covering import cover
from desk.core.keys import MAX_LENGTH
from desk.core.protect import EXIT_COLLAR_FRACTION, Stamp, exit_limit, protect
from desk.core.upkeep import stale_entries
from desk.domain.decisions import Approved, Denied, FixedExit, Intent, IntentKind, Reason
from desk.domain.orders import TERMINAL, GroupRole, OrderClass, OrderSpec, OrderStatus, OrderType, Side, TimeInForce
from desk.domain.prices import Rounding, legal_price, tick_size
from desk.domain.steps import Cancel, Replace, Step, Submit
from desk.domain.trades import Book, Trade

NOW = datetime(2024, 1, 3, 15, tzinfo=UTC)
STAMP = Stamp("a1b2c3d4", NOW)
CENT = Decimal("0.01")
SYMBOLS = ("AAA", "BBB", "BRK.B", "DDD", "EEE")
S = OrderStatus

rules = st.builds(FixedExit, st.floats(min_value=0.0005, max_value=0.95), st.floats(min_value=0.0005, max_value=2.0))
dollars = st.floats(min_value=0.02, max_value=20_000, allow_nan=False)


@st.composite
def intents(draw: st.DrawFn, symbol: str, kinds: tuple[IntentKind, ...]) -> Intent:
    kind = draw(st.sampled_from(kinds))
    return Intent(kind, symbol, draw(st.integers(1, 100_000)), draw(dollars), draw(rules), "test", reference_price=draw(dollars))


@st.composite
def trades(draw: st.DrawFn, symbol: str, action: str = "open") -> Trade:
    """A trade in any stage of its life; prices from two dollars up, so that stops have ticks of a cent."""
    limit = Decimal(draw(st.integers(200, 200_000))) / 100
    stop = legal_price(float(limit) * draw(st.floats(min_value=0.55, max_value=0.98)))
    target = legal_price(float(limit) * draw(st.floats(min_value=1.02, max_value=2.0)))
    quantity = draw(st.integers(2, 500))
    key = f"a1b2c3d4-20240102T150000-{symbol}-{action}"
    spec = OrderSpec(
        key, symbol, Side.BUY, quantity, OrderType.LIMIT, OrderClass.BRACKET, TimeInForce.GTC, limit,
        take_profit=target, stop_loss=stop,
    )  # fmt: skip
    decided_at = draw(st.sampled_from([NOW, NOW - timedelta(hours=1), NOW - timedelta(days=1)]))
    stage = draw(st.sampled_from([_working, _held, _leaving, _bare, _covered]))
    return stage(draw, Trade(spec, decided_at, float(limit), "test", target_price=target, stop_price=stop))


def _with(trade: Trade, **changes: object) -> Trade:
    fields = {name: getattr(trade, name) for name in Trade.__dataclass_fields__}
    return Trade(**{**fields, **changes})


def _working(draw: st.DrawFn, trade: Trade) -> Trade:
    entered = draw(st.integers(0, trade.spec.quantity - 1))
    status = draw(st.sampled_from([S.JOURNALED, S.SENT, S.WORKING, S.UNKNOWN])) if not entered else S.PARTIALLY_FILLED
    asked_at = draw(st.sampled_from([None, NOW - timedelta(hours=1)]))
    return _with(trade, entry_status=status, entered=entered, cancel_asked_at=asked_at)


def _held(draw: st.DrawFn, trade: Trade) -> Trade:
    exited = draw(st.integers(0, trade.spec.quantity - 1))
    target = S.PARTIALLY_FILLED if exited else draw(st.sampled_from([S.HELD, S.WORKING]))
    return _with(
        trade, entry_status=S.FILLED, entered=trade.spec.quantity, exited=exited, target_status=target, stop_status=S.HELD
    )


def _leaving(draw: st.DrawFn, trade: Trade) -> Trade:
    limit = legal_price(float(trade.spec.limit_price or 1) * draw(st.floats(min_value=0.99, max_value=1.5)))
    return _with(_held(draw, trade), exit_requested="time is up", target_price=limit)


def _bare(draw: st.DrawFn, trade: Trade) -> Trade:
    over = draw(st.sampled_from([S.CANCELED, S.EXPIRED]))
    entered = draw(st.integers(1, trade.spec.quantity - 1))
    covers = tuple(f"{trade.key}-cover{number + 1}" for number in range(draw(st.integers(0, 3))))
    gone = S.REJECTED if covers else S.CANCELED
    return _with(trade, entry_status=over, entered=entered, target_status=gone, stop_status=gone, covers=covers)


def _covered(draw: st.DrawFn, trade: Trade) -> Trade:
    bare = _bare(draw, trade)
    return _with(
        bare, covers=(*bare.covers, f"{trade.key}-cover{len(bare.covers) + 1}"), target_status=S.SENT, stop_status=S.SENT
    )


@st.composite
def books(draw: st.DrawFn, symbols: Sequence[str] = SYMBOLS) -> Book:
    held = draw(st.sets(st.sampled_from(symbols)))
    adopted = draw(st.sets(st.sampled_from(symbols)))
    opened = [draw(trades(symbol)) for symbol in sorted(held)] + [draw(trades(symbol, "adopt")) for symbol in sorted(adopted)]
    return Book(MappingProxyType({trade.key: trade for trade in opened}))


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[Approved], Book]:
    """What review may approve together: closings of symbols held, openings of symbols not held, one a symbol."""
    book = draw(books())
    chosen = draw(st.permutations(SYMBOLS))[: draw(st.integers(0, len(SYMBOLS)))]
    kinds = {symbol: (IntentKind.CLOSE,) if book.trades_of(symbol) else (IntentKind.OPEN,) for symbol in chosen}
    return [Approved(draw(intents(symbol, kinds[symbol]))) for symbol in chosen], book


def submits(steps: Sequence[Step | Denied]) -> list[Submit]:
    return [step for step in steps if isinstance(step, Submit)]


def is_opening(step: Step | Denied) -> bool:
    """An entry or its refusal; a sale of bare shares is a Submit too, and belongs to the exits."""
    return isinstance(step, Denied) or (isinstance(step, Submit) and step.covers is None)


def has_no_exit(trade: Trade) -> bool:
    return trade.target_status in TERMINAL and trade.stop_status in TERMINAL


@given(plans())
def test_every_entry_is_a_bracket_that_a_broker_may_take(plan: tuple[list[Approved], Book]) -> None:
    for step in filter(is_opening, submits(protect(*plan, STAMP))):
        spec = step.spec
        assert (spec.order_class, spec.type, spec.side) == (OrderClass.BRACKET, OrderType.LIMIT, Side.BUY)
        assert spec.time_in_force is TimeInForce.GTC
        assert isinstance(spec.quantity, int) and spec.quantity == step.intent.quantity
        stop, limit, target = spec.stop_loss, spec.limit_price, spec.take_profit
        assert stop is not None and limit is not None and target is not None
        assert 0 < stop <= limit - CENT and limit + CENT <= target
        assert all(price % tick_size(price) == 0 for price in (stop, limit, target))


@given(plans())
def test_every_opening_becomes_a_bracket_or_a_refusal(plan: tuple[list[Approved], Book]) -> None:
    approved, book = plan
    wanted = [verdict.intent.symbol for verdict in approved if verdict.intent.kind is IntentKind.OPEN]
    outcome = [step for step in protect(approved, book, STAMP) if is_opening(step)]
    assert [step.spec.symbol if isinstance(step, Submit) else step.symbol for step in outcome] == wanted
    assert {step.reason for step in outcome if isinstance(step, Denied)} <= {Reason.BELOW_TICK}


@given(intents("AAA", (IntentKind.OPEN,)))
def test_an_entry_is_refused_only_when_its_exits_are_too_near(intent: Intent) -> None:
    (step,) = protect([Approved(intent)], Book(), STAMP)
    limit = float(legal_price(intent.price))
    nearest = limit * min(intent.exit_rule.stop_loss_fraction, intent.exit_rule.take_profit_fraction)
    if nearest >= 0.02:
        assert isinstance(step, Submit)
    if nearest < 0.005:
        assert isinstance(step, Denied)


@given(plans())
def test_exits_go_out_before_entries(plan: tuple[list[Approved], Book]) -> None:
    kinds = [is_opening(step) for step in protect(*plan, STAMP)]
    assert kinds == sorted(kinds)


@given(plans())
def test_an_exit_stays_above_its_own_stop_and_on_the_grid(plan: tuple[list[Approved], Book]) -> None:
    approved, book = plan
    for step in protect(approved, book, STAMP):
        if isinstance(step, Replace):
            owner = book.owner(step.of_key)
            assert owner is not None and owner.spec.stop_loss is not None
            assert step.role is GroupRole.TAKE_PROFIT
            assert step.of_key == owner.exits_key
            assert step.limit_price >= owner.spec.stop_loss + CENT
            assert step.limit_price % tick_size(step.limit_price) == 0


@given(plans())
def test_shares_without_a_live_exit_are_sold_outright_and_all_others_keep_their_group(plan: tuple[list[Approved], Book]) -> None:
    approved, book = plan
    closing = {verdict.intent.symbol for verdict in approved if verdict.intent.kind is IntentKind.CLOSE}
    left = [trade for symbol in closing for trade in book.trades_of(symbol)]
    bare = {trade.key: trade for trade in left if not trade.is_entry_working and has_no_exit(trade)}
    sales = [step for step in submits(protect(approved, book, STAMP)) if step.covers is not None]
    assert {step.covers for step in sales} == set(bare) and len(sales) == len(bare)
    for step in sales:
        trade, spec = bare[step.covers or ""], step.spec
        bid = next(verdict.intent.price for verdict in approved if verdict.intent.symbol == spec.symbol)
        assert spec.key == f"{trade.key}-sale{len(trade.covers) + 1}"
        assert (spec.order_class, spec.type, spec.side) == (OrderClass.SIMPLE, OrderType.LIMIT, Side.SELL)
        assert (spec.quantity, spec.time_in_force) == (trade.shares, TimeInForce.DAY)
        assert spec.limit_price == legal_price(bid * (1 - EXIT_COLLAR_FRACTION), Rounding.DOWN)


@given(plans())
def test_an_exit_is_never_asked_again_at_the_very_price_where_it_is(plan: tuple[list[Approved], Book]) -> None:
    approved, book = plan
    for step in protect(approved, book, STAMP):
        if isinstance(step, Replace):
            owner = book.owner(step.of_key)
            assert owner is not None
            assert owner.exit_requested is None or step.limit_price != owner.target_price


@given(trades("AAA"), dollars)
def test_an_exit_is_marketable_unless_its_stop_is_in_the_way(trade: Trade, bid: float) -> None:
    limit, stop = exit_limit(trade, bid), trade.spec.stop_loss
    assert stop is not None
    if bid > float(stop) / (1 - EXIT_COLLAR_FRACTION) + 0.03:
        assert float(limit) <= bid
    else:
        assert stop + CENT <= limit <= max(stop + CENT + tick_size(stop), legal_price(bid))
    assert limit % tick_size(limit) == 0


@given(plans())
def test_a_trade_with_a_cancel_on_its_way_gets_no_second_one(plan: tuple[list[Approved], Book]) -> None:
    approved, book = plan
    for step in protect(approved, book, STAMP):
        if isinstance(step, Cancel):
            owner = book.owner(step.of_key)
            assert owner is not None and owner.is_entry_working and not owner.cancel_requested


def whole_iteration(plan: tuple[list[Approved], Book]) -> list[Step]:
    """Every step of one iteration in the desk's order: covers and old entries are booked before the plan is made."""
    approved, book = plan
    first = [*cover(book), *stale_entries(book, STAMP)]
    for step in first:
        book = with_step(book, step, NOW)
    return [*first, *(step for step in protect(approved, book, STAMP) if not isinstance(step, Denied))]


@given(plans())
def test_no_key_is_used_twice_in_an_iteration(plan: tuple[list[Approved], Book]) -> None:
    keys = [step.key for step in whole_iteration(plan)]
    assert len(set(keys)) == len(keys)
    assert all(key.startswith("a1b2c3d4-") and len(key) <= MAX_LENGTH for key in keys)


@given(plans())
def test_the_same_decision_gets_the_same_keys_and_prices(plan: tuple[list[Approved], Book]) -> None:
    assert whole_iteration(plan) == whole_iteration(plan)


@given(plans())
def test_an_hour_later_no_key_of_a_plan_comes_again(plan: tuple[list[Approved], Book]) -> None:
    approved, book = plan
    later = Stamp("a1b2c3d4", NOW + timedelta(hours=1))
    first = [step for step in protect(approved, book, STAMP) if not isinstance(step, Denied)]
    for step in first:
        book = with_step(book, step, NOW)
    again = {step.key for step in protect(approved, book, later) if not isinstance(step, Denied)}
    assert again.isdisjoint(step.key for step in first)


@given(plans())
def test_a_sale_keeps_its_key_until_it_is_booked(plan: tuple[list[Approved], Book]) -> None:
    """It counts the tries of its trade, so a sale that was never sent goes out as what it was."""
    approved, book = plan
    later = Stamp("a1b2c3d4", NOW + timedelta(hours=1))
    sales = [step for step in submits(protect(approved, book, STAMP)) if step.covers is not None]
    assert [step for step in submits(protect(approved, book, later)) if step.covers is not None] == sales


@given(books())
def test_only_entries_of_earlier_iterations_are_too_old(book: Book) -> None:
    asked = {step.of_key for step in stale_entries(book, STAMP)}
    old = {trade.key for trade in book.open.values() if trade.is_entry_working and trade.decided_at < NOW}
    assert asked == old, "one that was asked for before may have been rejected since"


@given(books())
def test_every_share_without_exits_gets_one_cover_at_the_original_exits(book: Book) -> None:
    bare = {
        key: trade
        for key, trade in book.open.items()
        if trade.shares and trade.entry_status in (S.CANCELED, S.EXPIRED) and trade.target_status in (S.CANCELED, S.REJECTED)
    }
    covers = [step for step in cover(book) if isinstance(step, Submit)]
    assert [step.covers for step in covers] == list(bare)
    for step in covers:
        trade, spec = bare[step.covers or ""], step.spec
        assert (spec.order_class, spec.side, spec.quantity) == (OrderClass.OCO, Side.SELL, trade.shares)
        assert (spec.take_profit, spec.stop_loss) == (trade.spec.take_profit, trade.spec.stop_loss)
        assert spec.time_in_force is TimeInForce.GTC
