"""The way of every request to the broker: rate budget, circuit breaker, time limits, and repeats of what is safe to repeat.

alpaca-py 0.44 sets no time limit at all and posts an order up to four times after a 429 or a 504 (alpaca/common/rest.py). Here a
POST or PATCH goes out once; whether it is sent again is for `submission`, which looks first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from alpaca.common.rest import RESTClient
from requests import PreparedRequest, RequestException, Response

from desk.brokers.guarded.breaker import CircuitBreaker
from desk.brokers.guarded.bucket import TokenBucket
from desk.brokers.guarded.errors import ErrorClass, Failure, NeverSent, OverBudget, classify, failure_of
from desk.brokers.guarded.pacing import ONCE, Pace, Patience
from desk.brokers.guarded.time_limits import DEFAULT_LIMITS, TimeLimitedAdapter, TimeLimits

_PROTECTIVE: ContextVar[bool] = ContextVar("protective", default=False)
# Cancels and changes of price protect by themselves: only exits need `protective()`.
_PROTECTIVE_METHODS = frozenset({"DELETE", "PATCH"})
_ONE_ORDER = re.compile(r"/v\d+/orders/[^/]+")
Answer = Response | RequestException
_PATIENCE = Patience(3, 30.0)
# What says that the broker is broken, as against what it says when it works.
_BROKEN = frozenset({ErrorClass.BROKEN, ErrorClass.NO_ANSWER, ErrorClass.NOT_REACHED})
_REPEATED = _BROKEN | {ErrorClass.RATE_LIMITED}


@contextmanager
def protective() -> Iterator[None]:
    """Requests of this thread within the block reduce risk: they may use the reserve and are not made to wait for the breaker."""
    token = _PROTECTIVE.set(True)
    try:
        yield
    finally:
        _PROTECTIVE.reset(token)


def is_protecting() -> bool:
    """Whether this thread is within `protective()`."""
    return _PROTECTIVE.get()


class GuardedTransport(TimeLimitedAdapter):
    """An adapter for `requests`. A request that the breaker holds back raises `NeverSent`, an ordinary one for which the budget
    has no token in time `OverBudget`; other errors are those of requests.

    `patience` bounds the repeats of a GET, and of the DELETE of one order: asking twice for one end is asking once.
    """

    def __init__(
        self,
        bucket: TokenBucket,
        breaker: CircuitBreaker,
        pace: Pace,
        patience: Patience = _PATIENCE,
        limits: TimeLimits = DEFAULT_LIMITS,
    ) -> None:
        super().__init__(limits)
        self.bucket, self.breaker = bucket, breaker
        self._pace, self._patience = pace, patience

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        patience = self._patience if is_repeatable(request) else ONCE
        kept: Answer = NeverSent("no attempt was made", request=request)
        for _ in self._pace.tries(patience):
            answer = self._attempt(request, *args, **kwargs)
            if request.method != "DELETE" or not _leaves_open(kept, answer):
                kept = answer
            if not _is_worth_repeating(answer):
                break
        if isinstance(kept, RequestException):
            raise kept
        return kept

    def _attempt(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Answer:
        """One answer, or the error in its place; budget and breaker have heard of it."""
        is_urgent = is_protective(request)
        if self.breaker.seconds_until_allowed(is_urgent) > 0:  # asked first, so that what is held back costs no token
            return self._held_back(request)
        if self.bucket.take(is_urgent) is None:
            return self._over_budget(request)
        if self.breaker.admit(is_urgent) > 0:
            return self._held_back(request)
        try:
            response = super().send(request, *args, **kwargs)
            # requests would read it after this method, where a connection that breaks in the middle would go unseen.
            _ = response.content
        except RequestException as error:
            self.breaker.failed(f"{_name(request)}: {failure_of(error).message}")
            return error
        self._hear(request, response)
        return response

    def _hear(self, request: PreparedRequest, response: Response) -> None:
        self.bucket.observe(response.status_code, response.headers)
        if not _is_fine(response) and _failure(response).error_class in _BROKEN:
            self.breaker.failed(f"{_name(request)}: HTTP {response.status_code}")
        else:
            self.breaker.answered()

    def _held_back(self, request: PreparedRequest) -> NeverSent:
        return NeverSent(f"{_name(request)} was not sent. {self.breaker.text}", request=request)

    def _over_budget(self, request: PreparedRequest) -> OverBudget:
        seconds = self.bucket.budget.ordinary_wait_seconds
        return OverBudget(
            f"{_name(request)} was not sent: within {seconds:g} seconds the budget had no room for it", request=request
        )


def guard(client: RESTClient, transport: GuardedTransport) -> None:
    """Send everything that an alpaca-py client sends through `transport`, and switch alpaca-py's own retries off."""
    client._session.mount("https://", transport)
    client._session.mount("http://", transport)
    client._retry = 0
    client._retry_codes = []


def is_protective(request: PreparedRequest) -> bool:
    return is_protecting() or request.method in _PROTECTIVE_METHODS


def is_repeatable(request: PreparedRequest) -> bool:
    """Whether sending it twice does no more than sending it once. Closing a position by DELETE sells twice, so it is not."""
    if request.method == "DELETE":
        return _ONE_ORDER.fullmatch(urlsplit(request.url or "").path) is not None
    return request.method in ("GET", "HEAD")


def _is_worth_repeating(answer: Answer) -> bool:
    if isinstance(answer, NeverSent) or _is_fine(answer):
        return False
    return _failure(answer).error_class in _REPEATED


def _leaves_open(earlier: Answer, answer: Answer) -> bool:
    """What may have arrived once is not undone by a later attempt that certainly did nothing."""
    return not _is_fine(answer) and not _failure(earlier).is_certain and _failure(answer).is_certain


def _is_fine(answer: Answer) -> bool:
    return isinstance(answer, Response) and answer.status_code < 400


def _failure(answer: Answer) -> Failure:
    if isinstance(answer, Response):
        return classify(answer.status_code, None, answer.content)
    return failure_of(answer)


def _name(request: PreparedRequest) -> str:
    """What a person calls it. The query is left out: it may be long."""
    return f"{request.method} {urlsplit(request.url or '').path}"
