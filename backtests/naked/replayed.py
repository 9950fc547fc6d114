"""The sessions of `make trade`, where time stands still while the desk works: what the rules themselves leave bare, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import desk.runtime  # noqa: F401  # sets Lumibot's switches, so it comes before Lumibot

# isort: split
from desk.cli.trade_exchange import DEFAULT_SEED, DEFAULT_START
from desk.data.bundled import load_bundled
from desk.domain.decisions import IntentKind
from desk.domain.journal import Row
from desk.domain.orders import OrderClass
from desk.domain.trades import Trade
from desk.exchange.admin_client import AdminClient
from desk.runtime.exchange_run import ExchangeRun
from desk.runtime.ledger import Ledger
from desk.runtime.request import RunRequest
from desk.runtime.result import RunResult
from desk.runtime.run_folder import RunFolder
from desk.settings.load import Settings
from naked.windows import Window, moment, windows_of
from strategies.combined import Combined

BEFORE, OTHER = "found at start, before the desk began", "another"
# The first that holds for a trade of the symbol, at the moment when its shares became bare.
CAUSES: tuple[tuple[str, Callable[[Trade], bool]], ...] = (
    ("addition", lambda trade: trade.spec.order_class is OrderClass.SIMPLE and not trade.covers),
    ("half-filled entry", lambda trade: trade.is_entry_working),
    ("trim", lambda trade: trade.is_renewing and trade.keep is not None),
    ("trim", lambda trade: trade.is_being_sold and trade.sold_as is IntentKind.REDUCE),
    ("exits moved as a whole", lambda trade: trade.is_renewing),
    ("sale of the whole", lambda trade: trade.is_being_sold),
)
ALL_CAUSES = tuple(dict.fromkeys((*(name for name, _ in CAUSES), BEFORE, OTHER)))


@dataclass(frozen=True)
class Replayed:
    """Every time that shares stood bare in a replay, with its cause; `share_seconds` is the exchange's own sum."""

    sessions: int
    iterations: int
    share_seconds: float
    windows: Sequence[tuple[str, Window]]

    def seconds_by_cause(self) -> dict[str, float]:
        """Share-seconds by cause, in the order of `ALL_CAUSES`."""
        sums = dict.fromkeys(ALL_CAUSES, 0.0)
        for cause, window in self.windows:
            sums[cause] += window.share_seconds
        return sums


@dataclass
class _Reported(ExchangeRun):
    """Keeps the exchange's last report and the journal's rows."""

    report: Mapping[str, Any] = field(default_factory=dict)
    rows: Sequence[Row] = ()
    windows: Sequence[Window] = ()
    admin: AdminClient | None = None

    def take(self, admin: AdminClient) -> None:
        self.admin = admin

    def _result(self, desk: Any, journal: Any, report: dict[str, Any], *arguments: Any) -> RunResult:
        assert self.admin is not None
        self.report, self.rows = report, tuple(journal.rows())
        self.windows = windows_of(report, moment(self.admin.status()["now"]))
        return super()._result(desk, journal, report, *arguments)


def replay(sessions: int, settings: Settings, folder: Path) -> Replayed:
    """Play `sessions` sessions from where `make trade` begins, in the empty `folder`. Raises what ended the run early."""
    (folder / "models").mkdir(parents=True)
    request = RunRequest("combined", settings, folder.parent, DEFAULT_START, sessions, DEFAULT_SEED)
    run = _Reported(request, Combined, load_bundled(), RunFolder(folder))
    run.on_exchange = run.take
    result = run.run()
    if result.error is not None:
        raise result.error
    windows = list(explained(run.windows, run.rows))
    return Replayed(sessions, result.record.iterations, run.report["unprotected_share_seconds"], windows)


def explained(windows: Iterable[Window], rows: Sequence[Row]) -> Iterator[tuple[str, Window]]:
    """Each window with its cause, as far as the journal tells: by the desk's book at the moment when it began."""
    ledger, place = Ledger(""), 0
    for window in windows:
        while place < len(rows) and rows[place].at <= window.since:
            ledger.replay(rows[place])
            place += 1
        yield cause_of(ledger.book.trades_of(window.symbol)), window


def cause_of(trades: Sequence[Trade]) -> str:
    """Why shares of a symbol are bare while its open trades are these."""
    if not trades:
        return BEFORE
    return next((name for name, holds in CAUSES for trade in trades if trade.shares > 0 and holds(trade)), OTHER)
