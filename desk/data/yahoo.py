"""Daily history from Yahoo through Lumibot's downloader: an extra (`pip install -e '.[yahoo]'`), and the only source that
needs the internet.

The download itself has no test (tests never leave the machine); what is made of its answer has. Lumibot's cache of Yahoo data
is bypassed: it stores pickles, which run code when read. Lumibot waits two to five seconds before each request.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from importlib.util import find_spec
from types import MappingProxyType

import pandas as pd

from desk.data.adjust import total_return
from desk.data.source import Instrument, Source
from desk.data.validation import checked_frame
from desk.domain.errors import BrokerUnreachable, ConfigurationError

NOTE = "Prices from Yahoo are total-return prices (splits and dividends folded in): no dividends are paid on them."


def load_yahoo(symbols: Iterable[str], start: date, end: date) -> Source:
    """Daily bars of `symbols` from `start` to `end`, both included; let `end` be before today, whose bar is not complete.

    Raises ConfigurationError without the extra, for a symbol without history in these dates and for bars that cannot be true;
    BrokerUnreachable when Yahoo does not answer.
    """
    missing = [package for package, module in (("yfinance", "yfinance"), ("free-proxy", "fp")) if find_spec(module) is None]
    if missing:
        raise ConfigurationError(
            f"Yahoo data needs {' and '.join(missing)}: pip install -e '.[yahoo]', or give a folder of files (docs/data.md)"
        )
    frames = {symbol: daily_frame(symbol, _download(symbol), start, end) for symbol in dict.fromkeys(symbols)}
    instruments = {symbol: Instrument(symbol, symbol, note="total-return prices") for symbol in frames}
    label = f"Yahoo daily bars of {', '.join(frames)}, {start} to {end}"
    return Source("yahoo", label, MappingProxyType(frames), MappingProxyType(instruments), notes=(NOTE,))


def daily_frame(symbol: str, raw: pd.DataFrame, start: date, end: date) -> pd.DataFrame:
    """Yahoo's answer (columns Open, High, Low, Close, Adj Close, Volume; one row a session) as a frame of `Source.daily`."""
    frame = raw.rename(columns=lambda name: str(name).lower().replace(" ", "_"))
    sessions = pd.DatetimeIndex([pd.Timestamp(stamp.date()) for stamp in frame.index], name="session")
    frame = frame.set_axis(sessions).loc[pd.Timestamp(start) : pd.Timestamp(end)]
    if frame.empty:
        raise ConfigurationError(f"Yahoo has no bars of {symbol} between {start} and {end}. Check the symbol and the dates")
    return checked_frame(f"Yahoo {symbol}", symbol, total_return(frame))


def _download(symbol: str) -> pd.DataFrame:
    from lumibot.tools.yahoo_helper import YahooHelper

    raw = YahooHelper.download_symbol_data(symbol)
    if raw is None or raw.empty:
        raise BrokerUnreachable(f"Yahoo gave no data for {symbol}: check the symbol and the connection, or try later")
    return raw
