"""The orders of a spread as they are told: in the order in which they were sent, those that are asked about, with their ends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest
import typer
from spread_worlds import FIRST, LONG, SHARES, SHORT, START, plan
from typer.testing import CliRunner

from desk.cli.status import status
from desk.domain.journal import Acknowledged, Row, RowValue
from desk.domain.orders import (
    LEG_ROLES,
    Fill,
    GroupRole,
    Leg,
    OrderClass,
    OrderEvent,
    OrderSpec,
    OrderStatus,
    OrderType,
    PositionIntent,
    Side,
)
from desk.domain.spreads import SpreadOpened, SpreadTurned, Turn
from desk.domain.steps import SpreadOrder
from desk.journal.sql import SqlJournal
from desk.runtime.run_folder import RunFolder, RunIdentity, create
from desk.runtime.sent_orders import order_words, orders_of
from desk.runtime.spread_orders import BY_HAND
from desk.settings.load import load_settings

COMES = (PositionIntent.SELL_TO_OPEN, PositionIntent.BUY_TO_OPEN)
GOES = (PositionIntent.BUY_TO_CLOSE, PositionIntent.SELL_TO_CLOSE)


def sent(key: str, intents: Sequence[PositionIntent], limit: str) -> list[RowValue]:
    legs = tuple(Leg(symbol, 1, intent) for symbol, intent in zip((SHORT, LONG), intents, strict=True))
    spec = OrderSpec(key, SHARES, Side.BUY, 1, OrderType.LIMIT, OrderClass.MULTI_LEG, limit_price=Decimal(limit), legs=legs)
    return [SpreadOrder(spec, FIRST, "a test"), Acknowledged(key, {"entry": f"id-{key}"})]


def canceled(key: str) -> list[RowValue]:
    legs = [OrderEvent(key, role, OrderStatus.CANCELED, START, f"{key}-{role}") for role in LEG_ROLES[:2]]
    return [*legs, OrderEvent(key, GroupRole.ENTRY, OrderStatus.CANCELED, START, f"id-{key}")]


def fill(key: str, role: GroupRole, symbol: str, intent: PositionIntent) -> Fill:
    return Fill(f"x-{key}-{role}", key, symbol, intent.side, 1, Decimal(1), START)


def filled(key: str, intents: Sequence[PositionIntent]) -> list[RowValue]:
    legs = zip(LEG_ROLES, (SHORT, LONG), intents, strict=False)
    fills = [
        OrderEvent(
            key,
            role,
            OrderStatus.FILLED,
            START,
            f"{key}-{role}",
            fill(key, role, symbol, of),
        )
        for role, symbol, of in legs
    ]
    return [*fills, OrderEvent(key, GroupRole.ENTRY, OrderStatus.FILLED, START, f"id-{key}")]


OPENED = [
    SpreadOpened(plan(1)),
    *sent("z", COMES, "-1.10"),
    *canceled("z"),
    *sent("a", COMES, "-1.00"),
    *filled("a", COMES),
]
LEFT = [SpreadTurned(FIRST, Turn.LEAVE, BY_HAND), *sent("m", GOES, "0.50"), *filled("m", GOES)]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return create(tmp_path, "run", RunIdentity("bull_put_spread", "exchange", "bundled", None, None, 1))


def write(run: RunFolder, values: Sequence[RowValue]) -> None:
    """All of one moment: where time stands still nothing but the journal knows what came first."""
    journal = SqlJournal(run.path / "journal.db", "n")
    journal.append([Row(START, value) for value in values])
    journal.close()


def told(run: RunFolder, asked: str | None = None) -> list[str]:
    return [order_words(entry) for entry in orders_of(run, load_settings(environ={}, dotenv=None), FIRST, asked)]


def test_orders_of_one_moment_stand_as_they_were_sent_each_with_its_end(run: RunFolder) -> None:
    write(run, OPENED)
    assert told(run) == ["id-z at -1.10: canceled", "id-a at -1.00: filled"]
    assert told(run, BY_HAND) == told(run), "nobody asked for anything since it was opened"


def test_of_what_a_person_asked_for_only_the_orders_since_then_are_told(run: RunFolder) -> None:
    write(run, [*OPENED, *LEFT])
    assert told(run, BY_HAND) == ["id-m at +0.50: filled"]
    assert len(told(run)) == 3


# ---- what the desk's status makes of the same rows ----------------------------------------------------------------------------

app = typer.Typer()
app.command()(status)


def test_status_of_a_desk_that_stopped_says_that_nothing_rests_for_its_open_spreads(run: RunFolder) -> None:
    write(run, OPENED)
    answer = CliRunner().invoke(app, ["--run", str(run.path)])
    assert answer.exit_code == 3 and "For option spreads no stop rests there" in answer.output
    assert "only their bought puts bound them" in answer.output and f"spreads     {SHARES} " in answer.output
    said = json.loads(CliRunner().invoke(app, ["--run", str(run.path), "--json"]).output)
    assert len(said["spreads"]) == 1 and "nothing acts on their losses" in said["meaning"]


def test_status_says_nothing_of_spreads_where_none_is_open(run: RunFolder) -> None:
    write(run, [*OPENED, *LEFT])
    answer = CliRunner().invoke(app, ["--run", str(run.path)])
    assert answer.exit_code == 3 and "spread" not in answer.output.lower().replace("bull_put_spread", "")
    assert json.loads(CliRunner().invoke(app, ["--run", str(run.path), "--json"]).output)["spreads"] == []
