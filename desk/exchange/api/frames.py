"""What goes over a websocket: JSON, or msgpack when the handshake asked for it with its Content-Type."""

from __future__ import annotations

from collections.abc import Mapping

import msgpack
from starlette.websockets import WebSocket, WebSocketDisconnect

from desk.exchange.api.jsontext import loads

PACKED = "application/msgpack"
LARGEST_MESSAGE = 1 << 20
Message = Mapping[str, object]


def is_packed(socket: WebSocket) -> bool:
    """Whether this client speaks msgpack."""
    return socket.headers.get("content-type", "").partition(";")[0].strip().lower() == PACKED


def pack(value: object) -> bytes:
    """msgpack of `value`; instants must be `msgpack.Timestamp`."""
    packed: bytes = msgpack.packb(value)
    return packed


def repacked(text: bytes) -> bytes:
    """JSON text as msgpack."""
    return pack(loads(text))


async def receive(socket: WebSocket, packed: bool) -> Message | None:
    """The client's next message; None for what is no JSON or msgpack mapping. Raises WebSocketDisconnect when the client goes.

    A client that speaks msgpack may still send JSON as text.
    """
    frame = await socket.receive()
    if frame["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(frame.get("code", 1000))
    text, binary = frame.get("text"), frame.get("bytes")
    if len(text or binary or "") > LARGEST_MESSAGE:
        return None
    try:
        parsed = msgpack.unpackb(binary) if packed and text is None else loads(text or binary or b"")
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, Mapping) else None
