"""`python -m desk.exchange`: run an exchange on loopback. Keys come from the environment, everything else from options.

As a child (`--child`) it says where it listens in one JSON line, and leaves when its standard input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path

import uvicorn

from desk.data.source import Source
from desk.domain.errors import ConfigurationError, DeskError
from desk.exchange import state
from desk.exchange.accesslog import AccessLog
from desk.exchange.app import Server
from desk.exchange.config import KEY_VARIABLE, SECRET_VARIABLE, ExchangeConfig
from desk.exchange.venue import Exchange

LOOPBACK = "127.0.0.1"
DEFAULT_KEY, DEFAULT_SECRET = "exchange", "exchange"


def main(argv: list[str] | None = None) -> int:
    """Serve until told to stop; the exit code is that of the error, 0 for none."""
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    try:
        config = _config(options)
        exchange = build(config)
        listener = _listen(config.port)
        _serve(exchange, listener, options.child)
    except DeskError as error:
        _say({"error": str(error), "exit_code": error.exit_code}) if options.child else print(error, file=sys.stderr)
        return error.exit_code
    return 0


def build(config: ExchangeConfig) -> Exchange:
    """The exchange of `config`, resumed when its state file exists; saved once, to see that it can be. ConfigurationError."""
    exchange = Exchange(config, load(config.source))
    if config.state_file is not None:
        if config.state_file.exists():
            state.resume(exchange, config.state_file)
        try:
            state.save(exchange, config.state_file)
        except OSError as error:
            reason = f"not writable ({error.strerror}); give another path"
            raise ConfigurationError(f"state_file {config.state_file}: {reason}") from error
    return exchange


def load(source: str) -> Source:
    """The bundled market or a data directory."""
    if source == "bundled":
        from desk.data.bundled import load_bundled

        return load_bundled()
    from desk.data.directory import load_directory

    if not Path(source).is_dir():
        raise ConfigurationError(f'source {source}: no such directory; give a directory with price files, or "bundled"')
    return load_directory(Path(source))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m desk.exchange", description="An offline exchange that speaks Alpaca's API.")
    parser.add_argument("--source", default="bundled", help='"bundled" or a directory of price files')
    parser.add_argument("--start", default="2008-09-02", help="first session to trade, YYYY-MM-DD")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--cash-usd", type=float, default=100_000.0)
    parser.add_argument("--partial-fill-probability", type=float, default=0.1)
    parser.add_argument("--spread-bps", type=float, default=2.0)
    parser.add_argument("--state-file", type=Path)
    parser.add_argument("--access-log", type=Path)
    parser.add_argument(
        "--child", action="store_true", help="say the address in one JSON line and leave when standard input ends"
    )
    return parser


def _config(options: argparse.Namespace) -> ExchangeConfig:
    given = {name: value for name, value in vars(options).items() if name not in ("child", "start")}
    try:
        start = date.fromisoformat(options.start)
    except ValueError as error:
        raise ConfigurationError(f"start {options.start}: not a date; write it as 2008-09-02") from error
    key, secret = os.environ.get(KEY_VARIABLE, ""), os.environ.get(SECRET_VARIABLE, "")
    if options.child and not (key and secret):
        raise ConfigurationError(f"{KEY_VARIABLE} and {SECRET_VARIABLE}: not set; choose any two words and set them")
    # Served by hand, any two words do: the keys open nothing but this exchange.
    key, secret = key or DEFAULT_KEY, secret or DEFAULT_SECRET
    return ExchangeConfig(start=start, api_key=key, api_secret=secret, **given)


def _listen(port: int) -> socket.socket:
    # The protocol is named so that asyncio switches Nagle's algorithm off (it looks at it); every answer would take 40 ms else.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
        listener.listen(128)  # before the address is told: who comes early waits instead of being turned away
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"port {port}: cannot be used ({error.strerror}); give another port, or 0 for any free one"
        ) from error
    return listener


def _serve(exchange: Exchange, listener: socket.socket, is_child: bool) -> None:
    config = exchange.config
    access_log = AccessLog(config.access_log)

    def save() -> None:
        if config.state_file is not None:
            state.save(exchange, config.state_file)

    def stop() -> None:
        runner.should_exit = True

    app = Server(exchange, access_log, on_save=save, on_shutdown=stop).app()
    runner = uvicorn.Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="websockets-sansio",
            lifespan="off",
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=2,
            ws_ping_interval=None,
            server_header=False,
        )
    )
    url = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
    if is_child:
        threading.Thread(target=_stop_at_end_of_input, args=(stop,), daemon=True).start()
    _say({"url": url}) if is_child else print(_greeting(url, config), flush=True)
    try:
        # uvicorn passes Ctrl-C on when it has closed down in order; for us that is the end and no error.
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(runner.serve(sockets=[listener]))
    finally:
        save()
        access_log.close()


def _greeting(url: str, config: ExchangeConfig) -> str:
    keys = f"keys {DEFAULT_KEY} / {DEFAULT_SECRET}" if config.api_key == DEFAULT_KEY else f"keys as {KEY_VARIABLE} says"
    return f"exchange at {url}, {keys}; page at {url}/; Ctrl-C stops it"


def _stop_at_end_of_input(stop: Callable[[], None]) -> None:
    sys.stdin.buffer.read()
    stop()


def _say(said: dict[str, object]) -> None:
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    sys.exit(main())
