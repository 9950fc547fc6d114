"""Write docs/exchange-rules.md: every rule of the exchange with its number, its source and the test that proves it.

The rules are read from the tests themselves, where each stands beside its proof as
`@pytest.mark.rule("ORD-012", "one sentence", source="OAS", status="documented")`, so the table cannot promise what nothing tests.

    python backtests/exchange_rules.py [--check]
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from desk.exchange.switches import Switches

ROOT = Path(__file__).resolve().parents[1]
RULE_TESTS = ROOT / "tests" / "rules"
OUT_OF_SCOPE = RULE_TESTS / "out_of_scope.yaml"
PAGE = ROOT / "docs" / "exchange-rules.md"
STATUSES = ("documented", "measured", "unknown")
SOURCES = {
    "OAS": "Alpaca's OpenAPI documents, trading 2.0.1 and market data 1.1",
    "DOC": "a page of docs.alpaca.markets",
    "SDK": "the source of alpaca-py 0.44.0",
    "LB": "the source of Lumibot 4.6.30",
    "RUN": "alpaca-py or Lumibot run against a local server",
    "3P-M": "measured on a real paper or live account by a third party, who says so",
    "3P": "code, a recorded answer or a log of a third party",
    "ISSUE": "an issue on GitHub",
    "FORUM": "forum.alpaca.markets",
    "UNVERIFIED": "nobody says, or reports contradict each other; the exchange takes the safer reading",
}
AREAS = {
    "ORD": "Orders: requests, answers, listing, validation",
    "GRP": "Brackets, OCOs and OTOs",
    "REP": "Replacing orders",
    "TRL": "Trailing stops",
    "SES": "Sessions, times in force, election of stops, ageing",
    "RES": "Reserved shares and asynchronous cancels",
    "WSH": "Wash trades",
    "STR": "Stream of trade updates",
    "ACC": "Account, margin and configurations",
    "POS": "Positions",
    "CAL": "Clock and calendar",
    "AST": "Assets",
    "ACT": "Activities",
    "HIS": "Portfolio history",
    "LIM": "Rate limits",
    "PAP": "What only paper accounts do",
    "OPT": "Options, one leg",
    "MLG": "Options, several legs",
    "DAT": "Market data over HTTP",
    "DST": "Market data stream",
    "SDK": "What alpaca-py needs",
}
HEAD = """# Rules of the exchange

What Alpaca's API does, as far as its documents say or others have measured, and the test that shows the built-in exchange doing
the same. Written by `python backtests/exchange_rules.py` from the tests in `tests/rules`; do not edit it by hand.

A rule's status is **documented** (Alpaca says so), **measured** (somebody saw it on a real account and said when) or **unknown**
(nobody knows: the exchange does what is safer to test a bot against, mostly behind a [switch](#switches)).
"""


@dataclass(frozen=True, order=True)
class Rule:
    """One rule as a test states it. `test` is the file under tests/rules and the function, as pytest names them."""

    id: str
    text: str
    source: str
    status: str
    test: str

    @property
    def area(self) -> str:
        return self.id.partition("-")[0]


class RuleProblem(Exception):
    """A mark that cannot be read as a rule."""


@cache
def rules(folder: Path = RULE_TESTS) -> tuple[Rule, ...]:
    """Every rule that a test under `folder` states, by number. A rule that several tests prove comes once for each.

    pytest collects them in a process of its own: marks may come from parameters. Raises RuleProblem when it cannot.
    """
    with TemporaryDirectory() as place:
        found = Path(place) / "rules.json"
        command = [sys.executable, str(Path(__file__).resolve()), "--collect", str(folder), str(found)]
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if answer.returncode != 0 or not found.exists():
            raise RuleProblem(f"the tests under {folder} cannot be collected:\n{answer.stdout}{answer.stderr}")
        said = {Rule(**each) for each in json.loads(found.read_text(encoding="utf-8"))}
    order = list(AREAS)
    return tuple(sorted(said, key=lambda rule: (order.index(rule.area) if rule.area in order else len(order), rule)))


class Collector:
    """A pytest plugin that writes down the marks of what was collected."""

    def __init__(self, folder: Path, found: Path) -> None:
        self.folder, self.found = folder, found

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        said = [self._rule(item, mark) for item in session.items for mark in item.iter_markers("rule")]
        self.found.write_text(json.dumps(said), encoding="utf-8")

    def _rule(self, item: pytest.Item, mark: pytest.Mark) -> Mapping[str, str]:
        test = f"{item.path.relative_to(self.folder).as_posix()}::{getattr(item, 'originalname', item.name)}"
        try:
            number, text = mark.args
            # The name of a field keeps its small letter.
            told = (text if "_" in text.split(" ")[0] else text[:1].upper() + text[1:]).rstrip(".")
            return {"id": number, "text": told, "source": mark.kwargs["source"], "status": mark.kwargs["status"], "test": test}
        except (ValueError, KeyError, TypeError) as error:
            raise RuleProblem(f"{test}: write rule(id, text, source=, status=); {error!r}") from error


def collect(folder: Path, found: Path) -> int:
    """Collect the tests of `folder` and write their rules to `found`; the exit code of pytest."""
    options = [
        "--collect-only",
        "-qq",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        f"--rootdir={ROOT}",
        "-c",
        str(ROOT / "pyproject.toml"),
    ]
    return int(pytest.main([*options, str(folder)], plugins=[Collector(folder.resolve(), found)]))


def page() -> str:
    """The whole document."""
    parts = [HEAD, _sources(), *_areas(rules()), _switches(), _out_of_scope()]
    return "\n".join(parts).rstrip() + "\n"


def _sources() -> str:
    return "\n".join(["Sources:", "", *_table(("tag", "meaning"), [(f"`{tag}`", meaning) for tag, meaning in SOURCES.items()])])


def _areas(found: Sequence[Rule]) -> Iterator[str]:
    counts = {status: len({rule.id for rule in found if rule.status == status}) for status in STATUSES}
    total = len({rule.id for rule in found})
    yield f"\n{total} rules: " + ", ".join(f"{count} {status}" for status, count in counts.items()) + "."
    for area, group in groupby(found, key=lambda rule: rule.area):
        yield f"\n## {AREAS.get(area, area)}\n"
        yield "\n".join(_table(("rule", "what holds", "source", "status", "test"), _rows(list(group))))


def _rows(found: Sequence[Rule]) -> Iterator[tuple[str, ...]]:
    for number, group in groupby(found, key=lambda rule: rule.id):
        proofs = list(group)
        tests = "<br>".join(f"`{rule.test}`" for rule in proofs)
        yield number, proofs[0].text, proofs[0].source, proofs[0].status, tests


def _switches() -> str:
    rows = [(f"`{name}`", "on" if is_on else "off", meaning) for name, is_on, meaning in switches()]
    told = "Where nobody knows what Alpaca does, or where it changed, the exchange can do either."
    return "\n".join(["\n## Switches\n", told, "", *_table(("switch", "default", "when on"), rows)])


def switches() -> Iterator[tuple[str, bool, str]]:
    """Name, default and meaning of every switch; the meaning is the comment beside it."""
    source = (ROOT / "desk" / "exchange" / "switches.py").read_text(encoding="utf-8")
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
    lines = source.splitlines()
    for field in fields(Switches):
        line = next(number for number, text in enumerate(lines, start=1) if text.strip().startswith(f"{field.name}:"))
        yield field.name, bool(field.default), comments.get(line, "")


def _out_of_scope() -> str:
    rows = [(entry["subject"], entry["statement"], entry["reason"]) for entry in out_of_scope()]
    told = "What Alpaca's API has, or what is told about it, and this exchange does not show."
    return "\n".join(["\n## Out of scope\n", told, "", *_table(("subject", "statement", "reason"), rows)])


def out_of_scope() -> list[dict[str, str]]:
    """Entries with a subject, a statement and a reason."""
    return list(yaml.safe_load(OUT_OF_SCOPE.read_text(encoding="utf-8")) or [])


def _table(names: Sequence[str], rows: Any) -> Iterator[str]:
    yield f"| {' | '.join(names)} |"
    yield f"|{'---|' * len(names)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page, or with --check say whether it is up to date (exit code 1 when it is not)."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when the page is out of date")
    parser.add_argument("--collect", nargs=2, type=Path, metavar=("FOLDER", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.collect:
        return collect(*options.collect)
    wanted = page()
    if options.check:
        return 0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == wanted else 1
    PAGE.write_text(wanted, encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {len({rule.id for rule in rules()})} rules")
    return 0


if __name__ == "__main__":
    sys.exit(main())
