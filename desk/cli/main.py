"""Entry point of the `desk` command."""

from __future__ import annotations

import typer

from desk.cli import config, exchange, journal, model, options
from desk.cli.adopt import adopt
from desk.cli.allocation import allocation
from desk.cli.check import check
from desk.cli.compare import compare
from desk.cli.conformance import conformance
from desk.cli.errors import told_to_the_person
from desk.cli.hedge import hedge
from desk.cli.mode import mode
from desk.cli.monte_carlo import monte_carlo
from desk.cli.parity import parity
from desk.cli.positions import positions
from desk.cli.protect import protect
from desk.cli.rebalance import rebalance
from desk.cli.sockets import sockets
from desk.cli.status import status
from desk.cli.strategies import strategies
from desk.cli.train import train

app = typer.Typer(
    name="desk",
    help="The trading desk's own commands. `python live_trader.py` trades.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(config.app, name="config")
exchange.app.command("conformance")(conformance)
app.add_typer(exchange.app, name="exchange")
app.command("strategies")(strategies)
app.command("mode")(mode)
app.command("adopt")(adopt)
app.add_typer(journal.app, name="journal")
app.command("status")(status)
app.command("positions")(positions)
app.add_typer(options.app, name="options")
app.command("allocation")(allocation)
app.command("protect")(protect)
app.command("hedge")(hedge)
app.command("rebalance")(rebalance)
app.command("sockets")(sockets)
app.command("check")(check)
app.command("compare")(compare)
app.command("monte-carlo")(monte_carlo)
app.command("parity")(parity)
app.command("train")(train)
app.add_typer(model.app, name="model")


def run() -> None:
    """Run the command line of this process. Exit codes: 0 done, 2 usage, the others as in `desk.domain.errors`."""
    with told_to_the_person():
        app()


if __name__ == "__main__":
    run()
