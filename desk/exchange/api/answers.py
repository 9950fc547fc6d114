"""From values to HTTP: JSON answers, refusals with their own status, and reading a request's body."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from desk.exchange.api.jsontext import dumps, loads
from desk.exchange.rules.rejections import Rejection

LARGEST_BODY = 1 << 20


def answer(value: object, status: int = 200) -> Response:
    """A JSON response; a rejection becomes its own status and body."""
    if isinstance(value, Rejection):
        status, value = value.status, value.body()
    return Response(dumps(value), status, media_type="application/json")


async def json_body(request: Request) -> object:
    """The request's JSON; None for what is no JSON."""
    try:
        return loads(await request.body())
    except (ValueError, RecursionError):
        return None
