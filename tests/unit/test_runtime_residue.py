"""When parts of shares are looked at, what that costs, and that an order for one is journaled first and sent once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from alpaca.common.exceptions import APIError
from recording_desk import bought, recovered
from requests import ConnectionError, Response
from requests.exceptions import HTTPError

from desk.brokers.order_queue import OrderQueue
from desk.domain.decisions import Mode
from desk.domain.journal import Acknowledged, BrokerRefusal, ResidueStop
from desk.domain.market import Print
from desk.domain.orders import GroupRole
from desk.domain.steps import Cancel
from desk.journal.memory import MemoryJournal
from desk.runtime.account import Splits, broker_view
from desk.runtime.account_guardian import LIVE_LOOKS, AccountGuardian
from desk.runtime.build import market_hours
from desk.runtime.clock import VirtualClock
from desk.runtime.desk import Desk
from desk.runtime.residue import Residues

OPENING = datetime(2024, 1, 4, 14, 30, tzinfo=UTC)
CLOSE = datetime(2024, 1, 4, 21, tzinfo=UTC)


@dataclass
class Account:
    """Positions of a broker and the orders that it was sent, as far as they arrive; `asked` are the paths in order."""

    shares: Mapping[str, str] = field(default_factory=dict)
    price: str = "100"
    held: str = "0"
    arrived: dict[str, ResidueStop] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    error: Exception | None = None

    def get_all_positions(self) -> list[Any]:
        self.asked.append("/positions")
        if self.error is not None:
            raise self.error
        return [self._position(symbol, Decimal(shares)) for symbol, shares in self.shares.items()]

    def _position(self, symbol: str, shares: Decimal) -> Any:
        return SimpleNamespace(
            symbol=symbol,
            qty=str(shares),
            qty_available=str(shares - Decimal(self.held)),
            avg_entry_price="100",
            current_price=self.price,
            asset_class="us_option" if len(symbol) > 10 else "us_equity",
        )

    def get(self, path: str, filters: Mapping[str, str]) -> Any:
        self.asked.append(path)
        if path.startswith("/account/activities"):
            filled = ((f"b{key}", stop) for key, stop in self.arrived.items())
            return [{"order_id": name, "symbol": each.symbol, "side": "sell", "cum_qty": "0.5"} for name, each in filled]
        if path == "/orders":
            sold = [(f"b{key}", key, stop) for key, stop in self.arrived.items()]
            return [{"id": name, "client_order_id": key, "symbol": each.symbol, "side": "sell"} for name, key, each in sold]
        if filters["client_order_id"] in self.arrived:
            return {"id": f"b{filters['client_order_id']}"}
        response = Response()
        response.status_code = 404
        raise APIError('{"code": 40410000, "message": "order not found"}', HTTPError(response=response))


@dataclass
class Watched:
    """`arrives` False: what is sent gets lost."""

    desk: Desk
    account: Account
    arrives: bool = True
    shown: list[str] = field(default_factory=list)
    sent: list[ResidueStop] = field(default_factory=list)

    def __post_init__(self) -> None:
        clock = self.desk._clock
        assert isinstance(clock, VirtualClock)
        self.clock = clock
        residues = Residues(self.desk, self.account, self._send, 0.05, self.shown.append)
        splits = Splits(self.desk, self.account, clock.now(), self.shown.append)
        self.guardian = AccountGuardian(splits, self, clock, market_hours, timedelta(minutes=5), LIVE_LOOKS, residues)

    def last_prices(self, symbols: Any) -> Mapping[str, Print]:
        return {}

    def _send(self, stop: ResidueStop) -> None:
        self.sent.append(stop)
        if self.arrives:
            self.account.arrived[stop.key] = stop
            self.desk.acknowledged(Acknowledged(stop.key, {GroupRole.ENTRY.value: f"b{stop.key}"}))

    def play(self, until: datetime) -> list[str]:
        """Go on to a moment, looking when it is due; the paths that were asked for."""
        before = len(self.account.asked)
        while (now := self.clock.now()) < until:
            due = self.guardian.next_look(now)
            self.clock.move_to(until if due is None else min(until, max(due, now + timedelta(seconds=1))))
            self.guardian.look_if_due()
        return self.account.asked[before:]


def watched(account: Account, journal: MemoryJournal | None = None, at: datetime = OPENING) -> Watched:
    made = Watched(recovered(journal or MemoryJournal("f00d"))[0], account)
    made.clock.move_to(at - timedelta(seconds=1))
    return made


def stops(desk: Desk) -> list[ResidueStop]:
    return [row.value for row in desk._journal.rows() if isinstance(row.value, ResidueStop)]


def test_the_positions_are_read_once_a_session_and_each_part_of_a_share_gets_one_stop() -> None:
    watch = watched(Account({"AAA": "10.5", "BBB": "3", "CCC": "0.25"}))
    assert watch.play(CLOSE) == ["/positions"]
    assert [(stop.symbol, stop.quantity, stop.stop_price) for stop in watch.sent] == [
        ("AAA", Decimal("0.5"), Decimal("95.00")),
        ("CCC", Decimal("0.25"), Decimal("95.00")),
    ]
    assert stops(watch.desk) == watch.sent
    assert watch.shown[0] == "0.5 AAA: part of a share, day stop at 95.00"
    watch.clock.move_to(OPENING + timedelta(days=1, seconds=-1))
    assert watch.play(CLOSE + timedelta(days=1)) == ["/positions"]
    assert len({stop.key for stop in watch.sent}) == len(watch.sent) == 4


def test_while_the_market_is_closed_nothing_is_due() -> None:
    watch = watched(Account({"AAA": "10.5"}), at=CLOSE + timedelta(hours=1))
    assert watch.guardian.next_look(watch.clock.now()) == OPENING + timedelta(days=1)
    assert watch.play(CLOSE + timedelta(hours=8)) == []


def test_what_the_desk_holds_gives_the_stop_of_its_own_trade() -> None:
    desk, _, _ = bought(MemoryJournal("f00d"))
    (trade,) = desk.book.open.values()
    watch = Watched(desk, Account({"AAA": "99.5"}))
    watch.play(watch.clock.now() + timedelta(seconds=2))
    assert [stop.stop_price for stop in watch.sent] == [trade.stop_price]


@pytest.mark.parametrize(
    "account", [Account({"AAA": "10.5"}, held="10.5"), Account({"AAA": "-0.5"}), Account({"AAPL240119C00100000": "0.5"})]
)
def test_parts_that_are_held_short_or_of_contracts_are_left_alone(account: Account) -> None:
    watch = watched(account)
    watch.play(CLOSE)
    assert watch.sent == []


def test_a_market_below_the_stop_sells() -> None:
    watch = watched(Account({"AAA": "0.5"}, price="90"))
    watch.play(CLOSE)
    assert [stop.stop_price for stop in watch.sent] == [None]
    assert watch.shown == ["0.5 AAA: part of a share, sold at the market, which is below its stop"]


def test_a_restart_sends_no_second_one() -> None:
    journal, account = MemoryJournal("f00d"), Account({"AAA": "10.5"})
    first = watched(account, journal)
    first.play(OPENING + timedelta(minutes=1))
    second = watched(account, journal, OPENING + timedelta(minutes=2))
    assert second.play(CLOSE) == ["/positions"]
    assert (len(first.sent), second.sent) == (1, [])


@pytest.mark.parametrize("is_there", [True, False])
def test_one_without_an_answer_is_looked_for_by_its_id_and_sent_again_when_it_never_arrived(is_there: bool) -> None:
    journal, account = MemoryJournal("f00d"), Account({"AAA": "10.5"})
    first = watched(account, journal)
    first.arrives = False
    first.play(OPENING + timedelta(seconds=2))
    (meant,) = first.sent
    if is_there:
        account.arrived[meant.key] = meant
    second = watched(account, journal, OPENING + timedelta(minutes=2))
    assert second.play(CLOSE) == ["/positions", "/orders:by_client_order_id"]
    assert second.sent == ([] if is_there else [meant])
    assert stops(second.desk) == [meant]


def test_one_that_never_arrived_is_dropped_when_there_is_nothing_left_to_sell() -> None:
    journal, account = MemoryJournal("f00d"), Account({"AAA": "10.5"})
    first = watched(account, journal)
    first.arrives = False
    first.play(OPENING + timedelta(seconds=2))
    account.shares = {"AAA": "10"}
    second = watched(account, journal, OPENING + timedelta(minutes=2))
    assert second.play(CLOSE) == ["/positions", "/orders:by_client_order_id"]
    assert second.sent == []


def test_a_silent_broker_is_asked_again_soon() -> None:
    watch = watched(Account({"AAA": "10.5"}, error=ConnectionError("away")))
    assert watch.play(OPENING + timedelta(seconds=35)) == ["/positions"] * 4
    watch.account.error = None
    watch.play(OPENING + timedelta(minutes=1))
    assert len(watch.sent) == 1


def test_a_refusal_is_told_once_and_not_sent_again_in_its_session() -> None:
    watch = watched(Account({"AAA": "10.5"}))
    watch.arrives = False
    watch.play(OPENING + timedelta(seconds=1))
    (stop,) = watch.sent
    watch.desk.refused(BrokerRefusal(stop.key, 403, 40310000, 'asset "AAA" is not fractionable', explained=True))
    watch.play(CLOSE)
    assert [text for text in watch.shown if text.startswith("0.5 AAA, worth about $50.00, have no stop today")] == watch.shown[1:]
    assert (len(watch.shown), watch.sent, watch.desk.mode) == (2, [stop], Mode.ACTIVE)


def test_orders_for_residues_and_their_fills_are_nobody_elses() -> None:
    watch = watched(Account({"AAA": "10.5"}))
    watch.play(OPENING + timedelta(minutes=1))
    view = broker_view(watch.account, OPENING, watch.desk.member_of, {})
    assert (view.shares, view.orders, view.fills) == ({"AAA": 10}, [], [])


def test_an_order_for_a_residue_waits_its_turn_behind_what_protects() -> None:
    queue, stop = OrderQueue(lambda order: True), watched(Account({"AAA": "0.5"}))
    stop.play(CLOSE)
    cancel = Cancel("c", "k", "AAA", "why", GroupRole.TAKE_PROFIT)
    queue.put(stop.sent)
    queue.put([cancel])
    assert [queue.get(), queue.get()] == [[cancel], stop.sent]
