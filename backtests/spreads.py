"""Backtest bull put spreads: the desk's own opener, rules and life cycle, on recorded quotes or on model prices.

    python backtests/spreads.py [--data DIR] [--fills mid|natural|worst] [--start DATE] [--end DATE]
        [--strategy-settings width_usd=5,short_delta=0.2] [--fee 0.05] [--null-draws 10]

What a spread brings hangs on where it fills more than on anything else, so all three assumptions stand side by side; `--fills`
is the one that the trades, the rules and the null test are told of. The null test enters as many spreads on days and names of
chance, by the same rules from there on. Without `--data` the options have model prices, from which nothing follows for a real
market.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import yaml
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from desk.cli.errors import told_to_the_person
from desk.data.bundled import load_bundled
from desk.data.calendars import NEW_YORK
from desk.data.directory import load_directory
from desk.data.source import Source
from desk.domain.errors import ConfigurationError, UsageError
from desk.exchange.market.options.recorded import RecordedChain, load_recorded_chains
from desk.report.statistics import max_drawdown_fraction
from desk.report.terminal import print_within
from desk.report.wording import NO_PROMISE
from desk.research.random_spreads import random_run
from desk.runtime.desk_backtest import DeskBacktest, backtest_desk
from desk.runtime.option_history import Fills, OptionAssumptions, assumption
from desk.runtime.spread_trades import SpreadTrade
from desk.settings import problems
from desk.settings.behaviour import Behaviour
from desk.settings.load import load_settings
from options.accounting import SpreadFigures, SpreadResult, figures
from options.naming import spread_name
from strategies.bull_put_spread import BullPutSpread

COLUMNS = 130
BUDGET_USD = 100_000.0
# The last two years of a source, unless somebody asks for others.
USUAL_SESSIONS = 504
STOCKS = ("AAPL", "IBM", "MSFT", "GOOG")


def main(argv: Sequence[str]) -> int:
    """Run the backtests and print their tables. Returns the exit code."""
    options = _parser().parse_args(argv)
    console = Console(highlight=False)
    with told_to_the_person():
        behaviour = _behaviour(options.config, options.strategy_settings)
        source, assumed = _market(options)
        symbols = tuple(assumed.chains) if options.data else STOCKS
        days = _sessions(source, symbols, options.start or _first_quote(assumed.chains), options.end)
        _say(console, f"Bull put spreads on {source.label}: {', '.join(symbols)}; {days[0]} to {days[-1]}, {len(days)} sessions.")
        runs = {fills: _run(behaviour, source, symbols, days, replace(assumed, fills=fills)) for fills in Fills}
        chosen = runs[options.fills]
        null = _null(behaviour, source, symbols, days, chosen, replace(assumed, fills=options.fills), options.null_draws)
    print_within(console, _by_fills(runs, options.fills), COLUMNS)
    print_within(console, _by_rule(chosen.spreads, options.fills), COLUMNS)
    print_within(console, _trades(chosen.spreads, options.fills), COLUMNS)
    for line in (*_null_words(chosen, null), *_notes(chosen, assumed, options.fills), NO_PROMISE):
        _say(console, line)
    return 0


# ---- runs ------------------------------------------------------------------------------------------------------------------


def _behaviour(config: Path | None, settings: str) -> Behaviour:
    plain = load_settings(config=config).behaviour.model_dump()
    try:
        return Behaviour.model_validate({**plain, "spreads": {**plain["spreads"], **_pairs(settings)}})
    except ValidationError as error:
        raise UsageError(problems.told(error, "--strategy-settings", {})) from None


def _pairs(text: str) -> Mapping[str, object]:
    """`width_usd=5,short_delta=0.2`; a comma inside a value is none that parts."""
    return dict(_pair(each.strip()) for each in re.split(r",(?=\s*\w+\s*=)", text) if each.strip())


def _pair(text: str) -> tuple[str, object]:
    name, sign, value = text.partition("=")
    fix = "write NAME=VALUE,..., each value as in YAML, such as width_usd=5"
    if not (name.strip() and sign):
        raise UsageError(f"--strategy-settings {text}: {fix}")
    try:
        return name.strip(), yaml.safe_load(value)
    except yaml.YAMLError:
        raise UsageError(f"--strategy-settings {text}: {value} is not valid YAML; {fix}") from None


def _market(options: argparse.Namespace) -> tuple[Source, OptionAssumptions]:
    if options.fee < 0:
        raise UsageError(f"--fee {options.fee}: give dollars a contract, zero or more")
    assumed = OptionAssumptions(fee_usd=options.fee, assigns_early=options.assign_early)
    if options.data is None:
        return load_bundled(), assumed
    if not options.data.is_dir():
        raise ConfigurationError(f"--data {options.data}: there is no such folder; give one with daily bars and options/*.csv")
    chains = load_recorded_chains(options.data)
    if not chains:
        raise ConfigurationError(f"--data {options.data}: no options/*.csv in it; docs/data.md shows what belongs there")
    return load_directory(options.data), replace(assumed, chains=chains)


def _sessions(source: Source, symbols: Sequence[str], start: date | None, end: date | None) -> tuple[date, ...]:
    there = sorted({day for symbol in symbols if symbol in source.daily for day in source.bars(symbol).sessions})
    days = tuple(day for day in there if (start is None or day >= start) and (end is None or day <= end))
    if not days:
        between = f"the data has {there[0]} to {there[-1]}" if there else "the data has no prices of these names"
        raise UsageError(f"no session from {start} to {end}: {between}")
    return days if start is not None else days[-USUAL_SESSIONS:]


def _first_quote(chains: Mapping[str, RecordedChain]) -> date | None:
    """The first day with a recorded quote."""
    first = min((int(each.at[0]) for chain in chains.values() for each in chain.values()), default=None)
    return None if first is None else datetime.fromtimestamp(first, NEW_YORK).date()


def _run(
    behaviour: Behaviour, source: Source, symbols: Sequence[str], days: Sequence[date], assumed: OptionAssumptions
) -> DeskBacktest:
    name, first, last = "bull_put_spread", days[0], days[-1]
    return backtest_desk(
        BullPutSpread, behaviour, source, symbols, first, last, name=name, assumed=assumed, budget_usd=BUDGET_USD
    )


def _null(
    behaviour: Behaviour,
    source: Source,
    symbols: Sequence[str],
    days: Sequence[date],
    chosen: DeskBacktest,
    assumed: OptionAssumptions,
    draws: int,
) -> list[DeskBacktest]:
    count = _filled(chosen)
    if not count:
        return []
    return [
        random_run(behaviour, source, symbols, days, count, seed, assumed, budget_usd=BUDGET_USD) for seed in range(1, draws + 1)
    ]


# ---- tables ----------------------------------------------------------------------------------------------------------------


def _by_fills(runs: Mapping[Fills, DeskBacktest], chosen: Fills) -> Table:
    names = ("spreads", "win rate", "P&L", "expectancy", "credit", "debit", "fees", "given up", "account", "max drawdown")
    rows = [(f"{fills.value}{' *' if fills is chosen else ''}", *_cells(run)) for fills, run in runs.items()]
    title = "The same strategy at three assumptions of fills, in dollars; given up: by fills away from the middle of the quotes"
    return _table(title, ("fills", *names), rows)


def _cells(run: DeskBacktest) -> tuple[str, ...]:
    told = figures(_results(run.spreads))
    fees = sum((trade.fees_usd for trade in run.spreads), Decimal(0))
    left = sum(trade.is_filled and trade.result is None for trade in run.spreads)
    equity = [point.equity_usd for point in run.record.equity]
    return (
        f"{told.count}{f' + {left} open' if left else ''}",
        _percent(told.win_rate),
        f"{told.pnl_usd:,.2f}",
        _money(told.expectancy_usd),
        f"{told.credit_usd:,.2f}",
        f"{told.debit_usd:,.2f}",
        f"{fees:,.2f}",
        f"{Decimal(repr(round(run.record.costs_usd, 2))) - fees:,.2f}",
        f"{equity[-1] - equity[0]:+,.2f}",
        f"{max_drawdown_fraction(equity):.2%}",
    )


def _by_rule(spreads: Sequence[SpreadTrade], fills: Fills) -> Table:
    rules = sorted({trade.rule for trade in spreads})
    rows = []
    for rule in rules:
        mine = [trade for trade in spreads if trade.rule == rule]
        told: SpreadFigures = figures(_results(mine))
        rows.append((rule, str(len(mine)), _percent(told.win_rate), f"{told.pnl_usd:,.2f}", _money(told.expectancy_usd)))
    return _table(f"What ended them, fills {fills.value}", ("rule", "spreads", "win rate", "P&L", "expectancy"), rows)


def _trades(spreads: Sequence[SpreadTrade], fills: Fills) -> Table:
    names = ("opened", "closed", "spread", "contracts", "credit", "P&L", "ended by")
    rows = [
        (
            f"{trade.opened_at:%Y-%m-%d}",
            f"{trade.closed_at:%Y-%m-%d}" if trade.closed_at else "",
            spread_name(trade.underlying, trade.short, trade.long),
            str(trade.contracts),
            f"{trade.credit:.2f}",
            "" if trade.result is None else f"{trade.result.pnl_usd:,.2f}",
            trade.rule,
        )
        for trade in spreads
        if trade.is_filled
    ]
    return _table(f"Spreads, fills {fills.value}", names, rows)


def _table(title: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for place, name in enumerate(names):
        table.add_column(name, justify="left" if place == 0 else "right")
    for row in rows:
        table.add_row(*row)
    return table


def _results(spreads: Sequence[SpreadTrade]) -> list[SpreadResult]:
    return [trade.result for trade in spreads if trade.result is not None]


# ---- words -----------------------------------------------------------------------------------------------------------------


def _null_words(chosen: DeskBacktest, null: Sequence[DeskBacktest]) -> list[str]:
    if not null:
        return [f"Null test: none, since {'none was asked for' if _filled(chosen) else 'no spread filled'}."]
    theirs = sorted(_usd_a_spread(run) for run in null if _filled(run))
    mine, counts = _usd_a_spread(chosen), sorted(_filled(run) for run in null)
    if not theirs:
        return ["Null test: none, since no spread of chance filled."]
    as_good = sum(gain >= mine for gain in theirs)
    return [
        f"Null test: {len(null)} draws of as many spreads on days and names of chance ({counts[0]} to {counts[-1]} filled) "
        f"brought {theirs[0]:+,.2f} to {theirs[-1]:+,.2f} dollars a spread, {theirs[len(theirs) // 2]:+,.2f} in the middle; "
        f"{as_good} of them brought at least the strategy's {mine:+,.2f}. Only what is beyond them is its choice of days."
    ]


def _filled(run: DeskBacktest) -> int:
    return sum(trade.is_filled for trade in run.spreads)


def _usd_a_spread(run: DeskBacktest) -> float:
    """What the account gained for each spread that filled, those still open by the middle of their quotes."""
    equity = run.record.equity
    return (equity[-1].equity_usd - equity[0].equity_usd) / _filled(run)


def _notes(chosen: DeskBacktest, assumed: OptionAssumptions, fills: Fills) -> list[str]:
    return list(chosen.record.notes) if chosen.spreads else [assumption(replace(assumed, fills=fills))]


def _say(console: Console, line: str) -> None:
    console.print(line, soft_wrap=True)


def _percent(fraction: float | None) -> str:
    return "" if fraction is None else f"{fraction:.0%}"


def _money(amount: Decimal | None) -> str:
    return "" if amount is None else f"{amount:,.2f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--data", type=Path, metavar="DIR", help="daily bars and options/*.csv (docs/data.md); without it, model prices")
    add("--fills", type=Fills, choices=list(Fills), default=Fills.NATURAL, help="the assumption that is told in full")
    add(
        "--start",
        type=date.fromisoformat,
        metavar="DATE",
        help="first session (default: of the quotes, else of two years)",
    )
    add("--end", type=date.fromisoformat, metavar="DATE", help="last session (default: the data's last)")
    add("--strategy-settings", default="", metavar="NAME=VALUE,...", help="settings of the block `spreads`")
    add("--config", type=Path, metavar="FILE", help="behaviour in YAML (default config/default.yaml)")
    add("--fee", type=Decimal, default=Decimal(0), metavar="USD", help="fee for each contract bought or sold (default 0)")
    add("--assign-early", action="store_true", help="assign sold puts of which only the exercise value is left")
    add("--null-draws", type=int, default=10, metavar="N", help="random runs beside the strategy (default 10)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
