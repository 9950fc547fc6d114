"""The plan of faults and its sources: what matches, how often, the same again, and errors that name field, value and fix."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from desk.domain.errors import ConfigurationError
from desk.exchange.faults.load import PARAMETERS, conditions, listed, load_faults, parse_fault
from desk.exchange.faults.plan import EVENT_KINDS, HTTP_KINDS, ORDER_KINDS, Fault, FaultKind, FaultPlan, Match, Occasion, matches

NOW = datetime(2008, 9, 2, 14, 0, tzinfo=UTC)
ORDERS = Occasion(NOW, 0, "POST", "/v2/orders")


def hits(plan: FaultPlan, kind: FaultKind, occasions: int, occasion: Occasion = ORDERS) -> list[bool]:
    return [plan.due((kind,), occasion) is not None for _ in range(occasions)]


def test_every_kind_acts_in_one_place() -> None:
    assert set(FaultKind) == HTTP_KINDS | ORDER_KINDS | EVENT_KINDS
    assert len(HTTP_KINDS) + len(ORDER_KINDS) + len(EVENT_KINDS) == len(FaultKind)


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        (Match(), True),
        (Match(method="POST", path="/v2/orders"), True),
        (Match(path="/v2/*"), True),
        (Match(path="/v2/orders/*"), False),
        (Match(method="GET"), False),
        (Match(account=1), False),
        (Match(symbol="ABC"), False),
        (Match(since=NOW), True),
        (Match(since=NOW + timedelta(seconds=1)), False),
        (Match(until=NOW), False),
        (Match(since=NOW - timedelta(hours=1), until=NOW + timedelta(hours=1)), True),
    ],
)
def test_a_fault_matches_when_every_condition_holds(when: Match, holds: bool) -> None:
    assert matches(when, ORDERS) is holds


def test_nth_and_count_pick_occasions() -> None:
    plan = FaultPlan(1)
    plan.add(Fault(FaultKind.RESET, Match(nth=3)))
    plan.add(Fault(FaultKind.SLOW, Match(count=2)))
    assert hits(plan, FaultKind.RESET, 5) == [False, False, True, False, False]
    assert hits(plan, FaultKind.SLOW, 5) == [True, True, False, False, False]


def test_the_first_fault_that_is_due_happens_and_all_that_match_count() -> None:
    plan = FaultPlan(1)
    plan.add(Fault(FaultKind.SLOW, Match(nth=2)))
    plan.add(Fault(FaultKind.RESET))
    kinds = (FaultKind.RESET, FaultKind.SLOW)
    happened = [fault.kind for _ in range(3) if (fault := plan.due(kinds, ORDERS))]
    assert happened == [FaultKind.RESET, FaultKind.SLOW, FaultKind.RESET]
    assert [(entry.matched, entry.hits) for entry in plan.entries()] == [(3, 1), (3, 2)]


@given(seed=st.integers(0, 2**31), probability=st.floats(0, 1))
def test_the_same_seed_gives_the_same_faults(seed: int, probability: float) -> None:
    def story() -> list[bool]:
        plan = FaultPlan(seed)
        plan.add(Fault(FaultKind.LOST_EVENT, Match(probability=probability)))
        return hits(plan, FaultKind.LOST_EVENT, 50)

    assert story() == story()


def test_a_probability_is_met_over_many_occasions() -> None:
    plan = FaultPlan(7)
    plan.add(Fault(FaultKind.LOST_EVENT, Match(probability=0.3)))
    assert 0.27 < sum(hits(plan, FaultKind.LOST_EVENT, 4000)) / 4000 < 0.33


def test_a_restarted_plan_tells_the_same_story_again() -> None:
    plan = FaultPlan(7)
    fault = Fault(FaultKind.SLOW, Match(probability=0.5))
    plan.add(fault)
    first = hits(plan, FaultKind.SLOW, 30)
    plan.restart(7)
    assert plan.entries() == ()
    plan.add(fault)
    assert hits(plan, FaultKind.SLOW, 30) == first


FILE = """
faults:
  - kind: rate_limit
    with_headers: false
    when: {method: post, path: /v2/orders, nth: 3}
  - kind: halted_symbol
    when: {symbol: ABC, since: 2008-09-02T14:00:00Z, until: 2008-09-02T10:30:00-04:00}
  - kind: partial_fill
    fraction: 0.25
    when: {symbol: ABC, probability: 0.5}
"""


def test_a_file_of_faults_is_read(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text(FILE)
    limit, halt, part = load_faults(path)
    assert limit == Fault(FaultKind.RATE_LIMIT, Match(method="POST", path="/v2/orders", nth=3), with_headers=False)
    assert halt.when == Match(symbol="ABC", since=NOW, until=NOW + timedelta(minutes=30))
    assert part.fraction == Decimal("0.25")
    plan = FaultPlan()
    assert listed(plan.add(part)) == {
        "id": 1,
        "kind": "partial_fill",
        "when": {"symbol": "ABC", "probability": 0.5},
        "fraction": "0.25",
        "leg": None,
        "quantity": None,
        "matched": 0,
        "hits": 0,
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("faults: [{kind: slo}]", "faults.0.kind: 'slo' is refused; give one of rate_limit, "),
        ("faults: [{kind: hang}, {}]", "faults.1.kind: is missing; give one of"),
        ("faults: [{kind: slow, sceonds: 2}]", "faults.0.sceonds: is not known; leave it out or mend its spelling"),
        ("faults: [{kind: slow, seconds: soon}]", "faults.0.seconds: 'soon' is refused; give seconds, at most a year"),
        ("faults: [{kind: slow, seconds: -1}]", "faults.0.seconds: -1.0 is below zero; only clock_skew goes backwards"),
        ("faults: [{kind: hang, seconds: 3}]", "faults.0.seconds: has no meaning for hang, which takes taken; leave it out"),
        ("faults: [{kind: server_error, status: 404}]", "faults.0.status: 404 is refused; give 500, 502 or 503"),
        ("faults: [{kind: server_error, status: 501}]", "faults.0.status: 501 is none that Alpaca sends; give 500, 502 or 503"),
        ("faults: [{kind: slow, when: {symbol: ABC}}]", "faults.0.when.symbol: has no meaning for slow"),
        ("faults: [{kind: slow, when: {probability: 2}}]", "faults.0.when.probability: 2 is refused; give a chance from 0 to 1"),
        (
            "faults: [{kind: slow, when: {since: 2008-09-02}}]",
            "faults.0.when.since: datetime.date(2008, 9, 2) is refused; give an",
        ),
        ("faults: [{kind: halted_symbol}]", "faults.0.when.symbol: is missing; give the symbol that does not trade"),
        ("faults: [{kind: partial_fill, fraction: 1}]", "faults.0.fraction: 1 is refused; give a part of the order above 0"),
        ("faults: 3", "faults: 3 is refused"),
        ("{}", "faults: is missing"),
        ("- a: [", "is not valid YAML"),
        ("", "the whole: None is refused"),
    ],
)
def test_a_wrong_file_is_told_with_file_field_value_and_fix(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        load_faults(path)
    assert str(refused.value).startswith(f"faults {path}: ")
    assert words in str(refused.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"faults .*none\.yaml: cannot be read .*; give a YAML file that exists"):
        load_faults(tmp_path / "none.yaml")


@pytest.mark.parametrize("kind", list(FaultKind))
def test_every_kind_can_be_switched_on_with_all_that_it_takes(kind: FaultKind) -> None:
    values = {"seconds": 2, "status": 502, "taken": True, "with_headers": False, "leg": "stop_loss", "behind": 2}
    values |= {"fraction": "0.5", "quantity": "3", "delivered": True}
    situation = {
        "account": 0,
        "since": NOW.isoformat(),
        "nth": 1,
        "method": "GET",
        "path": "/*",
        "symbol": "ABC",
        "event": "fill",
    }
    given = {name: values[name] for name in PARAMETERS.get(kind, ())}
    when = {name: value for name, value in situation.items() if name in conditions(kind)}
    fault = parse_fault({"kind": kind.value, "when": when, **given})
    assert fault.kind is kind
    assert all(str(getattr(fault, name)) == str(value) or getattr(fault, name) == value for name, value in given.items())


def test_the_documentation_switches_every_kind_on(tmp_path: Path) -> None:
    """Every example in docs/faults.md is accepted as it stands there, and no kind is without one."""
    text = (Path(__file__).parents[3] / "docs" / "faults.md").read_text(encoding="utf-8")
    written = [yaml.safe_load(example) for example in re.findall(r"`(\{kind: .*?\})`", text)]
    faults = [parse_fault(fault) for fault in written]
    (tmp_path / "faults.yaml").write_text(text.split("```yaml\n")[1].split("```")[0])
    faults += load_faults(tmp_path / "faults.yaml")
    assert {fault.kind for fault in faults} == set(FaultKind)
