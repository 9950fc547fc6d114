"""Splits read from an account's activities, and when the account is looked at for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from alpaca.common.exceptions import APIError
from recording_desk import NOW, S, bare, bought, market, news, refusal
from requests import ConnectionError, Response
from requests.exceptions import HTTPError

from desk.domain.decisions import Mode
from desk.domain.journal import SharesSplit
from desk.domain.market import Print
from desk.domain.steps import Cancel
from desk.domain.trades import Account as DomainAccount
from desk.journal.memory import MemoryJournal
from desk.runtime.account import Splits, booked_splits
from desk.runtime.account_guardian import AGAIN, LIVE_LOOKS, REPLAY_LOOKS, AccountGuardian
from desk.runtime.build import market_hours
from desk.runtime.clock import VirtualClock
from desk.runtime.desk import Desk

EX = date(2024, 1, 4)
FOUR = datetime(2024, 1, 4, 9, tzinfo=UTC)  # in the morning, New York
OPENING = datetime(2024, 1, 4, 14, 30, tzinfo=UTC)


def rows(old: str, new: str, **more: Any) -> list[dict[str, Any]]:
    shared = {"activity_type": "SPLIT", "symbol": "AAA", "date": f"{EX}", "group_id": "g1", **more}
    return [{**shared, "id": "20240104::out", "qty": f"-{old}"}, {**shared, "id": "20240104::in", "qty": new}]


def announced(new: str, old: str, day: date = EX) -> list[dict[str, Any]]:
    return [{"initiating_symbol": "AAA", "ex_date": f"{day}", "new_rate": new, "old_rate": old}]


@dataclass
class Account:
    """What a broker tells of an account; `asked` are the paths in order."""

    shares: Mapping[str, str] = field(default_factory=dict)
    activities: list[dict[str, Any]] = field(default_factory=list)
    announcements: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    error: Exception | None = None
    terms_error: Exception | None = None

    def get_all_positions(self) -> list[Any]:
        self.asked.append("/positions")
        if self.error is not None:
            raise self.error
        return [SimpleNamespace(symbol=symbol, qty=shares) for symbol, shares in self.shares.items()]

    def get(self, path: str, filters: Mapping[str, str]) -> list[dict[str, Any]]:
        self.asked.append(path)
        if "announcements" not in path:
            return self.activities
        if self.terms_error is not None:
            raise self.terms_error
        return self.announcements


def gone() -> APIError:
    response = Response()
    response.status_code = 404
    return APIError('{"code": 40410000, "message": "endpoint not found"}', HTTPError(response=response))


# ---- the broker's word -----------------------------------------------------------------------------------------------------


def read(account: Account) -> list[tuple[int, int, Decimal, Decimal]]:
    found = booked_splits(account, NOW, {"AAA"})
    return [(each.old_shares, each.new_shares, each.new_rate, each.old_rate) for each in found]


def test_two_rows_of_a_group_and_the_announced_rates_are_a_split() -> None:
    account = Account(activities=rows("15", "22"), announcements=announced("3", "2"))
    (found,) = booked_splits(account, NOW, {"AAA"})
    ids = ("20240104::out", "20240104::in")
    assert found == SharesSplit("AAA", 15, 22, Decimal(3), Decimal(2), EX, ids)


def test_a_split_counts_from_its_announced_day_on_when_it_is_booked_later() -> None:
    account = Account(activities=rows("10", "100"), announcements=announced("10", "1", EX - timedelta(days=1)))
    (found,) = booked_splits(account, NOW, {"AAA"})
    assert found.on == EX - timedelta(days=1)


@pytest.mark.parametrize("announcements", [[], announced("2", "1"), announced("0.1", "1")])
def test_n_for_one_needs_no_announcement_and_believes_none_that_does_not_fit(announcements: list[dict[str, Any]]) -> None:
    assert read(Account(activities=rows("10", "100"), announcements=announcements)) == [(10, 100, Decimal(10), Decimal(1))]


def test_an_endpoint_that_is_gone_leaves_the_quantities_to_speak() -> None:
    assert read(Account(activities=rows("10", "100"), terms_error=gone())) == [(10, 100, Decimal(10), Decimal(1))]


@pytest.mark.parametrize(("old", "new"), [("15", "1"), ("100", "10"), ("15", "22")])
def test_quantities_that_several_rates_make_are_no_split_without_an_announcement(old: str, new: str) -> None:
    assert read(Account(activities=rows(old, new))) == []


def test_a_position_that_is_paid_out_whole_is_split_too() -> None:
    assert read(Account(activities=rows("5", "0"), announcements=announced("1", "10"))) == [(5, 0, Decimal(1), Decimal(10))]


def test_shares_are_counted_whole_like_the_position_and_the_part_of_one_is_told_beside_them() -> None:
    account = Account(activities=rows("2.5", "25"), announcements=announced("10", "1"))
    assert read(account) == [(2, 25, Decimal(10), Decimal(1))]
    (found,) = booked_splits(account, NOW, {"AAA"})
    assert found.fraction == Decimal("0.5")


@pytest.mark.parametrize(
    ("terms", "before", "after", "held", "foreign"),
    [(("10", "1"), "99.5", "995", 990, 5), (("3", "2"), "99.5", "149.25", 148, 1), (("1", "10"), "99.5", "9.95", 9, 0)],
)
def test_whole_shares_that_a_split_makes_of_a_part_of_one_are_nobodys_trade(
    terms: tuple[str, str], before: str, after: str, held: int, foreign: int
) -> None:
    desk, _, _ = bought(MemoryJournal("f00d"))
    account = Account({"AAA": after}, rows(before, after), announced(*terms))
    shown = list[str]()
    assert Splits(desk, account, NOW, shown.append).look()
    assert (desk.book.shares(), desk.differences.foreign.get("AAA", 0), desk.mode) == ({"AAA": held}, foreign, Mode.ACTIVE)
    assert "in cash" not in shown[0]


@pytest.mark.parametrize(
    "broken",
    [
        rows("10", "100", symbol="BBB"),
        rows("10", "100")[:1],
        rows("10", "100", date="soon"),
        rows("ten", "100"),
        [{"symbol": "AAA"}],
    ],
)
def test_what_is_another_symbols_half_there_or_unreadable_explains_nothing(broken: list[dict[str, Any]]) -> None:
    assert read(Account(activities=broken, announcements=announced("10", "1"))) == []


# ---- when it is asked for --------------------------------------------------------------------------------------------------


class Shown:
    def last_prices(self, symbols: Any) -> Mapping[str, Print]:
        return {}


@dataclass
class Watched:
    desk: Desk
    clock: VirtualClock
    account: Account
    guardian: AccountGuardian
    shown: list[str]


def watched(desk: Desk, account: Account, looks: tuple[timedelta, ...] = LIVE_LOOKS) -> Watched:
    clock, shown = desk._clock, list[str]()
    assert isinstance(clock, VirtualClock)
    splits = Splits(desk, account, clock.now(), shown.append)
    guardian = AccountGuardian(splits, Shown(), clock, market_hours, timedelta(minutes=5), looks)
    return Watched(desk, clock, account, guardian, shown)


def play(watch: Watched, until: datetime) -> list[datetime]:
    """Go on to a moment, looking when it is due; the moments at which the shares were counted."""
    counted = []
    while (now := watch.clock.now()) < until:
        due = watch.guardian.next_look(now)
        watch.clock.move_to(until if due is None else min(until, max(due, now + timedelta(seconds=1))))
        before = watch.account.asked.count("/positions")
        watch.guardian.look_if_due()
        if watch.account.asked.count("/positions") > before:
            counted.append(watch.clock.now())
    return counted


def test_shares_are_counted_before_each_opening_while_something_is_held() -> None:
    desk, _, _ = bought(MemoryJournal("f00d"))
    watch = watched(desk, Account({"AAA": "99"}))
    assert play(watch, OPENING + timedelta(hours=1)) == [OPENING - each for each in LIVE_LOOKS]
    assert set(watch.account.asked) == {"/positions"}, "what agrees needs no second request"
    assert watched(bought(MemoryJournal("f00e"))[0], Account(), REPLAY_LOOKS).guardian.next_look(NOW + timedelta(hours=7)) == FOUR


def test_a_split_is_booked_told_and_acted_on_at_the_first_look() -> None:
    desk, outbox, _ = bought(MemoryJournal("f00d"))
    account = Account({"AAA": "990"}, rows("99", "990"), announced("10", "1"))
    watch = watched(desk, account)
    play(watch, FOUR + timedelta(seconds=1))
    assert desk.book.shares() == {"AAA": 990}
    assert isinstance(outbox.sent[-1], Cancel)
    assert [text.split(";")[0] for text in watch.shown] == ["AAA: a split of 10 for 1 on 2024-01-04 made 990 shares of 99"]


def test_a_split_that_is_booked_later_than_the_position_changes_is_found_at_a_later_look() -> None:
    desk, _, _ = bought(MemoryJournal("f00d"))
    watch = watched(desk, Account({"AAA": "990"}))
    play(watch, OPENING - timedelta(hours=3))
    assert (desk.book.shares(), desk.mode) == ({"AAA": 99}, Mode.ACTIVE)
    watch.account.activities, watch.account.announcements = rows("99", "990"), announced("10", "1")
    play(watch, OPENING)
    assert desk.book.shares() == {"AAA": 990}


def test_a_broker_that_is_silent_is_asked_again_soon() -> None:
    desk, _, _ = bought(MemoryJournal("f00d"))
    watch = watched(desk, Account({"AAA": "99"}, error=ConnectionError("away")))
    first, second, *_ = play(watch, FOUR + timedelta(seconds=90))
    assert second - first == AGAIN


def test_nothing_held_is_nothing_to_count() -> None:
    desk, _, entry = bought(MemoryJournal("f00d"), 5)
    desk.order_event(news(entry, S.CANCELED))
    cover = desk.step(f"{entry.key}-cover1")
    assert cover is not None
    desk.order_event(news(cover, S.FILLED, 5, "x2"))
    assert watched(desk, Account()).guardian.next_look(NOW) is None


def test_bare_shares_are_counted_soon_and_again_for_as_long_as_they_are_bare() -> None:
    desk, _, entry = bare(MemoryJournal("f00d"))
    watch = watched(desk, Account({"AAA": "1"}))
    desk.refused(replace(refusal(f"{entry.key}-cover1"), explained=True))
    counted = play(watch, NOW + timedelta(seconds=5))
    assert counted == [NOW + timedelta(seconds=1)]
    watch.account.activities, watch.account.announcements = rows("5", "1"), announced("1", "5")
    desk.refused(replace(refusal(f"{entry.key}-cover2"), explained=True))
    assert play(watch, counted[0] + AGAIN) == [counted[0] + AGAIN]
    assert (desk.mode, desk.book.shares()) == (Mode.ACTIVE, {"AAA": 1})


def test_a_count_of_lumibot_s_that_differs_calls_for_one_look() -> None:
    desk, _, _ = bought(MemoryJournal("f00d"))
    watch = watched(desk, Account({"AAA": "990"}, rows("99", "990"), announced("10", "1")))
    desk.decide(market(1), DomainAccount(100_000.0, 100_000.0, {"AAA": 990}), [])
    assert desk.differences.has_suspects
    assert watch.guardian.look_if_due()
    assert (desk.book.shares(), desk.mode) == ({"AAA": 990}, Mode.ACTIVE)
    play(watch, NOW + timedelta(minutes=4))
    assert watch.account.asked.count("/positions") == 1
