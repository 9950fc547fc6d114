"""Commands that are loaded when they are asked for: most people want one, and some bring a second or two of libraries along."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup
from typer.main import get_command

from desk.garbage import unsearched


class LazyGroup(TyperGroup):
    """Contexts and commands are Click's, which some versions of Typer bring along as their own.

    `places` says of each command where it is, `module:name` of a function or of a `typer.Typer`, in the order of the help."""

    places: ClassVar[Mapping[str, str]] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.places)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.commands and cmd_name in self.places:
            self.commands[cmd_name] = _command(cmd_name, self.places[cmd_name])
        return super().get_command(ctx, cmd_name)


def _command(name: str, place: str) -> Any:
    module, _, attribute = place.partition(":")
    with unsearched():
        found: typer.Typer | Callable[..., Any] = getattr(import_module(module), attribute)
    group = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    group.callback()(_nothing)  # with one a Typer is a group, however few commands it has
    if isinstance(found, typer.Typer):
        group.add_typer(found, name=name)
    else:
        group.command(name)(found)
    made = get_command(group)
    assert isinstance(made, TyperGroup)
    return made.commands[name]


def _nothing() -> None: ...
