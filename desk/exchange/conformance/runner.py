"""Runs a scenario against one target and keeps what each step was answered. What it made it takes away again, however it ends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from desk.domain.errors import BrokerUnreachable, Refused
from desk.exchange.conformance.safety import Made, Purse, check
from desk.exchange.conformance.scenario import Expectation, Scenario, Step, filled, look
from desk.exchange.conformance.targets import Answer, Target

CENT = Decimal("0.01")
# Waiting between two looks at the same thing, in seconds; the last one again and again.
PAUSES = (0.1, 0.4, 1.5, 4.0)
OPEN, LAST = "is_open", "last"
CLEANING_PAUSES = (1.0, 4.0)


@dataclass(frozen=True)
class Outcome:
    """What became of one step: `said` is what was answered, in words that compare; `holds` whether that was expected.

    `skipped` says why a step did not run; `holds` is None then.
    """

    step: Step
    said: str = ""
    holds: bool | None = None
    skipped: str | None = None


@dataclass
class Runner:
    """One run. `run_name` makes its client order ids unique: at Alpaca they are unique for ever."""

    target: Target
    scenario: Scenario
    symbol: str
    run_name: str
    purse: Purse = field(default_factory=Purse)
    made: Made = field(default_factory=Made)
    variables: dict[str, str] = field(default_factory=dict)

    def run(self) -> list[Outcome]:
        """Every step in order, then the cleaning. Raises Refused when a step that must hold does not, BrokerUnreachable."""
        self.variables.update({"symbol": self.symbol, "run": self.run_name})
        try:
            return [self._outcome(step) for step in self.scenario.steps]
        finally:
            self._clean()

    def _outcome(self, step: Step) -> Outcome:
        reason = self._why_skipped(step)
        if reason is not None:
            return Outcome(step, skipped=reason)
        if step.is_stream:
            said = ", ".join(self._streams(int(step.path)))
            return Outcome(step, said, re.search(step.expect.message or "", said) is not None)
        answer = self._asked(step)
        said, holds = told(answer, step.expect, self.variables), meets(answer, step.expect, self.variables)
        if step.must and not holds:
            raise Refused(f"conformance at {self.target.name}, step {step.id} ({said}): {filled(step.must, self.variables)}")
        if holds:
            self._keep(step, answer)
        return Outcome(step, said, holds)

    def _why_skipped(self, step: Step) -> str | None:
        if step.needs_open and self.variables.get(OPEN) != "true":
            return "market closed"
        if missing := step.missing(self.variables):
            return f"no {missing[0]}"
        return None if self.purse.has_room else "out of requests"

    def _streams(self, count: int) -> list[str]:
        self.purse.spend(count)
        return self.target.open_streams(count)

    def _asked(self, step: Step) -> Answer:
        """The answer; a step that waits asks again until it is the expected one or the time is over."""
        waited, pauses = 0.0, [*PAUSES]
        answer = self._send(step)
        while waited < step.wait_seconds and not meets(answer, step.expect, self.variables) and self.purse.has_room:
            pause = pauses.pop(0) if len(pauses) > 1 else pauses[0]
            self.target.pass_time(pause)
            waited += pause
            answer = self._send(step)
        return answer

    def _send(self, step: Step) -> Answer:
        path, params, body = (filled(part, self.variables) for part in (step.path, step.params, step.body))
        last = self.variables.get(LAST)
        check(step.id, step.method, path, body, self.symbol, None if last is None else Decimal(last), self.made)
        self.purse.spend()
        answer = self.target.send(step.method, path, params, body)
        if step.method in ("POST", "PATCH") and answer.status == 200:
            self.made.note(answer.body)
        return answer

    def _keep(self, step: Step, answer: Answer) -> None:
        for name, path in step.save.items():
            value = look(answer.body, filled(path, self.variables))
            if value is not None:
                self.variables[name] = plain(value)
        for name, derived in step.derive.items():
            if derived.of in self.variables:
                self.variables[name] = str((Decimal(self.variables[derived.of]) * derived.times).quantize(CENT))

    def _clean(self) -> None:
        """Cancel what still works of what was made, and look that it went. Raises Refused with what a person has to cancel."""
        self.purse.is_cleaning = True
        left = self._left() if self.made.sides else []
        for pause in CLEANING_PAUSES:
            if not left:
                return
            for order_id in left[: max(0, self.purse.left - len(CLEANING_PAUSES))]:
                self._ask("DELETE", f"/v2/orders/{order_id}", {})
            self.target.pass_time(pause)
            left = self._left()
        if left:
            raise Refused(f"conformance at {self.target.name}: look at these orders and cancel them by hand: {', '.join(left)}")

    def _left(self) -> list[str]:
        """Open orders that the scenario made; all of them when nobody can say."""
        answer = self._ask("GET", "/v2/orders", {"status": "open", "limit": 500, "symbols": self.symbol})
        if answer is None or answer.status != 200 or not isinstance(answer.body, list):
            return [*self.made.top]
        return [order["id"] for order in answer.body if order["id"] in self.made.sides]

    def _ask(self, method: str, path: str, params: Mapping[str, object]) -> Answer | None:
        self.purse.spend()
        try:
            return self.target.send(method, path, params, None)
        except BrokerUnreachable:
            return None


def meets(answer: Answer, expect: Expectation, variables: Mapping[str, str]) -> bool:
    """Whether the answer is the expected one."""
    if _is_other(answer.status, expect.statuses) or _is_other(answer.code, expect.codes):
        return False
    if expect.message is not None and not re.search(expect.message, answer.message or ""):
        return False
    wanted = filled(expect.fields, variables)
    return all(_fits(look(answer.body, filled(path, variables)), value) for path, value in wanted.items())


def told(answer: Answer, expect: Expectation, variables: Mapping[str, str]) -> str:
    """The answer in the words that the expectation asks about: status, code and message of a refusal, or the fields."""
    words = [str(answer.status)]
    if answer.status >= 400:
        words += [str(part) for part in (answer.code, answer.message) if part is not None]
    else:
        paths = [filled(path, variables) for path in expect.fields]
        words += [f"{path}={plain(look(answer.body, path))}" for path in paths]
    return " ".join(words)


def plain(value: object) -> str:
    """A value of an answer as text: `true`, `null`, numbers and texts as they are."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def _is_other(value: int | None, allowed: tuple[int, ...]) -> bool:
    return bool(allowed) and value not in allowed


def _fits(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return any(_fits(value, each) for each in wanted)
    if isinstance(wanted, str) and wanted.startswith("~"):
        return re.search(wanted[1:], plain(value)) is not None
    return plain(value) == plain(wanted)
