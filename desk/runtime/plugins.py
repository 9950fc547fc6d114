"""Strategies by name, from the entry-point group `lumidesk.strategies` of every installed package (docs/plugins.md)."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from desk.domain.errors import UsageError

GROUP = "lumidesk.strategies"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One field of a strategy's `Parameters`: `default` is None and `required` true when the field has none."""

    name: str
    default: object
    doc: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class StrategyListing:
    """A registered strategy as `desk strategies` shows it; `error` says why it cannot be loaded, else it is None."""

    name: str
    path: str
    package: str
    doc: str = ""
    parameters: tuple[Parameter, ...] = ()
    error: str | None = None


def strategy_names() -> list[str]:
    """The names that are registered, sorted, whether or not they can be loaded."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def load_strategy(name: str) -> type:
    """The strategy class of that name; of several names with commas between them, one that hosts them all.

    Raises UsageError for a name that nobody registered, or several packages did, and for one that cannot be loaded.
    """
    names = [each.strip() for each in name.split(",")]
    if len(names) == 1:
        return _load(name)
    twice = next((each for each in names if names.count(each) > 1), None)
    if twice is not None:
        raise UsageError(f"--strategy {name}: {twice or 'an empty name'} is there twice; name each strategy once")
    # Here and not at the top: listing the names needs no Lumibot, whose import takes most of a second.
    from desk.runtime.portfolio import portfolio_of

    return portfolio_of({each: _load(each) for each in names})


def _load(name: str) -> type:
    points = list(entry_points(group=GROUP, name=name))
    if not points:
        raise UsageError(_unknown(name))
    if len(points) > 1:
        raise UsageError(f"strategy {name} is registered by several packages, {_packages(points)}: uninstall all but one of them")
    problem, loaded = _attempt(points[0])
    if loaded is None:
        raise UsageError(f"strategy {name} cannot be loaded: {problem}. Mend or uninstall the package {_package(points[0])}")
    return loaded


def list_strategies() -> list[StrategyListing]:
    """Every registered strategy, sorted by name; a broken one carries its error, and the others are listed all the same."""
    points = sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value))
    names = [point.name for point in points]
    return [_listing(point, is_taken=names.count(point.name) > 1) for point in points]


def parameters_of(strategy: type) -> tuple[Parameter, ...]:
    """Fields of the dataclass `strategy.Parameters`, in order; empty when there is none.

    A field's documentation is `field(metadata={"doc": ...})`.
    """
    parameters = getattr(strategy, "Parameters", None)
    if not (isinstance(parameters, type) and dataclasses.is_dataclass(parameters)):
        return ()
    return tuple(_parameter(field) for field in dataclasses.fields(parameters))


def _parameter(field: dataclasses.Field[object]) -> Parameter:
    doc = str(field.metadata.get("doc", ""))
    if field.default is not dataclasses.MISSING:
        return Parameter(field.name, field.default, doc)
    if field.default_factory is not dataclasses.MISSING:
        return Parameter(field.name, field.default_factory(), doc)
    return Parameter(field.name, None, doc, required=True)


def _listing(point: EntryPoint, is_taken: bool) -> StrategyListing:
    row = StrategyListing(point.name, point.value, _package(point))
    if is_taken:
        return dataclasses.replace(row, error=f"several packages register the name {point.name}")
    problem, loaded = _attempt(point)
    if loaded is None:
        return dataclasses.replace(row, error=problem)
    return dataclasses.replace(row, doc=_first_line(loaded), parameters=parameters_of(loaded))


def _attempt(point: EntryPoint) -> tuple[str, type | None]:
    """The class, or None with the reason. Loading runs another package's code, which may fail in any way it likes."""
    try:
        # A package that prints when it is imported must not spoil what `--json` prints.
        with contextlib.redirect_stdout(sys.stderr):
            loaded = point.load()
            is_strategy = _is_strategy(loaded)
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__}: {error}", None
    if not is_strategy:
        return f"{point.value} is not a class derived from lumibot.strategies.Strategy", None
    return "", loaded


def _is_strategy(loaded: object) -> bool:
    # Here and not at the top: listing the names needs no Lumibot, whose import takes most of a second.
    from lumibot.strategies import Strategy

    return isinstance(loaded, type) and issubclass(loaded, Strategy)


def _first_line(strategy: type) -> str:
    # Only the class's own docstring: an inherited one would speak of Lumibot's base class.
    return (inspect.cleandoc(strategy.__doc__ or "").splitlines() or [""])[0]


def _unknown(name: str) -> str:
    names = strategy_names()
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    fix = f"did you mean {close[0]}?" if close else f"choose one of {', '.join(names)}" if names else "none is registered"
    return f"unknown strategy {name}: {fix} (`desk strategies` lists them)"


def _packages(points: Sequence[EntryPoint]) -> str:
    return " and ".join(sorted(_package(point) for point in points))


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "?"
