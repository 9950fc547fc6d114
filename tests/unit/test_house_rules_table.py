"""The table of the exchange's rules: complete by subject, numbered once, and as the tests state them."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
import yaml

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "backtests" / "exchange_rules.py"
FEWEST_RULES = 150


@pytest.fixture(scope="module")
def table() -> ModuleType:
    spec = importlib.util.spec_from_file_location("exchange_rules", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["exchange_rules"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_page_is_what_the_tests_say(table: ModuleType) -> None:
    assert table.PAGE.read_text(encoding="utf-8") == table.page(), "run: python backtests/exchange_rules.py"


@pytest.mark.slow
def test_there_are_enough_rules(table: ModuleType) -> None:
    assert len({rule.id for rule in table.rules()}) >= FEWEST_RULES


def test_numbers_are_unique_but_for_one_rule_proven_twice(table: ModuleType) -> None:
    said = {(rule.id, rule.text, rule.source, rule.status) for rule in table.rules()}
    counted = Counter(number for number, *_ in said)
    assert [number for number, count in counted.items() if count > 1] == []


def test_every_rule_is_well_formed(table: ModuleType) -> None:
    for rule in table.rules():
        assert re.fullmatch(r"[A-Z]{3}-\d{3}", rule.id) and rule.area in table.AREAS, rule
        assert rule.status in table.STATUSES, rule
        assert {tag.strip() for tag in rule.source.split(",")} <= set(table.SOURCES), rule
        assert len(rule.text) >= 15 and not rule.text.endswith("."), rule


def test_every_subject_has_its_rules_and_every_rule_a_subject(table: ModuleType) -> None:
    """The subjects are the sections of what is known of Alpaca's API; each was walked through statement by statement."""
    subjects = yaml.safe_load((table.RULE_TESTS / "subjects.yaml").read_text(encoding="utf-8"))
    known = {rule.id for rule in table.rules()}
    for subject in subjects:
        found = {number for number in known if any(covers(entry, number) for entry in subject["rules"])}
        assert len(found) >= subject["fewest"], f"{subject['subject']}: {len(found)} rules"
    placed = {number for number in known for subject in subjects for entry in subject["rules"] if covers(entry, number)}
    assert sorted(known - placed) == [], "name them under a subject in tests/rules/subjects.yaml"


def covers(entry: str, number: str) -> bool:
    """`ORD`, `ORD-101` or `ORD-101..120`."""
    area, _, numbers = entry.partition("-")
    if not number.startswith(area + "-"):
        return False
    first, _, last = numbers.partition("..")
    return not numbers or int(first) <= int(number.partition("-")[2]) <= int(last or first)


def test_every_switch_is_explained_beside_its_default(table: ModuleType) -> None:
    assert [name for name, _, meaning in table.switches() if not meaning] == []


def test_what_is_out_of_scope_has_a_reason(table: ModuleType) -> None:
    entries = table.out_of_scope()
    assert entries
    for entry in entries:
        assert entry["subject"] and entry["statement"] and entry["reason"], entry


def test_a_mark_that_is_no_rule_is_refused(table: ModuleType, tmp_path: Path) -> None:
    odd = "import pytest\n@pytest.mark.rule('ORD-999', source='OAS', status='documented')\ndef test_odd(): ...\n"
    (tmp_path / "test_odd.py").write_text(odd, encoding="utf-8")
    with pytest.raises(table.RuleProblem, match="write rule"):
        table.rules(tmp_path)
