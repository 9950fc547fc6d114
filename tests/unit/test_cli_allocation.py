"""What `desk allocation` says of a journal: whose shares, at what cost, and what each strategy's sales brought."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from typer.testing import CliRunner

from desk.cli.main import app
from desk.domain.decisions import FixedExit, Intent, IntentKind
from desk.domain.journal import Row, SharesWanted
from desk.domain.orders import Fill, GroupRole, OrderClass, OrderEvent, OrderSpec, OrderStatus, OrderType, Side
from desk.domain.steps import Submit
from desk.journal.sql import SqlJournal

NOW = datetime(2024, 1, 3, 15, tzinfo=UTC)
SPEC = OrderSpec(
    key="k1",
    symbol="AAPL",
    side=Side.BUY,
    quantity=30,
    type=OrderType.LIMIT,
    order_class=OrderClass.BRACKET,
    limit_price=Decimal(100),
    take_profit=Decimal(110),
    stop_loss=Decimal(95),
)


def filled(role: GroupRole, shares: int, price: int) -> OrderEvent:
    side = Side.BUY if role is GroupRole.ENTRY else Side.SELL
    fill = Fill(f"x{role}", "k1", "AAPL", side, shares, Decimal(price), NOW, role)
    return OrderEvent("k1", role, OrderStatus.FILLED if shares == 30 else OrderStatus.PARTIALLY_FILLED, NOW, "b", fill)


def journal(folder: Path) -> Path:
    path = folder / "journal.db"
    intent = Intent(IntentKind.OPEN, "AAPL", 30, 100.0, FixedExit(0.05, 0.15), "test")
    values = (SharesWanted("AAPL", {"a": 20, "b": 10}), Submit(SPEC, intent), filled(GroupRole.ENTRY, 30, 100))
    left = (SharesWanted("AAPL", {"b": 10}, None), filled(GroupRole.TAKE_PROFIT, 20, 110))
    written = SqlJournal(path, "n")
    written.append([Row(NOW, value) for value in (*values, *left)])
    written.close()
    return path


def test_each_strategys_part_and_what_its_sales_brought_are_told(tmp_path: Path) -> None:
    path = str(journal(tmp_path))
    said = json.loads(CliRunner().invoke(app, ["allocation", "--journal", path, "--json"]).stdout)
    a, b = said["parts"]
    assert (a["strategy"], a["shares"], a["realised_usd"]) == ("a", 0, 200.0)
    assert (b["strategy"], b["shares"], b["wanted"], b["cost_usd"]) == ("b", 10, 10, 1000.0)
    assert said["realised_usd"] == {"a": "200.00", "b": "0.00"}
    words = CliRunner().invoke(app, ["allocation", "--journal", path]).stdout
    assert "a: $200.00 realised, before fees." in words and "(nobody)" not in words


def test_a_journal_without_a_fill_says_so(tmp_path: Path) -> None:
    SqlJournal(tmp_path / "journal.db", "n").close()
    done = CliRunner().invoke(app, ["allocation", "--journal", str(tmp_path / "journal.db")])
    assert (done.exit_code, done.stdout.strip()) == (0, "The journal has no fill: nobody holds anything.")
