"""The shape of the repository: sizes, names, docstrings, and nothing in it that belongs to one machine."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 40
PACKAGES = ("desk", "hedging", "options", "strategies")

TOP_LEVEL = {
    ".ci", ".env.example", ".gitignore", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md",
    "backtests", "config", "desk", "docs", "hedging", "live_trader.py", "options", "pyproject.toml", "requirements-bench.lock",
    "requirements-soak.lock",
    "requirements-dev.lock", "requirements.lock", "strategies", "tests",
}  # fmt: skip

# Put together from pieces, so that this file does not hold what it looks for.
MACHINE_PATH = re.compile(r"(?<![\w.:/~-])/(?:" + "|".join(("work", "root", "home", "Users")) + r")/\w|[A-Z]:\\Users\\")
OUTSIDE_PATH = re.compile(re.escape("../" + "shared"))
WORN_NAME = re.compile(r"(_part\d*|_old|_new|_copy|_final|_v\d+|manager|helpers?|utils?)$")


@cache
def repository_files() -> tuple[Path, ...]:
    """Files that are, or could be, committed; ignored ones are left out."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout: nothing says which files belong to the repository")
    paths = (ROOT / name for name in listed.stdout.split("\0") if name)
    return tuple(sorted(path for path in paths if path.is_file()))


def python_files() -> list[Path]:
    return [path for path in repository_files() if path.suffix == ".py"]


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@dataclass(frozen=True)
class Facts:
    """What the rules ask of a file. Its tree is not kept: those of all files together are millions of nodes."""

    docstring: str | None
    function_lines: dict[str, int]
    unseeded: tuple[int, ...]


@cache
def facts(path: Path) -> Facts:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text, filename=str(path))
    lines = {f"{named(path)}:{item.lineno} {item.name}": length(item) for item in functions(tree)}
    return Facts(ast.get_docstring(tree), lines, tuple(unseeded(tree)) if "default_rng" in text else ())


def functions(within: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function, those inside others too. Definitions are statements, so no expression is looked into."""
    for node in ast.iter_child_nodes(within):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
        if not isinstance(node, ast.expr):
            yield from functions(node)


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without the docstring: that may be as long as it needs to be."""
    first, lines = function.body[0], (function.end_lineno or 0) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    return lines - ((first.end_lineno or 0) - first.lineno + 1)


def test_top_level_is_as_designed() -> None:
    assert {named(path).split("/", 1)[0] for path in repository_files()} == TOP_LEVEL


def test_no_python_file_is_too_long() -> None:
    lines = {named(path): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}
    assert {name: count for name, count in lines.items() if count > MOST_LINES_OF_A_FILE} == {}


def test_no_function_is_too_long() -> None:
    lines = [(name, count) for path in python_files() for name, count in facts(path).function_lines.items()]
    assert {name: count for name, count in lines if count > MOST_LINES_OF_A_FUNCTION} == {}


def test_command_that_users_run_is_short() -> None:
    assert len((ROOT / "live_trader.py").read_text(encoding="utf-8").splitlines()) < 80


def test_every_public_module_says_what_it_is_for() -> None:
    modules = [path for path in python_files() if named(path).split("/")[0] in (*PACKAGES, "backtests", "live_trader.py")]
    public = [path for path in modules if not path.stem.startswith("_") or path.stem == "__init__"]
    silent = [named(path) for path in public if not facts(path).docstring]
    assert silent == []


def test_no_module_has_a_worn_name() -> None:
    assert [named(path) for path in python_files() if WORN_NAME.search(path.stem.lower())] == []


def test_tests_are_no_packages() -> None:
    assert [named(path) for path in python_files() if named(path).startswith("tests/") and path.name == "__init__.py"] == []


def test_test_files_have_names_of_their_own() -> None:
    names = [path.name for path in python_files() if path.name.startswith("test_")]
    assert sorted(name for name in set(names) if names.count(name) > 1) == []


def test_no_file_names_a_place_outside_the_repository() -> None:
    found = [f"{named(path)}:{line}" for path in repository_files() for line in foreign_lines(path)]
    assert found == []


def foreign_lines(path: Path) -> Iterator[int]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:  # a picture
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if MACHINE_PATH.search(line) or OUTSIDE_PATH.search(line):
            yield number


def test_every_generator_is_seeded() -> None:
    """An unseeded `default_rng()` would make a run that nobody can repeat; the linter bans the other sources of chance."""
    found = [f"{named(path)}:{line}" for path in python_files() for line in facts(path).unseeded]
    assert found == []


def unseeded(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and not node.args and not node.keywords:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name == "default_rng":
                yield node.lineno


@pytest.mark.parametrize("mark", ["noqa", "type: ignore"])
def test_every_exception_to_a_rule_gives_its_reason(mark: str) -> None:
    """`# noqa: RULE - because ...` or `# type: ignore[code]  # because ...`: words after the rule, on the same line."""
    marked = re.compile(r"#\s*" + mark + r"\b")
    reasoned = re.compile(r"#\s*" + mark + r"[:\[]\s*[\w\-, ]+?\]?\s*(?:-|#|:)\s*\w+.*\w")
    # The type checker does not read the tests, so what they tell it binds nobody.
    read = [path for path in python_files() if mark == "noqa" or not named(path).startswith("tests/")]
    lines = [(path, number, line) for path in read for number, line in comments(path) if marked.search(line)]
    assert [f"{named(path)}:{number}" for path, number, line in lines if not reasoned.search(line)] == []


def comments(path: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if "#" in line and path != Path(__file__):
            yield number, line[line.index("#") :]
