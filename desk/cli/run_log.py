"""Where Lumibot's and alpaca-py's own lines go during a run."""

from __future__ import annotations

import logging
from pathlib import Path


def log_to(path: Path) -> None:
    """Send every log line of this process to `path`: in the terminal they would drown the desk's own."""
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    for other in list(root.handlers):
        root.removeHandler(other)
    root.addHandler(handler)
    for name in ("lumibot", "alpaca"):
        logging.getLogger(name).handlers.clear()
    # At a lower level these would write headers and the log-in message, keys included.
    for name in ("websockets", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
