"""The numbers that the commands about option spreads take: within which bounds, and what is said of others."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated

import typer

from desk.domain.errors import UsageError
from desk.runtime.opportunity import LARGEST_RISK_USD, LARGEST_SCORE

LEAST_USD, LARGEST_PRICE_USD = 0.01, 10_000_000.0


def within(name: str, least: float, most: float, fix: str) -> Callable[[str], float]:
    """Reads the value of the option `name`. What it returns raises UsageError with name, value and fix."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise UsageError(f"{name} {text}: {fix}")
        return value

    return read


ScoreOption = Annotated[
    float | None,
    typer.Option(
        "--score",
        metavar="NUMBER",
        parser=within("--score", 0, LARGEST_SCORE, f"give a number from 0 to {LARGEST_SCORE:g}"),
        help=f"Score, 0 to {LARGEST_SCORE:g}; refused below spreads.min_score.",
    ),
]
ConfidenceOption = Annotated[
    float | None,
    typer.Option(
        "--confidence",
        metavar="NUMBER",
        parser=within("--confidence", 0, 1, "give a number from 0 to 1, 0.8 for 80 %"),
        help="0 to 1; refused below spreads.min_confidence.",
    ),
]
PriceOption = Annotated[
    float | None,
    typer.Option(
        "--price",
        metavar="USD",
        parser=within("--price", LEAST_USD, LARGEST_PRICE_USD, "give the underlying's price in dollars, above 0"),
        help="The price you go by; refused far from the chain's.",
    ),
]
BudgetOption = Annotated[
    float | None,
    typer.Option(
        "--max-risk",
        metavar="USD",
        parser=within("--max-risk", LEAST_USD, LARGEST_RISK_USD, f"give dollars above 0, at most {LARGEST_RISK_USD:,.0f}"),
        help="Most that a spread may lose; default as in the settings.",
    ),
]
