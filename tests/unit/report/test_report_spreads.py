"""Option spreads in the summary, on the page and as pictures, from trips made by hand."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from desk.domain.records import Refusal, RunRecord, SpreadTrip
from desk.report.html import report_page
from desk.report.spread_pictures import payoff_picture, payoff_usd
from desk.report.spreads import REFUSAL_WORDS, endings_words, figures_words, spread_figures, spreads_line, spreads_section
from desk.report.summary import print_summary
from options.refusals import RefusalCode

AT = datetime(2012, 1, 3, 15, 0, tzinfo=UTC)
OPEN = SpreadTrip(
    "k1", "AAPL", "AAPL120217P00050000", "AAPL120217P00047000", 50.0, 47.0, date(2012, 2, 17), 2, AT, 0.46, 92.0, "open"
)
WON = replace(
    OPEN, key="k2", phase="closed", closed_at=AT, debit_usd=44.0, pnl_usd=48.0, exit_reason="profit target: 0.52 of 0.50 earned"
)
LOST = replace(WON, key="k3", debit_usd=276.0, pnl_usd=-184.0, exit_reason="loss limit: 0.92 of 0.92 lost, closing costs 1.38")
ALL = (WON, LOST, OPEN)


def summary(record: RunRecord) -> str:
    console = Console(file=io.StringIO(), color_system=None)
    print_summary(record, console, (), None)
    return console.file.getvalue()


def test_one_line_says_how_many_closed_won_and_are_open_what_they_brought_and_made() -> None:
    assert spreads_line(ALL) == "2 closed (1 won), 1 open, credit $276.00, P&L -$136.00 on the closed"
    assert spreads_line((WON,)) == "1 closed (1 won), 0 open, credit $92.00, P&L +$48.00"
    assert spreads_line((OPEN,)) == "0 closed (0 won), 1 open, credit $92.00"
    assert spreads_line(()) is None


def test_figures_and_endings_are_of_the_closed_ones() -> None:
    words = figures_words(spread_figures(ALL))
    assert words == "1 of 2 won (50 %), average win +$48.00, average loss -$184.00, -$68.00 a spread, wins over losses 0.26"
    assert endings_words(ALL) == "1 profit target, 1 loss limit"
    assert figures_words(spread_figures((OPEN,))) is None and endings_words((OPEN,)) is None


def test_summary_of_a_run_with_spreads_tells_them_beside_its_round_trips(record: RunRecord) -> None:
    text = summary(replace(record, spreads=ALL))
    assert "Spreads            2 closed (1 won), 1 open" in text
    assert "AAPL 50/47 of 2012-02-17, 2 contracts at a credit of 0.46, can lose $508.00" in text
    assert max(map(len, text.splitlines())) <= 100
    assert "Spreads" not in summary(record)


def test_refusals_of_spreads_are_counted_by_what_was_in_the_way_in_words(record: RunRecord) -> None:
    refused = [Refusal(AT, "IBM", code, "a text") for code in ("risk_budget", "score", "risk_budget")]
    text = summary(replace(record, refusals=(Refusal(AT, "IBM", "CASH", "a text"), *refused)))
    assert "1 trade: CASH 1; 3 spreads: risk above the budget 2, score too low 1" in text
    alone = summary(replace(record, refusals=tuple(refused)))
    assert "Refused            3 spreads: risk above the budget 2" in alone


def test_every_refusal_of_a_spread_has_words() -> None:
    assert set(REFUSAL_WORDS) == set(RefusalCode)
    assert len(set(REFUSAL_WORDS.values())) == len(RefusalCode)


def test_page_has_a_row_and_a_picture_for_each_spread(record: RunRecord) -> None:
    page = report_page(replace(record, spreads=ALL))
    assert "<h2>Option spreads</h2>" in page and "Spreads won and lost" in page
    for text in ("AAPL120217P00050000", "92.00", "276.00", "-$184.00", "+$48.00", "profit target", "loss limit"):
        assert text in page
    assert page.count("payoff at expiration") == 3
    assert "Option spreads" not in report_page(record)


def test_what_a_broker_says_becomes_no_markup() -> None:
    assert "<script>" not in spreads_section((replace(WON, exit_reason="<script>"),))


@given(end=st.floats(1.0, 100.0))
def test_a_payoff_lies_between_the_most_it_can_lose_and_the_credit(end: float) -> None:
    gain = float(payoff_usd(OPEN, np.array([end]))[0])
    assert -508.0 - 1e-6 <= gain <= 92.0 + 1e-6
    assert payoff_usd(OPEN, np.array([50.0 - 0.46]))[0] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("trip", ALL, ids=lambda trip: trip.key)
def test_a_payoff_picture_is_drawn_the_same_each_time(trip: SpreadTrip) -> None:
    drawn = payoff_picture(trip)
    assert drawn == payoff_picture(trip) and b"break-even 49.54" in drawn
    assert (b"what was made of it" in drawn) is not trip.is_open
