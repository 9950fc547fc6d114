"""Submit, replace and cancel have one caller each: the last door before the broker cannot be walked around."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TREES = ("desk", "strategies", "hedging", "options")


# Who may hold the client or the sender through which messages reach the broker.
DOOR = "desk/brokers/sending.py"
SENDER = "desk/brokers/guarded/submission.py"


def calls(owners: tuple[str, ...], name: str) -> list[str]:
    """Files that call a method of this name on something called one of `owners`."""
    found: list[str] = []
    for path, text in texts().items():
        if name in text:  # nothing else can call it
            found += [str(path.relative_to(ROOT)) for owner, called in calls_in(path) if called == name and owner in owners]
    return found


@cache
def texts() -> dict[Path, str]:
    """Every file that could send something, in order."""
    return {path: path.read_text() for tree in TREES for path in sorted((ROOT / tree).rglob("*.py"))}


@cache
def calls_in(path: Path) -> tuple[tuple[str, str], ...]:
    """Every method call of a file: what the object is called, and the method."""
    methods = [
        node.func
        for node in ast.walk(ast.parse(texts()[path]))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    owners = [each.value.attr if isinstance(each.value, ast.Attribute) else getattr(each.value, "id", "") for each in methods]
    return tuple(zip(owners, (each.attr for each in methods), strict=True))


@pytest.mark.parametrize("name", ["send", "replace"])
def test_each_message_that_changes_something_at_the_broker_has_one_caller(name: str) -> None:
    assert calls(("_sender", "sender"), name) == [DOOR]


def test_cancels_go_through_the_same_door() -> None:
    assert {place for place in calls(("_sender",), "cancel") if not place.startswith("desk/exchange/")} == {DOOR}


@pytest.mark.parametrize(
    "name",
    [
        *("submit_order", "replace_order_by_id", "cancel_order_by_id", "close_position", "close_all_positions"),
        *("cancel_orders", "exercise_options_position", "post", "patch", "delete"),
    ],
)
def test_nothing_reaches_the_broker_past_the_door(name: str) -> None:
    own = ("desk/exchange/", "desk/cli/conformance")
    places = calls(("api", "_api", "client", "_client"), name)
    assert [place for place in places if place != SENDER and not place.startswith(own)] == []
