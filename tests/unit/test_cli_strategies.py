"""Strategies by name: what a package registers, what is found, and what a broken package does to the others (nothing)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from desk.cli.main import run
from desk.domain.errors import UsageError
from desk.runtime.plugins import Parameter, list_strategies, load_strategy, parameters_of, strategy_names

Register = Callable[..., None]

GOOD = '''
from lumibot.strategies import Strategy

class Good(Strategy):
    """Does little.

    At length.
    """

class Silent(Strategy):
    pass

def not_a_class(): ...

class Unrelated: ...

print("hello from an import")
'''


@pytest.fixture
def register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Register:
    """Make a distribution in a folder of its own on the path, as pip would have installed it."""
    count = iter(range(100))

    def make(package: str, points: dict[str, str], **modules: str) -> None:
        folder = tmp_path / f"site{next(count)}"
        info = folder / f"{package.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
        lines = [f"{name} = {value}\n" for name, value in points.items()]
        (info / "entry_points.txt").write_text("".join(["[lumidesk.strategies]\n", *lines]), encoding="utf-8")
        for name, text in modules.items():
            (folder / f"{name}.py").write_text(text, encoding="utf-8")
        monkeypatch.syspath_prepend(str(folder))

    return make


def strategies(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["desk", "strategies", *arguments])
    with pytest.raises(SystemExit) as ended:
        run()
    assert not ended.value.code


def test_registered_strategy_is_found_and_loaded(register: Register) -> None:
    register("plug-one", {"good": "plug_one_good:Good"}, plug_one_good=GOOD)
    assert "good" in strategy_names()
    assert load_strategy("good").__name__ == "Good"


def test_unknown_strategy_is_refused_with_the_near_name(register: Register) -> None:
    register("plug-two", {"momentum": "plug_two:Good"})
    with pytest.raises(UsageError, match=r"unknown strategy momentun: did you mean momentum\?") as caught:
        load_strategy("momentun")
    assert caught.value.exit_code == 2
    with pytest.raises(UsageError, match=r"choose one of .*momentum"):
        load_strategy("zzzzzz")


@pytest.mark.parametrize(
    ("target", "text", "told"),
    [
        (
            "plug_three_a:Good",
            "import a_module_that_is_not_there\n",
            "ModuleNotFoundError: No module named 'a_module_that_is_not_there'",
        ),
        ("plug_three_b:Good", "def broken(:\n", "SyntaxError"),
        ("plug_three_c:Good", "raise SystemExit('I quit')\n", "SystemExit: I quit"),
        ("plug_three_d:Missing", GOOD, "AttributeError"),
        ("plug_three_e:not_a_class", GOOD, "is not a class derived from lumibot.strategies.Strategy"),
        ("plug_three_f:Unrelated", GOOD, "is not a class derived from lumibot.strategies.Strategy"),
        ("plug_three_missing:Good", GOOD, "ModuleNotFoundError"),
    ],
)
def test_broken_strategy_is_listed_with_its_error_beside_a_good_one(
    register: Register, target: str, text: str, told: str
) -> None:
    register("plug-three", {"bad": target}, **({} if "missing" in target else {target.partition(":")[0]: text}))
    register("plug-four", {"good": "plug_four:Good"}, plug_four=GOOD)
    listings = {listing.name: listing for listing in list_strategies()}
    assert told in (listings["bad"].error or "")
    assert listings["bad"].package == "plug-three"
    assert listings["good"].error is None
    assert listings["good"].doc == "Does little."
    with pytest.raises(UsageError, match=r"strategy bad cannot be loaded: .* the package plug-three"):
        load_strategy("bad")


def test_name_that_two_packages_register_is_refused(register: Register) -> None:
    register("plug-five", {"twin": "plug_five:Good"}, plug_five=GOOD)
    register("plug-six", {"twin": "plug_six:Good"}, plug_six=GOOD)
    with pytest.raises(UsageError, match="plug-five and plug-six: uninstall"):
        load_strategy("twin")
    twins = [listing for listing in list_strategies() if listing.name == "twin"]
    assert [twin.package for twin in twins] == ["plug-five", "plug-six"]
    assert all("several packages" in (twin.error or "") for twin in twins)


def test_inherited_docstring_is_not_shown(register: Register) -> None:
    register("plug-seven", {"silent": "plug_seven:Silent"}, plug_seven=GOOD)
    assert next(listing.doc for listing in list_strategies() if listing.name == "silent") == ""


def test_parameters_are_the_fields_of_the_dataclass() -> None:
    @dataclass(frozen=True)
    class Settings:
        symbol: str = field(metadata={"doc": "what to trade"})
        length: int = field(default=14, metadata={"doc": "bars"})
        names: list[str] = field(default_factory=lambda: ["A"])

    class Tuned:
        Parameters = Settings

    assert parameters_of(Tuned) == (
        Parameter("symbol", None, "what to trade", required=True),
        Parameter("length", 14, "bars"),
        Parameter("names", ["A"], ""),
    )


def test_class_without_parameters_has_none() -> None:
    class Plain:
        pass

    class Odd:
        Parameters = "not a dataclass"

    assert parameters_of(Plain) == ()
    assert parameters_of(Odd) == ()


def test_listing_as_json_is_clean_whatever_a_package_prints(
    register: Register, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    register("plug-eight", {"good": "plug_eight:Good"}, plug_eight=GOOD)
    strategies(monkeypatch, "--json")
    out, err = capsys.readouterr()
    listed = {item["name"]: item for item in json.loads(out)}
    assert listed["good"]["path"] == "plug_eight:Good"
    assert "hello from an import" in err


def test_listing_as_text_names_strategy_package_and_error(
    register: Register, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    register("plug-nine", {"bad": "plug_nine_missing:Good"})
    strategies(monkeypatch)
    out = capsys.readouterr().out
    assert "bad  plug_nine_missing:Good  (package plug-nine)" in out
    assert "cannot be loaded: ModuleNotFoundError" in out
