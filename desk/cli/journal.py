"""`desk journal`: the rows of a run as they come, the story of one order, an export, and the proof that nothing is missing."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.text import Text

from desk.cli.tables import console
from desk.domain.errors import ConfigurationError, ReconciliationBreak, UsageError
from desk.journal.codec import KINDS
from desk.journal.reader import JournalReader
from desk.journal.stored import Stored
from desk.journal.story import story
from desk.journal.verify import verify as verdict_on
from desk.runtime.clock import wait_seconds
from desk.runtime.run_folder import RunFolder
from desk.settings import load_settings

POLL_SECONDS = 0.5
RUNS = Path("runs")
COLUMNS = ("seq", "at", "kind", "step_key", "body", "digest")

app = typer.Typer(no_args_is_help=True, help="Read a run's journal: while the desk writes it, or after. Changes nothing.")

RunOption = Annotated[Path | None, typer.Option("--run", metavar="DIR", help="Folder of a run; default the latest under runs/.")]
JournalOption = Annotated[
    str | None, typer.Option("--journal", metavar="URL", help="Instead of a run: a journal's file, or a postgresql:// URL.")
]


class Format(StrEnum):
    JSONL = "jsonl"
    CSV = "csv"


def place(run: Path | None, journal: str | None) -> Path | str:
    """Where the journal is that a person means. Raises UsageError for two, ConfigurationError for none."""
    if run is not None and journal is not None:
        raise UsageError("--run and --journal: give one of the two")
    if journal is not None:
        return journal
    if run is not None:
        return _journal_of(RunFolder(run))
    there = [folder for path in RUNS.glob("*") if _touched(folder := RunFolder(path))]
    if not there:
        raise ConfigurationError(f"there is no journal under {RUNS}/: give the folder of a run with --run DIR, or --journal URL")
    return _journal_of(max(there, key=_touched))


def _journal_of(folder: RunFolder) -> Path | str:
    journal = folder.journal
    # Only a database asks for the password, which stands in the person's environment and nowhere else.
    return journal if isinstance(journal, Path) else folder.journal_with(load_settings().journal_url)


def _touched(folder: RunFolder) -> float:
    """When a run was last written to, in seconds; 0 for a folder that is none."""
    files = (folder.path / "journal.db", folder.identity_file, folder.lock)
    return max((file.stat().st_mtime for file in files if file.is_file()), default=0.0)


@app.command("tail")
def tail(
    run: RunOption = None,
    journal: JournalOption = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last rows.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as rows come, until Ctrl-C.")] = False,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", metavar="K", help="Rows of this kind alone; may be repeated.")
    ] = None,
) -> None:
    """Show the last rows, one a line: number, time (UTC), kind, and what it says."""
    kinds = _known(kind or [])
    with JournalReader(place(run, journal)) as reader:
        shown = reader.last(lines, kinds)
        _print(shown)
        if follow:
            after = shown[-1].seq if shown else next((row.seq for row in reader.backward()), 0)
            with suppress(KeyboardInterrupt):
                _print(reader.follow(after, kinds, lambda: wait_seconds(POLL_SECONDS)))


def _known(kinds: Sequence[str]) -> Sequence[str]:
    strange = [kind for kind in kinds if kind not in KINDS]
    if strange:
        raise UsageError(f"--kind {strange[0]}: no row is of this kind; the kinds are {', '.join(sorted(KINDS))}")
    return kinds


@app.command("show")
def show(
    key: Annotated[str, typer.Argument(help="Client order id of an order, or of a message about it.")],
    run: RunOption = None,
    journal: JournalOption = None,
) -> None:
    """Show every row of one order group in order: what was asked, what the broker said word for word, events and fills."""
    with JournalReader(place(run, journal)) as reader:
        found = _print(story(reader, key))
        if not found:
            raise UsageError(
                f"{key}: no row of journal {reader} speaks of this order; `.venv/bin/desk journal tail --kind submit` lists some"
            )


@app.command("export")
def export(
    run: RunOption = None,
    journal: JournalOption = None,
    form: Annotated[
        Format, typer.Option("--format", help="One JSON object a line, or comma-separated with a header.")
    ] = Format.JSONL,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write here instead of standard output.")
    ] = None,
) -> None:
    """Write all rows. The same journal gives the same bytes."""
    with JournalReader(place(run, journal)) as reader, _target(output) as target:
        _WRITERS[form](reader.rows(), target)


@app.command("verify")
def verify(run: RunOption = None, journal: JournalOption = None) -> None:
    """Prove that no row is missing, changed or unreadable. Exit code 7 names the first bad row."""
    with JournalReader(place(run, journal)) as reader:
        verdict = verdict_on(reader)
    if verdict.problem is not None:
        raise ReconciliationBreak(
            f"journal {reader}: {verdict.problem}. {verdict.rows} rows before it are sound. Trade nothing with it: restore a "
            "copy, or compare with the broker's own list of orders"
        )
    proof = f"chained up to {verdict.head}" if verdict.chained else "of schema version 1: no chain until a desk opens it"
    console().print(Text(f"{reader}: {verdict.rows} rows are sound, {proof}"), soft_wrap=True)


# ---- writing -------------------------------------------------------------------------------------------------------------


def _print(rows: Iterable[Stored]) -> int:
    """Print a line for each row at once, as far as it fits a terminal; returns how many there were."""
    out, printed = console(), 0
    width = out.width if out.is_terminal else None
    for stored in rows:
        text = Text(line(stored))
        if width is not None:
            text.truncate(width, overflow="ellipsis")
        out.print(text, soft_wrap=True)
        out.file.flush()
        printed += 1
    return printed


def line(stored: Stored) -> str:
    """One row for people: number, second, kind, and the body's names and values."""
    return f"{stored.seq:>6}  {stored.at[:19].replace('T', ' ')}  {stored.kind:<12} {_words(stored.body)}"


def _words(body: str) -> str:
    try:
        words = " ".join(_pairs("", json.loads(body)))
    except ValueError:
        words = body
    return "".join(letter if letter.isprintable() else " " for letter in words)


def _pairs(name: str, value: object) -> Iterator[str]:
    """`name=value` for each value that says something, nested ones as `outer.inner=value`."""
    if isinstance(value, dict):
        for inner, each in value.items():
            yield from _pairs(f"{name}.{inner}" if name else inner, each)
    elif value not in (None, "", []):
        yield f"{name}={value}"


@contextmanager
def _target(output: Path | None) -> Iterator[TextIO]:
    """Standard output or a file, which appears when it is whole."""
    if output is None:
        yield sys.stdout
        return
    if output.is_dir():
        raise UsageError(f"--output {output}: this is a folder; give a file in it, {output / 'rows.jsonl'}")
    half = output.with_name(output.name + ".partial")
    try:
        with half.open("w", encoding="utf-8", newline="") as file:
            yield file
        half.replace(output)
    except OSError as error:
        raise UsageError(f"--output {output}: cannot be written ({error.strerror or error}); give another file") from None
    finally:
        with suppress(OSError):
            half.unlink(missing_ok=True)


def _write_jsonl(rows: Iterable[Stored], target: TextIO) -> None:
    for stored in rows:
        record = {name: getattr(stored, name) for name in COLUMNS}
        with suppress(ValueError):  # a body that is no JSON is written as its text
            record["body"] = json.loads(stored.body)
        target.write(json.dumps(record, sort_keys=True, separators=(",", ":")) + "\n")


def _write_csv(rows: Iterable[Stored], target: TextIO) -> None:
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([getattr(stored, name) for name in COLUMNS] for stored in rows)


_WRITERS: dict[Format, Callable[[Iterable[Stored], TextIO], None]] = {Format.JSONL: _write_jsonl, Format.CSV: _write_csv}
