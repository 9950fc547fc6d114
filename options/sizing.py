"""How many contracts a risk budget carries; exact, in dollars."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal

from desk.domain.options import CONTRACT_SHARES
from desk.domain.prices import PENNY, Rounding
from options.money import cents
from options.refusals import RefusalCode, SpreadRefusal

MOST_CONTRACTS = 3


def max_loss_usd(width: Decimal, credit: Decimal, contracts: int = 1) -> Decimal:
    """What a spread of `width` can lose, and so what it takes of the option buying power; both in dollars a share."""
    return (width - credit) * CONTRACT_SHARES * contracts


def affordable(width: Decimal, credit: Decimal, budget_usd: Decimal) -> int:
    """Contracts that `budget_usd` carries at the worst when each brings `credit` dollars a share, less than `width`."""
    return max(int((budget_usd / max_loss_usd(width, credit)).to_integral_value(ROUND_FLOOR)), 0)


def contracts_for(
    underlying: str, width: Decimal, credit: Decimal, budget_usd: Decimal, most: int = MOST_CONTRACTS
) -> int | SpreadRefusal:
    """Contracts that `budget_usd` carries at the worst, at most `most`; RISK_BUDGET when it does not carry even one.

    `credit` is what it can be sold for now: what is filled below it risks more. Raises ValueError when the credit is not below
    the width, which no market offers.
    """
    if credit >= width:
        raise ValueError(f"{underlying}: a credit of {credit} for a width of {width} leaves no risk to size by")
    found = affordable(width, credit, budget_usd)
    if found < 1:
        risk = max_loss_usd(width, credit)
        text = (
            f"a contract risks {risk:.2f} dollars (width {float(width):g} less the {credit} that it can be sold for, times "
            f"{CONTRACT_SHARES}), the budget is {budget_usd:.2f}: take a narrower spread (width_usd), or raise the budget "
            f"(max_risk_usd) to {risk:.2f}"
        )
        return SpreadRefusal(RefusalCode.RISK_BUDGET, underlying, text)
    return min(found, most)


def least_credit(width: Decimal, contracts: int, budget_usd: Decimal) -> Decimal:
    """The lowest credit a share, on the cent grid, at which so many contracts stay within the budget; at least a cent.

    As the floor of an entry it keeps a worse fill from risking more than the budget.
    """
    allowed = budget_usd / (CONTRACT_SHARES * contracts)
    return max(PENNY, cents(width - allowed, Rounding.UP))
