"""Time limits for requests that were given none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Seconds for making a connection, and for each silence while an answer is awaited."""

    connect_seconds: float = 5.0
    read_seconds: float = 20.0


DEFAULT_LIMITS = TimeLimits()


class TimeLimitedAdapter(HTTPAdapter):
    """alpaca-py 0.44 sets no timeout at all: a half-open socket would hang the calling thread for ever."""

    def __init__(self, limits: TimeLimits = DEFAULT_LIMITS) -> None:
        super().__init__()
        self.limits = limits

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = (self.limits.connect_seconds, self.limits.read_seconds)
        return super().send(request, *args, **kwargs)
