"""uvicorn's HTTP protocol with two changes: a request's head is bounded, and the app can reset the connection.

ASGI has no way to break a connection; a server that does is one of the faults that a client has to live with.
"""

from __future__ import annotations

import socket
import struct
from asyncio import Transport
from collections.abc import Mapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

TRANSPORT = "lumidesk.transport"
LARGEST_HEAD = 32 * 1024
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\ncontent-length: 61\r\n"
    b'connection: close\r\n\r\n{"code":43110000,"message":"request header fields too large"}'
)
# With nothing to linger for, closing sends RST instead of FIN: the client reads "connection reset by peer".
_NO_LINGER = struct.pack("ii", 1, 0)


class BoundedProtocol(HttpToolsProtocol):
    """Gives every scope of the connection, a websocket's too, its transport in `scope["state"]`."""

    _head = 0
    _unread = 0
    _is_in_head = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        self.app_state = {**self.app_state, TRANSPORT: transport}
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        # The parser keeps a header to itself until its end has come, however long that takes.
        self._unread = self._unread + len(data) if self._is_in_head else 0
        if self._unread > LARGEST_HEAD and not self.transport.is_closing():
            self._refuse()

    def on_message_begin(self) -> None:
        self._head, self._is_in_head = 0, True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._head += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head += len(name) + len(value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        if self._head > LARGEST_HEAD:
            self._refuse()
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._head <= LARGEST_HEAD:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._head <= LARGEST_HEAD:
            super().on_message_complete()

    def _refuse(self) -> None:
        self.transport.write(_TOO_LARGE)
        self.transport.close()


def abort(scope: Mapping[str, Any]) -> bool:
    """Reset the TCP connection that `scope` came over; False when there is none, as for an app that is called in-process."""
    transport = scope.get("state", {}).get(TRANSPORT)
    if transport is None:
        return False
    plain = transport.get_extra_info("socket")
    if plain is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()
    return True
