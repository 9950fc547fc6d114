"""The run that is drawn from: a backtest made now, or one that a journal tells of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from desk.data.bundled import load_bundled
from desk.data.directory import load_directory
from desk.data.source import Source
from desk.domain.errors import UsageError
from desk.domain.records import RunRecord
from desk.journal.reader import JournalReader
from desk.research.compare_figures import Figures, figures_of
from desk.research.compare_null import Null, random_moments
from desk.research.monte_carlo import Bootstrap, bootstrap, day_returns_of, trade_returns_of
from desk.runtime.ledger import Ledger
from desk.runtime.record import RunFacts, run_record
from desk.runtime.run_folder import RunFolder, RunIdentity

MOST_PLACEMENTS = 1000  # of the null test: each holds a figure a session in memory


@dataclass(frozen=True)
class Drawn:
    """A run with the draws from its days and from its trades; `trades` is None for one that closed fewer than two.

    `null` is the run's trades at random moments, None without a trade whose prices are known.
    """

    record: RunRecord
    figures: Figures
    days: Bootstrap
    trades: Bootstrap | None
    null: Null | None
    ruin_fraction: float


def draw(record: RunRecord, cost_fraction: float, *, draws: int, seed: int, block: int | None, ruin_fraction: float) -> Drawn:
    """Draw from the days of a run and from its trades; `block` is of days, that of trades is estimated.

    Raises UsageError for a run of fewer than two sessions.
    """
    trades = trade_returns_of(record)
    return Drawn(
        record,
        figures_of(record),
        bootstrap(day_returns_of(record), draws=draws, seed=seed, block=block),
        bootstrap(trades, draws=draws, seed=seed) if len(trades) > 1 else None,
        random_moments(record, cost_fraction, min(draws, MOST_PLACEMENTS), seed),
        ruin_fraction,
    )


def journaled(path: Path, journal_url: SecretStr | None, threshold: float) -> RunRecord:
    """The run in the folder `path`, from its journal; prices from where the run had them, none for one at Alpaca.

    Raises UsageError for a backtest's folder, which has no journal, and what the journal's reader raises.
    """
    folder = RunFolder(path)
    identity = folder.identity()
    if identity.broker == "backtest":
        raise UsageError(f"{path} is a backtest, which keeps no journal: give the strategy {identity.strategy} instead")
    with JournalReader(folder.journal_with(journal_url)) as reader:
        rows = [stored.row() for stored in reader.rows()]
        ledger = Ledger(reader.nonce)
    ledger.recover(rows)
    source, book = _source(identity), ledger.book
    symbols = {trade.symbol for trade in (*book.closed, *book.open.values())}
    facts = RunFacts(
        strategy=identity.strategy,
        broker=identity.broker,
        source_label="the market" if source is None else source.label,
        seed=identity.seed,
        gate_threshold=threshold,
        gate_enforced=False,
        notes=() if source is None else source.notes_on(symbols),
    )
    return run_record(rows, book, source, facts, ledger.spreads)


def _source(identity: RunIdentity) -> Source | None:
    if identity.broker != "exchange":
        return None
    return load_bundled() if identity.source == "bundled" else load_directory(Path(identity.source))
