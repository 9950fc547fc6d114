"""What a person sets for an account: GET and PATCH /v2/account/configurations (https://docs.alpaca.markets/reference/getaccountconfig)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from desk.exchange.config import AccountConfig
from desk.exchange.rules.rejections import Rejection, invalid

CHECKS = ("entry", "exit", "both")
MULTIPLIERS = (1, 2, 4)
LEVELS = (0, 1, 2, 3)


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """The configurations. `max_margin_multiplier` 1, 2 or 4; `max_options_trading_level` 0 to 3, on the wire a string and a
    number. `dtbp_check` and `pdt_check` ended on 2026-07-06 and are shown by the switch `legacy_pdt` only."""

    disable_overnight_trading: bool = False
    fractional_trading: bool = True
    max_margin_multiplier: int = 4
    max_options_trading_level: int = 3
    no_shorting: bool = False
    ptp_no_exception_entry: bool = False
    suspend_trade: bool = False
    trade_confirm_email: str = "all"
    dtbp_check: str = "entry"
    pdt_check: str = "entry"


def settings_of(account: AccountConfig) -> AccountSettings:
    """What an account starts with: everything that it may do."""
    return AccountSettings(max_margin_multiplier=account.multiplier, max_options_trading_level=account.options_level)


def settings_json(settings: AccountSettings, legacy_pdt: bool = False) -> dict[str, object]:
    shape: dict[str, object] = {
        "disable_overnight_trading": settings.disable_overnight_trading,
        "fractional_trading": settings.fractional_trading,
        "max_margin_multiplier": str(settings.max_margin_multiplier),
        "max_options_trading_level": settings.max_options_trading_level,
        "no_shorting": settings.no_shorting,
        "ptp_no_exception_entry": settings.ptp_no_exception_entry,
        "suspend_trade": settings.suspend_trade,
        "trade_confirm_email": settings.trade_confirm_email,
    }
    if legacy_pdt:
        shape |= {"dtbp_check": settings.dtbp_check, "pdt_check": settings.pdt_check}
    return shape


def amended(settings: AccountSettings, body: object, legacy_pdt: bool = False) -> AccountSettings | Rejection:
    """The settings with the fields of a PATCH. A null leaves a field as it is (alpaca-py sends nulls); unknown names pass.

    A value that cannot be is refused by the field's name and changes nothing.
    """
    if not isinstance(body, Mapping):
        return invalid("request body format is invalid: send a JSON object of configurations")
    changes: dict[str, object] = {}
    for name, read in _READERS.items():
        given = body.get(name)
        if given is None or (name in _LEGACY and not legacy_pdt):
            continue
        value = read(given)
        if value is None:
            return invalid(f"invalid {name}: {_FIXES[name]}")
        changes[name] = value
    return replace(settings, **changes)  # type: ignore[arg-type]  # the readers give each field its type


def _switch(given: object) -> object:
    return given if isinstance(given, bool) else None


def _one_of(*words: str) -> Callable[[object], object]:
    return lambda given: given if given in words else None


def _number(*allowed: int) -> Callable[[object], object]:
    """A whole number, or its text."""
    texts = {str(number): number for number in allowed}

    def read(given: object) -> object:
        is_number = isinstance(given, int | str) and not isinstance(given, bool)
        return texts.get(str(given)) if is_number else None

    return read


_LEGACY = frozenset({"dtbp_check", "pdt_check"})
_READERS: Mapping[str, Callable[[object], object]] = {
    **dict.fromkeys(
        ("disable_overnight_trading", "fractional_trading", "no_shorting", "ptp_no_exception_entry", "suspend_trade"), _switch
    ),
    "max_margin_multiplier": _number(*MULTIPLIERS),
    "max_options_trading_level": _number(*LEVELS),
    "trade_confirm_email": _one_of("all", "none"),
    "dtbp_check": _one_of(*CHECKS),
    "pdt_check": _one_of(*CHECKS),
}
_FIXES: Mapping[str, str] = {
    **dict.fromkeys(
        ("disable_overnight_trading", "fractional_trading", "no_shorting", "ptp_no_exception_entry", "suspend_trade"),
        "send true or false",
    ),
    "max_margin_multiplier": "send 1, 2 or 4",
    "max_options_trading_level": "send a level from 0 to 3",
    "trade_confirm_email": "send all or none",
    "dtbp_check": "send entry, exit or both",
    "pdt_check": "send entry, exit or both",
}
