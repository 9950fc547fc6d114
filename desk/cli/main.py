"""Entry point of the `desk` command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import typer

from desk.cli.errors import told_to_the_person
from desk.cli.lazy import LazyGroup


class DeskCommands(LazyGroup):
    """All of them, as `desk --help` lists them."""

    places: ClassVar[Mapping[str, str]] = {
        "config": "desk.cli.config:app",
        "exchange": "desk.cli.exchange:app",
        "strategies": "desk.cli.strategies:strategies",
        "mode": "desk.cli.mode:mode",
        "adopt": "desk.cli.adopt:adopt",
        "journal": "desk.cli.journal:app",
        "status": "desk.cli.status:status",
        "positions": "desk.cli.positions:positions",
        "options": "desk.cli.options:app",
        "allocation": "desk.cli.allocation:allocation",
        "protect": "desk.cli.protect:protect",
        "hedge": "desk.cli.hedge:hedge",
        "rebalance": "desk.cli.rebalance:rebalance",
        "sockets": "desk.cli.sockets:sockets",
        "check": "desk.cli.check:check",
        "compare": "desk.cli.compare:compare",
        "monte-carlo": "desk.cli.monte_carlo:monte_carlo",
        "parity": "desk.cli.parity:parity",
        "train": "desk.cli.train:train",
        "model": "desk.cli.model:app",
    }


app = typer.Typer(cls=DeskCommands, name="desk", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def desk() -> None:
    """The trading desk's own commands. `python live_trader.py` trades."""


def run() -> None:
    """Run the command line of this process. Exit codes: 0 done, 2 usage, the others as in `desk.domain.errors`."""
    with told_to_the_person():
        app()


if __name__ == "__main__":
    run()
