"""The account as Lumibot last saw it: Lumibot syncs at the start of every iteration, so reading it again costs no request."""

from __future__ import annotations

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
                shares[position.asset.symbol] = int(position.quantity)
        return Account(float(strategy.portfolio_value), cash_usd, shares)


def broker_account(api: Any) -> Account:
    """The account as the broker tells it now; two requests."""
    account = api.get_account()
    shares = {position.symbol: int(float(position.qty)) for position in api.get_all_positions()}
    return Account(float(account.equity), float(account.cash), shares)
