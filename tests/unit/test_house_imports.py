"""Imports point down: the contracts of pyproject.toml are kept, and no package of the desk is outside them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def contracts() -> list[dict[str, Any]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return list(project["tool"]["importlinter"]["contracts"])


def test_import_contracts_are_kept() -> None:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_every_package_of_the_desk_has_a_layer(contracts: list[dict[str, Any]]) -> None:
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    named = {name for layer in layers for name in re.split(r"\s*\|\s*", layer)}
    packages = {f"desk.{path.parent.name}" for path in (ROOT / "desk").glob("*/__init__.py")}
    assert packages <= named


def test_domain_imports_the_standard_library_and_numpy_alone() -> None:
    allowed = {"desk", "numpy", *sys.stdlib_module_names}
    found = {f"{path.name}: {name}" for path in (ROOT / "desk" / "domain").glob("*.py") for name in roots(path) - allowed}
    assert found == set()


def roots(path: Path) -> set[str]:
    """Top-level names that a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    sourced = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.split(".")[0] for name in plain | sourced}


@pytest.mark.parametrize("package", ["desk.brokers", "desk.data", "desk.runtime"])
def test_importing_a_package_that_uses_lumibot_sets_the_switches_and_loads_no_lumibot(package: str) -> None:
    code = f"import os, sys, {package}; print(os.environ['LUMIBOT_LAZY_CREDENTIALS'], 'lumibot' in sys.modules)"
    assert printed(code) == ["1", "False"]


def test_the_pytest_plugin_leaves_the_environment_of_other_projects_alone() -> None:
    loaded = "import desk.exchange.pytest_plugin, desk.exchange.process"
    assert printed(f"import os; before = dict(os.environ); {loaded}; print(os.environ == before)") == ["True"]


def printed(code: str) -> list[str]:
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    return answer.stdout.split()
