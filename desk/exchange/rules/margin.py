"""What positions tie up: maintenance and initial requirements in dollars.

Sources: https://docs.alpaca.markets/docs/margin-and-short-selling (30 % of longs; shorts the larger of $5 a share and 30 %, below
$5 a share the larger of $2.50 and 100 %; leveraged funds 50 % and 75 %) and Regulation T (half of what is bought or sold short).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from desk.exchange.machine.book import is_option, multiplier
from desk.exchange.machine.orders import ZERO
from desk.exchange.rules.spread_margin import contract_of, positions_by_root, spread_margin

WHOLE = Decimal(1)
REG_T = Decimal("0.5")
LONG_RATE = Decimal("0.30")
SHORT_RATE = Decimal("0.30")
TWICE_RATE = Decimal("0.50")
THRICE_RATE = Decimal("0.75")
LOW_PRICE_USD = Decimal(5)
SHORT_FLOOR_USD = Decimal(5)
LOW_SHORT_FLOOR_USD = Decimal("2.50")


def maintenance_rate(leverage: float = 1.0) -> Decimal:
    """Part of a long position's value that must stay covered; `leverage` is signed, a fund of -3.0 counts as one of 3.0."""
    size = abs(leverage)
    if size > 2:
        return THRICE_RATE
    return TWICE_RATE if size > 1 else LONG_RATE


def short_requirement_usd(price: Decimal, leverage: float = 1.0) -> Decimal:
    """Dollars a share that a short position must keep on top of its proceeds; price in dollars."""
    if price < LOW_PRICE_USD:
        return max(LOW_SHORT_FLOOR_USD, price)
    return max(SHORT_FLOOR_USD, max(SHORT_RATE, maintenance_rate(leverage)) * price)


def maintenance_usd(quantity: Decimal, price: Decimal, leverage: float = 1.0, *, is_cash: bool = False) -> Decimal:
    """Maintenance margin of `quantity` signed shares at `price` dollars; a cash account lends nothing on what it holds."""
    if quantity < 0:
        return -quantity * short_requirement_usd(price, leverage)
    return quantity * price * (WHOLE if is_cash else maintenance_rate(leverage))


def initial_rate(leverage: float = 1.0) -> Decimal:
    """Part of a purchase that the account pays itself: half, or more where maintenance alone asks for more."""
    return max(REG_T, maintenance_rate(leverage))


def initial_usd(quantity: Decimal, price: Decimal, leverage: float = 1.0, *, is_cash: bool = False) -> Decimal:
    """Regulation T requirement of a position at its price of today; for a short what is due beyond the proceeds."""
    return abs(quantity) * price * (WHOLE if is_cash and quantity > 0 else initial_rate(leverage))


@dataclass(frozen=True, slots=True)
class Requirements:
    """Market values and margins of a set of positions, in dollars; `short_market_value` is never above zero."""

    long_market_value: Decimal
    short_market_value: Decimal
    initial: Decimal
    maintenance: Decimal
    spread_margin: Decimal


def requirements(
    quantities: Mapping[str, Decimal], prices: Mapping[str, Decimal], leverage: Mapping[str, float], *, is_cash: bool = False
) -> Requirements:
    """What positions are worth and tie up. `quantities` are signed, by symbol; prices in dollars; leverage 1 where not named.

    Options are paid in full, so their value is no collateral: the initial requirement is their spread margin and what they are
    worth, negative when more is sold than bought. A credit spread of width W at a credit of C then takes (W - C) x 100 of what
    can be spent, and its maintenance is W x 100.
    """
    worth = {symbol: quantity * prices[symbol] * multiplier(symbol) for symbol, quantity in quantities.items()}
    stocks = [symbol for symbol in quantities if not is_option(symbol)]
    options = option_requirements(quantities, worth)
    terms = [(quantities[symbol], prices[symbol], leverage.get(symbol, 1.0)) for symbol in stocks]
    initial = sum((initial_usd(*each, is_cash=is_cash) for each in terms), ZERO)
    maintenance = sum((maintenance_usd(*each, is_cash=is_cash) for each in terms), ZERO)
    return Requirements(
        long_market_value=sum((value for value in worth.values() if value > 0), ZERO),
        short_market_value=sum((value for value in worth.values() if value < 0), ZERO),
        initial=initial + sum((margin + value for margin, value in options), ZERO),
        maintenance=maintenance + sum((margin + max(ZERO, value) for margin, value in options), ZERO),
        spread_margin=sum((margin for margin, _ in options), ZERO),
    )


def option_requirements(quantities: Mapping[str, Decimal], worth: Mapping[str, Decimal]) -> list[tuple[Decimal, Decimal]]:
    """(spread margin, net market value) of each root that has options, in dollars."""
    found = []
    for root, positions in positions_by_root(quantities).items():
        values = (value for symbol, value in worth.items() if is_option(symbol) and contract_of(symbol).root == root)
        margin = spread_margin(positions, quantities.get(root, ZERO)).required_usd
        found.append((margin, sum(values, ZERO)))
    return found
