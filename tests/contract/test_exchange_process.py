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
from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess

pytestmark = pytest.mark.slow
START = date(2008, 9, 2)
OPEN = datetime(2008, 9, 2, 13, 30, tzinfo=UTC)
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
from desk.exchange.config import ExchangeConfig
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
