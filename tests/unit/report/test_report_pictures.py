from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.report.pictures import MAX_SHADED, equity_picture, thinned, trip_picture
from desk.report.statistics import trip_statistics
from desk.report.wording import dollars

pytestmark = pytest.mark.slow

SVG = "{http://www.w3.org/2000/svg}"


def words(svg: bytes) -> str:
    return " | ".join("".join(node.itertext()) for node in ElementTree.fromstring(svg).iter(f"{SVG}text"))


def test_the_title_says_symbol_trips_and_the_sum_of_their_results(record) -> None:
    trips = [trip for trip in record.trips if trip.symbol == "AAPL"]
    figures = trip_statistics(trips)
    title = f"AAPL: {len(trips)} trips, P&L {dollars(figures.pnl_usd, signed=True)}, {figures.still_open} still open"
    assert title in words(trip_picture(record, "AAPL"))


def test_the_legend_names_what_is_drawn_and_nothing_else(record) -> None:
    svg = words(trip_picture(record, "AAPL"))
    assert all(label in svg for label in ("close", "high to low", "entry", "stop order", "target order", "exit at stop"))
    assert "exit by hand" not in svg


def test_the_equity_picture_names_return_costs_and_deepest_drawdown(record) -> None:
    svg = words(equity_picture(record))
    assert "entries $37.50 worse" in svg
    assert "Drawdown, deepest" in svg


def test_the_same_run_gives_the_same_picture_byte_for_byte(record) -> None:
    assert trip_picture(record, "IBM") == trip_picture(record, "IBM")
    assert equity_picture(record, "png") == equity_picture(record, "png")


def test_png_is_a_thousand_points_wide(record) -> None:
    picture = trip_picture(record, "FB", "png")
    assert picture.startswith(b"\x89PNG")
    assert int.from_bytes(picture[16:20], "big") == 1000


def test_drawing_leaves_matplotlib_as_it_was_and_ignores_how_others_left_it(record) -> None:
    plain = equity_picture(record)
    with mpl.rc_context({"axes.facecolor": "red", "font.size": 30.0, "text.parse_math": True}):
        before = dict(mpl.rcParams)
        assert equity_picture(record) == plain
        assert dict(mpl.rcParams) == before


def test_a_run_without_an_iteration_has_pictures(empty_record) -> None:
    assert "no equity to show" in words(equity_picture(empty_record))
    assert "no bars and no trips" in words(trip_picture(empty_record, "AAPL"))


def test_a_symbol_without_bars_shows_its_trips(record) -> None:
    assert "entry" in words(trip_picture(replace(record, daily={}), "AAPL"))


def test_a_symbol_without_trips_shows_its_price(record) -> None:
    svg = words(trip_picture(replace(record, trips=()), "AAPL"))
    assert "AAPL: no trips" in svg
    assert "close" in svg


def test_a_run_of_one_value_or_of_equity_that_only_rises_is_drawn(record) -> None:
    one = record.equity[0]
    assert equity_picture(replace(record, equity=(one,)))
    rising = tuple(replace(one, at=one.at + timedelta(hours=i), equity_usd=1000.0 + i) for i in range(5))
    assert "Drawdown: none" in words(equity_picture(replace(record, equity=rising)))


@pytest.mark.parametrize("symbol", ["$a$", "A&B", "<script>", "x--y", "BRK.B", "BTC/USD"])
def test_odd_symbols_are_words_and_not_markup_or_mathematics(record, symbol: str) -> None:
    trips = tuple(replace(trip, symbol=symbol) for trip in record.trips[:2])
    assert f"{symbol}: 2 trips" in words(trip_picture(replace(record, trips=trips), symbol))


def test_an_exit_of_an_unknown_kind_is_drawn_and_named(record) -> None:
    closed = next(trip for trip in record.trips if not trip.is_open)
    trips = (replace(closed, exit_reason="margin call"),)
    assert "exit: margin call" in words(trip_picture(replace(record, trips=trips), closed.symbol))


def test_hundreds_of_trips_stay_small(record) -> None:
    one = next(trip for trip in record.trips if not trip.is_open)
    days = [timedelta(hours=i) for i in range(5 * MAX_SHADED)]
    trips = tuple(replace(one, entry_at=one.entry_at + day, exit_at=one.exit_at + day) for day in days)
    assert len(trip_picture(replace(record, trips=trips), one.symbol)) < 400_000


@settings(max_examples=60)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(2, 80))
def test_thinning_keeps_ends_and_extremes_in_order(values: list[float], most: int) -> None:
    series = np.array(values)
    kept = thinned(series, most)
    assert len(kept) <= max(most, 2) + 2
    assert (np.diff(kept) > 0).all()
    assert {0, len(series) - 1} <= set(kept.tolist())
    assert (series[kept].min(), series[kept].max()) == (series.min(), series.max())
