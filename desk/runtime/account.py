"""The account as Lumibot last saw it, which costs no request, and as the broker tells it; the two compared with the journal."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeVar

from alpaca.common.exceptions import APIError
from lumibot.entities import Asset

from desk.brokers.alpaca import DeskAlpaca
from desk.brokers.alpaca_activities import Raw, activities
from desk.brokers.lumibot_orders import contract_of
from desk.brokers.resync import OVERLAP
from desk.core.reconcile import HARMLESS, BrokerView, FilledOrder, OpenOrder
from desk.core.residue import exact, fraction, is_residue_key, whole
from desk.core.splits import told
from desk.domain.breaks import Break, BreakKind, Repair
from desk.domain.journal import SharesSplit
from desk.domain.orders import Side
from desk.domain.trades import Account, member_name
from desk.runtime.desk import Desk
from desk.runtime.sent_steps import Member

log = logging.getLogger(__name__)


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
                shares[_symbol(position.asset)] = whole(position.quantity)
        return Account(float(strategy.portfolio_value), cash_usd, shares)


def _symbol(asset: Any) -> str:
    """A contract's own symbol: Lumibot gives it that of its underlying."""
    return contract_of(asset) if asset.asset_type == Asset.AssetType.OPTION else str(asset.symbol)


def broker_account(api: Any) -> Account:
    """The account as the broker tells it now; two requests."""
    account = api.get_account()
    return Account(float(account.equity), float(account.cash), held(api))


def held(api: Any) -> dict[str, int]:
    """Whole shares of each position, as the broker tells them now; one request."""
    return {position.symbol: whole(position.qty) for position in api.get_all_positions()}


# ---- the broker's word for a reconciliation ------------------------------------------------------------------------------

PAGE_OF_ORDERS = 500
MemberOf = Callable[[str, str], Member | None]


def broker_view(api: Any, after: datetime, member_of: MemberOf, names: dict[str, str]) -> BrokerView:
    """Positions, open orders, and orders that filled after a moment (aware); four requests, and more for orders of long before.

    `member_of(broker_id, client_order_id)` names the desk's group and the role that an order has, None for somebody else's.
    `names` are client order ids by the broker's, which never change; what is asked for is added. Orders for residues are left
    out: they are nobody else's, and what they trade is in no whole share.
    """
    fills = {str(raw["order_id"]): raw for raw in activities(api, "FILL", after)}  # the last one of an order has its whole
    _learn_names(api, after, {each for each in fills if member_of(each, "") is None}, names)
    shares = held(api)
    filled = ((raw, member_of(each, "") or member_of(each, names.get(each, ""))) for each, raw in fills.items())
    return BrokerView(
        shares, _open_orders(api, member_of), [_filled_order(raw, each) for raw, each in filled if not _is_of_residue(each)]
    )


def _open_orders(api: Any, member_of: MemberOf) -> list[OpenOrder] | None:
    """None when there are more than one page: what is not on it is not known to be gone."""
    listed: list[Raw] = api.get("/orders", {"status": "open", "limit": PAGE_OF_ORDERS, "nested": "false"})
    if len(listed) >= PAGE_OF_ORDERS:
        return None
    return [
        OpenOrder(str(raw["id"]), str(raw["symbol"]), Side(str(raw["side"])), member[0] if member is not None else None)
        for raw in listed
        if raw.get("symbol")  # an order of several legs has none
        for member in [member_of(str(raw["id"]), _client_id(raw))]
        if not _is_of_residue(member)
    ]


def _is_of_residue(member: Member | None) -> bool:
    return member is not None and is_residue_key(member[0])


def _learn_names(api: Any, after: datetime, wanted: set[str], names: dict[str, str]) -> None:
    """Client order ids of orders that filled, most of them by one listing: one request each would use the minute's budget up."""
    if wanted - names.keys():
        filters = {"status": "all", "limit": PAGE_OF_ORDERS, "direction": "desc", "after": after.isoformat(), "nested": "false"}
        names |= {str(raw["id"]): _client_id(raw) for raw in api.get("/orders", filters)}
    for order_id in sorted(wanted - names.keys()):
        names[order_id] = _client_id(api.get(f"/orders/{order_id}"))


def _filled_order(raw: Raw, member: Member | None) -> FilledOrder:
    shares = exact(raw["cum_qty"]) * (1 if raw["side"] == "buy" else -1)
    return FilledOrder(str(raw["order_id"]), str(raw["symbol"]), shares, None if member is None else member_name(*member))


def _client_id(raw: Raw) -> str:
    return str(raw.get("client_order_id") or "")


# ---- splits --------------------------------------------------------------------------------------------------------------

# A broker books a split some time after it scaled the position.
LOOK_BACK = timedelta(days=7)
# An announced ex-date is the day of the booking, give or take a weekend.
AROUND = timedelta(days=4)
# Quantities at Alpaca have nine decimals.
FINEST, NONE = Fraction(1, 10**9), Fraction(0)
There = TypeVar("There", Account, BrokerView)


def booked_splits(api: Any, after: datetime, symbols: Collection[str]) -> list[SharesSplit]:
    """Splits of `symbols` that the account's activities tell of after a moment (aware), oldest first.

    A split without terms that fit its quantities is left out: prices could not be put on them.
    """
    pairs: dict[tuple[str, str], list[Raw]] = {}
    for raw in activities(api, "SPLIT", after):
        if raw.get("symbol") in symbols:
            pairs.setdefault((str(raw["symbol"]), str(raw.get("group_id") or raw.get("date"))), []).append(raw)
    found = (_read(api, symbol, rows) for (symbol, _), rows in pairs.items())
    return [each for each in found if each is not None]


def _read(api: Any, symbol: str, rows: Sequence[Raw]) -> SharesSplit | None:
    """One split. What cannot be read explains nothing, and must not end the comparison."""
    try:
        return _booked(api, symbol, rows)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        log.warning("a split of %s could not be read: %r", symbol, error)
        return None


def _booked(api: Any, symbol: str, rows: Sequence[Raw]) -> SharesSplit | None:
    """A row takes the old shares out, another puts the new ones in."""
    quantities = [Fraction(str(raw["qty"])) for raw in rows]
    old, new = -sum((min(each, NONE) for each in quantities), NONE), sum((max(each, NONE) for each in quantities), NONE)
    terms = _terms(api, symbol, date.fromisoformat(str(rows[0]["date"])), old, new) if old else None
    if terms is None:
        return None
    new_rate, old_rate, on = terms
    ids = tuple(str(raw["id"]) for raw in rows)
    return SharesSplit(symbol, int(old), int(new), new_rate, old_rate, on, ids, fraction(float(old)))


def _terms(api: Any, symbol: str, day: date, old: Fraction, new: Fraction) -> tuple[Decimal, Decimal, date] | None:
    """New and old rate and the ex-date of the announcement that fits the quantities.

    Where none does, n for one is read from the quantities. The other way round they leave it open: one share comes of fifteen
    in a split of one for ten, and for fifteen.
    """
    for raw in _announced(api, symbol, day):
        new_rate, old_rate = Decimal(str(raw["new_rate"])), Decimal(str(raw["old_rate"]))
        exact = old * Fraction(new_rate) / Fraction(old_rate)
        if exact > 0 and (new == math.floor(exact) or abs(new - exact) <= FINEST):
            return new_rate, old_rate, min(day, date.fromisoformat(str(raw["ex_date"])))
    return (Decimal(int(new / old)), Decimal(1), day) if new > old and (new / old).denominator == 1 else None


def _announced(api: Any, symbol: str, day: date) -> list[Raw]:
    filters = {"ca_types": "split", "symbol": symbol, "since": f"{day - AROUND}", "until": f"{day + AROUND}"}
    try:
        listed: list[Raw] = api.get("/corporate_actions/announcements", filters)
    except APIError as error:
        log.warning("no terms of the split of %s: %r", symbol, error)  # the quantities may tell them
        return []
    return [raw for raw in listed if raw.get("initiating_symbol", symbol) == symbol]


@dataclass(frozen=True)
class Splits:
    """Has the desk book splits that the account at `api` shows, of `since` and a little before (aware). Any thread may ask."""

    desk: Desk
    api: Any
    since: datetime
    show: Callable[[str], None]

    def look(self) -> bool:
        """Compare shares, and book what splits made of them. Returns whether there was one; the exits are still to be renewed.

        One request when nothing differs. Raises what the broker raises when it does not answer.
        """
        return self.explain(held(self.api))

    def explain(self, shares: Mapping[str, int]) -> bool:
        """The same for `shares` by symbol that the broker has just told."""
        symbols = self.desk.unexplained(shares)
        if not symbols:
            return False
        found = self.desk.split(booked_splits(self.api, self.since - LOOK_BACK, symbols), shares)
        for each in found:
            self.show(told(each))
        return bool(found)

    def explained(self, there: There) -> There:
        """What is `there` at a start, the book made to fit it where splits explain it, and the exits renewed."""
        if self.explain(there.shares):
            self.desk.cover_bare_shares()
        return there


# ---- looking and looking again -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Patience:
    """Pauses between the looks at a difference, in seconds of real time, and how to wait, which tells whether to stop."""

    seconds: Sequence[float]
    wait: Callable[[float], bool]


class Reconciler:
    """Compares desk, broker and Lumibot, asks again where that may mend it, and tells a person what it found.

    Used by one thread. Raises what the broker raises when it does not answer.
    """

    def __init__(
        self, desk: Desk, broker: DeskAlpaca, strategy: Any, began: datetime, show: Callable[[str], None], patience: Patience
    ) -> None:
        """`began` is when what is now in the book was last compared (aware)."""
        self._desk = desk
        self._broker = broker
        self._strategy = strategy
        self._began = self._after = began
        self._show = show
        self._patience = patience
        self._splits = Splits(desk, broker.api, began, show)
        self._believed: set[tuple[str, BreakKind]] = set()
        self._names: dict[str, str] = {}
        self._told: set[str] = set()
        self._stale: set[str] = set()

    def view(self) -> BrokerView:
        return broker_view(self._broker.api, self._after, self._desk.member_of, self._names)

    def look(self, now: datetime) -> tuple[Break, ...]:
        """Compare at `now`. What may be mended by asking is, and what is new is looked at again and again before it is believed:
        the broker's positions, orders and executions lag behind each other. Returns what is left."""
        found = self._compared()
        seen = _serious(found)
        for seconds in self._patience.seconds:
            if not _serious(found) - self._believed:
                break
            self._mend()
            if self._patience.wait(seconds):
                return found  # stopped: what may pass is not believed
            seen, found = _serious(found), self._compared()
        lasting = [each for each in found if (each.symbol, each.kind) in seen]
        self._believed = _serious(lasting)
        self._desk.believe(lasting)
        # Lumibot reads a fill a moment after the desk: only a view that is still old at the next look is worth a word.
        before, self._stale = self._stale, {each.symbol for each in found if _lags(each)}
        self._tell([each for each in found if each.repair is not Repair.LEAVE and (each.symbol in before or not _lags(each))])
        # A little before now: the broker's clock is another one, and what is counted already is not counted again.
        self._after = max(self._began, now - OVERLAP)
        return found

    def _mend(self) -> None:
        self._broker.resync()
        self._desk.drain()
        self._desk.cover_bare_shares()
        self._broker._orders_queue.join()

    def _compared(self) -> tuple[Break, ...]:
        view, strategy = self.view(), LumibotAccountFeed(self._strategy).account().shares
        found = self._desk.compare(view, strategy)
        # Beside spreads a split may pass for shares that came for their contracts.
        is_odd = self._desk.spreads.open or any(each.kind is BreakKind.UNEXPLAINED for each in found)
        if is_odd and self._splits.explain(view.shares):
            self._desk.cover_bare_shares()
            found = self._desk.compare(view, strategy)
        for each in found:
            if each.kind is BreakKind.FOREIGN:  # from here on it is no difference any more
                self._show(str(each))
        return found

    def _tell(self, found: Sequence[Break]) -> None:
        """Print each difference once, as long as it lasts."""
        texts = {str(each) for each in found}
        for text in sorted(texts - self._told):
            self._show(text)
        self._told = texts


def _serious(found: Sequence[Break]) -> set[tuple[str, BreakKind]]:
    return {(each.symbol, each.kind) for each in found if each.repair not in HARMLESS}


def _lags(found: Break) -> bool:
    return found.kind is BreakKind.STALE_VIEW
