"""`desk adopt`: gives shares that somebody bought by hand to the desk, which then protects and sells them as its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from desk.brokers.alpaca_clients import trading_client
from desk.brokers.endpoint import Endpoint
from desk.cli.trade_alpaca import endpoint_of
from desk.core.protect import Stamp
from desk.core.reconcile import adoption
from desk.core.residue import whole
from desk.core.spread_reconcile import without_contracts
from desk.domain.decisions import FixedExit
from desk.domain.errors import UsageError
from desk.domain.journal import SharesAdopted
from desk.runtime.alpaca_run import account_number
from desk.runtime.build import stopped_desk
from desk.runtime.clock import SystemClock
from desk.runtime.desk import Desk
from desk.runtime.run_folder import RunFolder, reopen
from desk.settings.behaviour import Behaviour
from desk.settings.load import Settings, load_settings


def adopt(
    symbol: Annotated[str, typer.Argument(help="symbol of the shares, in capitals")],
    run: Annotated[Path, typer.Option("--run", metavar="DIR", help="folder of the run at Alpaca")],
    reason: Annotated[str, typer.Option(help="why; it is journaled and stands beside the trade")],
    shares: Annotated[int | None, typer.Option(min=1, metavar="N", help="how many; default all that are not the desk's")] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="behaviour, for the stop and the target")] = None,
) -> None:
    """Give shares of the account to the desk. It covers them at its next start. Stop the run first."""
    folder, identity = reopen(run, None, None, "desk adopt --run")
    if identity.broker != "alpaca":
        raise UsageError(
            f"desk adopt --run {run}: that run trades on the built-in exchange, where nobody else buys shares; adopt is for runs "
            "at Alpaca: give the folder of one"
        )
    # The run's own behaviour, unless the person names another: its stop and target are what the desk would have placed.
    settings = load_settings(config=config or (None if identity.config is None else Path(identity.config)))
    adopted = adopt_shares(folder, endpoint_of(settings), settings, (symbol, shares), reason)
    spec = adopted.spec
    Console(highlight=False).print(
        f"{spec.quantity} {symbol} belong to the desk of {run} now, as if bought at {adopted.price}; at its next start it puts "
        f"the stop at {spec.stop_loss} and the target at {spec.take_profit}.",
        soft_wrap=True,
    )


def adopt_shares(
    folder: RunFolder, endpoint: Endpoint, settings: Settings, wanted: tuple[str, int | None], reason: str
) -> SharesAdopted:
    """Journal that `wanted`, a symbol and a number of shares (None: all there are), is the desk's. Raises UsageError."""
    if not reason.strip():
        raise UsageError('desk adopt: say why with --reason "..."; the reason stays in the journal')
    account, found = folder.identity().account, account_number(endpoint)
    if account not in (None, found):
        raise UsageError(
            f"desk adopt --run {folder.path}: that run trades account {account}, the keys belong to {found}; set the keys of the "
            "run's account"
        )
    symbol, shares = wanted
    positions = _positions(endpoint)
    if symbol not in positions:
        raise UsageError(f"desk adopt {symbol}: the account holds no {symbol}; write the symbol as the broker does")
    with stopped_desk(folder, settings.journal_url, f"desk adopt {symbol}") as (desk, journal):
        stamp = Stamp(journal.nonce, SystemClock().now())
        there = _shares_of(desk, symbol, positions)
        count = there.adopted(shares)
        number = 1 + len(desk.book.trades_of(symbol))
        spec = adoption(stamp, symbol, count, float(positions[symbol].current_price), _exits(settings.behaviour), number)
        adopted = SharesAdopted(spec, Decimal(str(spec.limit_price)), reason.strip(), there.theirs - count)
        desk.adopt_shares(adopted)
    return adopted


def _positions(endpoint: Endpoint) -> Mapping[str, Any]:
    api: Any = trading_client(endpoint)
    return {str(position.symbol): position for position in api.get_all_positions()}


@dataclass(frozen=True, slots=True)
class _Shares:
    """Whole shares of `symbol` in the account: `theirs` are somebody else's, `of_spreads` came for contracts of option spreads,
    booked or not, below zero where they are owed; `free` are all that no open order holds."""

    symbol: str
    held: int
    theirs: int
    of_spreads: int
    free: int

    def adopted(self, wanted: int | None) -> int:
        """How many are given to the desk, None for all: at most those that are somebody else's and free. Raises UsageError."""
        count = self.theirs if wanted is None else wanted
        if count < 1 or count > self.theirs:
            raise UsageError(
                f"desk adopt {self.symbol}: of {self.held} shares in the account {max(self.theirs, 0)} are not the desk's; "
                f"give at most so many with --shares{self._about_spreads()}"
            )
        # Of those that are free a spread's come first: its shares are in no order until the desk sells them.
        free = max(0, self.free - max(0, self.of_spreads))
        if count > free:
            holders = "open orders and an option spread hold" if self.of_spreads else "open orders hold"
            raise UsageError(
                f"desk adopt {self.symbol}: {holders} all but {free} of the shares; cancel those orders first, since the desk's "
                f"own exits need the shares{self._about_spreads()}"
            )
        return count

    def _about_spreads(self) -> str:
        if self.of_spreads > 0:
            return f". Of the shares {self.of_spreads} belong to an option spread; the desk sells them itself"
        if self.of_spreads < 0:
            return f". An option spread owes {-self.of_spreads} shares; the desk buys them back itself"
        return ""


def _shares_of(desk: Desk, symbol: str, positions: Mapping[str, Any]) -> _Shares:
    """Whose the shares of `symbol` are, by the journal and the broker's positions of now."""
    shares = {each: whole(position.qty) for each, position in positions.items()}
    held, ours = shares[symbol], desk.book.shares_of(symbol)
    expected = {symbol: ours + desk.differences.foreign.get(symbol, 0)}
    stocks = without_contracts(shares, desk.spreads, expected).get(symbol, 0)
    return _Shares(symbol, held, stocks - ours, held - stocks, whole(positions[symbol].qty_available or 0))


def _exits(behaviour: Behaviour) -> FixedExit:
    return FixedExit(behaviour.stop_loss_fraction, behaviour.take_profit_fraction)
