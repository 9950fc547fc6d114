"""The service around an exchange: its clock, its bounds, its own endpoints, its command line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from desk.cli import exchange as command
from desk.domain.errors import ConfigurationError, UsageError
from desk.exchange.account_file import load_accounts
from desk.exchange.api.answers import LARGEST_BODY
from desk.exchange.config import FULL_SPEED, STEPPED, AccountConfig, ExchangeConfig
from desk.exchange.pacer import Paced, Pacer, monotonic
from desk.exchange.serve import Bounded, is_loopback
from desk.exchange.switches import Switches

New = Callable[..., Any]
BEGIN = datetime(2008, 9, 2, 12, 0, tzinfo=UTC)
SECOND = AccountConfig("key-two", "secret-two", cash_usd=5000.0)


# the clock


class Time:
    """A clock that goes where it is told, in steps of at most a minute as if each told a trade update."""

    def __init__(self) -> None:
        self.now = BEGIN
        self.end = BEGIN + timedelta(hours=5)
        self.seen: list[datetime] = []

    def advance(self, to: datetime) -> None:
        self.now = min(to, self.now + timedelta(minutes=1))

    def pacer(self, speed: float) -> Pacer:
        paced = Paced(lambda: self.now, self.advance, lambda: self.seen.append(self.now), lambda: self.end, lambda: None)
        return Pacer(paced, speed)

    def run(self, speed: float, seconds: float, meanwhile: Callable[[], None] = lambda: None) -> None:
        async def story() -> None:
            pacer = self.pacer(speed)
            task = asyncio.create_task(pacer.run())
            await asyncio.sleep(seconds / 2)
            meanwhile()
            await asyncio.sleep(seconds / 2)
            assert not task.done() or speed == STEPPED
            task.cancel()

        asyncio.run(story())
        assert self.seen == sorted(self.seen), "virtual time went back"


def test_a_stepped_clock_stands_still() -> None:
    time = Time()
    time.run(STEPPED, 0.05)
    assert time.now == BEGIN


def test_time_passes_at_the_speed_that_is_asked_for() -> None:
    """Loosely measured: the machine may be busy, and then time is made up for and never lost."""
    time = Time()
    time.run(600.0, 0.4)
    assert timedelta(minutes=3) < time.now - BEGIN < timedelta(minutes=8)


def test_full_speed_reaches_the_end_of_the_data_and_waits_there() -> None:
    time = Time()
    time.run(FULL_SPEED, 0.3)
    assert time.now == time.end - timedelta(microseconds=1)


def test_a_client_takes_the_pacer_along() -> None:
    time, hour = Time(), timedelta(hours=1)

    def jump() -> None:
        time.now += hour

    time.run(1.0, 0.1, jump)
    assert hour < time.now - BEGIN < hour + timedelta(seconds=5)


@pytest.mark.parametrize("speed", [0.5, 1.0, 60.0])
def test_between_two_turns_a_request_finds_the_present(speed: float) -> None:
    time = Time()

    async def story() -> None:
        pacer = time.pacer(speed)
        pacer.catch_up()
        assert time.now == BEGIN, "before the clock starts it stands still"
        task = asyncio.create_task(pacer.run())
        await asyncio.sleep(0)
        began = monotonic()
        while (passed := monotonic() - began) < 0.002:
            pass
        pacer.catch_up()
        assert time.now - BEGIN >= timedelta(seconds=passed * speed) - timedelta(microseconds=1)
        task.cancel()

    asyncio.run(story())


@pytest.mark.parametrize("speed", [STEPPED, FULL_SPEED])
def test_a_clock_without_a_pace_has_nothing_to_catch_up_with(speed: float) -> None:
    time = Time()

    async def story() -> None:
        pacer = time.pacer(speed)
        task = asyncio.create_task(pacer.run())
        await asyncio.sleep(0)
        pacer.catch_up()
        assert time.now == BEGIN
        task.cancel()

    asyncio.run(story())


def test_a_reset_begins_a_new_story() -> None:
    time = Time()

    def reset() -> None:
        time.now, time.seen = BEGIN, []

    time.run(600.0, 0.2, reset)
    assert time.now - BEGIN < timedelta(minutes=3)


# bounds


def test_a_body_that_is_too_large_is_refused(client: Any) -> None:
    bounded = client.stranger(client.http.keys)
    bounded.app = Bounded(bounded.app)
    answer = bounded.post("/v2/orders", content=b"[" + b"1," * LARGEST_BODY)
    assert (answer.status_code, answer.json()["code"]) == (413, 41310000)

    async def pieces() -> Any:
        for _ in range(20):
            yield b"a" * (LARGEST_BODY // 10)

    assert bounded.post("/v2/orders", content=pieces()).status_code == 413
    assert bounded.post(
        "/v2/orders", json={"symbol": "ABC", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}
    ).is_success


def test_a_request_without_a_body_passes(client: Any) -> None:
    bounded = client.stranger(client.http.keys)
    bounded.app = Bounded(bounded.app)
    assert bounded.get("/v2/account").status_code == 200


@pytest.mark.parametrize(("host", "is_local"), [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("0.0.0.0", False)])
def test_loopback_is_known(host: str, is_local: bool) -> None:
    assert is_loopback(host) is is_local


def test_a_host_is_an_address() -> None:
    with pytest.raises(ConfigurationError, match=r"host example\.com: is no IP address"):
        is_loopback("example.com")


# its own endpoints


def test_a_reset_begins_again_with_what_it_is_given(client: Any) -> None:
    client.send()
    client.http.post("/admin/faults", json={"kind": "slow", "when": {"nth": 99}})
    said = client.http.post("/admin/reset", json={"cash_usd": 5000, "start": "2008-09-03", "seed": 8}).json()
    assert (said["now"], said["events_emitted"]) == ("2008-09-03T12:00:00Z", 0)
    assert client.get("/v2/account")["cash"] == "5000"
    assert client.get("/v2/orders", status="all") == client.get("/admin/faults")["faults"] == []
    assert client.exchange.config.seed == 8
    assert client.http.post("/admin/reset").json()["now"] == "2008-09-03T12:00:00Z"


def test_the_same_story_after_a_reset_has_the_same_ids(client: Any) -> None:
    def story() -> list[Any]:
        client.http.post("/admin/reset", json={"partial_fill_probability": 0.5})
        client.to("2008-09-02T14:00:00Z")
        return [client.send(client_order_id=name) for name in "abc"]

    assert story() == story()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"cash_usd": -1}, "exchange setting cash_usd: -1.0 is out of range"),
        ({"cash_usd": "much"}, "cash_usd: Input should be a valid number"),
        ({"start": "2030-01-01"}, "start 2030-01-01"),
        ({"start": "soon"}, "start: "),
        ({"api_key": "mine"}, "api_key: Extra inputs are not permitted"),
        ([], "body: "),
    ],
)
def test_a_wrong_reset_changes_nothing(client: Any, body: Any, words: str) -> None:
    client.send(client_order_id="kept")
    before = client.exchange.config
    answer = client.http.post("/admin/reset", json=body)
    assert answer.status_code == 422 and words in answer.json()["message"], answer.text
    assert client.exchange.config == before
    assert client.get("/v2/orders:by_client_order_id", client_order_id="kept")["status"] == "filled"
    client.to("2008-09-03T14:00:00Z")


def test_each_account_has_its_own_report_and_page(new_client: New) -> None:
    client = new_client(accounts=(SECOND,))
    client.to("2008-09-02T14:00:00Z")
    client.send()
    other = client.stranger({"APCA-API-KEY-ID": "key-two", "APCA-API-SECRET-KEY": "secret-two"})
    assert (client.get("/admin/report")["orders_submitted"], other.get("/admin/report").json()["orders_submitted"]) == (1, 0)
    first, second = client.get("/page.json"), client.get("/page.json", account="1")
    assert (first["accounts"], first["account"], second["account"]) == (2, 0, 1)
    assert (second["cash"], second["positions"]) == ("5,000.00", [])
    assert first["positions"][0][:2] == ["ABC", "10"]


def test_a_report_tells_rejections_and_fills(client: Any) -> None:
    client.send()
    client.send(symbol="NOPE", client_order_id="refused")
    report = client.get("/admin/report")
    assert (report["fills"], report["orders_rejected"]) == (1, 1)
    assert report["rejections"][0]["client_order_id"] == "refused"


@pytest.mark.parametrize("to", ["", "soon", None, 5, "0001-01-01T00:00:00+23:59", "2007-01-01", "2100-01-01"])
def test_time_moves_only_where_there_is_some(client: Any, to: Any) -> None:
    before = client.exchange.now
    assert client.http.post("/admin/advance", json={"to": to}).status_code == 422
    assert client.exchange.now == before


@pytest.mark.parametrize(
    "body",
    [None, {}, {"symbol": "ABC"}, {"symbol": "ABC", "qty": "NaN"}, {"symbol": "ABC", "qty": -1}, {"symbol": "ABC", "qty": 1}],
)
def test_an_assignment_needs_a_short_option(client: Any, body: Any) -> None:
    client.send()
    answer = client.http.post("/admin/assign", json=body)
    assert answer.status_code == 422, answer.text
    assert client.exchange.first.book.shares("ABC") == 10


@pytest.mark.parametrize("path", ["/admin/status", "/admin/report", "/admin/faults"])
def test_admin_needs_keys(client: Any, path: str) -> None:
    assert client.stranger({}).get(path).status_code == 401


# accounts by file

FILE = """
accounts:
  - {key_variable: A_KEY, secret_variable: A_SECRET, cash_usd: 5000, multiplier: 1, options_level: 0}
  - {key_variable: B_KEY, secret_variable: B_SECRET}
"""
KEYS = {"A_KEY": "a", "A_SECRET": "as", "B_KEY": "b", "B_SECRET": "bs"}


def test_accounts_come_from_a_file_and_their_keys_from_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "accounts.yaml"
    path.write_text(FILE)
    assert load_accounts(path, KEYS) == (AccountConfig("a", "as", 5000.0, 1, 0), AccountConfig("b", "bs"))
    with pytest.raises(ConfigurationError, match=r"accounts\.1\.secret_variable: the environment variable B_SECRET is not set"):
        load_accounts(path, {**KEYS, "B_SECRET": ""})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("accounts: [{api_key: topsecret}]", "accounts.0.key_variable: is missing"),
        (
            "accounts: [{key_variable: A, secret_variable: B, api_key: topsecret}]",
            "accounts.0.api_key: is not known; keys go into",
        ),
        ("accounts: []", "accounts: is refused"),
        ("accounts: [{key_variable: A_KEY, secret_variable: A_SECRET, cash_usd: much}]", "accounts.0.cash_usd: is refused"),
        ("a: [", "is not valid YAML"),
    ],
)
def test_a_wrong_file_of_accounts_is_told_without_what_it_holds(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "accounts.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        load_accounts(path, KEYS)
    assert words in str(refused.value) and "topsecret" not in str(refused.value)


# the command line


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """What `desk exchange serve` with these options would run; the running itself has tests in tests/contract."""
    made: list[tuple[ExchangeConfig, str, bool]] = []
    monkeypatch.setattr(command, "_run", lambda *given: made.append(given))
    for name in ("LUMIDESK_EXCHANGE_KEY", "LUMIDESK_EXCHANGE_SECRET"):
        monkeypatch.delenv(name, raising=False)

    def call(*options: str) -> Any:
        done = CliRunner().invoke(command.app, ["serve", *options], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return made[-1]

    return call


def test_served_by_hand_it_is_as_slow_and_as_limited_as_alpaca(told: Callable[..., Any]) -> None:
    config, host, is_understood = told()
    assert (config.source, str(config.start), config.speed, config.requests_per_minute) == ("bundled", "2008-09-02", 1.0, 200)
    assert config.latency == command.MEASURED_LATENCY
    assert (config.api_key, config.api_secret, host, is_understood) == ("exchange", "exchange", "127.0.0.1", False)


def test_every_option_reaches_the_exchange(told: Callable[..., Any], tmp_path: Path) -> None:
    config, *_ = told(
        *(
            "--start",
            "2008-10-10",
            "--port",
            "0",
            "--speed",
            "full",
            "--faults",
            "f.yaml",
            "--state",
            "s.json",
            "--fees",
            "--sip",
        ),
        *("--seed", "7", "--cash-usd", "5000", "--requests-per-minute", "0", "--latency", "zero", "--spread-bps", "1"),
        *("--partial-fill-probability", "0", "--access-log", "a.log", "--switch", "legacy_pdt=on"),
        *("--not-fractionable", "ibm, GOOG", "--not-shortable", "FB", "--hard-to-borrow", "MSFT"),
    )
    assert config == ExchangeConfig(
        "bundled",
        datetime(2008, 10, 10).date(),
        seed=7,
        cash_usd=5000.0,
        state_file=Path("s.json"),
        access_log=Path("a.log"),
        partial_fill_probability=0.0,
        spread_bps=1.0,
        api_key="exchange",
        api_secret="exchange",
        speed=FULL_SPEED,
        switches=Switches(legacy_pdt=True),
        with_fees=True,
        has_sip=True,
        faults=Path("f.yaml"),
        not_fractionable=frozenset({"IBM", "GOOG"}),
        not_shortable=frozenset({"FB"}),
        hard_to_borrow=frozenset({"MSFT"}),
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--speed", "0"), "speed 0: give a number above 0"),
        (("--speed", "fast"), "speed fast: give a number above 0"),
        (("--speed", "nan"), "speed nan: "),
        (("--start", "soon"), "start soon: not a date"),
        (("--latency", "some"), "latency some: give measured or zero"),
        (("--switch", "nope=on"), "switch nope=on: write NAME=on or NAME=off with one of brackets_only_from_flat"),
        (("--accounts", "/no/such.yaml"), "accounts /no/such.yaml: cannot be read"),
    ],
)
def test_wrong_options_are_told_with_value_and_fix(told: Callable[..., Any], options: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        told(*options)
    assert words in str(refused.value)


def test_the_network_is_let_in_only_by_who_understands() -> None:
    config = ExchangeConfig("bundled", BEGIN.date(), api_key="mine", api_secret="my own")
    with pytest.raises(UsageError, match="add --i-understand if that is meant"):
        command._refuse_open_doors(config, "0.0.0.0", is_understood=False)
    command._refuse_open_doors(config, "0.0.0.0", is_understood=True)
    known_to_all = ExchangeConfig("bundled", BEGIN.date(), api_key="exchange", api_secret="exchange")
    with pytest.raises(UsageError, match="the default keys are known to all"):
        command._refuse_open_doors(known_to_all, "0.0.0.0", is_understood=True)
