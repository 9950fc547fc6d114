"""All that may happen to a spread, at full width: orders lost and late, assignments, expirations, rolls."""

from __future__ import annotations

import pytest
from spread_broker import held_spread
from spread_walk import walk
from spread_worlds import World, begin, plan

from desk.domain.spreads import Manner

pytestmark = pytest.mark.slow

LOSES = {"may_assign": 0, "may_expire": False, "may_refuse": False}
REFUSES = {"may_assign": 0, "may_expire": False, "may_lose": 0}
ENDS = {"may_lose": 0, "may_refuse": False}
STARTS = {
    "two contracts that are refused": (begin(plan(2), **REFUSES), 4_000, 18_000),
    "two contracts, leg by leg, refused": (begin(plan(2, Manner.LEGGED), **REFUSES), 1_000, 5_000),
    "an order lost": (begin(plan(1), **LOSES, may_close=False), 6_000, 30_000),
    "an order lost, leg by leg": (begin(plan(1, Manner.LEGGED), **LOSES), 4_500, 25_000),
    "an order lost, leg by leg, keeping the bought put": (
        begin(plan(1, Manner.LEGGED, keeps_long=True), **LOSES),
        3_500,
        20_000,
    ),
    "two contracts assigned and expired": (begin(plan(2), **ENDS, may_close=False), 18_000, 90_000),
    "two contracts, leg by leg, assigned and expired": (begin(plan(2, Manner.LEGGED, keeps_long=True), **ENDS), 7_000, 35_000),
    "two contracts assigned, and shares sold by somebody else": (
        begin(plan(2), **ENDS | {"may_expire": False}, may_close=False, may_sell=1),
        3_500,
        17_000,
    ),
    "assigned, its shares traded by somebody else, and expired": (
        begin(plan(1), **ENDS, may_close=False, may_sell=1),
        2_500,
        12_500,
    ),
    "rolled and refused": (held_spread(1, **REFUSES), 4_000, 18_000),
    "two contracts rolled": (held_spread(2, **REFUSES | {"may_refuse": False}, may_close=False), 4_000, 20_000),
    "rolled, assigned and expired": (held_spread(1, **ENDS, may_close=False), 11_000, 55_000),
    "a roll lost": (held_spread(1, **LOSES, may_close=False, loses_from=4), 18_000, 85_000),
}


@pytest.mark.parametrize(("start", "worlds", "ways"), STARTS.values(), ids=STARTS)
def test_nothing_bare_nothing_twice_and_always_a_way_out(start: World, worlds: int, ways: int) -> None:
    found = walk(start)
    assert found.worlds > worlds and found.ways > ways
    stuck = found.stuck()
    assert not stuck, found.story(stuck[0])
