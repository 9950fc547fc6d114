"""Takes an account apart that holds a strategy's shares beside option spreads, so that each half has the judge that knows it.

An order is a spread's when the journal says so. What trades shares and is none of them is the strategy's: those orders, their
fills, and the shares that they left are judged as in an account without spreads. Shares that came for contracts, and the orders
that sell those again, are the spreads'.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby

from crash.broker_truth import Execution, Json, Truth
from crash.judge import Account
from crash.spread_truth import Move, OptionTruth, is_option

# Of an execution that no order had.
NO_ORDER = ""


@dataclass(frozen=True, slots=True)
class Part:
    """What journal and exchange say of one half of the account."""

    account: Account
    truth: Truth


def parted(account: Account, truth: Truth, owned: Collection[str]) -> tuple[Part, Part]:
    """The strategy's own shares, and everything else; `owned` are the keys of the orders of spreads.

    Positions of the first are what its own executions left, so that shares of one symbol can be both's.
    """
    mine = frozenset(name for name, order in truth.orders.items() if order["key"] not in owned and _is_in_shares(order))
    own, rest = _truth(truth, mine), _truth(truth, truth.orders.keys() - mine)
    filled = {name: count for name, count in account.filled.items() if name in mine}
    stocks = replace(
        account,
        submits={key: body for key, body in account.submits.items() if key not in owned},
        filled=filled,
        shares=_shares(filled, truth),
        damage=None,
    )
    spreads = replace(
        account,
        submits={key: body for key, body in account.submits.items() if key in owned},
        filled={name: count for name, count in account.filled.items() if name not in mine},
    )
    return Part(stocks, replace(own, positions=shares_left(own))), Part(spreads, rest)


def _is_in_shares(order: Json) -> bool:
    """A package has no symbol."""
    return bool(order["symbol"]) and not is_option(str(order["symbol"]))


def _truth(truth: Truth, names: Collection[str]) -> Truth:
    orders = {name: order for name, order in truth.orders.items() if name in names}
    return Truth(orders, tuple(each for each in truth.executions if each.order_id in names), truth.positions)


def _shares(filled: Mapping[str, int], truth: Truth) -> dict[str, int]:
    """What the journal's fills left; on which side an order traded is the exchange's word."""
    held: dict[str, int] = defaultdict(int)
    for name, count in filled.items():
        order = truth.orders[name]
        held[str(order["symbol"])] += count if order["side"] == "buy" else -count
    return held


def shares_left(truth: Truth) -> dict[str, int]:
    """Shares by symbol that these executions left."""
    held: dict[str, int] = defaultdict(int)
    for each in truth.executions:
        held[each.symbol] += each.shares
    return {symbol: count for symbol, count in held.items() if count}


def to_protect(own: Truth, there: OptionTruth) -> Truth:
    """The strategy's own shares without those that contracts took away for a while: what an exercised put has sold cannot be
    protected, until its spread has bought it back."""
    symbols = sorted({each.symbol for each in own.executions})
    return replace(own, executions=(*own.executions, *(each for symbol in symbols for each in _taken(symbol, own, there.moves))))


def _taken(symbol: str, own: Truth, moves: Collection[Move]) -> Iterator[Execution]:
    mine, whole, lacking = 0, 0, 0
    for at, group in groupby((move for move in moves if move.symbol == symbol), key=lambda move: move.at):
        for move in group:
            whole += move.count
            mine += move.count if move.by in own.orders else 0
        now = min(max(0, mine - whole), max(0, mine))
        if now != lacking:
            yield Execution(NO_ORDER, symbol, at, lacking - now)
        lacking = now


def meetings(own: Truth, there: OptionTruth) -> int:
    """Instants at which shares came, or went, for contracts while the strategy held its own of that symbol."""
    held: dict[str, int] = defaultdict(int)
    found: set[tuple[str, datetime]] = set()
    for move in there.moves:
        if move.by in own.orders:
            held[move.symbol] += move.count
        elif move.by == "OPTRD" and held[move.symbol]:
            found.add((move.symbol, move.at))
    return len(found)
