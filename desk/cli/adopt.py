"""`desk adopt`: gives shares that somebody bought by hand to the desk, which then protects and sells them as its own."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from alpaca.common.exceptions import APIError
from rich.console import Console

from desk.brokers.alpaca_clients import trading_client
from desk.brokers.endpoint import Endpoint
from desk.cli.trade_alpaca import endpoint_of
from desk.core.protect import Stamp
from desk.core.reconcile import adoption
from desk.core.residue import whole
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
    position = _position(endpoint, symbol)
    with stopped_desk(folder, settings.journal_url, f"desk adopt {symbol}") as (desk, journal):
        stamp = Stamp(journal.nonce, SystemClock().now())
        count = _free(desk, symbol, shares, position)
        spec = adoption(stamp, symbol, count, float(position.current_price), _exits(settings.behaviour))
        left = whole(position.qty) - desk.book.shares_of(symbol) - count
        adopted = SharesAdopted(spec, Decimal(str(spec.limit_price)), reason.strip(), left)
        desk.adopt_shares(adopted)
    return adopted


def _position(endpoint: Endpoint, symbol: str) -> Any:
    try:
        return trading_client(endpoint).get_open_position(symbol)
    except APIError as error:
        if error.status_code != 404:
            raise
        raise UsageError(f"desk adopt {symbol}: the account holds no {symbol}; write the symbol as the broker does") from None


def _free(desk: Desk, symbol: str, wanted: int | None, position: Any) -> int:
    """How many shares are adopted: at most those that are neither the desk's nor held by an open order."""
    foreign = int(float(position.qty)) - desk.book.shares_of(symbol)
    count = foreign if wanted is None else wanted
    if count < 1 or count > foreign:
        raise UsageError(
            f"desk adopt {symbol}: of {position.qty} shares in the account {max(foreign, 0)} are not the desk's; "
            f"give at most so many with --shares"
        )
    if count > float(position.qty_available):
        raise UsageError(
            f"desk adopt {symbol}: open orders hold all but {position.qty_available} of the shares; cancel those orders first, "
            "since the desk's own exits need the shares"
        )
    return count


def _exits(behaviour: Behaviour) -> FixedExit:
    return FixedExit(behaviour.stop_loss_fraction, behaviour.take_profit_fraction)
