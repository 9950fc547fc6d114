"""`desk strategies`: what can be traded with `--strategy NAME`, from this package and from plug-ins."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from desk.cli.tables import console, print_json
from desk.runtime.plugins import GROUP, Parameter, StrategyListing, list_strategies


def strategies(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array instead of text.")] = False,
) -> None:
    """List the installed strategies with their parameters; a broken one is shown with its error."""
    listings = list_strategies()
    if as_json:
        print_json([_as_json(listing) for listing in listings])
        return
    out = console()
    if not listings:
        out.print(Text(f"No strategy is installed (entry-point group {GROUP}): run `pip install -e .` in the checkout."))
    for listing in listings:
        _print(out, listing)


def _as_json(listing: StrategyListing) -> dict[str, object]:
    return {**dataclasses.asdict(listing), "parameters": [dataclasses.asdict(item) for item in listing.parameters]}


def _print(out: Console, listing: StrategyListing) -> None:
    out.print(Text.assemble((listing.name, "bold"), f"  {listing.path}  (package {listing.package})"))
    if listing.error is not None:
        out.print(Text(f"  cannot be loaded: {listing.error}", style="red"))
    elif listing.doc:
        out.print(Text(f"  {listing.doc}"))
    width = max((len(_assignment(item)) for item in listing.parameters), default=0)
    for item in listing.parameters:
        out.print(Text(f"    {_assignment(item):<{width}}  {item.doc}".rstrip()))


def _assignment(item: Parameter) -> str:
    return f"{item.name} (required)" if item.required else f"{item.name} = {item.default}"
