from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.report.statistics import run_statistics
from desk.report.wording import (
    costs_words,
    dollars,
    gate_sentence,
    percent,
    price,
    printable,
    protection_words,
    stops_words,
    unprotected_words,
)


@pytest.mark.parametrize(
    ("amount", "signed", "text"),
    [
        (1234.5, False, "$1,234.50"),
        (-1234.5, False, "-$1,234.50"),
        (12, True, "+$12.00"),
        (-0.001, True, "$0.00"),
        (0, True, "$0.00"),
    ],
)
def test_dollars_carry_their_sign_in_front(amount: float, signed: bool, text: str) -> None:
    assert dollars(amount, signed) == text


def test_a_fraction_is_shown_in_percent() -> None:
    assert percent(0.0512) == "5.1 %"
    assert percent(-0.0512, signed=True, digits=2) == "-5.12 %"
    assert percent(-0.0001, signed=True) == "0.0 %"


def test_prices_show_the_tick_of_their_size() -> None:
    assert (price(1234.5), price(0.1234)) == ("1,234.50", "0.1234")


@given(st.text())
def test_text_from_outside_cannot_steer_the_terminal(text: str) -> None:
    assert all(letter.isprintable() for letter in printable(text))


def test_a_gate_that_reports_says_what_it_would_have_refused(record) -> None:
    refused, entries = record.gate_refusals, record.entries
    sentence = gate_sentence(record)
    assert f"the 0.6 gate would have refused {refused} of {entries} entries" in sentence
    assert f"enforced, {entries - refused} would have gone" in sentence


def test_a_gate_that_is_enforced_says_what_reporting_would_have_let_through(record) -> None:
    sentence = gate_sentence(replace(record, gate_enforced=True, gate_refusals=4, entries=3))
    assert sentence == "enforced: the 0.6 gate refused 4 entries and let 3 go"


def test_a_run_without_a_gate_says_nothing_of_one(empty_record) -> None:
    assert gate_sentence(empty_record) is None


@pytest.mark.parametrize(("costs_usd", "words"), [(98.67, "$98.67 worse"), (-12.0, "$12.00 better"), (0.0, "$0.00 worse")])
def test_what_entries_lost_or_won_after_the_decision_is_called_worse_or_better(record, costs_usd: float, words: str) -> None:
    told = replace(record, costs_usd=costs_usd)
    assert costs_words(told, run_statistics(told)) == ("Entries", words, "than the prices decided on")


def test_stops_say_what_they_sold_below_their_prices(record, empty_record) -> None:
    assert stops_words(run_statistics(empty_record)) == "none was reached"
    exact = tuple(replace(trip, exit_price=trip.stop_price, exit_reason="stop") for trip in record.trips if not trip.is_open)
    assert stops_words(run_statistics(replace(record, trips=exact))) == "none filled below its price"
    assert re.fullmatch(
        r"\$[\d,.]+ below their prices, \$[\d,.]+ of it by gaps, in the return", stops_words(run_statistics(record))
    )


def test_an_open_position_is_called_protected_only_when_its_exits_cover_it(record) -> None:
    trip = next(trip for trip in record.trips if trip.is_open)
    assert ", protected by stop" in protection_words(replace(trip, is_protected=True))
    assert "NOT PROTECTED" in protection_words(replace(trip, is_protected=False))


def test_share_seconds_that_nobody_measured_are_not_zero() -> None:
    assert [unprotected_words(value) for value in (0.0, 12.5, math.nan)] == [
        "0 share-seconds",
        "12.5 share-seconds",
        "not measured",
    ]
