"""`desk config`: what is set, and where it was set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from desk.cli.tables import console, print_json, print_table
from desk.settings import Settings, load_settings

app = typer.Typer(no_args_is_help=True, help="The effective settings and where each comes from.")


@app.callback()
def _group() -> None:
    """Keeps `show` a subcommand: Typer would fold a lone command into its group."""


@app.command("show")
def show(
    config: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Read behaviour from this YAML file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Show every effective setting with secrets masked, and the file or variable that each came from."""
    settings = load_settings(config=config)
    if as_json:
        print_json(_as_json(settings))
        return
    file = settings.config_file or "none, every default stands"
    console().print(Text(f"Behaviour file: {file}\n"))
    print_table(("setting", "value", "from"), [(row.name, row.value, row.source) for row in settings.describe()])


def _as_json(settings: Settings) -> dict[str, object]:
    masked = {row.name: row.value for row in settings.describe()}
    credentials = settings.credentials and {
        "api_key": masked["credentials.api_key"],
        "api_secret": masked["credentials.api_secret"],
        "is_paper": settings.credentials.is_paper,
    }
    return {
        "config_file": None if settings.config_file is None else str(settings.config_file),
        "behaviour": settings.behaviour.model_dump(mode="json"),
        "credentials": credentials,
        "sources": dict(settings.sources),
    }
