"""The base class that users subclass."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from desk.domain.errors import Refused
from desk.runtime.strategy import DeskStrategy

WAYS = (
    "submit_order",
    "submit_orders",
    "sell_all",
    "close_position",
    "close_positions",
    "cancel_order",
    "cancel_orders",
    "cancel_open_orders",
    "modify_order",
)


@dataclass(frozen=True)
class Settings:
    lookback: int = 5
    oversold_rsi: float = 30.0


class Mine(DeskStrategy):
    """Mine."""

    Parameters = Settings


@pytest.mark.parametrize("way", WAYS)
def test_every_inherited_way_to_the_broker_is_closed_and_says_what_to_do(way: str) -> None:
    strategy = object.__new__(Mine)
    with pytest.raises(Refused, match=r"targets\(\)") as refused:
        getattr(strategy, way)("anything", quantity=1)
    assert refused.value.exit_code == 5
    assert f"Mine.{way}" in str(refused.value)


def test_lumibot_has_no_way_to_the_broker_that_is_not_closed() -> None:
    prefixes = ("submit", "sell_all", "close_pos", "cancel", "modify_order")
    names = {name for name in dir(DeskStrategy) if name.startswith(prefixes)}
    assert names - {"cancel_realtime_bars"} == set(WAYS)  # that one ends a data subscription


def test_parameters_are_filled_from_settings_of_the_same_names() -> None:
    assert Mine.parameters_from({"oversold_rsi": 25.0, "fee_bps": 1.0}) == Settings(5, 25.0)


def test_a_strategy_that_is_not_tied_to_an_account_says_how_to_start_it() -> None:
    with pytest.raises(RuntimeError, match="live_trader"):
        object.__new__(Mine).initialize()


def test_a_strategy_without_its_two_verbs_says_which_to_write() -> None:
    strategy = object.__new__(Mine)
    with pytest.raises(NotImplementedError, match="signals"):
        strategy.signals(None, None)
    with pytest.raises(NotImplementedError, match="targets"):
        strategy.targets([], None, None)


def test_binding_leaves_the_class_itself_alone() -> None:
    bound = Mine.bound(lambda strategy: None, Settings(), DeskStrategy.surroundings)
    assert issubclass(bound, Mine) and bound.__name__ == "Mine" and bound.__doc__ == "Mine."
    assert Mine.corridor_for is None
