"""Where a backtest's orders for options go: it fills them whole or not at all, expires, assigns, and tells of it a day later.

After Alpaca (https://docs.alpaca.markets/docs/options-trading): what is a cent in the money at the last close is exercised, and
assigned to whoever owes it; shares change hands at the strike, whether the account can carry them or not; no event tells of it,
the account's activities do on the next day. Spreads take their width, less the credit, of the buying power. Contracts on an index
deliver no shares but what they are worth at the close; those that settle at an opening, as monthly ones of SPX, are not simulated
as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Protocol
from zoneinfo import ZoneInfo

from desk.brokers.option_account import OptionAccount
from desk.core.ports import Clock, Door, OptionActivity
from desk.domain.journal import BrokerRefusal
from desk.domain.options import CONTRACT_SHARES, OptionQuote
from desk.domain.orders import Fill, GroupRole, Leg, OrderClass, OrderEvent, OrderSpec, OrderStatus, PositionIntent, Side
from desk.domain.prices import PENNY
from desk.domain.spreads import ZERO, Settlement
from desk.domain.steps import Cancel, SpreadOrder
from options import occ
from options.occ import Occ

NEW_YORK = ZoneInfo("America/New_York")
# Before the opening of the next day, as at a paper account.
TOLD_AT = time(8)
# European contracts, settled in cash: https://www.cboe.com/tradable_products
INDEX_ROOTS = frozenset(
    ("SPX", "SPXW", "XSP", "XSPW", "NDX", "NDXP", "XND", "RUT", "RUTW", "MRUT", "DJX", "VIX", "VIXW", "OEX", "XEO")
)


class OptionMarket(Protocol):
    """What the venue needs to know of the market."""

    def quotes(self, symbols: Sequence[str]) -> Mapping[str, OptionQuote]: ...

    def underlying_of(self, symbol: str) -> str: ...

    def close_usd(self, underlying: str, day: date) -> Decimal | None: ...

    def last_close(self, day: date) -> datetime:
        """When the last session up to `day` closes."""
        ...


@dataclass(frozen=True, slots=True)
class VenueTerms:
    """`at_mid`: fills halfway between bid and ask instead of at them. `fee_usd` for each contract that is bought or sold."""

    at_mid: bool = False
    fee_usd: Decimal = ZERO
    assigns_early: bool = False


class OptionVenue:
    """One account's orders for options, and `desk.core.ports.OptionActivities`. Single-threaded, like the backtest."""

    def __init__(self, account: OptionAccount, door: Door, market: OptionMarket, clock: Clock, terms: VenueTerms) -> None:
        self._account = account
        self._door = door
        self._market = market
        self._clock = clock
        self._terms = terms
        self._working: dict[str, SpreadOrder] = {}
        self._members: dict[tuple[str, GroupRole], str] = {}
        self._told: list[OptionActivity] = []
        self._fills = 0
        self.fees_usd: dict[str, Decimal] = {}  # by the key of the spread
        self.given_up_usd = ZERO  # what fills were worse than the middle of the quotes

    # ---- orders ----------------------------------------------------------------------------------------------------------

    @property
    def has_orders(self) -> bool:
        return bool(self._working)

    def owns(self, key: str) -> bool:
        return (key, GroupRole.ENTRY) in self._members

    def submit(self, step: SpreadOrder) -> None:
        problem = self._problem(step.spec)
        if problem is not None:
            self._door.refused(BrokerRefusal(step.key, None, None, problem, explained=True))
            return
        self._working[step.key] = step
        for role in step.spec.roles:
            self._members[step.key, role] = f"backtest-option-order-{len(self._members) + 1}"
        self._tell(step, OrderStatus.WORKING)
        self._meet(step)

    def cancel(self, step: Cancel) -> None:
        sent = self._working.pop(step.of_key, None)
        if sent is None:
            self._door.refused(BrokerRefusal(step.key, None, None, "the order is not open any more", explained=True))
        else:
            self._tell(sent, OrderStatus.CANCELED)

    def meet(self) -> None:
        """Have orders that still stand meet the market of now, and value what is held by it."""
        for step in tuple(self._working.values()):
            self._meet(step)
        for symbol, quote in self._market.quotes(sorted(self._account.contracts)).items():
            self._account.marks[symbol] = quote.mid

    def _meet(self, step: SpreadOrder) -> None:
        spec, legs = step.spec, legs_of(step.spec)
        quotes = self._market.quotes([leg.symbol for leg in legs])
        if any(leg.symbol not in quotes for leg in legs):
            return
        prices = [leg_price(leg, quotes[leg.symbol], self._terms.at_mid) for leg in legs]
        paid = [price for price in prices if price is not None]
        if len(paid) < len(legs) or not limit_allows(spec, legs, paid):
            return
        del self._working[spec.key]
        for place, (leg, price) in enumerate(zip(legs, paid, strict=True)):
            count = leg.ratio * spec.quantity
            self._trade(leg, count, price, quotes[leg.symbol])
            self._charge(step.into if place >= 2 and step.into else step.spread, count)
        self._tell(step, OrderStatus.FILLED, paid)

    def _trade(self, leg: Leg, count: int, price: Decimal, quote: OptionQuote) -> None:
        sign = 1 if leg.side is Side.BUY else -1
        self._account.marks[leg.symbol] = quote.mid
        self._account.hold(leg.symbol, sign * count)
        self._account.pay(-sign * price * count * CONTRACT_SHARES)
        self.given_up_usd += sign * (price - quote.mid) * count * CONTRACT_SHARES

    def _charge(self, spread: str, contracts: int) -> None:
        fee = self._terms.fee_usd * contracts
        self.fees_usd[spread] = self.fees_usd.get(spread, ZERO) + fee
        if fee:
            self._account.pay(-fee)

    def _tell(self, step: SpreadOrder, status: OrderStatus, paid: Sequence[Decimal] = ()) -> None:
        """News of each member, the order itself last."""
        legs = legs_of(step.spec)
        roles = step.spec.roles[1:] if step.spec.legs else step.spec.roles
        for place, (role, leg) in enumerate(zip(roles, legs, strict=True)):
            fill = self._fill(step, role, leg, paid[place]) if paid else None
            self._door.order_event(self._event(step, role, status, fill))
        if step.spec.legs:
            self._door.order_event(self._event(step, GroupRole.ENTRY, status, None))

    def _event(self, step: SpreadOrder, role: GroupRole, status: OrderStatus, fill: Fill | None) -> OrderEvent:
        return OrderEvent(step.key, role, status, self._clock.now(), self._members[step.key, role], fill)

    def _fill(self, step: SpreadOrder, role: GroupRole, leg: Leg, price: Decimal) -> Fill:
        self._fills += 1
        count, name = leg.ratio * step.spec.quantity, f"backtest-option-{self._fills}"
        return Fill(name, step.key, leg.symbol, leg.side, count, price, self._clock.now(), role)

    # ---- what is refused ---------------------------------------------------------------------------------------------------

    def _problem(self, spec: OrderSpec) -> str | None:
        if spec.limit_price is None:
            return "an order for options needs a limit here"
        held, now = self._account.contracts, self._clock.now()
        after = dict(held)
        for leg in legs_of(spec):
            if now >= self._market.last_close(occ.parse(leg.symbol).expiration):
                return f"{leg.symbol} has seen its last trade"
            count = leg.ratio * spec.quantity
            closed = {PositionIntent.BUY_TO_CLOSE: -1, PositionIntent.SELL_TO_CLOSE: 1}.get(leg.intent)
            if closed is not None and held.get(leg.symbol, 0) * closed < count:
                return f"{leg.symbol}: {count} contracts to close, {held.get(leg.symbol, 0)} held"
            after[leg.symbol] = after.get(leg.symbol, 0) + (count if leg.side is Side.BUY else -count)
        return self._power_problem(spec, after) if any(leg.intent.opens for leg in legs_of(spec)) else None

    def _power_problem(self, spec: OrderSpec, after: Mapping[str, int]) -> str | None:
        """Whether what is held after a fill at the limit could lose more than there is."""
        assert spec.limit_price is not None
        units = spec.quantity * CONTRACT_SHARES
        paid = spec.limit_price * units * (-1 if not spec.legs and spec.side is Side.SELL else 1)
        fees = self._terms.fee_usd * spec.quantity * sum(leg.ratio for leg in legs_of(spec))
        needed, there = kept_aside_usd(after), self._account.cash_usd - paid - fees
        return None if needed <= there else f"insufficient options buying power: {needed:.2f} needed, {there:.2f} there"

    @property
    def kept_aside_usd(self) -> Decimal:
        """What of the cash is kept aside for what is owed."""
        return kept_aside_usd(self._account.contracts)

    @property
    def buying_power_usd(self) -> Decimal:
        return self._account.cash_usd - self.kept_aside_usd

    # ---- the end of a session ----------------------------------------------------------------------------------------------

    def end_session(self) -> None:
        """At a session's close: orders of the day end, and what expires is settled. Before the close nothing happens."""
        now = self._clock.now()
        if now < self._market.last_close(now.astimezone(NEW_YORK).date()):
            return
        for step in tuple(self._working.values()):
            del self._working[step.key]
            self._tell(step, OrderStatus.EXPIRED)
        for symbol, count in sorted(self._account.contracts.items()):
            self._settle(symbol, count, now)

    def _settle(self, symbol: str, count: int, now: datetime) -> None:
        contract, day = occ.parse(symbol), now.astimezone(NEW_YORK).date()
        price = self._market.close_usd(self._market.underlying_of(symbol), day)
        if price is None:
            return
        worth = intrinsic(contract, price)
        if now >= self._market.last_close(contract.expiration) or (count < 0 and self._is_assigned_early(contract, worth)):
            self._end(symbol, count, worth, day)

    def _is_assigned_early(self, contract: Occ, worth: Decimal) -> bool:
        """Whether waiting is worth less than a cent to the holder, by the last quote."""
        if not self._terms.assigns_early or contract.root in INDEX_ROOTS:
            return False
        mark = self._account.marks.get(contract.symbol)
        return worth >= PENNY and mark is not None and mark - worth < PENNY

    def _end(self, symbol: str, count: int, worth: Decimal, day: date) -> None:
        contract = occ.parse(symbol)
        kind = Settlement.EXPIRED
        if worth >= PENNY:
            kind = Settlement.EXERCISED if count > 0 else Settlement.ASSIGNED
        cash = count * worth * CONTRACT_SHARES if contract.root in INDEX_ROOTS and kind is not Settlement.EXPIRED else None
        self._account.hold(symbol, -count)
        if cash is not None:
            self._account.pay(cash)
        elif kind is not Settlement.EXPIRED:
            shares = count * CONTRACT_SHARES * (1 if contract.type == "call" else -1)
            self._account.pay(-shares * contract.strike)
            self._account.deliver(self._market.underlying_of(symbol), shares)
        told_at = datetime.combine(day + timedelta(days=1), TOLD_AT, NEW_YORK).astimezone(UTC)
        self._told.append(OptionActivity(f"backtest-{day:%Y%m%d}-{symbol}", symbol, kind, abs(count), told_at, cash))

    # ---- activities --------------------------------------------------------------------------------------------------------

    def since(self, moment: datetime) -> tuple[OptionActivity, ...]:
        now = self._clock.now()
        return tuple(each for each in self._told if moment < each.at <= now)

    def trades(self, symbols: Collection[str], moment: datetime) -> tuple[OptionActivity, ...]:
        """None: nobody else trades in a backtest."""
        return ()

    def positions(self) -> Mapping[str, int]:
        return self._account.positions()


def legs_of(spec: OrderSpec) -> tuple[Leg, ...]:
    """The legs of a multi-leg order; a simple one is a leg of its own."""
    if spec.legs or spec.position_intent is None:
        return spec.legs
    return (Leg(spec.symbol, 1, spec.position_intent),)


def leg_price(leg: Leg, quote: OptionQuote, at_mid: bool) -> Decimal | None:
    """What a leg fills at, dollars a share; None where nobody sells. In a package a leg may be given away."""
    is_buy = leg.side is Side.BUY
    if is_buy and quote.ask <= 0:
        return None
    if at_mid:
        return quote.mid.quantize(PENNY, ROUND_CEILING if is_buy else ROUND_FLOOR)
    return quote.ask if is_buy else quote.bid


def limit_allows(spec: OrderSpec, legs: Sequence[Leg], prices: Sequence[Decimal]) -> bool:
    """Whether a fill of each leg at its price is at the order's limit or better."""
    net = sum((leg.ratio * (price if leg.side is Side.BUY else -price) for leg, price in zip(legs, prices, strict=True)), ZERO)
    assert spec.limit_price is not None
    if spec.order_class is OrderClass.MULTI_LEG:
        return net <= spec.limit_price
    if spec.side is Side.SELL:
        return -net >= spec.limit_price and net < 0
    return net <= spec.limit_price


def kept_aside_usd(contracts: Mapping[str, int]) -> Decimal:
    """The most that puts can cost their owner at expiration, each underlying's of one day together."""
    groups: dict[tuple[str, date], list[tuple[Decimal, int]]] = {}
    for symbol, count in contracts.items():
        said = occ.parse(symbol)
        groups.setdefault((said.root, said.expiration), []).append((said.strike, count))
    return sum((_most_owed(puts) for puts in groups.values()), ZERO)


def _most_owed(puts: Iterable[tuple[Decimal, int]]) -> Decimal:
    held = list(puts)
    prices = (ZERO, *(strike for strike, _ in held))
    worth = (sum((count * max(strike - price, ZERO) for strike, count in held), ZERO) for price in prices)
    return max(ZERO, -min(worth) * CONTRACT_SHARES)


def intrinsic(contract: Occ, price: Decimal) -> Decimal:
    """What exercise brings, dollars a share."""
    return max(ZERO, price - contract.strike if contract.type == "call" else contract.strike - price)
