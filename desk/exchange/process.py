"""The exchange as a child process: started, waited for, stopped by the one who uses it."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from types import TracebackType
from typing import IO, ClassVar, Protocol

import desk
from desk.domain.errors import BrokerUnreachable, ConfigurationError
from desk.exchange.admin_client import AdminClient
from desk.exchange.child_settings import as_text, variables
from desk.exchange.config import AccountConfig, ExchangeConfig

START_WITHIN_SECONDS = 60.0
STOP_WITHIN_SECONDS = 10.0


class Child(Protocol):
    """As much of a `subprocess.Popen` as is needed of the exchange's process."""

    @property
    def pid(self) -> int: ...

    @property
    def stdin(self) -> IO[bytes] | None: ...

    @property
    def stdout(self) -> IO[bytes] | None: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def kill(self) -> None: ...


def popen(settings: str, environment: Mapping[str, str], log_path: Path) -> Child:
    """A process that serves the exchange of `settings`, with nothing but `environment` around it."""
    command, pipe = [sys.executable, "-m", "desk.exchange", "--child", settings], subprocess.PIPE
    with log_path.open("ab") as log:
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, env=environment, start_new_session=True)


class ExchangeProcess:
    """A running exchange on a loopback port, in a session of its own so that Ctrl-C in the terminal does not reach it.

    Keys are made up when the config has none, and are handed over in the child's environment, which holds nothing else of
    ours: the exchange has no business with a real broker's keys. The child leaves by itself, its state saved, when its
    standard input ends, that is when this process is gone. Raises ConfigurationError when the child refuses its settings,
    BrokerUnreachable when it does not come up. `log_path` takes what the child writes to standard error.
    """

    # How the child comes to be; who has the libraries loaded already may have a quicker way.
    start_child: ClassVar[Callable[[str, Mapping[str, str], Path], Child]] = staticmethod(popen)

    def __init__(self, config: ExchangeConfig, log_path: Path) -> None:
        self.config = replace(
            config, api_key=config.api_key or f"LUMI{secrets.token_hex(8)}", api_secret=config.api_secret or secrets.token_hex(20)
        )
        self._log_path = log_path
        self._child = type(self).start_child(as_text(self.config), self._environment(), log_path)
        try:
            self.url = self._wait_until_ready()
        except BaseException:
            self._end()
            raise
        self.admin = AdminClient(self.url, self.api_key, self.api_secret)

    @property
    def api_key(self) -> str:
        return self.config.api_key

    @property
    def api_secret(self) -> str:
        return self.config.api_secret

    @property
    def stream_url(self) -> str:
        return self.url.replace("http://", "ws://") + "/stream"

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def is_running(self) -> bool:
        return self._child.poll() is None

    def stop(self) -> None:
        """Save the state and end the child. Safe to call twice, and when the child is gone already."""
        if self.is_running:
            self.admin.close()
        self._end()

    def __enter__(self) -> ExchangeProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _environment(self) -> dict[str, str]:
        """All that the child has around it."""
        accounts = self.config.all_accounts()
        return {
            **{name: value for number, account in enumerate(accounts) for name, value in _variables_of(number, account)},
            "PATH": os.defpath,
            "PYTHONPATH": str(Path(desk.__file__).parents[1]),
            "PYTHONHASHSEED": "0",
            "PYTHONUTF8": "1",
        }

    def _wait_until_ready(self) -> str:
        line = self._first_line()
        try:
            said = json.loads(line)
        except ValueError:
            said = {}
        if "error" in said:
            raise ConfigurationError(str(said["error"]))
        if "url" not in said:
            raise BrokerUnreachable(f"the exchange did not start; the reason stands in {self._log_path}")
        return str(said["url"])

    def _first_line(self) -> bytes:
        assert self._child.stdout is not None
        with DefaultSelector() as selector:
            selector.register(self._child.stdout, EVENT_READ)
            return self._child.stdout.readline() if selector.select(START_WITHIN_SECONDS) else b""

    def _end(self) -> None:
        """Close the child's input, which makes it save and leave; kill it only when it does not."""
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._child.wait(STOP_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


def _variables_of(number: int, account: AccountConfig) -> tuple[tuple[str, str], ...]:
    key, secret = variables(number)
    return ((key, account.api_key), (secret, account.api_secret))
