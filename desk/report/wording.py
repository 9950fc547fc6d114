"""How figures are worded for people, in one place, so that terminal, page and pictures say the same thing the same way."""

from __future__ import annotations

import math

from desk.domain.records import RunRecord, Trip
from desk.report.new_york import session_of
from desk.report.statistics import RunStatistics, TripStatistics

NO_PROMISE = "One period of one market: it says nothing about future returns."
GAPS_EXPLAINED = (
    "A stop becomes a market order when its price is reached. When a session opens below the stop, the first price there is "
    "to sell at is the open, so the loss is larger than the stop's distance. Brackets bound the loss only while the market "
    "trades through the stop price; position size is what bounds the rest."
)
# A backtest's record names its broker so. Its costs are modelled, fees and slippage both ways; those of any other run are what
# its entries lost, or won, between the decision and the fill.
BACKTEST = "backtest"
EXIT_WORDS = {"time": "time barrier", "hand": "by hand"}


def dollars(amount: float, signed: bool = False) -> str:
    """`-$1,234.50`; with `signed` also `+$1,234.50`."""
    text = f"{abs(amount):,.2f}"
    return f"{_sign(amount, text, signed)}${text}"


def percent(fraction: float, signed: bool = False, digits: int = 1) -> str:
    """A fraction (0.05) in percent: `5.0 %`; with `signed` also `+5.0 %`."""
    text = f"{abs(fraction) * 100:,.{digits}f}"
    return f"{_sign(fraction, text, signed)}{text} %"


def _sign(value: float, text: str, signed: bool) -> str:
    # What rounds to zero carries no sign: "-$0.00" reads as a loss.
    if not any(digit in text for digit in "123456789"):
        return ""
    return "-" if value < 0 else "+" if signed else ""


def price(value: float) -> str:
    """Dollars without the sign, to the tick: cents from one dollar up, hundredths of a cent below (SEC rule 612)."""
    return f"{value:,.2f}" if value >= 1 else f"{value:,.4f}"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`1 trip`, `3 trips`, `2 entries`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def period(record: RunRecord) -> str:
    """First and last session and how many, or that there were none."""
    if record.first_session is None or record.last_session is None:
        return "no session"
    return f"{record.first_session} to {record.last_session}, {count(record.sessions, 'session')}"


def exit_words(reason: str | None) -> str:
    """Why a trip ended, in words; target, stop and whatever else speak for themselves."""
    return "open" if reason is None else EXIT_WORDS.get(reason, reason)


def costs_words(record: RunRecord, figures: RunStatistics) -> tuple[str, str, str]:
    """What `costs_usd` is: its name, the figure, and what it is measured by."""
    if record.broker == BACKTEST:
        share = percent(figures.costs_fraction, digits=2)
        return "Fees and slippage", dollars(figures.costs_usd), f"as modelled, {share} of the starting equity"
    direction = "better" if figures.costs_usd < 0 else "worse"
    return "Entries", f"{dollars(abs(figures.costs_usd))} {direction}", "than the prices decided on"


def stops_words(figures: RunStatistics) -> str:
    """What stops sold below their prices, and how much of it because the market opened there."""
    if "stop" not in figures.trips.exits:
        return "none was reached"
    if dollars(figures.beyond_stops_usd) == dollars(0):
        return "none filled below its price"
    gaps = dollars(figures.beyond_gapped_stops_usd)
    return f"{dollars(figures.beyond_stops_usd)} below their prices, {gaps} of it by gaps, in the return"


def unrealised_words(figures: RunStatistics) -> str | None:
    """What open positions have gained so far, None when it cannot be told."""
    if figures.unrealised_usd is None:
        return None
    return f"{dollars(figures.unrealised_usd, signed=True)} on open positions when the run ended, in the return"


def gate_sentence(record: RunRecord) -> str | None:
    """What the confidence gate did beside what it would have done otherwise; None when the run had no gate.

    Entries are the orders sent, whether or not they filled.
    """
    if record.gate_threshold is None:
        return None
    name, refused, sent = f"the {record.gate_threshold:g} gate", record.gate_refusals, record.entries
    if record.gate_enforced:
        return f"enforced: {name} refused {count(refused, 'entry', 'entries')} and let {sent} go"
    of_all = f"{refused} of {count(sent, 'entry', 'entries')}"
    return f"reported only: {name} would have refused {of_all}; enforced, {sent - refused} would have gone"


def exits_line(trips: TripStatistics, gapped: int) -> str:
    """How the closed trips ended: `3 target, 12 stop (2 gapped), 11 time`."""
    parts = [
        f"{number} {reason}" + (f" ({gapped} gapped)" if reason == "stop" and gapped else "")
        for reason, number in trips.exits.items()
    ]
    return "Exits: " + ", ".join(parts) if parts else "No trip has ended"


def unprotected_words(share_seconds: float) -> str:
    """Share-seconds as a number; not a number means that nobody measured them."""
    return "not measured" if math.isnan(share_seconds) else f"{share_seconds:,.1f}".removesuffix(".0") + " share-seconds"


def protection_words(trip: Trip) -> str:
    """An open position and its exits; it is called protected only when its exits cover every share."""
    exits = f"stop {price(trip.stop_price)}, target {price(trip.target_price)}"
    proven = "protected by" if trip.is_protected else "NOT PROTECTED, meant were"
    return f"{trip.symbol} {trip.shares:,} at {price(trip.entry_price)} since {session_of(trip.entry_at)}, {proven} {exits}"


def printable(text: str) -> str:
    """`text` on one line without control characters: a broker's words must not steer the terminal."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
