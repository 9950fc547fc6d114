"""`desk exchange`: Alpaca's API on this machine, offline: serve it, begin it anew, ask how it stands."""

from __future__ import annotations

import math
import threading
from dataclasses import fields, replace
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from desk.cli.conformance import conformance
from desk.cli.tables import console, print_json
from desk.domain.errors import ConfigurationError, UsageError
from desk.exchange.account_file import load_accounts
from desk.exchange.admin_client import AdminClient
from desk.exchange.config import (
    FULL_SPEED,
    KEY_VARIABLE,
    SECRET_VARIABLE,
    STEPPED,
    AccountConfig,
    ExchangeConfig,
    Holdings,
    holdings_of,
)
from desk.exchange.machine.book import MEASURED_LATENCY, Latency
from desk.exchange.switches import Switches, switch_names
from desk.settings.variables import read_variables

DEFAULT_KEY = DEFAULT_SECRET = "exchange"
DEFAULT_PORT = 8765
FIRST_BUNDLED = date(2008, 9, 2)
LATENCIES = {"measured": MEASURED_LATENCY, "zero": Latency()}

app = typer.Typer(no_args_is_help=True, help="The built-in exchange: Alpaca's API on this machine, offline.")


@app.command("serve")
def serve(
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="Prices of your own; the bundled market otherwise.")] = None,
    start: Annotated[str | None, typer.Option(metavar="DATE", help="First session to trade, YYYY-MM-DD.")] = None,
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = DEFAULT_PORT,
    speed: Annotated[
        str, typer.Option(metavar="X|full|step", help="1 real time, 60 an hour a minute, step by /admin/advance.")
    ] = "1",
    faults: Annotated[Path | None, typer.Option(metavar="FILE", help="Faults to switch on (docs/faults.md).")] = None,
    state: Annotated[Path | None, typer.Option(metavar="FILE", help="Saved when it stops, resumed when it starts.")] = None,
    accounts: Annotated[Path | None, typer.Option(metavar="FILE", help="Several accounts, each with keys of its own.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; any but loopback needs --i-understand.")] = "127.0.0.1",
    i_understand: Annotated[bool, typer.Option("--i-understand", help="Others on the network may reach the exchange.")] = False,
    fees: Annotated[bool, typer.Option("--fees", help="Charge what regulators charge; paper accounts pay nothing.")] = False,
    sip: Annotated[bool, typer.Option("--sip", help="The account may ask for the SIP feed.")] = False,
    seed: Annotated[int, typer.Option(help="Of the paths inside a day, of partial fills and of faults.")] = 1,
    cash_usd: Annotated[float, typer.Option(help="What an account starts with.")] = 100_000.0,
    holding: Annotated[
        list[str] | None, typer.Option(metavar="SYMBOL=N", help="Shares held from the start, paid from the cash. Repeatable.")
    ] = None,
    requests_per_minute: Annotated[int, typer.Option(help="Limit of each account; 0 for none.")] = 200,
    latency: Annotated[str, typer.Option(help="How long the venue takes: measured or zero.")] = "measured",
    partial_fill_probability: Annotated[float, typer.Option(help="Chance that an order fills in part first.")] = 0.1,
    spread_bps: Annotated[float, typer.Option(help="Between bid and ask, in basis points.")] = 2.0,
    access_log: Annotated[Path | None, typer.Option(metavar="FILE", help="One JSON line a request.")] = None,
    not_fractionable: Annotated[str, typer.Option(metavar="A,B", help="Symbols without fractions.")] = "",
    not_shortable: Annotated[str, typer.Option(metavar="A,B", help="Symbols that cannot be shorted.")] = "",
    hard_to_borrow: Annotated[str, typer.Option(metavar="A,B", help="Symbols that are hard to borrow.")] = "",
    switch: Annotated[list[str] | None, typer.Option(metavar="NAME=on|off", help="An open question decided otherwise.")] = None,
) -> None:
    """Serve until Ctrl-C. Keys are the words exchange and exchange, unless the environment or --accounts gives others."""
    config = replace(_first(data, start), seed=seed, port=port, spread_bps=spread_bps, state_file=state, access_log=access_log)
    config = replace(config, faults=faults, with_fees=fees, has_sip=sip, partial_fill_probability=partial_fill_probability)
    config = replace(config, speed=_speed(speed), latency=_latency(latency), switches=_switches(switch or []))
    config = replace(config, requests_per_minute=requests_per_minute or None, not_fractionable=_symbols(not_fractionable))
    config = replace(config, not_shortable=_symbols(not_shortable), hard_to_borrow=_symbols(hard_to_borrow))
    _run(_with_accounts(config, _accounts(accounts, cash_usd, _holdings(holding or []))), host, i_understand)


@app.command("reset")
def reset(
    url: Annotated[str, typer.Option(help="Where the exchange is.")] = f"http://127.0.0.1:{DEFAULT_PORT}",
    start: Annotated[str | None, typer.Option(metavar="DATE", help="Another first session.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed.")] = None,
    cash_usd: Annotated[float | None, typer.Option(help="What the first account starts with.")] = None,
    holding: Annotated[
        list[str] | None, typer.Option(metavar="SYMBOL=N", help="Shares it holds from the start. Repeatable.")
    ] = None,
) -> None:
    """Begin a running exchange anew: orders, positions, time and faults go; a state file holds the new beginning."""
    holdings = None if holding is None else dict(_holdings(holding))
    given = {"start": start, "seed": seed, "cash_usd": cash_usd, "holdings": holdings}
    said = _admin(url).reset(**{name: value for name, value in given.items() if value is not None})
    console().print(Text(f"{url} stands at {said['now']}"))


@app.command("status")
def status(url: Annotated[str, typer.Option(help="Where the exchange is.")] = f"http://127.0.0.1:{DEFAULT_PORT}") -> None:
    """How a running exchange stands, as JSON: its time, trade updates so far, listeners, faults."""
    admin = _admin(url)
    said = admin.status()
    sessions = said.pop("sessions")
    print_json({**said, "first_session": sessions[0], "last_session": sessions[-1], "faults": admin.faults()})


def _first(data: Path | None, start: str | None) -> ExchangeConfig:
    """The prices and the first session: that of the bundled showcase, or of the data."""
    if data is None:
        return ExchangeConfig("bundled", _day(start) or FIRST_BUNDLED)
    return ExchangeConfig(str(data), _day(start))


def _with_accounts(config: ExchangeConfig, accounts: tuple[AccountConfig, ...]) -> ExchangeConfig:
    first = {field.name: getattr(accounts[0], field.name) for field in fields(AccountConfig)}
    return replace(config, **first, accounts=accounts[1:])


def _run(config: ExchangeConfig, host: str, is_understood: bool) -> None:
    from desk.exchange.serve import Stop, build, is_loopback, listen, serve, url_of

    is_local = is_loopback(host)
    if not is_local:
        _refuse_open_doors(config, host, is_understood)
    exchange, listener = build(config), listen(config.port, host)
    stop = Stop(threading.Event())
    serve(exchange, listener, stop, lambda: _greet(url_of(listener), config), is_open_to_network=not is_local)


def _admin(url: str) -> AdminClient:
    keys = _accounts(None)[0]
    return AdminClient(url, keys.api_key, keys.api_secret)


def _accounts(path: Path | None, cash_usd: float = 100_000.0, holdings: Holdings = ()) -> tuple[AccountConfig, ...]:
    environment = read_variables(None, None).values
    if path is not None:
        if holdings:
            raise UsageError(f"--holding {holdings[0][0]}={holdings[0][1]}: the file of --accounts says what each account holds")
        return load_accounts(path, environment)
    # Served by hand, any two words do: the keys open nothing but this exchange.
    key, secret = environment.get(KEY_VARIABLE, DEFAULT_KEY), environment.get(SECRET_VARIABLE, DEFAULT_SECRET)
    return (AccountConfig(key, secret, cash_usd, holdings=holdings),)


def _refuse_open_doors(config: ExchangeConfig, host: str, is_understood: bool) -> None:
    if not is_understood:
        raise UsageError(f"--host {host}: others on the network could reach the exchange; add --i-understand if that is meant")
    if any(account.api_secret == DEFAULT_SECRET for account in config.all_accounts()):
        raise UsageError(f"--host {host}: the default keys are known to all; set {KEY_VARIABLE} and {SECRET_VARIABLE}")


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"start {text}: not a date; write it as 2008-09-02") from None


def _speed(text: str) -> float:
    words = {"full": FULL_SPEED, "step": STEPPED}
    try:
        speed = words.get(text) if text in words else float(text)
    except ValueError:
        speed = None
    if speed is None or math.isnan(speed) or (text not in words and not 0 < speed <= 1e6):
        raise ConfigurationError(f"speed {text}: give a number above 0 such as 1 or 60, or full, or step")
    return speed


def _latency(text: str) -> Latency:
    if text not in LATENCIES:
        raise ConfigurationError(f"latency {text}: give measured or zero")
    return LATENCIES[text]


def _symbols(text: str) -> frozenset[str]:
    return frozenset(symbol.strip().upper() for symbol in text.split(",") if symbol.strip())


def _holdings(given: list[str]) -> Holdings:
    found: dict[str, int] = {}
    for text in given:
        symbol, _, shares = text.partition("=")
        symbol = symbol.strip().upper()
        if not symbol or not shares.isascii() or not shares.isdigit() or symbol in found:
            raise ConfigurationError(f"holding {text}: write SYMBOL=SHARES once for each symbol, such as AAPL=30")
        found[symbol] = int(shares)
    return holdings_of(found)


def _switches(given: list[str]) -> Switches:
    chosen: dict[str, bool] = {}
    for text in given:
        name, _, value = text.partition("=")
        if name not in switch_names() or value not in ("on", "off"):
            raise ConfigurationError(f"switch {text}: write NAME=on or NAME=off with one of {', '.join(switch_names())}")
        chosen[name] = value == "on"
    return replace(Switches(), **chosen)


def _greet(url: str, config: ExchangeConfig) -> None:
    words = f"{DEFAULT_KEY} / {DEFAULT_SECRET}" if config.api_key == DEFAULT_KEY else "as set in the environment"
    console().print(Text(f"exchange at {url}, keys {words}, page at {url}/, Ctrl-C stops it"))


app.command("conformance")(conformance)
