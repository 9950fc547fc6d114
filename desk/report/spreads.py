"""Option spreads of a run in words, figures and rows, for the terminal and the page alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal

from desk.domain.records import SpreadTrip
from desk.report.markup import Html, element, join, table
from desk.report.new_york import clock
from desk.report.wording import count, dollars, percent
from options.accounting import SpreadFigures, SpreadResult, figures
from options.refusals import RefusalCode

MOST_ROWS = 1000
# Why no spread was opened, in few words: a summary counts them, the page and the journal have each one's whole text.
REFUSAL_WORDS: Mapping[RefusalCode, str] = {
    RefusalCode.NO_EXPIRATION: "no expiration within the days allowed",
    RefusalCode.NO_STRIKE: "no strike where it is wanted",
    RefusalCode.SAME_STRIKE: "one strike for both puts",
    RefusalCode.ADJUSTED: "adjusted contract",
    RefusalCode.UNKNOWN_CONTRACT: "contract not listed",
    RefusalCode.EXPIRED: "contract expired",
    RefusalCode.EMPTY_QUOTE: "no quote",
    RefusalCode.NO_BID: "no bid",
    RefusalCode.CROSSED: "bid above the ask",
    RefusalCode.STALE_QUOTE: "quote too old",
    RefusalCode.WIDE_SPREAD: "bid and ask too far apart",
    RefusalCode.OPEN_INTEREST: "open interest too small",
    RefusalCode.VOLUME: "volume too small",
    RefusalCode.NO_CREDIT: "no credit",
    RefusalCode.CREDIT_TOO_SMALL: "credit too small",
    RefusalCode.PRICE_FAR: "price told is far from the market's",
    RefusalCode.DATA: "prices missing",
    RefusalCode.SCORE: "score too low",
    RefusalCode.CONFIDENCE: "confidence too low",
    RefusalCode.MAX_CONTRACTS: "too many contracts",
    RefusalCode.RISK_BUDGET: "risk above the budget",
    RefusalCode.MAX_POSITIONS: "as many spreads open as allowed",
    RefusalCode.SYMBOL_TAKEN: "symbol has a spread",
    RefusalCode.BUYING_POWER: "buying power too small",
    RefusalCode.OPTION_LEVEL: "account's option level too low",
    RefusalCode.DESK: "desk opens nothing now",
    RefusalCode.MARKET_CLOSED: "market closed",
    RefusalCode.EARNINGS: "earnings before expiration",
    RefusalCode.EX_DIVIDEND: "ex-dividend day before expiration",
    RefusalCode.EXPIRY_DAY: "day of expiration",
    RefusalCode.TOO_FEW_DAYS: "too few days to expiration",
}
FEES_UNTOLD = (
    "Fees are those that the run was told of with its fills: the built-in exchange charges none unless asked to, and a broker "
    "books regulators' and exchanges' fees on the account days later."
)


def spread_figures(trips: Sequence[SpreadTrip]) -> SpreadFigures:
    """Figures of those that are closed."""
    return figures([_result(trip) for trip in trips if not trip.is_open])


def _result(trip: SpreadTrip) -> SpreadResult:
    money = (trip.credit_usd, trip.debit_usd or 0.0, trip.fees_usd)
    return SpreadResult(*(Decimal(repr(amount)) for amount in money))


def spreads_line(trips: Sequence[SpreadTrip]) -> str | None:
    """`9 closed (8 won), 2 open, credit $612.00, P&L +$301.00`; None for a run without spreads."""
    if not trips:
        return None
    told, still_open = spread_figures(trips), [trip for trip in trips if trip.is_open]
    credit = dollars(sum(trip.credit_usd for trip in trips))
    gain = dollars(float(told.pnl_usd), signed=True)
    of_closed = f", P&L {gain} on the closed" if still_open else f", P&L {gain}"
    return f"{told.count} closed ({told.wins} won), {len(still_open)} open, credit {credit}{of_closed if told.count else ''}"


def figures_words(told: SpreadFigures) -> str | None:
    """Win rate, averages and what one brought on average, None where none is closed."""
    if told.win_rate is None or told.expectancy_usd is None:
        return None
    won = "none won" if told.average_win_usd is None else f"average win {_signed(told.average_win_usd)}"
    lost = "none lost" if told.average_loss_usd is None else f"average loss {_signed(told.average_loss_usd)}"
    factor = "" if told.profit_factor is None else f", wins over losses {told.profit_factor:.2f}"
    share = percent(told.win_rate, digits=0)
    return f"{told.wins} of {told.count} won ({share}), {won}, {lost}, {_signed(told.expectancy_usd)} a spread{factor}"


def endings_words(trips: Sequence[SpreadTrip]) -> str | None:
    """`4 profit target, 1 loss limit`; None where none is closed."""
    ended = Counter(rule_of(trip.exit_reason or "") for trip in trips if not trip.is_open)
    return ", ".join(f"{number} {rule}" for rule, number in ended.most_common()) or None


def refusals_words(refusals: Mapping[str, int]) -> str:
    """How often each reason refused: `10 trades: CASH 10; 3 spreads: risk above the budget 3`. Empty where nothing was."""
    trades = {reason: number for reason, number in refusals.items() if reason not in REFUSAL_WORDS}
    spreads = {words: refusals[code] for code, words in REFUSAL_WORDS.items() if code in refusals}
    told = (
        f"{count(sum(each.values()), noun)}: " + ", ".join(f"{reason} {number}" for reason, number in Counter(each).most_common())
        for noun, each in (("trade", trades), ("spread", spreads))
        if each
    )
    return "; ".join(told)


def rule_of(reason: str) -> str:
    """The rule of an exit's reason, which stands before the colon."""
    return reason.partition(":")[0]


def name_of(trip: SpreadTrip) -> str:
    """`AAPL 55/52 of 2012-03-16`."""
    return f"{trip.underlying} {trip.short_strike:g}/{trip.long_strike:g} of {trip.expiration}"


def open_words(trip: SpreadTrip) -> str:
    """An open spread in a line: what it is, what it brought, what it can lose."""
    risk = ((trip.short_strike - trip.long_strike) - trip.credit) * 100 * trip.contracts
    how_many = count(trip.contracts, "contract")
    phase = "" if trip.phase == "open" else f"; {trip.phase}"
    return f"{name_of(trip)}, {how_many} at a credit of {trip.credit:.2f}, can lose {dollars(risk)}{phase}"


# ---- on the page -----------------------------------------------------------------------------------------------------------

HEADS = ("", "Sold / bought", "Contracts", "Opened", "Credit $", "Closed", "Debit $", "Fees $", "P&L", "Ended by")
NUMERIC = frozenset({2, 4, 6, 7, 8})


def spreads_section(trips: Sequence[SpreadTrip], pictures: Sequence[str] = ()) -> Html:
    """Figures, the table and `pictures`; nothing for a run without spreads."""
    if not trips:
        return Html()
    told = spread_figures(trips)
    ended = endings_words(trips)
    lines = [spreads_line(trips), figures_words(told), ended and f"Ended by: {ended}"]
    said = [element("p", f"{line}.") for line in lines if line]
    cut = [element("p", f"The first {MOST_ROWS:,} of {len(trips):,}.")] if len(trips) > MOST_ROWS else []
    rows = table(HEADS, [_row(trip) for trip in trips[:MOST_ROWS]], NUMERIC)
    note = element("p", f"Credit, debit and P&L are of all contracts, in dollars; times are New York's. {FEES_UNTOLD}")
    return join([element("h2", "Option spreads"), *said, *cut, rows, note, *pictures])


def _row(trip: SpreadTrip) -> Sequence[str]:
    return (
        element("b", trip.underlying),
        join([element("div", trip.short), element("div", trip.long)]),
        f"{trip.contracts:,}",
        clock(trip.opened_at),
        f"{trip.credit_usd:,.2f}",
        "" if trip.closed_at is None else clock(trip.closed_at),
        "" if trip.debit_usd is None else f"{trip.debit_usd:,.2f}",
        f"{trip.fees_usd:,.2f}",
        _gain(trip.pnl_usd),
        rule_of(trip.exit_reason or trip.phase),
    )


def _gain(pnl_usd: float | None) -> str:
    if pnl_usd is None:
        return ""
    return element("span", dollars(pnl_usd, signed=True), class_="down" if pnl_usd < 0 else "up")


def _signed(amount: Decimal) -> str:
    return dollars(float(amount), signed=True)
