"""One contract for every journal: what was appended comes back as it was, in order, and no message has a key twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from desk.core.ports import DuplicateKey, Journal
from desk.domain.breaks import Break
from desk.domain.decisions import Denied, FixedExit, Intent, IntentKind, Mode
from desk.domain.errors import ConfigurationError, DeskError, ReconciliationBreak
from desk.domain.journal import (
    Acknowledged,
    BreakFound,
    BrokerRefusal,
    ForeignOrder,
    IterationDone,
    ModeChanged,
    Row,
    RowValue,
    RunStarted,
    RunStopped,
)
from desk.domain.orders import Fill, GroupRole, OrderClass, OrderEvent, OrderSpec, OrderType, Side, TimeInForce
from desk.domain.steps import Cancel, Replace, Submit
from desk.journal.codec import KINDS
from desk.journal.memory import MemoryJournal
from desk.journal.sql import SqlJournal

NOW = datetime(2024, 1, 3, 15, tzinfo=UTC)
OpenJournal = Callable[[str], Journal]

JOURNALS = ("memory", "sqlite")
# A new file for every example would sync the disk hundreds of times; the rows of one journal may grow instead.
shared_fixture = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture(params=JOURNALS)
def open_journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenJournal]:
    numbers, opened = count(), list[Journal]()

    def _open(nonce: str) -> Journal:
        opened.append(MemoryJournal(nonce) if request.param == "memory" else SqlJournal(tmp_path / f"{next(numbers)}.db", nonce))
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


intents = st.builds(Intent, symbol=symbols, price=numbers, exit_rule=exit_rules, confidence=st.none() | numbers)
fills = st.builds(Fill, price=prices, at=moments, execution_id=texts)
PARTICULAR: dict[type[Any], st.SearchStrategy[Any]] = {
    Submit: st.builds(Submit, specs(), intents, st.none() | texts),
    Replace: st.builds(Replace, limit_price=prices),
    OrderEvent: st.builds(OrderEvent, at=moments, fill=st.none() | fills),
    Denied: st.builds(Denied, detail=st.dictionaries(texts, plain, max_size=3)),
    RunStarted: st.builds(RunStarted, foreign=counts, options=st.dictionaries(texts, plain, max_size=3)),
    IterationDone: st.builds(IterationDone, equity_usd=numbers, cash_usd=numbers),
    Acknowledged: st.builds(Acknowledged, broker_ids=st.dictionaries(texts, texts, max_size=3)),
}
# Every kind that a row can have; those of plain texts and counts need no recipe.
VALUES: dict[type[Any], st.SearchStrategy[Any]] = {kind: PARTICULAR.get(kind, st.builds(kind)) for kind in get_args(RowValue)}


def keyed_apart(values: list[Any]) -> list[Any]:
    """The same values, each message to the broker with a key of its own."""
    return [_rekeyed(value, f"key-{place}") for place, value in enumerate(values)]


def _rekeyed(value: Any, key: str) -> Any:
    if isinstance(value, Submit):
        return Submit(_rekeyed(value.spec, key), value.intent, value.covers)
    if not isinstance(value, Replace | Cancel | ForeignOrder | OrderSpec):
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


def cancel(key: str) -> Row:
    return Row(NOW, Cancel(key, "k0", "AAPL", "old"))


def refusal(key: str) -> Row:
    return Row(NOW, BrokerRefusal(key, 422, 40010001, "client_order_id must be unique"))


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


# ---- what a file adds: it outlives the process, and nothing else may change it -------------------------------------


def raw(path: Path, statement: str, *values: object) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def test_a_reopened_journal_keeps_its_nonce_its_rows_and_its_keys(tmp_path: Path) -> None:
    first = SqlJournal(tmp_path / "journal.db", "first")
    first.append([cancel("k1"), refusal("k1")])
    first.close()
    again = SqlJournal(tmp_path / "journal.db", "second")
    assert again.nonce == "first"
    assert list(again.rows()) == [cancel("k1"), refusal("k1")]
    assert again.has_step("k1")
    with pytest.raises(DuplicateKey):
        again.append([cancel("k1")])
    again.close()


def test_what_was_appended_is_on_disk_without_closing(tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / "journal.db", "n")
    journal.append([cancel("k1")])
    assert raw(tmp_path / "journal.db", "SELECT step_key FROM rows") == [("k1",)]
    journal.close()


def test_another_process_reads_while_the_desk_writes(tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / "journal.db", "n")
    journal.append([cancel("k1")])
    reader = sqlite3.connect(tmp_path / "journal.db")
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM rows").fetchone() == (1,)
    journal.append([cancel("k2")])
    reader.close()
    assert [row.step_key for row in journal.rows()] == ["k1", "k2"]
    journal.close()


@pytest.mark.parametrize("statement", ["UPDATE rows SET body = '{}'", "DELETE FROM rows", "UPDATE rows SET seq = seq + 1"])
def test_the_file_itself_refuses_to_change_a_row(tmp_path: Path, statement: str) -> None:
    journal = SqlJournal(tmp_path / "journal.db", "n")
    journal.append([cancel("k1")])
    with pytest.raises(sqlite3.DatabaseError, match="the journal is append-only"):
        raw(tmp_path / "journal.db", statement)
    assert list(journal.rows()) == [cancel("k1")]
    journal.close()


def test_a_row_of_a_kind_from_the_future_is_not_guessed_at(tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / "journal.db", "n")
    raw(tmp_path / "journal.db", "INSERT INTO rows (at, kind, body) VALUES (?, 'teleport', '{}')", NOW.isoformat())
    with pytest.raises(ReconciliationBreak, match=r"unknown kind 'teleport'.*upgrade before resuming"):
        list(journal.rows())
    journal.close()


def test_a_row_whose_body_cannot_be_read_is_told_as_such(tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / "journal.db", "n")
    raw(tmp_path / "journal.db", "INSERT INTO rows (at, kind, body) VALUES (?, 'cancel', '{}')", NOW.isoformat())
    with pytest.raises(ReconciliationBreak, match=r"kind 'cancel' cannot be read.*restore a copy"):
        list(journal.rows())
    journal.close()


def test_a_write_that_fails_names_the_journal_and_what_is_still_in_force(tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / "journal.db", "n")
    raw(tmp_path / "journal.db", "DROP TABLE rows")
    with pytest.raises(DeskError, match=r"cannot be written.*exits at the broker stay in force") as error:
        journal.append([cancel("k1")])
    assert str(tmp_path / "journal.db") in str(error.value)
    journal.close()


@pytest.mark.parametrize("name", ["what?", "50%25", "a#b", "with space", "?mode=memory"])
def test_a_journal_lies_where_its_path_says_whatever_is_in_it(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    journal = SqlJournal(folder / "journal.db", "n")
    journal.append([cancel("k1")])
    assert raw(folder / "journal.db", "SELECT step_key FROM rows") == [("k1",)]
    assert [path.name for path in tmp_path.iterdir()] == [name]
    journal.close()


def test_moments_are_stored_in_utc(tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / "journal.db", "n")
    journal.append([Row(datetime(2024, 1, 3, 10, tzinfo=timezone(timedelta(hours=-5))), Cancel("k1", "k0", "AAPL", "old"))])
    assert raw(tmp_path / "journal.db", "SELECT at FROM rows") == [("2024-01-03T15:00:00+00:00",)]
    journal.close()


def test_a_journal_that_cannot_be_written_is_named_with_the_fix(tmp_path: Path) -> None:
    """A file in the place of its folder stops even a superuser."""
    (tmp_path / "runs").write_text("not a folder")
    with pytest.raises(ConfigurationError, match="no order is sent without it") as error:
        SqlJournal(tmp_path / "runs" / "journal.db", "n")
    assert str(tmp_path / "runs" / "journal.db") in str(error.value)
    assert "--runs DIR" in str(error.value)


def test_a_file_that_is_no_journal_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"this is a letter, not a database" * 40)
    with pytest.raises(ConfigurationError, match=r"journal\.db cannot be opened for writing"):
        SqlJournal(tmp_path / "journal.db", "n")


def test_a_journal_of_another_schema_is_not_touched(tmp_path: Path) -> None:
    SqlJournal(tmp_path / "journal.db", "n").close()
    raw(tmp_path / "journal.db", "UPDATE meta SET value = '7' WHERE name = 'schema_version'")
    with pytest.raises(ConfigurationError, match=r"schema version '7'.*start a new run"):
        SqlJournal(tmp_path / "journal.db", "n")


def test_the_names_of_the_kinds_never_change() -> None:
    """They are the stored format: a journal of last year must still be read."""
    stored = {
        "submit": Submit,
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
