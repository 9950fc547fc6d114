"""The Makefile: it lists what it can do, works with what is there, and says what is missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the Makefile and what its rules depend on, and no environment."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "requirements-dev.lock", "requirements-bench.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def fake_python(folder: Path, version: str) -> Path:
    """Answers `--version` and fails the check of the version, as an old Python would."""
    path = folder / f"python{version}"
    path.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "Python {version}" && exit 0\nexit 1\n', encoding="utf-8")
    path.chmod(0o755)
    return path


def test_plain_make_lists_every_target() -> None:
    answer = make(ROOT)
    assert answer.returncode == 0
    listed = re.findall(r"^  make (\w+)", answer.stdout, re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert phony is not None
    assert sorted(listed) == sorted(phony[1].split())


def test_every_script_that_a_target_runs_is_there() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    scripts = re.findall(r"\$\(IN_VENV\) (\S+\.py)", text)
    assert scripts
    assert [name for name in scripts if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("version", ["3.10.13", "3.14.0", "2.7.18"])
def test_unsupported_python_is_refused_in_words(checkout: Path, version: str) -> None:
    answer = make(checkout, "trade", f"PYTHON={fake_python(checkout, version)}")
    assert answer.returncode != 0
    assert f"is Python {version}; this needs Python 3.11, 3.12 or 3.13" in answer.stderr
    assert not (checkout / ".venv").exists()


def test_missing_python_is_refused_in_words(checkout: Path) -> None:
    answer = make(checkout, "test", "PYTHON=no-such-python")
    assert answer.returncode != 0
    assert "no-such-python is not there. Install Python 3.11, 3.12 or 3.13" in answer.stderr


def test_environment_is_made_once_and_again_when_a_lock_changes(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    for stamp in (".runtime", ".dev", ".bench"):
        (checkout / ".venv" / stamp).touch()
    assert make(checkout, "--question", ".venv/.bench").returncode == 0
    # A second into the future: some file systems keep whole seconds only.
    later = (checkout / ".venv" / ".runtime").stat().st_mtime + 1
    os.utime(checkout / "requirements.lock", (later, later))
    assert make(checkout, "--question", ".venv/.runtime").returncode == 1


def test_build_server_script_is_executable_and_runs_the_tests() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert script.read_text(encoding="utf-8").rstrip().endswith("make --no-print-directory test </dev/null")
