"""The driver's side of a replay: move virtual time, ask how things stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import requests

from desk.domain.errors import BrokerUnreachable

CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 30.0


@dataclass(frozen=True, slots=True)
class Advanced:
    """Where virtual time stands (aware, UTC), trade updates sent so far, and whether the wanted instant was reached."""

    now: datetime
    events_emitted: int
    reached: bool


class AdminClient:
    """Talks to an exchange's /admin. Raises BrokerUnreachable when it does not answer or refuses."""

    def __init__(self, url: str, key: str, secret: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy has no business between us and loopback
        self._session.headers.update({"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret})

    def advance(self, to: datetime) -> Advanced:
        """Move time to `to` (aware), or to the first instant before it at which a trade update was sent."""
        said = self._call("POST", "/admin/advance", {"to": to.isoformat()})
        return Advanced(datetime.fromisoformat(said["now"]), said["events_emitted"], said["reached"])

    def status(self) -> dict[str, Any]:
        """now, events_emitted, listeners, sessions."""
        return self._call("GET", "/admin/status")

    def report(self) -> dict[str, Any]:
        """The exchange's own figures of the run."""
        return self._call("GET", "/admin/report")

    def save(self) -> None:
        """Write the state file now."""
        self._call("POST", "/admin/save")

    def reset(self, **changes: Any) -> dict[str, Any]:
        """Begin again with the same prices; `changes` may name start, seed, cash_usd and others (docs/exchange.md)."""
        return self._call("POST", "/admin/reset", changes)

    def fault(self, kind: str, when: Mapping[str, object] | None = None, **parameters: object) -> int:
        """Switch a fault on (docs/faults.md); the answer is its number in the listing."""
        added = self._call("POST", "/admin/faults", {"kind": kind, "when": dict(when or {}), **parameters})
        return int(added["faults"][0]["id"])

    def faults(self) -> list[dict[str, Any]]:
        """Every fault that is switched on, with the occasions that matched and how often it happened."""
        listed: list[dict[str, Any]] = self._call("GET", "/admin/faults")["faults"]
        return listed

    def clear_faults(self) -> None:
        """Switch every fault off, and let go of the orders that one holds."""
        self._call("DELETE", "/admin/faults")

    def assign(self, symbol: str, contracts: int) -> None:
        """The holder of a short option of this account exercises it now; the trading stream does not tell, as at Alpaca."""
        self._call("POST", "/admin/assign", {"symbol": symbol, "qty": contracts})

    def drop_streams(self) -> None:
        """Break every connection to the trading stream now."""
        self._call("POST", "/admin/streams/drop")

    def shutdown(self) -> None:
        """Save and stop the exchange."""
        self._call("POST", "/admin/shutdown")

    def close(self) -> None:
        """Let the connection go; the exchange goes on."""
        self._session.close()

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        try:
            answer = self._session.request(method, self._url + path, json=body, timeout=(CONNECT_SECONDS, ANSWER_SECONDS))
            said: dict[str, Any] = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise BrokerUnreachable(f"the exchange at {self._url} does not answer {path}: {error}") from error
        if answer.status_code != 200:
            raise BrokerUnreachable(f"the exchange at {self._url} refused {path}: {said.get('message')}")
        return said
