"""Packaging: the root packages have common names, so each must come from this distribution alone, and all must be declared."""

from __future__ import annotations

import importlib.metadata
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ROOT_MODULES = ("desk", "strategies", "hedging", "options", "live_trader")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@cache
def distributions() -> Mapping[str, list[str]]:
    """Who provides which root name; reads the file list of everything that is installed."""
    return importlib.metadata.packages_distributions()


@pytest.mark.parametrize("name", ROOT_MODULES)
def test_root_name_belongs_to_this_distribution_alone(name: str) -> None:
    owners = set(distributions().get(name, ()))
    assert owners == {"lumidesk"}, f"{name} is provided by {owners or 'nobody'}: run `make test`, or pip install -e ."


def test_every_package_folder_is_declared(project: dict[str, Any]) -> None:
    folders = [path.parent for root in ROOT_MODULES for path in (ROOT / root).rglob("__init__.py")]
    names = {folder.relative_to(ROOT).as_posix().replace("/", ".") for folder in folders}
    assert names == set(project["tool"]["setuptools"]["packages"])


def test_package_cannot_be_uploaded_by_accident(project: dict[str, Any]) -> None:
    assert "Private :: Do Not Upload" in project["project"]["classifiers"]


def test_licence_is_the_one_declared(project: dict[str, Any]) -> None:
    assert project["project"]["license"] == "GPL-3.0-or-later"
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "GNU GENERAL PUBLIC LICENSE" in text
    assert "Version 3, 29 June 2007" in text


def test_locks_hold_hashes_and_no_index_address() -> None:
    for name in ("requirements.lock", "requirements-dev.lock", "requirements-bench.lock"):
        text = (ROOT / name).read_text(encoding="utf-8")
        pins = [line for line in text.splitlines() if line and line[0].isalnum()]
        assert pins, name
        assert all(line.endswith("\\") for line in pins), f"{name}: a package without a hash"
        assert "://" not in text, f"{name}: an address"


def test_each_lock_holds_the_one_below_it() -> None:
    names = ("requirements.lock", "requirements-dev.lock", "requirements-bench.lock")
    runtime, dev, bench = (pins((ROOT / name).read_text(encoding="utf-8")) for name in names)
    assert runtime < dev < bench
    assert len(runtime) <= 140, "the runtime environment is meant to be lean"


def pins(lock: str) -> set[str]:
    return {line.removesuffix("\\").strip() for line in lock.splitlines() if line and line[0].isalnum()}
