"""The run's report as one page that needs nothing else: text, tables and pictures in a single file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from desk.domain.records import Refusal, RunRecord, SpreadTrip, Trip
from desk.report.files import write_whole
from desk.report.markup import Html, element, join, table
from desk.report.new_york import clock
from desk.report.page import document, facts
from desk.report.palette import follow_theme
from desk.report.pictures import equity_picture, trip_picture
from desk.report.spread_pictures import payoff_picture
from desk.report.spreads import name_of, open_words, spread_figures, spreads_section
from desk.report.statistics import GappedStop, RunStatistics, run_statistics
from desk.report.wording import (
    GAPS_EXPLAINED,
    NO_PROMISE,
    costs_words,
    count,
    dollars,
    exit_words,
    exits_line,
    gate_sentence,
    percent,
    period,
    price,
    protection_words,
    unprotected_words,
    unrealised_words,
)

MOST_PICTURES = 24
MOST_TRIPS = 1000
MOST_EXAMPLES = 3

Card = tuple[str, str, str]  # name, figure, what stands under it


def write_report(record: RunRecord, path: Path) -> Path:
    """Write the whole report to `path` at once and return it.

    A run without trips, or without a single iteration, has a report too. Raises ConfigurationError when `path` cannot be written.
    """
    return write_whole(path, report_page(record))


def report_page(record: RunRecord) -> str:
    """The page as text: the same record gives the same page, byte by byte."""
    figures = run_statistics(record)
    title = f"{record.strategy}, {period(record)}"
    sections = (
        _header(record),
        _key_figures(record, figures),
        _notes(record),
        _equity(record),
        _still_open(record, figures),
        _symbols(record),
        _trips(record, figures),
        _spreads(record),
        _gaps(figures.gapped_stops),
        _refusals(record.refusals, figures),
    )
    return document(title, sections)


def inline_picture(svg: bytes, prefix: str, description: str) -> Html:
    """An SVG of ours as part of the page: its ids made unique by `prefix`, its colours following the reader's theme."""
    text = svg.decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->\n?|<style.*?</style>|(?<=\n) +", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r'(href="|url\()#', rf"\1#{prefix}-", text)
    text = re.sub(r'<svg\b([^>]*?) width="[^"]*" height="[^"]*"', r"<svg\1", text, count=1)
    return element("figure", Html(follow_theme(text)), role="img", aria_label=description)


def _header(record: RunRecord) -> Html:
    lines = {
        "Strategy": record.strategy,
        "Broker": record.broker,
        "Prices": record.source,
        "Period": period(record),
        "Iterations": f"{record.iterations:,}",
        "Seed": "none" if record.seed is None else str(record.seed),
    }
    return join([element("h1", f"{record.strategy} on {record.broker}"), facts(lines)])


def _key_figures(record: RunRecord, figures: RunStatistics) -> Html:
    cards = (*_result_cards(record, figures), *_trade_cards(record, figures), *_protection_cards(record, figures))
    shown = [
        element("div", element("span", name), element("b", value), element("span", more), class_="card")
        for name, value, more in cards
    ]
    return join([element("div", *shown, class_="cards"), element("p", NO_PROMISE, class_="plain")])


def _result_cards(record: RunRecord, figures: RunStatistics) -> Sequence[Card]:
    change = dollars(figures.equity_end_usd - figures.equity_start_usd, signed=True)
    worst = figures.worst_day
    worst_day = (
        (percent(worst.return_fraction, signed=True), str(worst.session)) if worst else ("none", "no two values to compare")
    )
    return (
        (
            "Return",
            percent(figures.total_return_fraction, signed=True),
            f"{change} on {dollars(figures.equity_start_usd)}",
        ),
        costs_words(record, figures),
        ("Deepest drawdown", percent(figures.max_drawdown_fraction), "from a high of the equity to a later low"),
        ("Worst day", *worst_day),
    )


def _trade_cards(record: RunRecord, figures: RunStatistics) -> Sequence[Card]:
    trips, exposure = figures.trips, figures.exposure
    average = "no closed trip" if trips.average_usd is None else f"average {dollars(trips.average_usd, signed=True)} a trip"
    return (
        ("Trips won and lost", f"{trips.wins} and {trips.losses}", f"{average}; {trips.still_open} still open"),
        *([_spread_card(record.spreads)] if record.spreads else []),
        ("Average exposure", percent(exposure.average_fraction), f"highest {percent(exposure.highest_fraction)} of the equity"),
    )


def _spread_card(spreads: Sequence[SpreadTrip]) -> Card:
    told = spread_figures(spreads)
    still_open = sum(spread.is_open for spread in spreads)
    made = f"{dollars(float(told.pnl_usd), signed=True)} on {told.count} closed; {still_open} still open"
    return "Spreads won and lost", f"{told.wins} and {told.count - told.wins}", made


def _protection_cards(record: RunRecord, figures: RunStatistics) -> Sequence[Card]:
    bare = unprotected_words(record.unprotected_share_seconds)
    gaps = f"{dollars(figures.beyond_gapped_stops_usd)} of it by {count(len(figures.gapped_stops), 'gap')}"
    return (
        ("Beyond the stops", dollars(figures.beyond_stops_usd), f"sold below their prices, {gaps}"),
        ("Unprotected", bare, "shares held without a resting exit, times seconds"),
    )


def _notes(record: RunRecord) -> Html:
    gate = gate_sentence(record)
    notes = [*record.notes, *([f"Confidence gate, {gate}."] if gate else [])]
    if not notes:
        return Html()
    return join([element("h2", "To know when reading this"), element("ul", *(element("li", note) for note in notes))])


def _equity(record: RunRecord) -> Html:
    if not record.equity:
        return Html()
    picture = inline_picture(equity_picture(record), "equity", "Equity over the run and drawdown below it")
    return join([element("h2", "Equity and drawdown"), picture])


def _still_open(record: RunRecord, figures: RunStatistics) -> Html:
    words = [element("li", protection_words(trip)) for trip in record.trips if trip.is_open]
    words += [element("li", open_words(spread)) for spread in record.spreads if spread.is_open]
    if not words:
        return Html()
    unrealised = unrealised_words(figures)
    gain = [element("p", f"Unrealised: {unrealised}.")] if unrealised else []
    return join([element("h2", "Still open"), element("ul", *words), *gain])


def _symbols(record: RunRecord) -> Html:
    traded: dict[str, int] = {}
    for trip in record.trips:
        traded[trip.symbol] = traded.get(trip.symbol, 0) + 1
    if not traded:
        return Html()
    chosen = sorted(sorted(traded, key=lambda symbol: (-traded[symbol], symbol))[:MOST_PICTURES])
    pictures = [
        inline_picture(trip_picture(record, symbol), f"s{i}", f"{symbol}: price with entries, stops, targets and exits")
        for i, symbol in enumerate(chosen)
    ]
    left_out = len(traded) - len(chosen)
    more = (
        [element("p", f"Shown are the {MOST_PICTURES} symbols with most trips; {left_out} more were traded.")] if left_out else []
    )
    return join([element("h2", "Trips on their prices"), *more, *pictures])


def _trips(record: RunRecord, figures: RunStatistics) -> Html:
    head = element("h2", "Trips")
    if not record.trips:
        none = "No share was traded in this period." if record.spreads else "No trade was made in this period."
        return join([head, element("p", none)])
    trips = sorted(record.trips, key=lambda trip: (trip.entry_at, trip.symbol))
    heads = ("Symbol", "Shares", "Entered", "Entry $", "Stop $", "Target $", "Exited", "Exit $", "Reason", "P&L", "Confidence")
    rows = table(
        heads, [_trip_row(trip, record.gate_threshold) for trip in trips[:MOST_TRIPS]], numeric=frozenset({1, 3, 4, 5, 7, 9, 10})
    )
    cut = [element("p", f"The first {MOST_TRIPS:,} of {len(trips):,}.")] if len(trips) > MOST_TRIPS else []
    gate = "" if record.gate_threshold is None else f" Below means below the {record.gate_threshold:g} gate."
    line = f"{exits_line(figures.trips, len(figures.gapped_stops))}. Times are New York's; P&L is after fees.{gate}"
    return join([head, element("p", line), *cut, rows])


def _spreads(record: RunRecord) -> Html:
    trips = record.spreads
    pictures = [
        inline_picture(payoff_picture(trip), f"p{i}", f"{name_of(trip)}: gain at expiration by the underlying's price")
        for i, trip in enumerate(trips[:MOST_PICTURES])
    ]
    left_out = len(trips) - len(pictures)
    more = [element("p", f"Pictures are of the first {MOST_PICTURES}; {left_out} more were opened.")] if left_out else []
    return spreads_section(trips, [*more, *pictures])


def _trip_row(trip: Trip, threshold: float | None) -> Sequence[str]:
    reason = f"{exit_words(trip.exit_reason)}{', gapped' if trip.gapped else ''}"
    return (
        element("b", trip.symbol),
        f"{trip.shares:,}",
        clock(trip.entry_at),
        price(trip.entry_price),
        price(trip.stop_price),
        price(trip.target_price),
        clock(trip.exit_at) if trip.exit_at else "",
        price(trip.exit_price) if trip.exit_price is not None else "",
        reason,
        _gain(trip.pnl_usd),
        _confidence(trip.confidence, threshold),
    )


def _gain(pnl_usd: float | None) -> str:
    if pnl_usd is None:
        return ""
    return element("span", dollars(pnl_usd, signed=True), class_="down" if pnl_usd < 0 else "up")


def _confidence(confidence: float | None, threshold: float | None) -> str:
    if confidence is None:
        return ""
    below = threshold is not None and confidence < threshold
    return element("span", f"{confidence:.2f}{' below' if below else ''}", class_="quiet" if below else "")


def _gaps(stops: Sequence[GappedStop]) -> Html:
    if not stops:
        return Html()
    rows = [
        (
            element("b", s.symbol),
            clock(s.at),
            f"{s.shares:,}",
            price(s.stop_price),
            price(s.fill_price),
            dollars(s.beyond_stop_usd),
        )
        for s in stops
    ]
    heads = ("Symbol", "Filled", "Shares", "Stop $", "Fill $", "Beyond the stop")
    return join([element("h2", "Stops that gapped"), element("p", GAPS_EXPLAINED), table(heads, rows, frozenset({2, 3, 4, 5}))])


def _refusals(refusals: Sequence[Refusal], figures: RunStatistics) -> Html:
    head = element("h2", "Refused trades")
    if not refusals:
        return join([head, element("p", "None.")])
    rows = []
    for reason, number in figures.refusals.items():
        examples = [refusal for refusal in refusals if refusal.reason == reason][:MOST_EXAMPLES]
        lines = [element("div", f"{clock(one.at)} {one.symbol}: {one.text}", class_="w") for one in examples]
        rows.append((element("b", reason), f"{number:,}", join(lines)))
    return join(
        [
            head,
            element("p", f"{count(len(refusals), 'refusal')}, with the first of each kind."),
            table(("Reason", "Count", "First"), rows, frozenset({1})),
        ]
    )
