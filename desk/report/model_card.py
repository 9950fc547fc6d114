"""A model's card as one page that needs nothing else: has it skill, how was that measured, and what is it made from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from desk.domain.model_card import ModelCard, Slice
from desk.report.files import write_whole
from desk.report.html import inline_picture
from desk.report.markup import Html, element, join, table
from desk.report.model_card_pictures import (
    ERRORS,
    calibration_picture,
    correlation_picture,
    importance_picture,
    quantile_picture,
    trend_words,
    year_picture,
)
from desk.report.page import document, facts
from desk.report.wording import percent

HOW_MEASURED = (
    "Every figure is out of fold: each trade was predicted by a model of trades that were over before its fold began, with an "
    "embargo between, and calibrated on earlier predictions alone. A trade counts by its uniqueness, since trades that overlap "
    "are no independent ones; effective events are the sum of that. Returns have paid fees and slippage both ways."
)
NULL_EXPLAINED = (
    "The null test turns the row of returns against the row of answers, by as many as 999 numbers of places. That breaks the tie "
    "between the two and keeps what neighbouring trades share. A figure that many turns reach is luck."
)
DRAWDOWN_EXPLAINED = (
    "Drawdown is the deepest fall of the running sum of the slice's weighted returns, in stakes: 1 is the worth of one position."
)


def write_model_card(card: ModelCard, path: Path) -> Path:
    """Write the card's page to `path` at once and return it. Raises ConfigurationError when it cannot be written."""
    return write_whole(path, model_card_page(card))


def model_card_page(card: ModelCard) -> str:
    """The page as text: the same card gives the same page, byte by byte."""
    sections = (
        _header(card),
        _skill(card),
        _key_figures(card),
        _calibration(card),
        _correlation(card),
        _quantiles(card),
        _years(card),
        _importance(card),
        _origin(card),
    )
    return document(f"Model {card.identity}", sections)


def _header(card: ModelCard) -> Html:
    lines = {
        "Model": card.identity,
        "Answers": "the chance that a purchase now ends in profit after costs",
        "Trained on": f"{', '.join(card.symbols)}, sessions from {card.trained_from} and before {card.trained_before}",
        "Events": f"{card.events:,} signals, {percent(card.base_rate)} of them ended in profit",
    }
    return join([element("h1", "Meta-model of the confidence gate"), facts(lines)])


def _skill(card: ModelCard) -> Html:
    first, *more = card.words
    return join(
        [
            element("h2", "Has it skill?"),
            element("p", element("b", first)),
            element("ul", *(element("li", words) for words in more)),
            element("p", HOW_MEASURED, class_="plain"),
        ]
    )


def _key_figures(card: ModelCard) -> Html:
    whole, passed = card.whole, card.passed
    cards = (
        ("AUC", _figure(whole.auc, 2), "0.50 is a coin"),
        ("Brier skill", _share(whole.brier_skill, signed=True), "of the base rate's squared error saved; below 0 it is added to"),
        ("Information coefficient", _figure(whole.information_coefficient, 2, signed=True), trend_words(card)),
        ("Events predicted", f"{whole.events:,}", f"{whole.effective_events:,.0f} effective"),
        ("All predicted", _share(whole.net_return, signed=True, digits=2), _after_costs(whole)),
        (f"Answers from {card.threshold:g}", _share(passed.net_return, signed=True, digits=2), _after_costs(passed)),
    )
    shown = [
        element("div", element("span", name), element("b", value), element("span", more), class_="card")
        for name, value, more in cards
    ]
    return element("div", *shown, class_="cards")


def _after_costs(part: Slice) -> str:
    return f"a trade after costs, {part.events:,} events, drawdown {_figure(part.drawdown, 2)} stakes"


def _calibration(card: ModelCard) -> Html:
    picture = inline_picture(calibration_picture(card), "calibration", "Chance told against share that ended in profit")
    return join(
        [
            element("h2", "Calibration"),
            element("p", "The larger a dot, the more events it stands for; the figure above it is their number."),
            picture,
        ]
    )


def _correlation(card: ModelCard) -> Html:
    picture = inline_picture(correlation_picture(card), "correlation", "Information coefficient by year and its trend")
    words = "Rank correlation of the answer with the return after costs: 1 is the perfect order, 0 none."
    return join([element("h2", "Information coefficient"), element("p", words), picture])


def _quantiles(card: ModelCard) -> Html:
    words = f"Fifths of the answers, fewer where answers are equal; lines are {ERRORS:g} standard errors. {DRAWDOWN_EXPLAINED}"
    picture = inline_picture(quantile_picture(card), "quantiles", "Mean return by confidence")
    tests = [(test.name, f"{test.value:+.3f}", _share(test.chance)) for test in card.null_tests]
    null = table(("Null test", "Figure", "Turns that reach it"), tests, frozenset({1, 2})) if tests else Html()
    parts = [*card.quantiles, card.passed]
    return join(
        [
            element("h2", "Return by confidence"),
            element("p", words),
            picture,
            _slices("Told", parts),
            element("p", NULL_EXPLAINED),
            null,
        ]
    )


def _years(card: ModelCard) -> Html:
    picture = inline_picture(year_picture(card), "years", "Mean return by year")
    return join([element("h2", "By year"), picture, _slices("Year", [*card.years, *card.eras, card.whole])])


def _importance(card: ModelCard) -> Html:
    picture = inline_picture(importance_picture(card), "importance", "Feature importance")
    rows = [
        (row.feature, f"{row.coefficient:+.3f}", f"{row.log_loss_increase:+.5f}", f"{row.deviation:.5f}")
        for row in card.importances
    ]
    heads = ("Feature", "Coefficient a standard deviation", "Growth of the log loss", "Its standard deviation")
    words = "The coefficients are those of the model; the importance is that of its kind on trades that were not seen."
    return join([element("h2", "Features"), element("p", words), picture, table(heads, rows, frozenset({1, 2, 3}))])


def _origin(card: ModelCard) -> Html:
    lines = {
        "Made with": f"Lumidesk {card.version}, format {card.model_format}",
        "Prices, SHA-256": card.data_hash,
        "Model, SHA-256": card.digest,
        **{name: f"{value:g}" for name, value in card.parameters.items()},
    }
    return join([element("h2", "What it was made from"), facts(lines)])


def _slices(head: str, parts: Sequence[Slice]) -> Html:
    heads = (head, "Events", "Effective", "Told", "In profit", "Return", "Error", "Drawdown", "AUC", "IC", "Brier skill")
    return table(heads, [_row(part) for part in parts], frozenset(range(1, len(heads))))


def _row(part: Slice) -> Sequence[str]:
    return (
        part.name,
        f"{part.events:,}",
        f"{part.effective_events:,.0f}",
        _share(part.confidence),
        _share(part.profitable),
        _share(part.net_return, signed=True, digits=2),
        _share(part.net_return_error, digits=2),
        _figure(part.drawdown, 2),
        _figure(part.auc, 2),
        _figure(part.information_coefficient, 2, signed=True),
        _share(part.brier_skill, signed=True),
    )


def _share(value: float, signed: bool = False, digits: int = 1) -> str:
    return percent(value, signed, digits) if math.isfinite(value) else "-"


def _figure(value: float, digits: int, signed: bool = False) -> str:
    return f"{value:{'+' if signed else ''}.{digits}f}" if math.isfinite(value) else "-"
