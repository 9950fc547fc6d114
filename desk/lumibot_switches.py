"""Environment switches that keep Lumibot from acting on its own: no broker at import, no .env of its own, no network chatter.

Lumibot 4.6.30 builds a live broker and opens its websocket as soon as `Strategy` is imported with keys in the environment
(`lumibot/credentials.py`), so these must be set before any Lumibot import. This is one of the two places that may touch
`os.environ`; the other is `desk.settings`.
"""

from __future__ import annotations

import os

SWITCHES = {
    "LUMIBOT_LAZY_CREDENTIALS": "1",
    "LUMIBOT_DISABLE_DOTENV": "1",
    "LUMIBOT_DISABLE_DOTENV_LOCAL": "1",
    "LUMIBOT_HIDE_BOTSPOT_TIP": "1",
    "LUMIBOT_TELEMETRY": "0",
    "LUMIBOT_SHARED_BARS": "0",
    "BACKTESTING_QUIET_LOGS": "true",
    "BACKTESTING_SHOW_PROGRESS_BAR": "false",
    "SHOW_PLOT": "False",
    "SHOW_INDICATORS": "False",
    "SHOW_TEARSHEET": "False",
}
DEFAULTS = {"LUMIBOT_LOG_LEVEL": "ERROR"}
# Lumibot obeys these behind the desk's back: it reports to its vendor, stops the process on a logged error, replaces a
# backtest's budget, source, market or name, or sends messages and saves variables somewhere.
FORBIDDEN = (
    "LUMIWEALTH_API_KEY",
    "LOG_ERRORS_TO_CSV",
    "BACKTESTING_BUDGET",
    "BACKTESTING_DATA_SOURCE",
    "BACKTESTING_CAPTURE_LOCALS",
    "LUMIBOT_BACKTEST_AUDIT",
    "DB_CONNECTION_STR",
    "DISCORD_WEBHOOK_URL",
    "MARKET",
    "STRATEGY_NAME",
)


def apply() -> None:
    """Set the switches for this process and its children."""
    os.environ.update(SWITCHES)
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    for name in FORBIDDEN:
        os.environ.pop(name, None)
