"""What Alpaca's documents leave open, as named switches: the default is the documented reading, or the safer one to test on."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Switches:
    """Behaviours that nobody has settled, each with the default that this exchange takes."""

    brackets_only_from_flat: bool = True  # a bracket needs a position of zero and no working order in its symbol
    wash_check_spares_groups: bool = True  # brackets, OCOs and trailing stops are exempt on both sides of the check
    held_stop_is_replaceable: bool = True  # the price of a stop that is still held may be changed
    open_nested_hides_filled_parents: bool = True  # an open and nested listing leaves out a bracket whose entry is filled
    cancelled_entry_keeps_exits: bool = False  # a bracket cancelled while half filled keeps exits for what was bought
    partial_target_resizes_stop: bool = True  # a take-profit filled in part takes the stop down to the rest
    oco_refuses_top_level_stop: bool = True  # an OCO with a stop_price of its own is refused
    trailing_replace_keeps_mark: bool = True  # a changed trail keeps the high-water mark
    trailing_quantity_is_replaceable: bool = False  # the quantity of a trailing stop may be changed
    one_trading_stream: bool = True  # a second trading stream of an account is turned away with HTTP 429
    halted_orders_rest: bool = True  # orders in a halted symbol rest until it trades again
    legacy_pdt: bool = False  # the pattern-day-trader fields and rule that ended on 2026-06-04
    refuse_stops_through_market: bool = True  # a plain stop that the last trade is beyond already is refused, as a stop-loss is
    refuse_far_limits: bool = False  # a limit more than half away from the last trade is refused


AS_DOCUMENTED = Switches()


def switch_names() -> tuple[str, ...]:
    return tuple(each.name for each in fields(Switches))
