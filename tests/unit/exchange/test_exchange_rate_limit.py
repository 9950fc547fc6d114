"""The limit of requests a minute: counted by account and API, told in headers, and over after a minute."""

from __future__ import annotations

import pytest

from desk.exchange.rate_limit import DATA, TRADING, RateLimiter, family_of

ORDERS, BARS, EPOCH = "/v2/orders", "/v2/stocks/bars", 1_700_000_000.0


def remaining(limiter: RateLimiter, at: float, path: str = ORDERS, account: str = "a") -> int | None:
    """What the headers say is left; None when the request is refused."""
    verdict = limiter.check(account, path, at, EPOCH + at)
    return None if verdict.rejection else int(dict(verdict.headers)[b"x-ratelimit-remaining"])


def test_requests_beyond_the_limit_are_refused_until_the_minute_is_over() -> None:
    limiter = RateLimiter(3)
    assert [remaining(limiter, at) for at in (10.0, 11.0, 12.0, 13.0, 69.9)] == [2, 1, 0, None, None]
    assert remaining(limiter, 70.0) == 2


def test_headers_tell_limit_rest_and_when_the_minute_ends() -> None:
    limiter = RateLimiter(1)
    first, second = limiter.check("a", ORDERS, 10.0, EPOCH), limiter.check("a", ORDERS, 25.5, EPOCH + 15.5)
    assert dict(first.headers) == {
        b"x-ratelimit-limit": b"1",
        b"x-ratelimit-remaining": b"0",
        b"x-ratelimit-reset": b"1700000060",
    }
    assert second.headers == first.headers
    assert second.rejection is not None
    assert (second.rejection.status, second.rejection.body()) == (429, {"code": 42910000, "message": "rate limit exceeded"})


def test_accounts_and_market_data_are_counted_apart() -> None:
    limiter = RateLimiter(1)
    assert remaining(limiter, 0, ORDERS, "a") == 0
    assert remaining(limiter, 0, ORDERS, "b") == 0
    assert remaining(limiter, 0, BARS, "a") == 0
    assert remaining(limiter, 0, ORDERS, "a") is None
    assert remaining(limiter, 0, BARS, "a") is None


def test_without_a_limit_there_are_no_headers() -> None:
    limiter = RateLimiter(None)
    assert all(limiter.check("a", ORDERS, 0, EPOCH).headers == () for _ in range(1000))


def test_a_reset_counts_anew_with_its_own_limit() -> None:
    limiter = RateLimiter(1)
    assert remaining(limiter, 0) == 0
    limiter.reset(5)
    assert remaining(limiter, 0) == 4


@pytest.mark.parametrize(
    ("path", "family"),
    [
        ("/v2/orders/1", TRADING),
        ("/v2/options/contracts", TRADING),
        ("/v3/clock", TRADING),
        ("/v2/stocks/ABC/quotes/latest", DATA),
        ("/v1beta1/options/snapshots", DATA),
        ("/v1/corporate-actions", DATA),
        ("/admin/advance", None),
        ("/healthz", None),
        ("/metrics", None),
        ("/", None),
        ("/page.json", None),
    ],
)
def test_paths_fall_under_one_limit_or_none(path: str, family: str | None) -> None:
    assert family_of(path) == family
