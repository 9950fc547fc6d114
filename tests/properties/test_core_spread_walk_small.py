"""All that may happen to one spread of one contract, with a broker that loses nothing: every world, every way between them."""

from __future__ import annotations

import pytest
from spread_broker import held_spread
from spread_walk import walk
from spread_worlds import World, begin, plan

from desk.domain.spreads import Manner, SpreadPhase

QUIET = {"may_lose": 0, "may_assign": 0, "may_expire": False}
STARTS = {
    "in one order": (begin(plan(1), **QUIET, may_refuse=False), 150, 800),
    "leg by leg": (begin(plan(1, Manner.LEGGED), **QUIET), 200, 1000),
    "leg by leg, keeping the bought put": (begin(plan(1, Manner.LEGGED, keeps_long=True), **QUIET), 150, 750),
    "rolled": (held_spread(1, **QUIET, may_refuse=False, may_close=False), 150, 500),
}


@pytest.mark.parametrize(("start", "worlds", "ways"), STARTS.values(), ids=STARTS)
def test_nothing_bare_nothing_twice_and_always_a_way_out(start: World, worlds: int, ways: int) -> None:
    found = walk(start)
    assert found.worlds > worlds and found.ways > ways
    stuck = found.stuck()
    assert not stuck, found.story(stuck[0])
    assert {SpreadPhase.CLOSING, SpreadPhase.CLOSED} <= set(found.phases)
