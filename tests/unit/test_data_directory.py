from __future__ import annotations

import gzip
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest

from desk.data.directory import load_directory
from desk.domain.errors import ConfigurationError

HEADER = "symbol,timestamp,open,high,low,close,volume"
MONDAY, TUESDAY = "2024-07-01", "2024-07-02"


def write(folder: Path, name: str, *rows: str, header: str = HEADER) -> Path:
    (folder / name).write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(ConfigurationError) as refused:
        load_directory(folder)
    assert refused.value.exit_code == 4
    return str(refused.value)


def test_daily_rows_become_daily_bars(tmp_path):
    source = load_directory(write(tmp_path, "aaa.csv", f"AAA,{MONDAY},10,12,9,11,100", f"AAA,{TUESDAY},11,12,10,11,100"))
    assert source.symbols == ("AAA",)
    assert source.sessions() == (date(2024, 7, 1), date(2024, 7, 2))
    assert source.bars("AAA", before=date(2024, 7, 2)).close.tolist() == [11.0]
    assert source.intraday == {}


def test_columns_may_come_in_any_order_and_case_and_more_of_them_are_ignored(tmp_path):
    header = "Close,Volume,Symbol,Timestamp,Open,High,Low,adj_close"
    source = load_directory(write(tmp_path, "a.csv", f"11,100,AAA,{MONDAY},10,12,9,5.5", header=header))
    assert source.daily["AAA"]["close"].tolist() == [11.0]


def test_csv_gzip_and_parquet_are_read_together(tmp_path):
    write(tmp_path, "aaa.csv", f"AAA,{MONDAY},10,12,9,11,100")
    with gzip.open(tmp_path / "bbb.csv.gz", "wt") as file:
        file.write(f"{HEADER}\nBBB,{MONDAY},10,12,9,11,100\n")
    row = {"symbol": ["CCC"], "timestamp": [date(2024, 7, 1)], "open": [10.0], "high": [12.0], "low": [9.0]}
    pd.DataFrame(row | {"close": [11.0], "volume": [100]}).to_parquet(tmp_path / "ccc.parquet")
    (tmp_path / "README.txt").write_text("ignored")
    source = load_directory(tmp_path)
    assert source.symbols == ("AAA", "BBB", "CCC")
    pd.testing.assert_frame_equal(source.daily["AAA"], source.daily["CCC"])


def test_a_history_may_be_split_over_files_in_any_order(tmp_path):
    write(tmp_path, "1.csv", f"AAA,{TUESDAY},11,12,10,11,100")
    write(tmp_path, "2.csv", f"AAA,{MONDAY},10,12,9,11,100")
    assert load_directory(tmp_path).sessions() == (date(2024, 7, 1), date(2024, 7, 2))


def test_intraday_rows_are_kept_in_utc_and_make_the_daily_bar_of_regular_hours(tmp_path):
    source = load_directory(
        write(
            tmp_path,
            "a.csv",
            "AAA,2024-07-01T09:29:00-04:00,90,99,80,90,7",
            "AAA,2024-07-01T09:30:00-04:00,10,12,9,11,100",
            "AAA,2024-07-01T09:31:00-04:00,11,15,10,14,100",
            "AAA,2024-07-01T15:59:00-04:00,14,14,8,13,100",
            "AAA,2024-07-01T16:00:00-04:00,50,60,50,60,7",
        )
    )
    assert source.intraday["AAA"].index[1] == datetime(2024, 7, 1, 13, 30, tzinfo=UTC)
    assert source.daily["AAA"].iloc[0].tolist() == [10.0, 15.0, 8.0, 13.0, 300.0]
    assert source.sessions() == (date(2024, 7, 1),)


def test_a_half_day_ends_at_its_early_close_and_an_hour_bar_over_the_open_counts(tmp_path):
    source = load_directory(
        write(
            tmp_path,
            "a.csv",
            "AAA,2024-07-03T09:00:00-04:00,10,12,9,11,1",
            "AAA,2024-07-03T10:00:00-04:00,11,13,10,12,1",
            "AAA,2024-07-03T12:00:00-04:00,12,13,11,13,1",
            "AAA,2024-07-03T13:00:00-04:00,40,50,40,50,1",
        )
    )
    assert source.daily["AAA"].iloc[0].tolist() == [10.0, 13.0, 9.0, 13.0, 3.0]


def test_own_daily_rows_win_over_those_made_from_minutes(tmp_path):
    source = load_directory(write(tmp_path, "a.csv", f"AAA,{MONDAY},1,2,1,2,5", "AAA,2024-07-01 09:30:00-04:00,10,12,9,11,100"))
    assert source.daily["AAA"].iloc[0].tolist() == [1.0, 2.0, 1.0, 2.0, 5.0]


def test_bars_on_days_without_a_session_are_left_out_and_said_so(tmp_path):
    source = load_directory(write(tmp_path, "a.csv", f"AAA,{TUESDAY},1,2,1,2,5", "AAA,2024-07-04,1,2,1,2,5"))
    assert source.sessions() == (date(2024, 7, 2),)
    assert source.notes == ("AAA: 1 bars on days without a session are left out, the first of 2024-07-04.",)
    alone = write(tmp_path / "x", "a.csv", "AAA,2024-07-04,1,2,1,2,5") if (tmp_path / "x").mkdir() is None else tmp_path
    assert "no bar lies in a session" in refusal(alone)


def test_blank_lines_are_skipped_without_losing_the_count(tmp_path):
    text = refusal(write(tmp_path, "a.csv", f"AAA,{MONDAY},1,2,1,2,5", "", f"AAA,{TUESDAY},1,2,1,x,5"))
    assert "a.csv:4: AAA: close 'x' is not a finite number" in text


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"AAA,{TUESDAY},1,2,1,,5", "close is empty"),
        (f"AAA,{TUESDAY},1,2,1,nan,5", "close 'nan' is not a finite number"),
        (f"AAA,{TUESDAY},1,2,1,inf,5", "close 'inf' is not a finite number"),
        (f"AAA,{TUESDAY},1,2,1", "close is empty"),
        (f"AAA,{TUESDAY},0,2,0,2,5", "open 0 is not above zero"),
        (f"AAA,{TUESDAY},1,1,2,1,5", "high 1 is below low 2"),
        (f"AAA,{TUESDAY},3,2,1,2,5", "open 3 is outside low 1 to high 2"),
        (f"AAA,{TUESDAY},1,2,1,0.5,5", "close 0.5 is outside low 1 to high 2"),
        (f"AAA,{TUESDAY},1,2,1,2,-5", "volume -5 is negative"),
        (f"AAA,{MONDAY},1,2,1,2,5", f"duplicate: a second bar at {MONDAY}"),
        ("AAA,2024-06-28,1,2,1,2,5", "unordered: 2024-06-28 comes after"),
        ("AAA,02.07.2024,1,2,1,2,5", "timestamp '02.07.2024' is neither a date"),
        ("AAA,2024-02-30,1,2,1,2,5", "timestamp '2024-02-30' is neither a date"),
        ("AAA,2024-07-02T09:30:00,1,2,1,2,5", "nor a time with its offset from UTC"),
        (",2024-07-02,1,2,1,2,5", "symbol is empty"),
    ],
)
def test_a_bad_row_is_refused_by_file_line_symbol_and_reason(tmp_path, row, reason):
    text = refusal(write(tmp_path, "bad.csv", f"AAA,{MONDAY},1,2,1,2,5", row))
    assert "bad.csv:3: " in text and reason in text and "Correct or remove" in text


def test_bad_values_and_bad_order_of_one_file_are_told_at_once(tmp_path):
    rows = ("AAA,2024-07-01,1,2,1,2,5", "AAA,2024-07-02,1,2,NaN,2,5", "AAA,2024-07-02,1,2,1,2,5", "AAA,2024-07-01,1,2,1,2,5")
    said = refusal(write(tmp_path, "prices.csv", *rows))
    assert "2 bad rows" in said
    assert "prices.csv:3: AAA: low 'NaN' is not a finite number" in said
    assert "prices.csv:5: AAA: duplicate: a second bar at 2024-07-01" in said


def test_the_first_ten_bad_rows_are_listed_and_the_rest_counted(tmp_path):
    text = refusal(write(tmp_path, "a.csv", *[f"AAA,{MONDAY},1,2,1,x,5"] * 13))
    assert "13 bad rows" in text and "a.csv:11:" in text and "a.csv:12:" not in text and "and 3 more" in text


def test_the_same_bar_in_two_files_is_refused_with_both_names(tmp_path):
    write(tmp_path, "1.csv", f"AAA,{MONDAY},1,2,1,2,5")
    assert f"2.csv:2: AAA: duplicate: {MONDAY} is also in 1.csv" in refusal(write(tmp_path, "2.csv", f"AAA,{MONDAY},1,2,1,2,5"))


def test_a_bad_parquet_row_is_refused_by_its_number(tmp_path):
    stamps = pd.DatetimeIndex(["2024-07-01 09:30", "2024-07-01 09:31"], tz="America/New_York")
    good = {"symbol": "AAA", "timestamp": stamps, "open": 1.0, "high": 2.0, "low": 1.0, "close": 2.0}
    pd.DataFrame(good | {"volume": [5, -5]}).to_parquet(tmp_path / "a.parquet")
    assert "a.parquet:2: AAA: volume -5 is negative" in refusal(tmp_path)


def test_a_parquet_time_without_offset_is_refused(tmp_path):
    row = {"symbol": ["AAA"], "timestamp": [pd.Timestamp("2024-07-01 09:30")], "open": [1.0], "high": [2.0], "low": [1.0]}
    pd.DataFrame(row | {"close": [2.0], "volume": [5]}).to_parquet(tmp_path / "a.parquet")
    assert "offset from UTC" in refusal(tmp_path)


def test_a_missing_column_is_named_with_the_header_that_is_needed(tmp_path):
    text = refusal(write(tmp_path, "a.csv", f"AAA,{MONDAY},1,2,1,2", header="symbol,timestamp,open,high,low,close"))
    assert "a.csv: missing column volume" in text and HEADER in text


def test_a_column_that_appears_twice_is_refused(tmp_path):
    text = refusal(write(tmp_path, "a.csv", f"AAA,{MONDAY},1,2,1,2,5,9", header=f"{HEADER},Close"))
    assert "column close appears twice" in text


def test_empty_files_and_folders_are_refused_by_name(tmp_path):
    assert "holds no .csv, .csv.gz, .parquet file" in refusal(tmp_path)
    assert "is not a folder" in refusal(tmp_path / "nowhere")
    (tmp_path / "a.csv").write_text("")
    assert "a.csv: the file is empty" in refusal(tmp_path)
    write(tmp_path, "a.csv")
    assert "a.csv: no rows" in refusal(tmp_path)


def test_broken_files_are_refused_by_name(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00binary")
    assert "a.csv: not readable as CSV" in refusal(tmp_path)
    (tmp_path / "a.csv").unlink()
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(f"{HEADER}\nAAA,{MONDAY},1,2,1,2,5\n".encode())[:-12])
    assert "b.csv.gz: not readable as CSV" in refusal(tmp_path)
    (tmp_path / "b.csv.gz").unlink()
    (tmp_path / "c.parquet").write_bytes(b"PAR1 not really")
    assert "c.parquet: not readable as Parquet" in refusal(tmp_path)
    (tmp_path / "c.parquet").unlink()
    assert "d.csv: not readable as CSV" in refusal(write(tmp_path, "d.csv", f"AAA,{MONDAY},1,2,1,2,5", "A,B,C,D,E,F,G,H,I,J"))


def test_the_example_of_the_documentation_loads(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    (tmp_path / "example.csv").write_text(page.split("```csv\n")[1].split("```")[0], encoding="utf-8")
    source = load_directory(tmp_path)
    assert source.symbols == ("AAPL", "SPY")
    assert source.daily["SPY"]["close"].tolist() == [551.46]
