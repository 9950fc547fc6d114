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


def contracts_for(
    underlying: str, width: Decimal, credit: Decimal, budget_usd: Decimal, most: int = MOST_CONTRACTS
) -> int | SpreadRefusal:
    """Contracts whose loss at the worst stays within `budget_usd`, at most `most`; RISK_BUDGET when not even one does.

    `credit` is the least that will be taken for it: what is filled below it risks more. Raises ValueError when the credit is
    not below the width, which no market offers.
    """
    if credit >= width:
        raise ValueError(f"{underlying}: a credit of {credit} for a width of {width} leaves no risk to size by")
    risk = max_loss_usd(width, credit)
    found = int((budget_usd / risk).to_integral_value(ROUND_FLOOR)) if budget_usd > 0 else 0
    if found < 1:
        text = (
            f"a contract risks {risk:.2f} dollars (width {width} less credit {credit}, times {CONTRACT_SHARES}), the budget is "
            f"{budget_usd:.2f}: take a narrower spread, or raise the budget to {risk:.2f}"
        )
        return SpreadRefusal(RefusalCode.RISK_BUDGET, underlying, text)
    return min(found, most)


def least_credit(width: Decimal, contracts: int, budget_usd: Decimal) -> Decimal:
    """The lowest credit a share, on the cent grid, at which so many contracts stay within the budget; at least a cent.

    As the floor of an entry it keeps a worse fill from risking more than the budget.
    """
    allowed = budget_usd / (CONTRACT_SHARES * contracts)
    return max(PENNY, cents(width - allowed, Rounding.UP))
