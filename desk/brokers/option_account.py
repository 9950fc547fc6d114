"""Contracts, shares and cash of a backtest inside Lumibot's own accounting, so that a strategy's cash and value are right.

Lumibot settles options by itself without a look at the account, and values a contract by whatever its feed calls the price of the
contract's symbol, which is the underlying's. Here the venue settles, and values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from lumibot.entities import Asset, Position

from desk.brokers.lumibot_orders import contract_of

# Lumibot takes a price of zero for none, and goes on with the last one that it knew.
NEXT_TO_NOTHING = 1e-9


class OptionAccount:
    """The account of one backtest. `marks` are what contracts were worth when they were last looked at, dollars a share."""

    def __init__(self, broker: Any, strategy: Any) -> None:
        self._broker = broker
        self._strategy = strategy
        self._stock_cash: Callable[[Any], float] = broker._cash_usd
        self._contracts: dict[str, int] = {}
        self.marks: dict[str, Decimal] = {}

    @property
    def contracts(self) -> Mapping[str, int]:
        """Signed contracts by symbol."""
        return MappingProxyType(self._contracts)

    @property
    def cash_usd(self) -> Decimal:
        """With fills of shares that Lumibot has queued but not booked yet."""
        return Decimal(repr(float(self._stock_cash(self._strategy))))

    def positions(self) -> dict[str, int]:
        """Signed contracts and whole shares by symbol."""
        held = dict(self._contracts)
        for position in self._broker.get_tracked_positions(self._strategy.name):
            if position.asset.asset_type == Asset.AssetType.STOCK and position.quantity:
                held[str(position.asset.symbol)] = int(position.quantity)
        return held

    def pay(self, amount_usd: Decimal) -> None:
        """Cash that comes, or goes below zero."""
        cash = Decimal(repr(float(self._strategy.cash))) + amount_usd
        self._strategy._set_cash_position(float(cash))

    def hold(self, symbol: str, change: int) -> None:
        """So many contracts more, below zero fewer."""
        count = self._contracts.get(symbol, 0) + change
        self._contracts[symbol] = count
        if not count:
            del self._contracts[symbol]
        self._set(Asset.symbol2asset(symbol), count)

    def deliver(self, underlying: str, shares: int) -> None:
        """So many shares more, below zero fewer."""
        held = self._broker.get_tracked_position(self._strategy.name, Asset(underlying))
        self._set(Asset(underlying), shares if held is None else int(held.quantity) + shares)

    def _set(self, asset: Asset, count: int) -> None:
        positions = self._broker._filled_positions
        held = self._broker.get_tracked_position(self._strategy.name, asset)
        if held is None and count:
            positions.append(Position(self._strategy.name, asset, Decimal(count)))
        elif held is not None and count:
            held.quantity = Decimal(count)
        elif held is not None:
            positions.remove(held)
        positions.revision += 1  # what Lumibot has reckoned from the positions is no more

    def attach(self, end_session: Callable[[], None], kept_aside_usd: Callable[[], Decimal]) -> None:
        """Have Lumibot's broker ask here what contracts are worth, leave their end to `end_session`, and buy no shares with what
        is kept aside for them."""
        self._broker.option_source = self
        self._broker.process_expired_option_contracts = lambda strategy: end_session()
        self._broker._cash_usd = lambda strategy: self._stock_cash(strategy) - float(kept_aside_usd())

    # ---- what Lumibot asks of a source of options ------------------------------------------------------------------------

    def get_last_price(self, asset: Asset, **_: Any) -> float | None:
        """What a contract is valued at, dollars a share."""
        mark = self.marks.get(contract_of(asset))
        return None if mark is None else max(float(mark), NEXT_TO_NOTHING)

    def _update_datetime(self, *_: Any, **__: Any) -> None:
        """Lumibot tells a source of options the time; it is the look that counts here."""
