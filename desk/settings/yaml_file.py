"""Reads a behaviour file: strict YAML with `${NAME}` for variables, every problem told with file, key, value and fix."""

from __future__ import annotations

import difflib
import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from desk.domain.errors import ConfigurationError
from desk.settings.credentials import NAMES as SECRET_NAMES
from desk.settings.variables import Variables

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

Location = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A file's values; `raw` keeps, by location, the text of those that held variables, so that no message shows their values."""

    values: Mapping[str, Any]
    raw: Mapping[Location, str] = field(default_factory=lambda: MappingProxyType({}))


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key that appears twice in a mapping; PyYAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value} appears twice", key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def read_yaml(path: Path, variables: Variables) -> Document:
    """Read `path`. Raises ConfigurationError when it is missing, is not YAML, or names a variable that is not set."""
    content = _parse(path, _text(path))
    if content is None:
        return Document({})
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} holds a {type(content).__name__}, not settings: write lines such as `sleeptime: 1H`")
    raw: dict[Location, str] = {}
    values = {str(key): _expanded(value, (str(key),), path, variables, raw) for key, value in content.items()}
    return Document(values, raw)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(f"{path} does not exist{_nearby(path)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path} cannot be read ({type(error).__name__}): name a YAML text file, such as config/default.yaml"
        ) from None


def _nearby(path: Path) -> str:
    siblings = sorted(str(file) for file in path.parent.glob("*.yaml"))
    close = difflib.get_close_matches(str(path), siblings, n=1)
    if close:
        return f": did you mean {close[0]}?"
    return f": choose one of {', '.join(siblings)}" if siblings else ": name a file that exists, such as config/default.yaml"


def _parse(path: Path, text: str) -> Any:
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - _StrictLoader is a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigurationError(
            f"{path}{line} is not valid YAML: {error.problem}. Write one `key: value` a line, indented with spaces"
        ) from None
    except yaml.YAMLError:
        raise ConfigurationError(f"{path} is not valid YAML: it holds characters that text does not have") from None


def _expanded(value: Any, at: Location, path: Path, variables: Variables, raw: dict[Location, str]) -> Any:
    if isinstance(value, dict):
        return {str(key): _expanded(inner, (*at, str(key)), path, variables, raw) for key, inner in value.items()}
    if isinstance(value, list):
        return [_expanded(inner, (*at, index), path, variables, raw) for index, inner in enumerate(value)]
    if not isinstance(value, str) or not _VARIABLE.search(value):
        return value
    raw[at] = value
    return _substituted(value, at, path, variables)


def _substituted(text: str, at: Location, path: Path, variables: Variables) -> Any:
    for name in _VARIABLE.findall(text):
        _check_variable(name, dotted(at), path, variables)
    filled = _VARIABLE.sub(lambda match: variables.values[match[1]], text)
    try:
        # Read again, so that ${STOP} with STOP=0.05 is a number as if it stood in the file.
        return yaml.load(filled, Loader=_StrictLoader)  # noqa: S506 - _StrictLoader is a SafeLoader
    except yaml.YAMLError:
        raise ConfigurationError(f"{path}: {dotted(at)} is {text}, and the value of that variable is not valid YAML") from None


def _check_variable(name: str, key: str, path: Path, variables: Variables) -> None:
    if name in SECRET_NAMES:
        raise ConfigurationError(
            f"{path}: {key} uses ${{{name}}}, which is a secret: the desk reads secrets itself, take it out of the file"
        )
    if variables.get(name) is None:
        raise ConfigurationError(
            f"{path}: {key} uses ${{{name}}}, but {name} is not set: export {name}=..., or write the value in the file"
        )


def dotted(location: Location) -> str:
    """`("universe", "alpaca", 2)` as people write it: `universe.alpaca[2]`."""
    return "".join(_parts(location)).removeprefix(".")


def _parts(location: Location) -> Iterator[str]:
    for part in location:
        yield f"[{part}]" if isinstance(part, int) else f".{part}"
