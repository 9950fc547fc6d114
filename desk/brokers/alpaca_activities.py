"""Account activities page by page (https://docs.alpaca.markets/reference/getaccountactivities)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

PAGE_OF_ACTIVITIES = 100
Raw = Mapping[str, Any]


def activities(api: Any, kinds: str, after: datetime) -> Iterator[Raw]:
    """The account's activities of some kinds after a moment (aware), oldest first: FILL are executions, say.

    `kinds` are Alpaca's words for them, with commas between.
    """
    token: dict[str, str] = {}
    while True:
        filters = {
            "activity_types": kinds,
            "after": after.isoformat(),
            "direction": "asc",
            "page_size": PAGE_OF_ACTIVITIES,
            **token,
        }
        page: list[Raw] = api.get("/account/activities", filters)
        yield from page
        if len(page) < PAGE_OF_ACTIVITIES:
            return
        token = {"page_token": str(page[-1]["id"])}
