"""Ten minutes of made-up requests against the exchange, led by Alpaca's own OpenAPI documents: it may refuse, never break.

    make fuzz [ARGS="--minutes 10 --seed 1"]

Each document gets half of the time. schemathesis makes the requests, from an environment of its own (`requirements-soak.lock`).
The run fails when any answer has a status of 500 or above, when the exchange dies, or when it wrote a traceback.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from importlib.metadata import files
from pathlib import Path
from tempfile import TemporaryDirectory

from desk.exchange.config import ExchangeConfig
from desk.exchange.process import ExchangeProcess

DISTRIBUTION = "alpaca-mcp-server"
DOCUMENTS = ("trading-api.json", "market-data-api.json")
START = date(2008, 9, 2)
# A request that stops the clock or the process is no request of Alpaca's API, so the documents have none of /admin.
CHECKS = "not_a_server_error"


def document(name: str) -> Path:
    """Where Alpaca's document of that name is installed."""
    for file in files(DISTRIBUTION) or ():
        if file.name == name:
            return Path(str(file.locate()))
    raise SystemExit(f"{name} is not installed; `make fuzz` installs what this needs")


def fuzz(folder: Path, schemathesis: Path, exchange: ExchangeProcess, name: str, seconds: int, seed: int) -> int:
    """Exit code of one run over one document."""
    keys = ["-H", f"APCA-API-KEY-ID: {exchange.api_key}", "-H", f"APCA-API-SECRET-KEY: {exchange.api_secret}"]
    limits = ["--max-time", str(seconds), "--request-timeout", "10", "--seed", str(seed), "--continue-on-failure"]
    quiet = ["--warnings", "off", "--suppress-health-check", "all"]
    command = [str(schemathesis), "run", str(document(name)), "--url", exchange.url, "--checks", CHECKS, *keys, *limits, *quiet]
    return subprocess.run(command, check=False, cwd=folder).returncode  # it keeps a cache where it runs


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Fuzz the exchange's HTTP surface.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--schemathesis", type=Path, default=Path(".venv-soak/bin/schemathesis"))
    options = parser.parse_args(arguments)
    seconds = max(10, int(options.minutes * 60 / len(DOCUMENTS)))
    with TemporaryDirectory() as folder:
        log = Path(folder) / "exchange.log"
        with ExchangeProcess(ExchangeConfig("bundled", START), log) as exchange:
            opened = datetime.fromisoformat(exchange.admin.status()["now"]) + timedelta(hours=3)
            while not exchange.admin.advance(opened).reached:
                pass
            codes = [
                fuzz(Path(folder), options.schemathesis.absolute(), exchange, name, seconds, options.seed) for name in DOCUMENTS
            ]
            lives = exchange.is_running and bool(exchange.admin.status())
        broken = "Traceback" in log.read_text()
        if broken:
            print(log.read_text()[-4000:])
    state, traces = "lives" if lives else "died", "tracebacks" if broken else "no traceback"
    print(f"exit codes {codes}; the exchange {state}; {traces} in its log")
    return int(any(codes) or broken or not lives)


if __name__ == "__main__":
    sys.exit(main())
