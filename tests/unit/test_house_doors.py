"""Submit, replace and cancel have one caller each: the last door before the broker cannot be walked around."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TREES = ("desk", "strategies", "hedging", "options")


def callers(name: str) -> list[str]:
    """Places that call a method of this name on an alpaca-py client (`….api.<name>(…)`)."""
    found: list[str] = []
    for tree in TREES:
        for path in (ROOT / tree).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name:
                    owner = node.func.value
                    if isinstance(owner, ast.Attribute) and owner.attr == "api":
                        found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    return found


@pytest.mark.parametrize("name", ["submit_order", "replace_order_by_id", "cancel_order_by_id"])
def test_each_message_that_changes_something_at_the_broker_has_one_caller(name: str) -> None:
    places = callers(name)
    assert len(places) == 1, places
    assert places[0].startswith("desk/brokers/alpaca.py")


def test_nothing_closes_positions_or_cancels_everything_behind_the_journal() -> None:
    for name in ("close_position", "close_all_positions", "cancel_orders", "exercise_options_position"):
        assert callers(name) == []
