"""Messages that go out a second time, and news that comes a second time: nothing is lost, nothing counts twice."""

from __future__ import annotations

from decimal import Decimal

import pytest
import recording_desk as R

from desk.cli.trade_alpaca import _folder
from desk.cli.trade_options import parse
from desk.core.covering import MAX_COVERS
from desk.domain.decisions import Mode
from desk.domain.errors import UsageError
from desk.domain.journal import Acknowledged, BrokerRefusal
from desk.domain.orders import Fill, OrderEvent, Side
from desk.domain.steps import Replace
from desk.journal.memory import MemoryJournal
from desk.journal.sql import SqlJournal

UNSENT = {"explained": True, "unsent": True}


def test_an_entry_that_went_out_again_is_in_the_recovered_book():
    journal = MemoryJournal("f00d")
    desk, outbox = R.opened(journal)
    desk.decide(R.market(), R.FLAT, R.buy("AAA"))
    desk.refused(BrokerRefusal(outbox.keys[0], None, None, "never reached the broker", **UNSENT))
    desk.decide(R.market(), R.FLAT, R.buy("AAA"))
    desk.acknowledged(Acknowledged(outbox.keys[0], {"entry": "b1"}))
    desk.order_event(R.news(outbox.sent[0], R.S.WORKING))
    assert R.recovered(journal)[0].book.open == desk.book.open


def test_a_cover_that_went_out_again_and_sold_is_in_the_recovered_book():
    journal = MemoryJournal("f00d")
    desk, outbox, _entry = R.bare(journal)
    cover = outbox.sent[-1]
    desk.refused(BrokerRefusal(cover.key, None, None, "never reached the broker", **UNSENT))
    desk.acknowledged(Acknowledged(cover.key, {"take_profit": "b2"}))
    sold = OrderEvent(
        cover.key, R.STOP, R.S.FILLED, R.NOW, "b3", Fill("x9", cover.key, "AAA", Side.SELL, 5, Decimal(95), R.NOW, R.STOP)
    )
    desk.order_event(sold)
    assert desk.book.shares() == {}
    again, fresh = R.recovered(journal)
    assert again.book.shares() == {}
    again.cover_bare_shares()
    assert fresh.sent == []  # sells the five shares a second time otherwise


def test_a_fill_of_a_closed_trade_told_again_does_not_halt():
    journal = MemoryJournal("f00d")
    desk, _outbox, entry = R.bought(journal)
    sold = R.news(entry, R.S.FILLED, 99, "x2", R.TARGET)
    desk.order_event(sold)
    desk.order_event(sold)
    assert desk.mode is Mode.ACTIVE


def test_a_resting_sale_is_not_asked_to_move_a_target_it_does_not_have():
    journal = MemoryJournal("f00d")
    desk, outbox, entry = R.bare(journal)
    for n in range(1, MAX_COVERS + 1):
        desk.refused(R.refusal(f"{entry.key}-cover{n}"))
        desk.decide(R.market(n), R.FIVE, [])
    desk.refused(R.refusal(f"{entry.key}-cover{MAX_COVERS + 1}"))
    for hours in (9, 10):
        desk.decide(R.market(hours), R.FIVE, R.leave("AAA"))
    assert any("-sale" in key for key in outbox.keys)
    assert not any(isinstance(step, Replace) and "sale" in step.of_key for step in outbox.sent)


def test_a_cover_refused_after_it_went_out_again_is_tried_on_after_a_restart():
    journal = MemoryJournal("f00d")
    desk, outbox, entry = R.bare(journal)
    key = outbox.keys[-1]
    desk.refused(BrokerRefusal(key, None, None, "never reached the broker", **UNSENT))  # cover1 goes out again
    desk.refused(R.refusal(key))
    desk.decide(R.market(1), R.FIVE, [])  # cover2
    desk.refused(R.refusal(f"{entry.key}-cover2"))
    again, fresh = R.recovered(journal)
    for hours in (2, 3, 4):
        again.decide(R.market(hours), R.FIVE, [])
    assert fresh.sent  # its next key is cover2, which is journaled: never sent, the shares stay bare in silence


def test_a_fresh_run_at_alpaca_can_start_and_a_later_one_goes_on_with_it(tmp_path):
    options = parse(["--strategy", "combined", "--runs", str(tmp_path)])
    folder = _folder(options, "PA1", None)
    assert folder.identity().account == "PA1"
    assert _folder(options, "PA1", None) == folder, "a start that died before its journal is not in the way"
    with folder.locked(), pytest.raises(UsageError, match="journal"):
        _folder(options, "PA1", None)  # it has traded, and its memory is gone
    SqlJournal(folder.journal, "n").close()
    assert _folder(options, "PA1", None) == folder
    assert _folder(options, "PA2", None) != folder
    resume = parse(["--resume", str(folder.path)])
    assert _folder(resume, "PA1", None) == folder
    with pytest.raises(UsageError, match="PA2"):
        _folder(resume, "PA2", None)
