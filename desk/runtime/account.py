"""The account as Lumibot last saw it: Lumibot syncs at the start of every iteration, so reading it again costs no request."""

from __future__ import annotations

import math
from typing import Any

from desk.domain.trades import Account


class LumibotAccountFeed:
    """Implements `desk.core.ports.AccountFeed` over a Lumibot strategy's tracked positions and balances."""

    def __init__(self, strategy: Any) -> None:
        self._strategy = strategy

    def account(self) -> Account:
        strategy = self._strategy
        quote_asset = strategy.quote_asset
        cash_usd, shares = 0.0, {}
        for position in strategy.broker._filled_positions.get_list():
            if position.asset == quote_asset:
                cash_usd = float(position.quantity)
            elif position.quantity:
                shares[position.asset.symbol] = whole(float(position.quantity))
        return Account(float(strategy.portfolio_value), cash_usd, shares)


def whole(shares: float) -> int:
    """Shares counted whole, a fraction up: a fractional holding must be seen, and stays seen as it was."""
    return math.ceil(abs(shares)) * (1 if shares > 0 else -1)


def broker_account(api: Any) -> Account:
    """The account as the broker tells it now; two requests."""
    account = api.get_account()
    shares = {position.symbol: whole(float(position.qty)) for position in api.get_all_positions()}
    return Account(float(account.equity), float(account.cash), shares)
