"""`desk options`: bull put spreads that could be opened, those that are open, and a person's own orders for them."""

from __future__ import annotations

import typer

from desk.cli.options_orders import close, open_, roll
from desk.cli.options_positions import positions
from desk.cli.options_scan import scan

app = typer.Typer(name="options", help="Bull put spreads: scan, positions, open, close, roll.", no_args_is_help=True)
app.command("scan")(scan)
app.command("positions")(positions)
app.command("open")(open_)
app.command("close")(close)
app.command("roll")(roll)
