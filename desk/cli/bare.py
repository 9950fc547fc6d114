"""Shares of an account that have no exits: the desk's own and found ones, with what can be done about each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from desk.cli.positions import AtAlpaca, JournalBook
from desk.cli.ways import ways_of
from desk.core.positions import BrokersWord, Cover, Position
from desk.core.positions import positions as positions_of
from desk.core.residue import whole
from desk.core.spread_reconcile import without_contracts
from desk.domain.breaks import Repair
from desk.domain.errors import BrokerUnreachable
from desk.domain.journal import SharesAdopted
from desk.domain.trades import Book, Trade
from desk.report.wording import dollars, price
from desk.runtime.build import exit_rule_of
from desk.runtime.desk import Desk
from desk.runtime.found import FoundPositions
from desk.runtime.look import Look, answered
from desk.runtime.protect_run import OneSymbol

PAGE_OF_ORDERS = 500
STOPS = frozenset({"stop", "stop_limit", "trailing_stop"})
WHOLE = 1e-6  # a share less than so much is the dust of float arithmetic

Raw = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Bare:
    """Shares without exits. `whose` is "desk" or "found", `plan` a sentence on what is done about them.

    `is_naked`: nothing bounds what they can lose, and that is not over in a moment. `is_doable`: the plan is an order of the
    desk's. `price` in dollars a share, None when not known.
    """

    symbol: str
    shares: float
    whose: str
    price: float | None
    why: str
    plan: str
    is_naked: bool = True
    is_doable: bool = False


@dataclass(frozen=True, slots=True)
class Survey:
    """The account at one look: what is bare, and the desk's positions whose exits the broker has."""

    bare: tuple[Bare, ...]
    covered: tuple[Position, ...]

    @property
    def is_naked(self) -> bool:
        return any(each.is_naked for each in self.bare)

    @property
    def is_doable(self) -> bool:
        return any(each.is_doable for each in self.bare)


def survey(look: Look, symbol: str | None) -> Survey:
    """What of a look's account is bare, of all or of one symbol. Raises BrokerUnreachable when the broker does not tell."""
    book, now = look.desk.book, look.clock.now()
    prices, word = _brokers_word(look)
    singles = [
        single
        for position in positions_of(book, prices, now, word)
        if symbol in (None, position.symbol)
        for single in position.trades or (position,)
    ]
    with answered():
        theirs = [each for each in not_the_desks(look.desk, look.api.get_all_positions()) if symbol in (None, each[0].symbol)]
        adopted = _rehearsed(look, symbol)
        found = tuple(_found(look, theirs, adopted))
    plans = _plans(look, book)
    own = (
        _own(single, book.open.get(single.key or ""), plans)
        for single in singles
        if single.protection.cover is not Cover.PROTECTED
    )
    return Survey((*own, *found), tuple(single for single in singles if single.protection.cover is Cover.PROTECTED))


def _brokers_word(look: Look) -> tuple[Mapping[str, float], BrokersWord]:
    answer = AtAlpaca(look.endpoint, look.identity.account or "")(JournalBook(look.reader))
    if answer.word is None:
        raise BrokerUnreachable(" ".join(answer.notes))
    return answer.prices, answer.word


def _rehearsed(look: Look, symbol: str | None) -> dict[str, SharesAdopted]:
    """What the desk would take over, by symbol, after it has covered its own."""
    look.desk.cover_bare_shares()
    look.desk.guard({}, is_last=True)
    rule = exit_rule_of(look.settings.behaviour)
    found = FoundPositions(look.desk, OneSymbol(look.api, symbol), look.nonce, look.clock, rule, lambda text: None)
    return {each.spec.symbol: each for each in found.protect()}


# ---- the desk's own --------------------------------------------------------------------------------------------------------


def _plans(look: Look, book: Book) -> dict[str, str]:
    """What the rehearsal sent for each trade of the book, in words."""
    steps = look.notebook.steps
    plans: dict[str, str] = {}
    for symbol in dict.fromkeys(trade.symbol for trade in book.open.values()):
        for way in ways_of(symbol, book, steps):
            if way.trade is not None:
                plans[way.trade] = " ".join((*plans.get(way.trade, "").split(), _sentence(way.words)))
    return plans


def _own(single: Position, trade: Trade | None, plans: Mapping[str, str]) -> Bare:
    why, plan = single.protection.words, plans.get(single.key or "")
    if single.protection.cover is Cover.EXEMPT:
        return Bare(single.symbol, single.shares, "desk", single.price, why, "Wait for the broker: this ends by itself.", False)
    if plan is None:
        return Bare(single.symbol, single.shares, "desk", single.price, why, "The desk cannot: place a stop by hand, or sell.")
    worth = "" if trade is None else _at_stop(_staying(trade), single.price, trade.stop_price)
    return Bare(single.symbol, single.shares, "desk", single.price, why, plan + worth, is_doable=True)


def _staying(trade: Trade) -> int:
    """Shares that get exits: those that a trim was about to sell still go."""
    return trade.keep if trade.is_renewing and trade.keep is not None else trade.shares


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]


def _at_stop(shares: float, now: float | None, stop: Any) -> str:
    """What the stop means in dollars from here."""
    if now is None or stop is None or now <= float(stop):
        return ""
    return f" At the stop they are worth about {dollars((now - float(stop)) * shares)} less than now."


# ---- somebody else's ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Theirs:
    """Shares of one symbol that are not the desk's: `taken` would be taken over, `orders` hold the others, `odd` is a difference
    that nothing explains."""

    symbol: str
    count: float
    kind: str
    price: float | None
    taken: SharesAdopted | None
    orders: Sequence[Raw]
    odd: str | None

    def bare(self, shares: float, why: str, plan: str, *, is_naked: bool = True, is_doable: bool = False) -> Bare:
        return Bare(self.symbol, shares, "found", self.price, why, plan, is_naked, is_doable)


def not_the_desks(desk: Desk, positions: Sequence[Any]) -> list[tuple[Any, float]]:
    """Positions of which something is neither of the desk's trades nor of its spreads, and how much of each.

    `positions` are all of the account: contracts of spreads that are gone tell whose shares are.
    """
    book = desk.book
    shares = {str(each.symbol): whole(each.qty) for each in positions}
    expected = {symbol: book.shares_of(symbol) + desk.differences.foreign.get(symbol, 0) for symbol in shares}
    left = without_contracts(shares, desk.spreads, expected)
    ours = {symbol: book.shares_of(symbol) + shares[symbol] - left.get(symbol, 0) for symbol in shares}
    beyond = [(each, float(each.qty) - ours[str(each.symbol)]) for each in positions]
    return [(each, count) for each, count in beyond if abs(count) > WHOLE and (count > 0 or float(each.qty) < 0)]


def _found(look: Look, theirs: Sequence[tuple[Any, float]], adopted: Mapping[str, SharesAdopted]) -> Iterator[Bare]:
    orders = _sell_orders(look.api, look.desk) if theirs else []
    odd = {each.symbol: str(each) for each in look.breaks if each.repair is Repair.HALT}
    for position, count in theirs:
        name = str(position.symbol)
        yield from _rows(
            _Theirs(
                name,
                count,
                str(getattr(position.asset_class, "value", position.asset_class)),
                None if position.current_price is None else float(position.current_price),
                adopted.get(name),
                [order for order in orders if order["symbol"] == name],
                odd.get(name),
            )
        )


def _rows(theirs: _Theirs) -> Iterator[Bare]:
    if theirs.kind != "us_equity":
        words = f"Cannot: this is {theirs.kind.replace('_', ' ')}, and the desk protects shares alone."
        yield theirs.bare(theirs.count, "not the desk's", words, is_naked=False)
    elif theirs.count < 0:
        words = "Cannot: the desk protects what is held."
        yield theirs.bare(theirs.count, "sold short, not by the desk", words, is_naked=False)
    else:
        yield from _of_shares(theirs)


def _of_shares(theirs: _Theirs) -> Iterator[Bare]:
    free = 0 if theirs.taken is None else theirs.taken.spec.quantity
    if theirs.taken is not None:
        spec, paid = theirs.taken.spec, price(float(theirs.taken.price))
        plan = f"{free:,} become the desk's, bought at {paid}: stop {spec.stop_loss}, target {spec.take_profit}."
        yield theirs.bare(free, "no exits of the desk's", plan + _at_stop(free, theirs.price, spec.stop_loss), is_doable=True)
    held = int(theirs.count - free + WHOLE)
    if held:
        yield _held_by(theirs, held)
    rest = theirs.count - free - held
    if rest > WHOLE:
        words = "Cannot: less than a share, and orders with a stop take whole shares. A person can sell it."
        yield theirs.bare(round(rest, 9), "not the desk's", words, is_naked=False)


def _held_by(theirs: _Theirs, shares: int) -> Bare:
    listed = ", ".join(_order_words(order) for order in theirs.orders)
    if any(_has_stop(order) for order in theirs.orders):
        return theirs.bare(shares, f"held by {listed}", "Left alone: a stop of somebody else's is on it.", is_naked=False)
    if listed:
        return theirs.bare(shares, f"held by {listed}", "Cannot, as long as that order holds them: cancel it first.")
    if theirs.odd is not None:
        return theirs.bare(shares, "nothing explains these shares", "Cannot, until somebody has found out whose they are.")
    return theirs.bare(shares, "held by an order that the broker does not list", "Cannot, as long as that order holds them.")


def _sell_orders(api: Any, desk: Desk) -> list[Raw]:
    """Open orders to sell that are not the desk's, their legs nested."""
    listed: list[Raw] = api.get("/orders", {"status": "open", "nested": "true", "limit": PAGE_OF_ORDERS})
    return [
        order
        for order in listed
        if order.get("side") == "sell" and desk.member_of(str(order["id"]), str(order.get("client_order_id") or "")) is None
    ]


def _has_stop(order: Raw) -> bool:
    return any(each.get("type") in STOPS for each in (order, *(order.get("legs") or ())))


def _order_words(order: Raw) -> str:
    prices = [f"{name} {order[key]}" for name, key in (("limit", "limit_price"), ("stop", "stop_price")) if order.get(key)]
    return f"order {str(order['id'])[:8]} (sell {' '.join([str(order.get('qty') or ''), *prices])})"
