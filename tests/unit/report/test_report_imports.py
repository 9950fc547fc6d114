from __future__ import annotations

import pkgutil
import subprocess
import sys

import desk.report


def test_nothing_that_draws_is_imported_before_something_is_drawn() -> None:
    modules = [f"desk.report.{module.name}" for module in pkgutil.iter_modules(desk.report.__path__)]
    heavy = ("matplotlib", "pandas", "quantstats_lumi", "seaborn", "lumibot")
    code = f"import sys, {', '.join(modules)}; print([name for name in {heavy!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
