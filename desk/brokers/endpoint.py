"""Where a broker is and how to be let in. The secret never shows in a repr."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Alpaca, or a server that speaks its API. URLs are None for Alpaca's own addresses.

    `requests_per_minute` is what the desk allows itself, below Alpaca's limit of 200 an account.
    """

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    is_paper: bool = True
    trading_url: str | None = None
    data_url: str | None = None
    stream_url: str | None = None
    requests_per_minute: int = 180
