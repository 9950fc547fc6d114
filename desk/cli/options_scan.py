"""`desk options scan`: the spread that the rules would choose for each symbol now, or why there is none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from desk.brokers.alpaca_clients import trading_client
from desk.brokers.alpaca_options import asked_rightly, option_feed
from desk.cli import look_options
from desk.cli.look_options import JsonOption, Line, section, sentences, settings_of, show, table
from desk.cli.options_numbers import BudgetOption
from desk.cli.tables import print_json
from desk.core.ports import OptionFeed
from desk.core.spread_entry import Planned, SpreadPolicy, plan_of
from desk.domain.errors import UsageError
from desk.domain.options import OptionQuote
from desk.domain.prices import Rounding
from desk.report.wording import count, percent
from desk.runtime.auto_execution import FIRST_DAY, STRATEGY
from desk.runtime.build import NEW_YORK, market_hours
from desk.runtime.look import answered
from desk.runtime.opportunity import underlying_named
from desk.runtime.run_folder import RunFolder, RunIdentity, create, reopen
from desk.runtime.spread_build import policy_of, standing_of
from desk.runtime.spread_desk import on_exchange, rehearsal
from desk.runtime.spread_opener import HIGHEST_OF_SPOT, LOWEST_OF_SPOT, is_session
from desk.settings.load import Settings, load_settings
from options.candidate import BullPut
from options.expirations import new_york_day
from options.gates import AccountLook, Opportunity
from options.money import cents
from options.refusals import RefusalCode, SpreadRefusal
from options.scan import candidate

RunOption = Annotated[Path | None, typer.Option("--run", metavar="DIR", help="Look with this run's account, time and settings.")]
StartOption = Annotated[
    str | None, typer.Option("--start", metavar="DATE", help=f"Day at the built-in exchange, without keys; default {FIRST_DAY}.")
]


def scan(
    symbols: Annotated[list[str] | None, typer.Argument(help="Underlyings; default those of the settings.")] = None,
    run: RunOption = None,
    start: StartOption = None,
    max_risk: BudgetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the bull put spread that the rules choose for each symbol, and why not where there is none. Sends nothing."""
    asked = tuple(dict.fromkeys(underlying_named(symbol) for symbol in symbols or ()))
    folder = None if run is None else reopen(run, None, None, "desk options scan --run")[0]
    settings = load_settings() if folder is None else settings_of(folder)
    with _market(folder, settings, start) as market, asked_rightly():
        rows = rows_of(market, asked or market.universe, None if max_risk is None else Decimal(repr(max_risk)))
    if as_json:
        print_json(as_object(market, rows))
    else:
        show(printed(market, rows))


# ---- where to look -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ScanMarket:
    """Where quotes come from, and the account that is scanned for. `words` say which market it is."""

    feed: OptionFeed
    account: AccountLook
    policy: SpreadPolicy
    universe: tuple[str, ...]
    words: tuple[str, ...]

    @property
    def now(self) -> datetime:
        return self.account.now


@contextmanager
def _market(folder: RunFolder | None, settings: Settings, start: str | None) -> Iterator[ScanMarket]:
    """A run's own market; without a run Alpaca's where keys are set, else that of a built-in exchange."""
    is_exchange = folder.identity().broker == "exchange" if folder is not None else settings.credentials is None
    if start is not None and (folder is not None or not is_exchange):
        raise UsageError(f"--start {start}: is for the built-in exchange without a run; leave it out here")
    with ExitStack() as stack, answered():
        if is_exchange:
            yield stack.enter_context(_exchange(folder, settings, start))
        else:
            yield _alpaca(folder, settings)


@contextmanager
def _exchange(folder: RunFolder | None, settings: Settings, start: str | None) -> Iterator[ScanMarket]:
    """An exchange over a copy of the run, or a new one; both are gone afterwards."""
    said: list[str] = []
    with ExitStack() as stack:
        if folder is None:
            copy = _new_run(Path(stack.enter_context(TemporaryDirectory())), start)
            said.append("No Alpaca keys are set: the built-in exchange, over the bundled market. Quotes are a model's.")
        else:
            copy = stack.enter_context(rehearsal(folder))
            said.append(f"The built-in exchange of {folder.path}, over a copy.")
        at = stack.enter_context(on_exchange(copy, settings, said.append, to_next_session=True))
        opener = at.team.opener
        account = opener.account(at.clock.now())
        yield ScanMarket(opener.feed, account, opener.policy, settings.behaviour.universe.exchange, tuple(said))


def _new_run(beside: Path, start: str | None) -> RunFolder:
    try:
        day = FIRST_DAY if start is None else date.fromisoformat(start)
    except ValueError:
        raise UsageError(f"--start {start}: is no date; write it as {FIRST_DAY}") from None
    return create(beside, "scan", RunIdentity(STRATEGY, "exchange", "bundled", day.isoformat(), None, 1))


def _alpaca(folder: RunFolder | None, settings: Settings) -> ScanMarket:
    endpoint, clock = look_options.alpaca(settings)
    api, policy, now = trading_client(endpoint), policy_of(settings.behaviour.spreads), clock.now()
    standing = standing_of(api)
    taken: tuple[str, ...] = ()
    words = [
        f"Alpaca ({'paper' if endpoint.is_paper else 'LIVE, real money'}), {now.astimezone(NEW_YORK):%Y-%m-%d %H:%M} New York."
    ]
    if folder is not None:
        with look_options.looking(folder, settings) as look:
            taken = tuple(spread.plan.underlying for spread in look.desk.spreads.open.values())
    is_open = market_hours(now) is not None
    if not is_open:
        words.append("The market is closed: quotes are those of the last close, and nothing can be opened now.")
    account = AccountLook(now, is_open, standing.option_level, standing.buying_power_usd, taken)
    feed = option_feed(endpoint, clock, contracts=api if settings.behaviour.spreads.min_open_interest else None)
    return ScanMarket(feed, account, policy, settings.behaviour.universe.alpaca, tuple(words))


# ---- what is found -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ScanRow:
    """`spread` is what the rules choose, `contracts` how many would be opened, `affordable` how many the budget alone would
    carry; `refusal` why it would not be opened."""

    symbol: str
    spread: BullPut | None
    contracts: int
    refusal: SpreadRefusal | None
    affordable: int = 0


def rows_of(market: ScanMarket, symbols: Sequence[str], max_risk_usd: Decimal | None) -> list[ScanRow]:
    """A row a symbol: first those that could be opened, by their return on risk."""
    policy = _by_hand(market.policy, max_risk_usd)
    spots = market.feed.spots(list(symbols))
    rows = [_row(market, policy, symbol, spots.get(symbol)) for symbol in symbols]
    return sorted(rows, key=lambda row: (row.refusal is not None, -(row.spread.return_on_risk if row.spread else 0.0)))


def _by_hand(policy: SpreadPolicy, max_risk_usd: Decimal | None) -> SpreadPolicy:
    """Nobody told a score here, and the market's hours are told apart."""
    budget = policy.limits.max_risk_usd if max_risk_usd is None else max_risk_usd
    return replace(policy, limits=replace(policy.limits, min_score=None, min_confidence=None, max_risk_usd=budget))


def _row(market: ScanMarket, policy: SpreadPolicy, symbol: str, spot: float | None) -> ScanRow:
    if spot is None:
        at = f"{market.now.astimezone(NEW_YORK):%Y-%m-%d %H:%M} New York"
        text = f"no price of {symbol} at {at}: check the symbol, and whether it is listed and traded then"
        return ScanRow(symbol, None, 0, SpreadRefusal(RefusalCode.DATA, symbol, text))
    window, today = policy.choice.window, new_york_day(market.now)
    first, last = (date.fromordinal(today.toordinal() + days) for days in (window.min_days, window.max_days))
    chain = market.feed.chain(symbol, first, last, spot * LOWEST_OF_SPOT, spot * HIGHEST_OF_SPOT)
    found = candidate(chain, policy.choice, market.now, is_session)
    if isinstance(found, SpreadRefusal):
        return ScanRow(symbol, None, 0, found)
    planned = plan_of(found, Opportunity(symbol), market.account, policy, f"scan-{symbol}")
    if isinstance(planned, Planned):
        return ScanRow(symbol, found, planned.plan.contracts, None, planned.affordable(policy.limits.max_risk_usd))
    return ScanRow(symbol, found, 0, planned)


# ---- for people --------------------------------------------------------------------------------------------------------------

COLUMNS = ("symbol", "price", "puts", "expires", "days", "below", "credit", "now", "width", "return", "delta", "n", "risk $")


def printed(market: ScanMarket, rows: Sequence[ScanRow]) -> Iterator[RenderableType]:
    yield from sentences(market.words)
    good = [row for row in rows if row.refusal is None]
    yield from section(f"{count(len(good), 'spread')} could be opened" if good else "No spread could be opened")
    yield from table(COLUMNS, [_line(row, row.spread) for row in good if row.spread], ("symbol", "puts", "expires"))
    refused = [row for row in rows if row.refusal is not None]
    if refused:
        yield from section("Refused")
        shown = [_line(row, row.spread) for row in refused if row.spread]
        yield from table(COLUMNS, shown, ("symbol", "puts", "expires"))
        yield from (
            Text(f"{row.symbol}: {row.refusal.code}: {row.refusal.text}") for row in refused if not row.spread and row.refusal
        )
    yield Text("")
    yield Text(
        "credit: between the middles of the quotes, now: at the natural price, both dollars a share; below: how far the sold "
        "strike lies below the price; return: the most that can be gained over the most that can be lost, before fees; n: "
        "contracts for the budget, with * where max_contracts allows no more, and what they risk at the middle."
    )


def _line(row: ScanRow, spread: BullPut) -> Line:
    contracts = max(row.contracts, 1)
    cells = (
        row.symbol,
        f"{spread.spot:,.2f}",
        f"{float(spread.short_strike):g}/{float(spread.long_strike):g}",
        f"{spread.expiration}",
        f"{spread.days}",
        percent(spread.distance_fraction),
        # Down, as a plan of it says and asks for.
        f"{cents(spread.mid_credit, Rounding.DOWN)}",
        f"{spread.natural_credit:.2f}",
        f"{float(spread.width):g}",
        percent(spread.return_on_risk, digits=0),
        "" if spread.short_delta is None else f"{spread.short_delta:.2f}",
        f"{row.contracts}{'*' if row.affordable > row.contracts else ''}",
        f"{spread.max_loss_usd * contracts:,.0f}",
    )
    legs = f"sold {_quote(spread.legs.short)}; bought {_quote(spread.legs.long)}"
    why = () if row.refusal is None else (f"{row.refusal.code}: {row.refusal.text}",)
    return Line(cells, (legs, *why), "" if row.refusal is None else "yellow")


def _quote(quote: OptionQuote) -> str:
    interest = "unknown" if quote.open_interest is None else f"{quote.open_interest:,}"
    return f"bid {quote.bid:.2f}, ask {quote.ask:.2f}, open interest {interest}"


# ---- for programs ------------------------------------------------------------------------------------------------------------


def as_object(market: ScanMarket, rows: Sequence[ScanRow]) -> dict[str, Any]:
    """Prices and credits in dollars a share, fractions as such."""
    return {
        "as_of": market.now.isoformat(),
        "market": list(market.words),
        "is_market_open": market.account.is_market_open,
        "rows": [_object(row) for row in rows],
    }


def _object(row: ScanRow) -> dict[str, Any]:
    refused = None if row.refusal is None else {"code": row.refusal.code.value, "text": row.refusal.text}
    return {
        "symbol": row.symbol,
        "contracts": row.contracts,
        "affordable_contracts": row.affordable,
        "refused": refused,
        "spread": row.spread and _spread(row.spread),
    }


def _spread(spread: BullPut) -> dict[str, Any]:
    return {
        "price": spread.spot,
        "short": _leg(spread.legs.short, spread.short_strike),
        "long": _leg(spread.legs.long, spread.long_strike),
        "expiration": spread.expiration.isoformat(),
        "days": spread.days,
        "distance_fraction": spread.distance_fraction,
        "credit_mid": float(spread.mid_credit),
        "credit_natural": float(spread.natural_credit),
        "width": float(spread.width),
        "return_on_risk": spread.return_on_risk,
        "max_loss_usd": float(spread.max_loss_usd),
        "max_gain_usd": float(spread.max_gain_usd),
        "break_even": float(spread.break_even),
        "short_delta": spread.short_delta,
        "probability_of_profit": spread.probability_of_profit,
    }


def _leg(quote: OptionQuote, strike: Decimal) -> dict[str, Any]:
    return {
        "symbol": quote.symbol,
        "strike": float(strike),
        "bid": float(quote.bid),
        "ask": float(quote.ask),
        "delta": quote.delta,
        "implied_volatility": quote.implied_volatility,
        "open_interest": quote.open_interest,
        "volume": quote.volume,
    }
