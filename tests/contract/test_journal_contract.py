"""One contract for every journal: what was appended comes back as it was, in order, and no message has a key twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journal_places import NOW, SQL, cancel, places, refusal

from desk.core.ports import DuplicateKey, Journal
from desk.domain.breaks import Break
from desk.domain.decisions import Denied, FixedExit, Intent, IntentKind, Mode
from desk.domain.journal import (
    Acknowledged,
    BreakFound,
    BrokerRefusal,
    ForeignOrder,
    ForeignSeen,
    IterationDone,
    ModeChanged,
    ResidueStop,
    Row,
    RowValue,
    RunStarted,
    RunStopped,
    SharesAdopted,
    SharesSplit,
    SharesWanted,
    StopPassed,
)
from desk.domain.orders import (
    Fill,
    GroupRole,
    Leg,
    OrderClass,
    OrderEvent,
    OrderSpec,
    OrderType,
    PositionIntent,
    Side,
    TimeInForce,
)
from desk.domain.spreads import SpreadOpened, SpreadPlan, SpreadRules, SpreadSettled, SpreadTurned
from desk.domain.steps import Cancel, Replace, SpreadOrder, Submit
from desk.journal.codec import KINDS, decode, encode, kind_of
from desk.journal.memory import MemoryJournal
from desk.journal.sql import SqlJournal

pytestmark = pytest.mark.slow

OpenJournal = Callable[[str], Journal]

pytest_plugins = ("journal_fixtures",)

JOURNALS = ["memory", *SQL]
# A new file for every example would sync the disk hundreds of times; the rows of one journal may grow instead.
shared_fixture = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture(params=JOURNALS)
def open_journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenJournal]:
    place = None if request.param == "memory" else places(request, request.param, tmp_path)
    opened: list[Journal] = []

    def _open(nonce: str) -> Journal:
        opened.append(MemoryJournal(nonce) if place is None else SqlJournal(place(), nonce))
        return opened[-1]

    yield _open
    for journal in opened:
        journal.close()


# ---- values of every kind ------------------------------------------------------------------------------------------

texts = st.text(max_size=30)
symbols = st.sampled_from(["AAPL", "BRK.B", "SH"])
numbers = st.floats(allow_nan=False, allow_infinity=False)
zones = st.sampled_from([UTC, timezone(timedelta(hours=-4)), timezone(timedelta(hours=5, minutes=30))])
moments = st.datetimes(min_value=datetime(1999, 1, 1), max_value=datetime(2100, 1, 1), timezones=zones)
prices = st.decimals(min_value=Decimal("0.0001"), max_value=Decimal(100_000), places=4)
plain = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | numbers | texts
counts = st.dictionaries(symbols, st.integers(-1000, 1000), max_size=3)
exit_rules = st.builds(FixedExit, numbers, numbers)


@st.composite
def specs(draw: st.DrawFn) -> OrderSpec:
    key, quantity = draw(texts), draw(st.integers(1, 10**6))
    low, middle, high = sorted(draw(st.lists(prices, min_size=3, max_size=3, unique=True)))
    lives = draw(st.sampled_from(list(TimeInForce)))
    kind = draw(st.sampled_from(["bracket", "oco", "market", "stop"]))
    if kind == "market":
        return OrderSpec(key, draw(symbols), Side.SELL, quantity, OrderType.MARKET, time_in_force=lives)
    if kind == "stop":
        return OrderSpec(key, draw(symbols), Side.SELL, quantity, OrderType.STOP, time_in_force=lives, stop_price=low)
    bracket = kind == "bracket"
    return OrderSpec(
        key,
        draw(symbols),
        Side.BUY if bracket else Side.SELL,
        quantity,
        OrderType.LIMIT,
        OrderClass.BRACKET if bracket else OrderClass.OCO,
        lives,
        limit_price=middle if bracket else None,
        take_profit=high,
        stop_loss=low,
    )


@st.composite
def packages(draw: st.DrawFn) -> OrderSpec:
    """Orders of a spread: of two or four legs, or of one contract alone."""
    key, quantity, price = draw(texts), draw(st.integers(1, 10**6)), draw(prices)
    intents = draw(st.permutations(list(PositionIntent)))
    if draw(st.booleans()):
        first = intents[0]
        return OrderSpec(key, "A", first.side, quantity, OrderType.LIMIT, limit_price=price, position_intent=first)
    legs = tuple(Leg(f"A{number}", 1, intent) for number, intent in enumerate(intents[: draw(st.sampled_from([2, 4]))]))
    net = price if draw(st.booleans()) else -price
    return OrderSpec(key, "A", Side.SELL, quantity, OrderType.LIMIT, OrderClass.MULTI_LEG, limit_price=net, legs=legs)


spread_rules = st.builds(
    SpreadRules,
    profit_fraction=st.none() | numbers,
    loss_multiple=st.none() | numbers,
    exit_days=st.none() | st.integers(0, 60),
    is_rolled=st.booleans(),
    keeps_long=st.booleans(),
)
spread_plans = st.builds(
    SpreadPlan,
    credit=prices,
    floor=prices,
    rules=spread_rules,
    decided_at=moments,
    score=st.none() | numbers,
    rolled_from=st.none() | texts,
)
intents = st.builds(Intent, symbol=symbols, price=numbers, exit_rule=exit_rules, confidence=st.none() | numbers)
fills = st.builds(Fill, price=prices, at=moments, execution_id=texts)
PARTICULAR: dict[type[Any], st.SearchStrategy[Any]] = {
    Submit: st.builds(Submit, specs(), intents, st.none() | texts),
    Replace: st.builds(Replace, limit_price=prices),
    OrderEvent: st.builds(OrderEvent, at=moments, fill=st.none() | fills),
    Denied: st.builds(Denied, detail=st.dictionaries(texts, plain, max_size=3)),
    RunStarted: st.builds(RunStarted, foreign=counts, options=st.dictionaries(texts, plain, max_size=3)),
    IterationDone: st.builds(IterationDone, equity_usd=numbers, cash_usd=numbers),
    ForeignSeen: st.builds(ForeignSeen, counted=st.dictionaries(texts, prices, max_size=3)),
    SharesAdopted: st.builds(SharesAdopted, specs(), prices),
    ResidueStop: st.builds(ResidueStop, quantity=prices, stop_price=st.none() | prices),
    SharesWanted: st.builds(SharesWanted, wanted=counts, price=st.none() | prices),
    SharesSplit: st.builds(SharesSplit, new_rate=prices, old_rate=prices, fraction=prices),
    StopPassed: st.builds(StopPassed, stop_price=st.none() | prices, price=numbers),
    SpreadOrder: st.builds(SpreadOrder, packages(), into=st.none() | texts),
    SpreadOpened: st.builds(SpreadOpened, spread_plans),
    SpreadSettled: st.builds(SpreadSettled, price=prices, cash_usd=prices),
    Acknowledged: st.builds(Acknowledged, broker_ids=st.dictionaries(texts, texts, max_size=3)),
}
# Every kind that a row can have; those of plain texts and counts need no recipe.
VALUES: dict[type[Any], st.SearchStrategy[Any]] = {kind: PARTICULAR.get(kind, st.builds(kind)) for kind in get_args(RowValue)}


def keyed_apart(values: list[Any]) -> list[Any]:
    """The same values, each message to the broker with a key of its own."""
    return [_rekeyed(value, f"key-{place}") for place, value in enumerate(values)]


def _rekeyed(value: Any, key: str) -> Any:
    if isinstance(value, Submit | SpreadOrder | SharesAdopted):
        return replace(value, spec=_rekeyed(value.spec, key))
    if not isinstance(value, Replace | Cancel | ForeignOrder | OrderSpec | ResidueStop):
        return value
    return type(value)(**{field.name: getattr(value, field.name) for field in fields(value)} | {"key": key})


@shared_fixture
@given(values=st.lists(st.one_of(*VALUES.values()), min_size=1, max_size=8), at=moments)
def test_rows_come_back_equal_and_in_order(open_journal: OpenJournal, values: list[Any], at: datetime) -> None:
    journal = open_journal("n")
    rows = [Row(at, value) for value in keyed_apart(values)]
    for row in rows[:2]:
        journal.append([row])
    if rows[2:]:
        journal.append(rows[2:])
    assert list(journal.rows()) == rows
    journal.close()


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_each_kind_comes_back_equal(open_journal: OpenJournal, kind: type[Any], data: st.DataObject) -> None:
    journal = open_journal("n")
    rows = [Row(NOW, value) for value in keyed_apart([data.draw(VALUES[kind]) for _ in range(3)])]
    journal.append(rows)
    assert list(journal.rows()) == rows
    journal.close()


# ---- keys ----------------------------------------------------------------------------------------------------------


def test_a_journaled_step_is_known_by_its_key(open_journal: OpenJournal) -> None:
    journal = open_journal("n")
    assert not journal.has_step("k1")
    journal.append([cancel("k1"), cancel("k2")])
    assert [journal.has_step(key) for key in ("k1", "k2", "k3")] == [True, True, False]


def test_a_repeated_key_is_refused_and_nothing_of_its_batch_is_stored(open_journal: OpenJournal) -> None:
    journal = open_journal("n")
    journal.append([cancel("k1")])
    with pytest.raises(DuplicateKey):
        journal.append([cancel("k2"), refusal("k2"), cancel("k1"), cancel("k3")])
    assert list(journal.rows()) == [cancel("k1")]
    assert not journal.has_step("k2") and not journal.has_step("k3")


def test_a_key_repeated_within_one_batch_is_refused_and_nothing_of_it_is_stored(open_journal: OpenJournal) -> None:
    journal = open_journal("n")
    with pytest.raises(DuplicateKey):
        journal.append([cancel("k1"), cancel("k1")])
    assert list(journal.rows()) == []
    assert not journal.has_step("k1")


def test_after_a_repeated_key_the_journal_goes_on(open_journal: OpenJournal) -> None:
    journal = open_journal("n")
    journal.append([cancel("k1")])
    with pytest.raises(DuplicateKey):
        journal.append([cancel("k1")])
    journal.append([cancel("k2")])
    assert [row.step_key for row in journal.rows()] == ["k1", "k2"]


@pytest.mark.parametrize("kind", [Submit, Replace, Cancel, ForeignOrder], ids=lambda kind: kind.__name__)
def test_messages_of_every_kind_share_one_set_of_keys(open_journal: OpenJournal, kind: type[Any]) -> None:
    spec = OrderSpec("k1", "AAPL", Side.SELL, 1, OrderType.MARKET)
    values = {
        Submit: Submit(spec, Intent(IntentKind.CLOSE, "AAPL", 1, 1.0, FixedExit(0.05, 0.15), "test")),
        Replace: Replace("k1", "k0", "AAPL", GroupRole.TAKE_PROFIT, Decimal(9), "test"),
        Cancel: Cancel("k1", "k0", "AAPL", "test"),
        ForeignOrder: ForeignOrder("k1", "AAPL", "test"),
    }
    journal = open_journal("n")
    journal.append([Row(NOW, values[kind])])
    for value in values.values():
        with pytest.raises(DuplicateKey):
            journal.append([Row(NOW, value)])


def test_what_is_said_about_a_step_may_be_said_often(open_journal: OpenJournal) -> None:
    journal = open_journal("n")
    journal.append([cancel("k1"), refusal("k1"), refusal("k1"), Row(NOW, Acknowledged("k1", {}))])
    journal.append([refusal("k1")])
    assert len(list(journal.rows())) == 5


# ---- life ----------------------------------------------------------------------------------------------------------


def test_a_fresh_journal_has_its_nonce_and_no_rows(open_journal: OpenJournal) -> None:
    journal = open_journal("f00d")
    assert journal.nonce == "f00d"
    assert list(journal.rows()) == []


def test_appending_nothing_stores_nothing(open_journal: OpenJournal) -> None:
    journal = open_journal("n")
    journal.append([])
    assert list(journal.rows()) == []


def test_rows_read_while_more_are_appended_are_those_of_the_beginning(open_journal: OpenJournal) -> None:
    journal = open_journal("n")
    journal.append([cancel("k1"), cancel("k2")])
    seen = []
    for row in journal.rows():
        seen.append(row.step_key)
        journal.append([refusal("k1")])
    assert seen == ["k1", "k2"]
    assert len(list(journal.rows())) == 4


def test_a_whole_run_reads_as_it_was_written(open_journal: OpenJournal) -> None:
    journal = open_journal("n")
    values: list[RowValue] = [
        RunStarted("combined", "exchange", "bundled", 1, False),
        BreakFound(Break("AAPL", 10, 7)),
        ModeChanged(Mode.HALTED, "a break"),
        IterationDone(1, date(2024, 1, 3), 100_000.0, 90_000.5, 1),
        RunStopped("done", 1),
    ]
    for value in values:
        journal.append([Row(NOW, value)])
    assert [row.value for row in journal.rows()] == values


# ---- the stored format ---------------------------------------------------------------------------------------------------


@given(value=st.one_of(*VALUES.values()))
def test_a_field_that_a_newer_program_added_does_not_keep_an_older_one_from_reading(value: Any) -> None:
    body = json.loads(encode(value)) | {"added_by_a_newer_program": {"a": [1]}}
    assert decode(kind_of(value), json.dumps(body)) == value


@given(value=st.one_of(*VALUES.values()))
def test_a_row_of_an_older_program_lacks_only_what_has_a_default(value: Any) -> None:
    """Every field with a default may be missing from a body; it then has the default."""
    body = json.loads(encode(value))
    optional = {each.name: each for each in fields(value) if each.default is not MISSING or each.default_factory is not MISSING}
    older = {name: each for name, each in body.items() if name not in optional}
    read = decode(kind_of(value), json.dumps(older))
    for name, each in optional.items():
        assert getattr(read, name) == (each.default if each.default is not MISSING else each.default_factory())


def test_the_names_of_the_kinds_never_change() -> None:
    """They are the stored format: a journal of last year must still be read."""
    stored = {
        "submit": Submit,
        "spread_order": SpreadOrder,
        "spread_opened": SpreadOpened,
        "spread_turned": SpreadTurned,
        "spread_settled": SpreadSettled,
        "replace": Replace,
        "cancel": Cancel,
        "event": OrderEvent,
        "denied": Denied,
        "run_started": RunStarted,
        "iteration": IterationDone,
        "acknowledged": Acknowledged,
        "refused": BrokerRefusal,
        "foreign": ForeignOrder,
        "break": BreakFound,
        "mode": ModeChanged,
        "run_stopped": RunStopped,
    }
    assert stored.items() <= KINDS.items()
    assert set(KINDS.values()) == set(get_args(RowValue))
