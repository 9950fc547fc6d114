"""`desk positions`: a journal's word, the word of a broker that really has the orders, and what is said when they differ."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fresh_exchange import MORNING, exchange, process
from typer.testing import CliRunner, Result

from desk.brokers.alpaca_clients import trading_client
from desk.brokers.alpaca_facts import members
from desk.brokers.alpaca_orders import order_request
from desk.brokers.endpoint import Endpoint
from desk.cli import positions as command
from desk.cli.main import app
from desk.cli.positions import AtAlpaca, JournalBook, Viewer, source_for
from desk.cli.positions_table import Shown, as_object
from desk.core.positions import Cover
from desk.domain.decisions import FixedExit, Intent, IntentKind
from desk.domain.errors import ConfigurationError
from desk.domain.journal import Acknowledged, BrokerRefusal, ForeignSeen, Row, RowValue, RunStarted
from desk.domain.orders import Fill, GroupRole, OrderClass, OrderEvent, OrderSpec, OrderStatus, OrderType, Side, TimeInForce
from desk.domain.steps import Cancel, Submit
from desk.exchange.process import ExchangeProcess
from desk.journal.holder import Holder
from desk.journal.reader import JournalReader
from desk.journal.sql import SqlJournal
from desk.runtime.alpaca_run import account_number
from desk.runtime.clock import SystemClock

__all__ = ["exchange", "process"]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("started_anew")]
RESTING = "stop and target at the broker"
SHARES = 10


def bracket(symbol: str, price: float, shares: int = SHARES) -> OrderSpec:
    limit, target, stop = (Decimal(str(round(price * part, 2))) for part in (1.02, 1.2, 0.9))
    kind, gtc = OrderClass.BRACKET, TimeInForce.GTC
    key = f"n-{symbol}"
    return OrderSpec(key, symbol, Side.BUY, shares, OrderType.LIMIT, kind, gtc, limit, take_profit=target, stop_loss=stop)


def submit(spec: OrderSpec, covers: str | None = None) -> Submit:
    return Submit(spec, Intent(IntentKind.OPEN, spec.symbol, spec.quantity, 100.0, FixedExit(0.1, 0.2), "test"), covers)


def event(
    spec: OrderSpec, role: GroupRole, status: OrderStatus, price: Decimal | None = None, shares: int | None = None
) -> OrderEvent:
    side = spec.side if role is GroupRole.ENTRY else spec.side.opposite
    fill = (
        Fill(f"x-{spec.key}-{role}", spec.key, spec.symbol, side, shares or spec.quantity, price, MORNING, role)
        if price
        else None
    )
    return OrderEvent(spec.key, role, status, MORNING, f"b-{spec.key}-{role}", fill)


class Written:
    """A journal in a folder, to which rows are added as the desk would."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.db"
        self.journal = SqlJournal(self.path, "n")

    def add(self, *values: RowValue, at: datetime = MORNING) -> None:
        self.journal.append([Row(at, value) for value in values])

    def held(self, spec: OrderSpec, price: Decimal) -> None:
        """An entry that filled, its exits awake."""
        self.add(submit(spec), event(spec, GroupRole.ENTRY, OrderStatus.FILLED, price))


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    made = Written(tmp_path)
    yield made
    made.journal.close()


def desk(*words: object) -> Result:
    return CliRunner().invoke(app, ["positions", *(str(word) for word in words)])


# ---- the journal's word ----------------------------------------------------------------------------------------------------


def test_with_a_journal_alone_its_own_word_is_told_and_the_price_is_unknown(written: Written) -> None:
    written.add(RunStarted("combined", "alpaca", "alpaca", None, False, foreign={"XOM": 4}))
    written.held(bracket("AAPL", 100), Decimal("100.50"))
    answer = desk("--journal", written.path)
    assert answer.exit_code == 0, answer.output
    (line,) = (line for line in answer.stdout.splitlines() if line.startswith("AAPL"))
    assert [word for word in line.split() if word[0].isdigit()][:4] == ["10", "100.50", "90.00", "120.00"]
    assert "unknown" in line and line.endswith(" yes")
    assert "yes: the journal says that stop and target rest at the broker" in answer.stdout
    assert "exits as the journal has them" in answer.stdout and "Price unknown: prices are not asked for" in answer.stdout
    assert "Not the desk's: 4 XOM" in answer.stdout


def test_the_json_tells_the_same(written: Written) -> None:
    written.add(RunStarted("combined", "alpaca", "alpaca", None, False), ForeignSeen("MSFT", 3))
    written.held(bracket("AAPL", 100), Decimal("100.50"))
    said = json.loads(desk("--journal", written.path, "--json").stdout)
    assert (said["exit_code"], said["exits_as_told_by"], said["dashboard"]) == (0, "the journal", None)
    (position,) = said["positions"]
    assert (position["symbol"], position["shares"], position["entry_price"], position["price"]) == ("AAPL", 10, 100.5, None)
    assert (position["cover"], position["why"], position["trades"]) == ("protected", RESTING, [])
    assert position["entered_on"] == "2008-09-02" and position["sessions"] > 4000
    assert said["not_the_desks"] == [{"symbol": "MSFT", "shares": 3.0, "price": None}]


def test_shares_without_exits_end_in_exit_code_7_and_say_why(written: Written) -> None:
    spec = bracket("AAPL", 100)
    cover = replace(spec, key="n-AAPL-cover1", side=Side.SELL, order_class=OrderClass.OCO, limit_price=None)
    written.held(spec, Decimal(100))
    gone = [event(spec, role, OrderStatus.CANCELED) for role in (GroupRole.TAKE_PROFIT, GroupRole.STOP_LOSS)]
    written.add(*gone, submit(cover, spec.key), BrokerRefusal(cover.key, 403, 40310000, "insufficient qty available"))
    written.held(bracket("IBM", 50), Decimal(50))
    answer = desk("--journal", written.path)
    assert answer.exit_code == 7
    lines = answer.stdout.splitlines()
    (row,) = (number for number, line in enumerate(lines) if line.startswith("AAPL"))
    assert lines[row].endswith(" NO") and lines[row + 1].strip() == "exits refused by the broker"
    assert desk("ibm", "--journal", written.path).exit_code == 0
    assert "no position is open" in desk("XOM", "--journal", written.path).stdout


def test_a_half_filled_entry_is_not_protected(written: Written) -> None:
    spec = bracket("AAPL", 100)
    written.add(submit(spec), event(spec, GroupRole.ENTRY, OrderStatus.PARTIALLY_FILLED, Decimal(100), shares=4))
    answer = desk("--journal", written.path)
    assert (answer.exit_code, "entry half filled, 4 of 10; its exits sleep" in answer.stdout) == (7, True)


def test_where_no_journal_is_the_exit_code_says_so(tmp_path: Path) -> None:
    answer = desk("--journal", tmp_path / "journal.db")
    assert isinstance(answer.exception, ConfigurationError) and answer.exception.exit_code == 4


def test_a_run_at_alpaca_without_keys_is_told_by_its_journal_with_the_way_to_the_account(written: Written) -> None:
    written.add(RunStarted("combined", "alpaca", "alpaca", None, False))
    written.journal.lease.take("PA123", SystemClock().now(), Holder.this_process(SystemClock().now()), 60.0)
    with JournalReader(written.path) as reader:
        shown = Viewer(book := JournalBook(reader), source_for(book)).look()
    assert shown.told_by == "the journal" and "no Alpaca keys are set" in shown.notes[0]
    assert shown.link == "https://app.alpaca.markets/paper/dashboard/overview"


def test_watching_prints_a_table_a_look_where_there_is_no_terminal_and_ends_at_ctrl_c(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise KeyboardInterrupt
        written.held(bracket(f"S{len(waits)}", 100), Decimal(100))

    monkeypatch.setattr(command, "wait_seconds", wait)
    written.held(bracket("AAPL", 100), Decimal(100))
    answer = desk("--journal", written.path, "--watch")
    assert (answer.exit_code, waits) == (0, [2.0, 2.0, 2.0])
    assert [answer.stdout.count(f"{count} position") for count in (1, 2, 3)] == [1, 1, 1]


# ---- the word of the broker ------------------------------------------------------------------------------------------------


class AtBroker:
    """A desk's journal and the account at a real server, both told of the same orders."""

    def __init__(self, exchange: ExchangeProcess, written: Written) -> None:
        self.exchange, self.written = exchange, written
        self.endpoint = Endpoint(exchange.api_key, exchange.api_secret, True, exchange.url, exchange.url)
        self.api: Any = trading_client(self.endpoint)
        self.account = account_number(self.endpoint)
        self.at = MORNING
        written.add(RunStarted("combined", "alpaca", "alpaca", None, False))

    def later(self) -> None:
        """A minute passes, and what is due happens."""
        self.at += timedelta(minutes=1)
        while not self.exchange.admin.advance(self.at).reached:
            pass

    def price(self, symbol: str) -> float:
        trade = self.api._session.get(
            f"{self.exchange.url}/v2/stocks/{symbol}/trades/latest",
            headers={"APCA-API-KEY-ID": self.endpoint.api_key, "APCA-API-SECRET-KEY": self.endpoint.api_secret},
        )
        return float(trade.json()["trade"]["p"])

    def sent(self, spec: OrderSpec, covers: str | None = None) -> dict[GroupRole, str]:
        self.written.add(submit(spec, covers), at=self.at)
        order = self.api.post("/orders", order_request(spec).to_request_fields())
        ids = members(spec, order)
        self.written.add(Acknowledged(spec.key, {role.value: broker_id for role, broker_id in ids.items()}), at=self.at)
        return ids

    def bought(self, symbol: str) -> tuple[OrderSpec, dict[GroupRole, str]]:
        spec = bracket(symbol, self.price(symbol))
        ids = self.sent(spec)
        self.later()
        order = self.api.get(f"/orders/{ids[GroupRole.ENTRY]}")
        assert order["status"] == "filled"
        self.written.add(event(spec, GroupRole.ENTRY, OrderStatus.FILLED, Decimal(order["filled_avg_price"])))
        return spec, ids

    def look(self, account: str | None = None, endpoint: Endpoint | None = None) -> Shown:
        with JournalReader(self.written.path) as reader:
            return Viewer(JournalBook(reader), AtAlpaca(endpoint or self.endpoint, account or self.account)).look()


@pytest.fixture
def broker(exchange: ExchangeProcess, written: Written) -> AtBroker:
    return AtBroker(exchange, written)


def only(shown: Shown) -> Any:
    (position,) = shown.positions
    return position


def test_exits_that_are_at_the_broker_protect_and_prices_are_the_brokers(broker: AtBroker) -> None:
    spec, _ = broker.bought("AAPL")
    broker.api.post("/orders", {"symbol": "MSFT", "side": "buy", "qty": "3", "type": "market", "time_in_force": "day"})
    broker.later()
    shown = broker.look()
    position = only(shown)
    assert (position.protection.cover, position.protection.words, position.differences) == (Cover.PROTECTED, RESTING, ())
    assert position.price == pytest.approx(broker.price("AAPL"), rel=0.01)
    assert (position.stop_price, position.target_price) == (spec.stop_loss, spec.take_profit)
    assert 0.05 < position.distance.to_stop_fraction < 0.15
    assert (shown.told_by, shown.not_ours, shown.exit_code) == ("the broker", {"MSFT": Decimal(3)}, 0)
    assert shown.link == "https://app.alpaca.markets/paper/dashboard/overview"
    assert as_object(shown)["not_the_desks"][0]["price"] == shown.prices["MSFT"]


def test_exits_that_somebody_canceled_at_the_broker_are_missed_though_the_journal_believes_in_them(broker: AtBroker) -> None:
    _, ids = broker.bought("AAPL")
    broker.api.delete(f"/orders/{ids[GroupRole.TAKE_PROFIT]}")
    broker.later()
    shown = broker.look()
    assert (only(shown).protection.cover, shown.exit_code) == (Cover.NAKED, 7)
    assert only(shown).differences == (f"the journal says: {RESTING}",)
    assert f"the journal says: {RESTING}" in json.dumps(as_object(shown))


def test_a_stop_that_somebody_moved_at_the_broker_is_told_where_it_is(broker: AtBroker) -> None:
    spec, ids = broker.bought("AAPL")
    assert spec.stop_loss is not None
    moved = spec.stop_loss - Decimal(5)
    broker.api.patch(f"/orders/{ids[GroupRole.STOP_LOSS]}", {"stop_price": str(moved)})
    broker.later()
    position = only(broker.look())
    assert (position.stop_price, position.protection.cover) == (moved, Cover.PROTECTED)
    assert position.differences == (f"the journal has the stop at {spec.stop_loss}",)


def test_exits_that_were_sent_anew_are_found_under_their_own_key(broker: AtBroker) -> None:
    spec, ids = broker.bought("AAPL")
    broker.written.add(Cancel("n-trim", spec.key, spec.symbol, "renew", GroupRole.TAKE_PROFIT), at=broker.at)
    broker.api.delete(f"/orders/{ids[GroupRole.TAKE_PROFIT]}")
    broker.later()
    gone = [event(spec, role, OrderStatus.CANCELED) for role in (GroupRole.TAKE_PROFIT, GroupRole.STOP_LOSS)]
    broker.written.add(*gone, at=broker.at)
    assert "exits being replaced" in only(broker.look()).protection.words
    cover = replace(spec, key=f"{spec.key}-cover1", side=Side.SELL, order_class=OrderClass.OCO, limit_price=None)
    broker.sent(cover, covers=spec.key)
    broker.later()
    position = only(broker.look())
    assert (position.protection.cover, position.protection.words) == (Cover.PROTECTED, RESTING)
    assert "never answered" in position.differences[0]  # nothing told the journal of the cover's orders


def test_a_sale_of_bare_shares_at_the_broker_is_told_as_one(broker: AtBroker) -> None:
    spec, ids = broker.bought("AAPL")
    broker.api.delete(f"/orders/{ids[GroupRole.TAKE_PROFIT]}")
    broker.later()
    gone = [event(spec, role, OrderStatus.CANCELED) for role in (GroupRole.TAKE_PROFIT, GroupRole.STOP_LOSS)]
    broker.written.add(*gone, at=broker.at)
    high = Decimal(str(round(broker.price("AAPL") * 1.5, 2)))
    broker.sent(OrderSpec("n-AAPL-sale1", "AAPL", Side.SELL, SHARES, OrderType.LIMIT, limit_price=high), covers=spec.key)
    broker.later()
    shown = broker.look()
    assert (only(shown).protection.cover, only(shown).protection.words) == (Cover.EXEMPT, "being sold; the sale is at the broker")
    assert (only(shown).stop_price, shown.exit_code) == (spec.stop_loss, 0)


def test_what_the_broker_sold_meanwhile_is_told_as_sold(broker: AtBroker) -> None:
    _, ids = broker.bought("AAPL")
    low = Decimal(str(round(broker.price("AAPL") * 0.97, 2)))
    broker.api.patch(f"/orders/{ids[GroupRole.TAKE_PROFIT]}", {"limit_price": str(low)})
    broker.later()
    broker.later()
    position = only(broker.look())
    assert (position.protection.cover, position.price) == (Cover.EXEMPT, None)
    assert position.protection.words == "sold at the broker; the journal has not heard of it yet"


def test_orders_that_a_full_page_hides_are_asked_for_one_by_one(broker: AtBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    broker.bought("AAPL")
    broker.written.add(submit(bracket("IBM", 100)), event(bracket("IBM", 100), GroupRole.ENTRY, OrderStatus.FILLED, Decimal(100)))
    for _ in range(2):
        order = {"symbol": "AAPL", "side": "buy", "qty": "1", "type": "limit", "limit_price": "1", "time_in_force": "day"}
        broker.api.post("/orders", order | {"order_class": "oto", "stop_loss": {"stop_price": "0.5"}})
    monkeypatch.setattr(command, "PAGE", 2)
    shown = broker.look()
    found = {position.symbol: (position.protection.cover, position.protection.words) for position in shown.positions}
    assert found == {"AAPL": (Cover.PROTECTED, RESTING), "IBM": (Cover.NAKED, "the broker has no exits for it")}


def test_a_broker_that_does_not_answer_leaves_the_journals_word(broker: AtBroker) -> None:
    broker.bought("AAPL")
    nowhere = replace(broker.endpoint, trading_url="http://127.0.0.1:9")
    shown = broker.look(endpoint=nowhere)
    assert (shown.told_by, shown.exit_code, only(shown).price) == ("the journal", 0, None)
    assert "does not answer" in shown.notes[0] and shown.link is not None


def test_keys_of_another_account_are_not_asked_for_this_ones_positions(broker: AtBroker) -> None:
    broker.bought("AAPL")
    shown = broker.look(account="PA-other")
    assert shown.told_by == "the journal"
    assert f"the keys belong to account {broker.account}, and this journal is account PA-other's" in shown.notes[0]


# ---- a run on the built-in exchange ----------------------------------------------------------------------------------------


def test_a_living_run_on_the_exchange_is_told_prices_and_bare_shares_by_the_exchange(
    broker: AtBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, ids = broker.bought("AAPL")
    broker.written.add(RunStarted("combined", "exchange", "bundled", 1, False), at=broker.at)
    now = SystemClock().now()
    broker.written.journal.lease.take("exchange", now, Holder.this_process(now), 60.0)

    def look() -> Shown:
        with JournalReader(broker.written.path) as reader:
            return Viewer(book := JournalBook(reader), source_for(book)).look()

    shown = look()
    assert (shown.told_by, shown.link, shown.exit_code) == ("the exchange", broker.exchange.url, 0)
    assert shown.as_of == broker.at and only(shown).days == 0
    assert only(shown).price == pytest.approx(broker.price("AAPL"), rel=0.01)
    broker.api.delete(f"/orders/{ids[GroupRole.TAKE_PROFIT]}")
    broker.later()
    shown = look()
    assert (only(shown).protection.words, shown.exit_code) == ("the exchange counts 10 bare shares", 7)
    waits: list[float] = []
    monkeypatch.setattr(command, "wait_seconds", waits.append)
    answer = desk("--run", broker.written.path.parent)
    assert (answer.exit_code, waits) == (7, [1.0]), "what differs is looked at again"
    assert "the exchange counts 10 bare shares" in answer.stdout and broker.exchange.url in answer.stdout
    broker.written.journal.lease.release()
    shown = look()
    assert (shown.told_by, only(shown).price) == ("the journal", None)
    assert "its exchange ended with it" in shown.notes[0]
