"""The trader dies between the journal and the wire; the run that is resumed loses no order and sends none twice."""

from __future__ import annotations

import fcntl
import json
import subprocess
from pathlib import Path
from typing import Any

import preloaded
import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
CRASHED = 9

# Ends the process, as a kill would, just before or just after the n-th message goes to the broker's queue. Nearly every order
# fills in parts here, so that entries are canceled half-filled and bare shares are covered.
TRADER = """
import dataclasses, os, sys
sys.path.insert(0, {root!r})
from desk.runtime import desk as desk_module, exchange_run
where, number = sys.argv[1], int(sys.argv[2])
config = exchange_run.ExchangeRun._exchange_config
parts = {{"partial_fill_probability": 0.9}}
exchange_run.ExchangeRun._exchange_config = lambda run, first: dataclasses.replace(config(run, first), **parts)
attach, sent = desk_module.Desk.send_through, 0

class Dying:
    def __init__(self, gateway):
        self.gateway = gateway
    def send(self, step):
        global sent
        sent += 1
        if (where, number) == ("before", sent):
            os._exit({crashed})
        self.gateway.send(step)
        if (where, number) == ("after", sent):
            os._exit({crashed})

desk_module.Desk.send_through = lambda desk, gateway: attach(desk, Dying(gateway))
import live_trader
sys.exit(live_trader.main(sys.argv[3:]))
"""


def trade(folder: Path, where: str, number: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = folder / "trader.py"
    script.write_text(TRADER.format(root=str(ROOT), crashed=CRASHED))
    config = str(folder / "plain.yaml")
    Path(config).write_text("confidence_gate: report\nhedging: false\n")
    return preloaded.run([script, where, str(number), "--config", config, "--json", *arguments], folder)


def started(folder: Path, where: str = "never", number: int = 0) -> subprocess.CompletedProcess[str]:
    run = ("--strategy", "combined", "--broker", "exchange", "--sessions", "8", "--seed", "3")
    return trade(folder, where, number, *run)


def outcome(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return {name: value for name, value in result.items() if name != "wall_seconds"}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return outcome(started(tmp_path_factory.mktemp("undisturbed")))


@pytest.mark.parametrize(("where", "number"), [("before", 1), ("after", 5)])
def test_a_crash_at_a_message_ends_as_if_nothing_had_happened(
    tmp_path: Path, undisturbed: dict[str, Any], where: str, number: int
) -> None:
    assert started(tmp_path, where, number).returncode == CRASHED
    resumed = outcome(trade(tmp_path, "never", 0, "--resume", "runs/combined-exchange"))
    expected = dict(undisturbed)
    # What was to be ended in the second of the crash is ended in the next.
    assert resumed.pop("unprotected_share_seconds") < 1.1 * expected.pop("unprotected_share_seconds")
    assert resumed == expected


def test_a_cancel_that_was_journaled_and_never_sent_is_asked_for_again(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    assert started(tmp_path, "before", 3).returncode == CRASHED
    ended = outcome(trade(tmp_path, "never", 0, "--resume", "runs/combined-exchange"))
    # An hour later than it would have been: the shares of the half-filled entry were bare for that long, and no longer.
    bare = ended.pop("unprotected_share_seconds")
    expected = dict(undisturbed)
    assert 0 < bare < 3 * expected.pop("unprotected_share_seconds")
    assert ended == expected


def test_two_processes_do_not_trade_one_run(tmp_path: Path) -> None:
    assert outcome(started(tmp_path))
    folder = tmp_path / "runs" / "combined-exchange"
    with (folder / "run.lock").open("a+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        second = trade(tmp_path, "never", 0, "--resume", str(folder))
    assert second.returncode == 5
    assert "another process trades this run" in second.stderr
