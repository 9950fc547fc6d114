"""What the exchange's speed is held against: a server that takes orders' JSON and does nothing with it, on the same machinery.

    python -m benchmarks.bare_server

Says its address in one JSON line and leaves when its standard input ends, as the exchange does.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

FIELDS = ("id", "client_order_id", "symbol", "qty", "side", "type", "status", "asset_id", "created_at", "legs")
ANSWER = dict.fromkeys(FIELDS, "0123456789abcdef")
listeners: set[WebSocket] = set()


async def take(request: Request) -> Response:
    json.loads(await request.body())
    for listener in list(listeners):
        await listener.send_bytes(json.dumps(ANSWER).encode())
    return JSONResponse(ANSWER)


async def stream(socket_: WebSocket) -> None:
    await socket_.accept()
    listeners.add(socket_)
    try:
        while True:
            await socket_.receive_bytes()
    except (WebSocketDisconnect, KeyError):
        listeners.discard(socket_)


def main() -> None:
    app = Starlette(routes=[Route("/v2/orders", take, methods=["POST"]), WebSocketRoute("/stream", stream)])
    config = uvicorn.Config(
        app, http="httptools", ws="websockets-sansio", lifespan="off", access_log=False, log_level="warning", server_header=False
    )
    server = uvicorn.Server(config)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)

    def leave() -> None:
        sys.stdin.buffer.read()
        server.should_exit = True

    threading.Thread(target=leave, daemon=True).start()
    print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}"}), flush=True)
    asyncio.run(server.serve(sockets=[listener]))


if __name__ == "__main__":
    main()
