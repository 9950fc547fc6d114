"""Which listed expiration a spread is sold for, and how long it is until then.

Weekly and monthly contracts expire on Fridays, on the session before where the exchange is closed on the Friday
(https://www.cboe.com/tradable_products/weeklys). Expirations of other days, which a few underlyings have, are not chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from options.black_scholes import DAYS_OF_A_YEAR
from options.refusals import RefusalCode, SpreadRefusal

NEW_YORK = ZoneInfo("America/New_York")
IsSession = Callable[[date], bool]
# Regular close; a half day's last three hours are of no account to a price weeks before.
CLOSE = time(16, 0)
_FRIDAY = 4
# Expirations that a refusal lists.
MOST_SHOWN = 6
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ExpiryWindow:
    """Calendar days to expiration, both ends included; among several the nearest to `target_days` is taken."""

    min_days: int = 30
    max_days: int = 60
    target_days: int = 45

    def __post_init__(self) -> None:
        if not 0 <= self.min_days <= self.target_days <= self.max_days:
            raise ValueError(f"window {self.min_days} <= {self.target_days} <= {self.max_days} days must ascend from zero on")


def new_york_day(at: datetime) -> date:
    """The day that `at` (aware) is in New York."""
    return at.astimezone(NEW_YORK).date()


def days_left(expiration: date, at: datetime) -> int:
    """Calendar days from New York's `at` (aware) to `expiration`, below zero when it is past."""
    return (expiration - new_york_day(at)).days


def years_left(expiration: date, at: datetime) -> float:
    """Years of 365 days from `at` (aware) to the close of `expiration`, below zero when it is past."""
    left = datetime.combine(expiration, CLOSE, NEW_YORK) - at
    return left / _DAY / DAYS_OF_A_YEAR


def is_weekly_expiration(day: date, is_session: IsSession) -> bool:
    """Whether a week's contracts expire on `day`: its last session, when that is no Saturday."""
    later = (day + offset * _DAY for offset in range(1, _FRIDAY - day.weekday() + 1))
    return day.weekday() <= _FRIDAY and is_session(day) and not any(is_session(other) for other in later)


def suitable_expirations(
    listed: Iterable[date], today: date, is_session: IsSession, window: ExpiryWindow | None = None
) -> tuple[date, ...]:
    """The expirations among `listed` that fit, the best first: nearest to the target, the earlier of two as near.

    `is_session` says whether the exchange is open on a day; `sessions.__contains__` of a collection will do.
    """
    window = window or ExpiryWindow()
    fitting = {day for day in listed if window.min_days <= (day - today).days <= window.max_days}
    weekly = (day for day in fitting if is_weekly_expiration(day, is_session))
    return tuple(sorted(weekly, key=lambda day: (abs((day - today).days - window.target_days), day)))


def no_expiration(
    underlying: str, listed: Iterable[date], today: date, window: ExpiryWindow, after: date | None = None
) -> SpreadRefusal:
    """The refusal that tells what was looked for and what is listed instead; a roll looks `after` the day that it leaves."""
    first, last = today + window.min_days * _DAY, today + window.max_days * _DAY
    ahead = sorted({day for day in listed if day >= today})
    later = "" if after is None else f" after {after}, the day of the puts that are held,"
    # Days that were looked at and are still no answer would read like a contradiction.
    was_seen = any(first <= day <= last and (after is None or day > after) for day in ahead)
    why = "; a week's last session alone is taken" if was_seen else ""
    fix = "Widen min_days and max_days" if after is None else "Raise max_days, roll it on a later day, or close it"
    return SpreadRefusal(
        RefusalCode.NO_EXPIRATION,
        underlying,
        f"no weekly expiration{later} in {window.min_days} to {window.max_days} days, {first} to {last}; "
        f"listed: {_listed_words(ahead, today, window)}{why}. {fix}",
    )


def _listed_words(ahead: Sequence[date], today: date, window: ExpiryWindow) -> str:
    """Those that are nearest to what is wanted, and how many more there are."""
    nearest = sorted(ahead, key=lambda day: (abs((day - today).days - window.target_days), day))[:MOST_SHOWN]
    shown = ", ".join(f"{day:%a} {day} ({(day - today).days} days)" for day in sorted(nearest)) or "none"
    return shown if len(ahead) <= MOST_SHOWN else f"{shown}, and {len(ahead) - MOST_SHOWN} more"
