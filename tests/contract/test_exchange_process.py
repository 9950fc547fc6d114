"""The exchange as a child process: it starts or says why not, stops with its parent, and goes on where it stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import requests

from desk.domain.errors import BrokerUnreachable, ConfigurationError
from desk.exchange.admin_client import AdminClient
from desk.exchange.config import AccountConfig, ExchangeConfig
from desk.exchange.process import ExchangeProcess

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("started_anew")]
START = date(2008, 9, 2)
OPEN = datetime(2008, 9, 2, 13, 30, tzinfo=UTC)
RUN = "from desk.cli.main import run; run()"
ROW = "{day},ABC,100,101,99,100.5,1000\n"


@pytest.fixture
def prices(tmp_path: Path) -> str:
    """A data directory with three sessions."""
    folder = tmp_path / "prices"
    folder.mkdir()
    rows = "".join(ROW.format(day=day) for day in ("2008-09-02", "2008-09-03", "2008-09-04"))
    (folder / "daily.csv").write_text("timestamp,symbol,open,high,low,close,volume\n" + rows)
    return str(folder)


def place(exchange: ExchangeProcess, **order: object) -> dict[str, object]:
    body = {"symbol": "ABC", "side": "buy", "type": "market", "qty": "10", "time_in_force": "gtc", **order}
    keys = {"APCA-API-KEY-ID": exchange.api_key, "APCA-API-SECRET-KEY": exchange.api_secret}
    answer = requests.post(exchange.url + "/v2/orders", json=body, headers=keys, timeout=5)
    assert answer.status_code == 200, answer.text
    said: dict[str, object] = answer.json()
    return said


def test_it_resumes_to_the_cent_and_to_the_id(prices: str, tmp_path: Path) -> None:
    def story(folder: Path, stops_between: bool) -> list[object]:
        folder.mkdir()
        config = ExchangeConfig(prices, START, seed=9, state_file=folder / "state.json", partial_fill_probability=0.5)
        exchange = ExchangeProcess(config, folder / "log")
        exchange.admin.advance(OPEN)
        told: list[object] = [place(exchange, client_order_id="first")]
        if stops_between:
            exchange.stop()
            exchange = ExchangeProcess(config, folder / "log")
        told += [exchange.admin.status(), place(exchange, client_order_id="second")]
        while not exchange.admin.advance(OPEN + timedelta(days=1)).reached:
            pass
        told += [exchange.admin.report(), exchange.admin.status()]
        exchange.stop()
        return told

    assert story(tmp_path / "one", stops_between=False) == story(tmp_path / "two", stops_between=True)


def test_state_of_another_replay_is_refused(prices: str, tmp_path: Path) -> None:
    config = ExchangeConfig(prices, START, state_file=tmp_path / "state.json")
    ExchangeProcess(config, tmp_path / "log").stop()
    with pytest.raises(ConfigurationError, match=r"state_file .*saved with seed 1, this exchange has 2; move it away"):
        ExchangeProcess(replace(config, seed=2), tmp_path / "log")
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(ConfigurationError, match=r"state_file .*; move it away to start afresh"):
        ExchangeProcess(config, tmp_path / "log")


def test_child_saves_and_leaves_when_its_parent_is_gone(prices: str, tmp_path: Path) -> None:
    """The parent here is a process of its own that is killed without a chance to say anything."""
    code = f"""
import sys, time
from datetime import date
from pathlib import Path
from desk.exchange.config import AccountConfig, ExchangeConfig
from desk.exchange.process import ExchangeProcess
folder = Path({str(tmp_path)!r})
exchange = ExchangeProcess(ExchangeConfig({prices!r}, date(2008, 9, 2), state_file=folder / "state.json"), folder / "log")
print(exchange.pid, flush=True)
time.sleep(60)
"""
    root = str(Path(__file__).parents[2])
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=root)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert os.getsid(child) == child, "the child has a session of its own, so Ctrl-C does not reach it"
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    wait_until_gone(child)
    assert json.loads((tmp_path / "state.json").read_text())["now"] == "2008-09-02T12:00:00+00:00"


def wait_until_gone(pid: int) -> None:
    end = time.monotonic() + 10
    while Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z":
        assert time.monotonic() < end, "the exchange outlived its parent"
        time.sleep(0.02)


def test_shutdown_and_stop_leave_nothing_running(prices: str, tmp_path: Path) -> None:
    exchange = ExchangeProcess(ExchangeConfig(prices, START, state_file=tmp_path / "state.json"), tmp_path / "log")
    exchange.admin.save()
    exchange.admin.shutdown()
    wait_until_gone(exchange.pid)
    exchange.stop()
    exchange.stop()
    assert not exchange.is_running
    with pytest.raises(BrokerUnreachable):
        exchange.admin.status()


def test_admin_needs_the_keys(prices: str, tmp_path: Path) -> None:
    with ExchangeProcess(ExchangeConfig(prices, START), tmp_path / "log") as exchange:
        with pytest.raises(BrokerUnreachable, match="not authorized"):
            AdminClient(exchange.url, exchange.api_key, "wrong").status()
        assert exchange.admin.status()["sessions"] == ["2008-09-02", "2008-09-03", "2008-09-04"]
        command = Path(f"/proc/{exchange.pid}/cmdline").read_text()
        assert exchange.api_secret not in command


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source": "/no/such/folder"}, "source /no/such/folder: no such directory"),
        ({"start": date(2030, 1, 2)}, "start 2030-01-02: the data ends with 2008-09-04; choose an earlier start"),
        ({"start": date(1990, 1, 2)}, "start 1990-01-02: the data begins with 2008-09-02; choose a start from then on"),
        ({"access_log": Path("/no/such/folder/access.log")}, "access_log /no/such/folder/access.log: not writable"),
        ({"state_file": Path("/no/such/folder/state.json")}, "state_file /no/such/folder/state.json"),
    ],
)
def test_wrong_settings_are_told_with_value_and_fix(prices: str, tmp_path: Path, change: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        ExchangeProcess(replace(ExchangeConfig(prices, START), **change), tmp_path / "log")  # type: ignore[arg-type]  # fields vary
    assert words in str(refused.value)


def test_port_in_use_is_told(prices: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"port {port}: cannot be used .*give another port, or 0"):
            ExchangeProcess(ExchangeConfig(prices, START, port=port), tmp_path / "log")


@pytest.mark.parametrize(
    "wrong", [{"port": 70_000}, {"cash_usd": 0.0}, {"cash_usd": float("nan")}, {"partial_fill_probability": 2.0}, {"seed": -1}]
)
def test_values_out_of_range_are_refused_before_anything_starts(wrong: dict[str, object]) -> None:
    (name,) = wrong
    with pytest.raises(ConfigurationError, match=rf"exchange setting {name}: .* is out of range; "):
        ExchangeConfig("bundled", START, **wrong)  # type: ignore[arg-type]  # the field differs from case to case


# several accounts, and the rest of what a child is told


def test_a_child_has_every_account_and_setting(prices: str, tmp_path: Path) -> None:
    second = AccountConfig("key-two", "secret-two", cash_usd=5000.0, multiplier=1)
    faults = tmp_path / "faults.yaml"
    faults.write_text("faults: [{kind: server_error, status: 502, when: {path: /v2/account, nth: 2}}]")
    config = ExchangeConfig(prices, START, accounts=(second,), requests_per_minute=3, faults=faults)
    with ExchangeProcess(config, tmp_path / "log") as exchange:
        keys = {"APCA-API-KEY-ID": "key-two", "APCA-API-SECRET-KEY": "secret-two"}
        answers = [requests.get(exchange.url + "/v2/account", headers=keys, timeout=5) for _ in range(4)]
        assert answers[0].json()["cash"] == "5000"
        assert [answer.status_code for answer in answers] == [200, 502, 200, 429]
        command = Path(f"/proc/{exchange.pid}/cmdline").read_text()
        assert "secret-two" not in command and "key-two" not in command


@pytest.mark.parametrize("size", [(1 << 20) + 1, 50 << 20])
def test_a_body_that_is_too_large_is_refused_on_the_wire(prices: str, tmp_path: Path, size: int) -> None:
    with ExchangeProcess(ExchangeConfig(prices, START), tmp_path / "log") as exchange:
        address = ("127.0.0.1", int(exchange.url.rpartition(":")[2]))
        with socket.create_connection(address, timeout=5) as bare:
            bare.sendall(b"POST /v2/orders HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: %d\r\n\r\n" % size)
            assert bare.recv(12) == b"HTTP/1.1 413"
        assert exchange.admin.status()["events_emitted"] == 0


def test_reset_begins_anew_and_the_state_file_with_it(prices: str, tmp_path: Path) -> None:
    config = ExchangeConfig(prices, START, state_file=tmp_path / "state.json")
    with ExchangeProcess(config, tmp_path / "log") as exchange:
        exchange.admin.advance(OPEN)
        place(exchange)
        assert exchange.admin.reset()["events_emitted"] == 0
    with ExchangeProcess(config, tmp_path / "log") as exchange:
        assert exchange.admin.status()["now"] == "2008-09-02T12:00:00Z"


# served by hand


class Served:
    """`desk exchange serve` in a process of its own."""

    def __init__(self, *options: str, **variables: str) -> None:
        command = [sys.executable, "-c", RUN, "exchange", "serve", "--port", "0", *options]
        root = str(Path(__file__).parents[2])
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LUMIDESK_")}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root, env={**kept, **variables}
        )
        assert self.process.stdout is not None
        self.greeting = self.process.stdout.readline()
        self.url = self.greeting.split()[2].rstrip(",") if self.greeting else ""

    def get(self, path: str, key: str = "exchange", secret: str = "exchange") -> requests.Response:
        return requests.get(self.url + path, headers={"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret}, timeout=5)

    def ask(self, *command: str) -> subprocess.CompletedProcess[str]:
        call = [sys.executable, "-c", RUN, "exchange", *command, "--url", self.url]
        return subprocess.run(call, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=60)

    def end(self, signal_number: int = signal.SIGINT) -> tuple[int, str]:
        self.process.send_signal(signal_number)
        _, said = self.process.communicate(timeout=20)
        return self.process.returncode, said


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_served_by_hand_it_paces_itself_and_saves_when_it_is_stopped(prices: str, tmp_path: Path, signal_number: int) -> None:
    state = tmp_path / "state.json"
    served = Served("--data", prices, "--state", str(state), "--speed", "3600")
    assert served.greeting.startswith("exchange at http://127.0.0.1:")
    answer = served.get("/v2/account")
    assert (answer.status_code, answer.headers["X-RateLimit-Limit"]) == (200, "200")
    first = served.get("/healthz").json()["now"]
    time.sleep(0.3)
    assert served.get("/healthz").json()["now"] > first >= "2008-09-02T12:00:00Z"
    code, said = served.end(signal_number)
    assert "Traceback" not in said
    assert code in (0, -signal_number)
    assert json.loads(state.read_text())["now"] > "2008-09-02T12:00:00"


def test_reset_and_status_ask_a_running_exchange(prices: str) -> None:
    served = Served("--data", prices, "--speed", "step")
    try:
        said = json.loads(served.ask("status").stdout)
        assert (said["now"], said["first_session"], said["faults"]) == ("2008-09-02T12:00:00Z", "2008-09-02", [])
        assert served.ask("reset", "--start", "2008-09-03").stdout == f"{served.url} stands at 2008-09-03T12:00:00Z\n"
    finally:
        served.end()


def test_at_full_speed_clients_are_answered_until_the_data_end(tmp_path: Path) -> None:
    served = Served("--speed", "full", "--requests-per-minute", "0", "--start", "2012-12-03")
    try:
        end = time.monotonic() + 60
        while served.get("/healthz").json()["now"] < "2013-02":
            assert time.monotonic() < end
        assert served.get("/v2/account").status_code == 200
    finally:
        assert "Traceback" not in served.end()[1]


def test_accounts_by_file(prices: str, tmp_path: Path) -> None:
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text(
        "accounts: [{key_variable: A, secret_variable: B}, {key_variable: C, secret_variable: D, cash_usd: 5000}]"
    )
    served = Served("--data", prices, "--accounts", str(accounts), A="one", B="first", C="two", D="second")
    try:
        assert served.get("/v2/account", "two", "second").json()["cash"] == "5000"
        assert served.get("/v2/account").status_code == 401
        assert "as set in the environment" in served.greeting and "second" not in served.greeting
    finally:
        served.end()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--host", "0.0.0.0"), 2, "add --i-understand"),
        (("--host", "0.0.0.0", "--i-understand"), 2, "the default keys are known to all"),
        (("--faults", "/no/such.yaml"), 4, "faults /no/such.yaml: cannot be read"),
        (("--start", "2030-01-02"), 4, "start 2030-01-02: the data ends with"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(options: tuple[str, ...], code: int, words: str) -> None:
    served = Served(*options)
    _, said = served.process.communicate(timeout=20)
    assert served.process.returncode == code
    assert words in said and "Traceback" not in said
