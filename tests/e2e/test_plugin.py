"""A strategy from another package: the two files of docs/plugins.md, built, installed, listed and traded."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DESK = Path(sys.executable).with_name("desk")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that pip installed the documented package into. Offline: no index, no build environment of its own."""
    source, target = tmp_path_factory.mktemp("dip-buyer"), tmp_path_factory.mktemp("installed")
    for name, text in documented_files().items():
        (source / name).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(target), str(source)]
    subprocess.run([*command, *options], check=True, cwd=source, timeout=100)
    return target


def documented_files() -> dict[str, str]:
    text = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    blocks = dict(re.findall(r"^```(toml|python)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    return {"pyproject.toml": blocks["toml"], "dip_buyer.py": blocks["python"]}


def desk(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    assert DESK.exists(), "the package is not installed here: run `make test`, or pip install -e ."
    environ = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run([DESK, *arguments], env=environ, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_installed_plugin_is_listed_with_its_parameters(installed: Path) -> None:
    answer = desk(installed, "strategies", "--json")
    assert answer.returncode == 0, answer.stderr
    listed = {item["name"]: item for item in json.loads(answer.stdout)}
    assert listed["dip"]["package"] == "dip-buyer"
    assert listed["dip"]["error"] is None
    assert listed["dip"]["doc"].startswith("Buys a name after some lower closes in a row")
    assert listed["dip"]["parameters"][0] == {
        "name": "lower_closes",
        "default": 3,
        "doc": "lower closes in a row before a name is bought",
        "required": False,
    }


def test_own_strategy_is_listed_beside_the_plugin(installed: Path) -> None:
    answer = desk(installed, "strategies")
    assert answer.returncode == 0, answer.stderr
    assert re.search(r"^combined  strategies\.combined:Combined  \(package lumidesk\)$", answer.stdout, re.MULTILINE)
    assert re.search(r"^dip  dip_buyer:DipBuyer  \(package dip-buyer\)$", answer.stdout, re.MULTILINE)
    assert "cannot be loaded" not in answer.stdout


def test_plugin_that_is_not_installed_is_not_listed(tmp_path: Path) -> None:
    answer = desk(tmp_path, "strategies", "--json")
    assert "dip" not in {item["name"] for item in json.loads(answer.stdout)}


@pytest.mark.slow
def test_installed_plugin_trades_at_the_built_in_exchange(installed: Path, tmp_path: Path) -> None:
    options = ["--strategy", "dip", "--broker", "exchange", "--sessions", "3", "--runs", str(tmp_path / "runs"), "--json"]
    answer = subprocess.run(
        [sys.executable, ROOT / "live_trader.py", *options],
        env={**os.environ, "PYTHONPATH": str(installed)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    result = json.loads(answer.stdout.splitlines()[-1])
    assert result["strategy"] == "dip"
    assert result["orders_submitted"] > 0
    assert result["orders_rejected_unexplained"] == 0
    assert result["reconciliation_breaks"] == 0
