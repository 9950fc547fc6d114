"""A pytest plugin: the fixture `paper_exchange`, an exchange of its own for each test.

    def test_my_bot_buys(paper_exchange):
        paper_exchange.advance("2008-09-02T10:00:00-04:00")
        my_bot.run(paper_exchange.trading_client())

One process serves a whole session of tests; between two tests it begins again, which takes a few hundredths of a second.
Nothing of the exchange is imported before a test asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from alpaca.data.historical.stock import StockHistoricalDataClient
    from alpaca.trading.client import TradingClient
    from alpaca.trading.stream import TradingStream

    from desk.exchange.admin_client import AdminClient
    from desk.exchange.process import ExchangeProcess

MARKER = "paper_exchange"
BUNDLED, BUNDLED_START = "bundled", "2008-09-02"
# Where a test says nothing, nothing is left to chance.
DEFAULTS: dict[str, object] = {"seed": 1, "cash_usd": 100_000.0, "partial_fill_probability": 0.0, "latency": "zero"}
SETTINGS = (
    *DEFAULTS,
    "start",
    "multiplier",
    "options_level",
    "holdings",
    "spread_bps",
    "with_fees",
    "has_sip",
    "requests_per_minute",
    "not_fractionable",
    "not_shortable",
    "hard_to_borrow",
)
FIRST: dict[str, object] = {
    **{"multiplier": 4, "options_level": 3, "spread_bps": 2.0, "with_fees": False, "has_sip": False},
    **{"holdings": {}},
    **{"not_fractionable": [], "not_shortable": [], "hard_to_borrow": []},
}


class PaperExchange:
    """What a test holds: addresses, keys, time, faults, and clients of alpaca-py."""

    def __init__(self, process: ExchangeProcess) -> None:
        self._process = process

    @property
    def url(self) -> str:
        """Base address, for `url_override` of REST clients."""
        return self._process.url

    @property
    def stream_url(self) -> str:
        """Address of the trading stream."""
        return self._process.stream_url

    @property
    def api_key(self) -> str:
        return self._process.api_key

    @property
    def api_secret(self) -> str:
        return self._process.api_secret

    @property
    def admin(self) -> AdminClient:
        """Everything that the exchange can be told beside Alpaca's API."""
        return self._process.admin

    @property
    def now(self) -> datetime:
        """Virtual time, UTC."""
        from datetime import datetime

        return datetime.fromisoformat(self.admin.status()["now"].replace("Z", "+00:00"))

    def advance(self, to: datetime | str) -> None:
        """Move virtual time to an aware instant, or to one in RFC 3339, through every trade update before it."""
        from datetime import datetime

        instant = datetime.fromisoformat(to) if isinstance(to, str) else to
        if instant.tzinfo is None:
            raise ValueError(f"to {to}: has no zone; write 2008-09-02T10:00:00-04:00")
        while not self.admin.advance(instant).reached:
            pass

    def fault(self, kind: str, when: dict[str, object] | None = None, **parameters: object) -> int:
        """Switch a fault on (docs/faults.md) until the test ends; the answer is its number in `admin.faults()`."""
        return self.admin.fault(kind, when, **parameters)

    def trading_client(self) -> TradingClient:
        """alpaca-py's client, at this exchange."""
        from alpaca.trading.client import TradingClient

        client = TradingClient(self.api_key, self.api_secret, paper=True, url_override=self.url)
        client._session.trust_env = False  # a proxy has no business between us and loopback
        return client

    def stock_data_client(self) -> StockHistoricalDataClient:
        """alpaca-py's client of stock data, at this exchange."""
        from alpaca.data.historical.stock import StockHistoricalDataClient

        client = StockHistoricalDataClient(self.api_key, self.api_secret, url_override=self.url)
        client._session.trust_env = False  # as above
        return client

    def trading_stream(self) -> TradingStream:
        """alpaca-py's trading stream, at this exchange."""
        from alpaca.trading.stream import TradingStream

        return TradingStream(self.api_key, self.api_secret, paper=True, url_override=self.stream_url)


class _Pool:
    """The processes of a session, one for each source of prices."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, tuple[ExchangeProcess, str]] = {}

    def fresh(self, settings: dict[str, Any]) -> PaperExchange:
        """An exchange that stands at the beginning, with these settings and no others."""
        data = str(settings.pop("data", BUNDLED))
        process, start = self._process(data)
        wanted = {**FIRST, **DEFAULTS, "requests_per_minute": None, "start": start, **settings}
        process.admin.reset(**{**wanted, "start": str(wanted["start"])})
        return PaperExchange(process)

    def stop(self) -> None:
        for process, _ in self._running.values():
            process.stop()

    def _process(self, data: str) -> tuple[ExchangeProcess, str]:
        known = self._running.get(data)
        if known is None or not known[0].is_running:
            known = self._running[data] = self._started(data)
        return known

    def _started(self, data: str) -> tuple[ExchangeProcess, str]:
        from datetime import date

        from desk.exchange.config import ExchangeConfig
        from desk.exchange.process import ExchangeProcess

        start = date.fromisoformat(BUNDLED_START) if data == BUNDLED else None
        process = ExchangeProcess(ExchangeConfig(data, start), self._folder / "exchange.log")
        return process, str(process.admin.status()["now"])[:10]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARKER}(**settings): what the exchange of this test starts with (docs/exchange.md)")


@pytest.fixture(scope="session")
def _paper_exchanges(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Pool]:
    pool = _Pool(tmp_path_factory.mktemp("paper_exchange"))
    yield pool
    pool.stop()


@pytest.fixture
def paper_exchange(request: pytest.FixtureRequest, _paper_exchanges: _Pool) -> PaperExchange:
    """A fresh exchange at 08:00 New York of its first session; `@pytest.mark.paper_exchange(cash_usd=5000)` sets it up."""
    settings: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers(MARKER))):
        settings |= marker.kwargs
    unknown = sorted(set(settings) - {*SETTINGS, "data"})
    if unknown:
        raise pytest.UsageError(f"paper_exchange: {unknown[0]} is no setting; give {', '.join(sorted((*SETTINGS, 'data')))}")
    return _paper_exchanges.fresh(settings)
