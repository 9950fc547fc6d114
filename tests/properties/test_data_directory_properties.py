from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.data.calendars import session_dates
from desk.data.directory import load_directory
from desk.domain.errors import ConfigurationError

DAYS = session_dates(pd.Timestamp("2023-01-03").date(), pd.Timestamp("2023-02-28").date())
HEADER = "symbol,timestamp,open,high,low,close,volume"


@st.composite
def histories(draw: st.DrawFn) -> pd.DataFrame:
    """A valid daily history: prices on the cent grid, low and high around open and close."""
    days = draw(st.lists(st.sampled_from(DAYS), min_size=1, max_size=8, unique=True).map(sorted))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    path = np.round(rng.uniform(0.5, 500.0, (len(days), 4)), 2)
    columns = {"open": path[:, 0], "high": path.max(axis=1), "low": path.min(axis=1), "close": path[:, 3]}
    return pd.DataFrame(columns, index=pd.DatetimeIndex([pd.Timestamp(day) for day in days])).assign(volume=1000.0)


def rows_of(symbol: str, frame: pd.DataFrame) -> list[str]:
    return [f"{symbol},{stamp.date()}," + ",".join(repr(float(cell)) for cell in row) for stamp, row in frame.iterrows()]


@given(st.dictionaries(st.sampled_from(["AAA", "BBB", "C.D"]), histories(), min_size=1))
@settings(max_examples=25)
def test_what_is_written_is_what_is_loaded(market: dict[str, pd.DataFrame]):
    lines = [line for symbol, frame in market.items() for line in rows_of(symbol, frame)]
    with tempfile.TemporaryDirectory() as folder:
        with gzip.open(Path(folder) / "all.csv.gz", "wt", encoding="utf-8") as file:
            file.write("\n".join([HEADER, *lines]) + "\n")
        source = load_directory(folder)
    assert source.symbols == tuple(sorted(market))
    for symbol, frame in market.items():
        pd.testing.assert_frame_equal(source.daily[symbol], frame, check_names=False, check_freq=False)


SPOILS = {
    "open": (lambda cells: [*cells[:2], "nan", *cells[3:]], "open 'nan' is not a finite number"),
    "high below low": (lambda cells: [*cells[:3], "0.01", "0.02", *cells[5:]], "high 0.01 is below low 0.02"),
    "negative": (lambda cells: [*cells[:2], "-1", *cells[3:]], "open -1 is not above zero"),
    "outside": (lambda cells: [*cells[:5], "9999", cells[6]], "close 9999 is outside"),
    "volume": (lambda cells: [*cells[:6], "-5"], "volume -5 is negative"),
    "date": (lambda cells: [cells[0], "yesterday", *cells[2:]], "timestamp 'yesterday' is neither"),
}


@given(histories(), st.sampled_from(sorted(SPOILS)), st.data())
@settings(max_examples=25)
def test_a_spoiled_row_is_refused_by_its_line(frame: pd.DataFrame, spoil: str, data: st.DataObject):
    lines = rows_of("AAA", frame)
    at = data.draw(st.integers(0, len(lines) - 1))
    change, reason = SPOILS[spoil]
    lines[at] = ",".join(change(lines[at].split(",")))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "one.csv").write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
        with pytest.raises(ConfigurationError) as refused:
            load_directory(folder)
    assert f"one.csv:{at + 2}: AAA: {reason}" in str(refused.value)
    assert "1 bad row" in str(refused.value)
