"""Account and positions at the current price, in Alpaca's shapes (https://docs.alpaca.markets/reference/getaccount-1)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from desk.data.calendars import NEW_YORK
from desk.exchange.api.wire import EXCHANGE_OF_ASSETS, Json, instant, money, number, rounded
from desk.exchange.machine.book import Holding, asset_id, is_option, multiplier
from desk.exchange.machine.orders import UNIT_USD, ZERO
from desk.exchange.rules.day_trades import MOST_DAY_TRADES, day_trades
from desk.exchange.rules.margin import requirements
from desk.exchange.rules.power import CASH, INTRADAY, Power, leverages
from desk.exchange.rules.reservations import available
from desk.exchange.rules.spread_margin import locked_shares
from desk.exchange.trading_account import Account
from desk.exchange.words import AssetClass

NEVER_BLOCKED = ("trading_blocked", "transfers_blocked", "account_blocked")
# Fees are booked at once or not at all, and money comes in by no other way than trading.
NOTHING = ("accrued_fees", "pending_reg_taf_fees", "intraday_adjustments")
# Activities that a split makes of what is held.
OF_SPLITS = ("SPLIT", "OPCA")


def account_json(account: Account) -> Json:
    """Every field of the account; those of the pattern-day-trader rule when it is switched on."""
    exchange, settings, power = account.exchange, account.settings, account.power()
    previous = exchange.sessions.previous_day(exchange.now)
    shape: Json = {
        "id": account.id,
        "account_number": f"PA{account.book.seed:010d}",
        "status": "ACTIVE",
        "crypto_status": "INACTIVE",
        "currency": "USD",
        "shorting_enabled": power.multiplier > CASH and not settings.no_shorting,
        "trade_suspended_by_user": settings.suspend_trade,
        "options_approved_level": account.config.options_level,
        "options_trading_level": min(account.config.options_level, settings.max_options_trading_level),
        "balance_asof": None if previous is None else previous.isoformat(),
        "created_at": instant(account.ledger.opened_at),
        "last_equity": money(_last_equity(account)),
        "last_maintenance_margin": money(_last_maintenance(account, power)),
        **_figures(power),
        **dict.fromkeys(NEVER_BLOCKED, False),
        **dict.fromkeys(NOTHING, "0"),
    }
    return shape | _pattern_fields(account, power) if exchange.config.switches.legacy_pdt else shape


def _figures(power: Power) -> Json:
    return {
        "multiplier": str(power.multiplier),
        "cash": money(power.cash),
        "equity": money(power.equity),
        "portfolio_value": money(power.equity),
        "long_market_value": money(power.long_market_value),
        "short_market_value": money(power.short_market_value),
        "initial_margin": money(power.initial_margin),
        "maintenance_margin": money(power.maintenance_margin),
        "sma": money(power.sma),
        "buying_power": money(power.buying_power),
        "regt_buying_power": money(power.regt_buying_power),
        "options_buying_power": money(power.options_buying_power),
        "non_marginable_buying_power": money(power.non_marginable_buying_power),
    }


def _pattern_fields(account: Account, power: Power) -> Json:
    exchange = account.exchange
    today = exchange.now.astimezone(NEW_YORK).date()
    count = day_trades(account.ledger.executions, exchange.sessions.days, today)
    spendable = money(power.buying_power) if power.multiplier == INTRADAY else "0"
    return {
        "pattern_day_trader": count > MOST_DAY_TRADES,
        "daytrade_count": count,
        "last_daytrade_count": day_trades(account.ledger.executions, exchange.sessions.days, _day_before(account, today)),
        "daytrading_buying_power": spendable,
        "last_daytrading_buying_power": spendable,
    }


def _day_before(account: Account, today: date) -> date:
    return max((day for day in account.exchange.sessions.days if day < today), default=date.min)


def _last_equity(account: Account) -> Decimal:
    """Equity at the close before New York's date; what the account was opened with on its first day."""
    today = account.exchange.now.astimezone(NEW_YORK).date()
    marks = account.ledger.marks
    before = (mark for mark in reversed(marks) if mark.at.astimezone(NEW_YORK).date() < today)
    return next(before, marks[0]).equity_usd


def _last_maintenance(account: Account, power: Power) -> Decimal:
    """Maintenance margin at the close before today, of what was held then."""
    changed = changes_today(account)
    symbols = {*account.book.holdings, *changed}
    overnight = {symbol: account.book.shares(symbol) - changed.get(symbol, ZERO) for symbol in symbols}
    held = {symbol: quantity for symbol, quantity in overnight.items() if quantity}
    closes = {symbol: _lastday(account, symbol) for symbol in held}
    factors = leverages(account.exchange.market, held)
    return requirements(held, closes, factors, is_cash=power.multiplier == CASH).maintenance


def changes_today(account: Account) -> dict[str, Decimal]:
    """Signed shares and contracts by symbol that have come today, New York's date, by trades and otherwise.

    Not by splits: what was held before one counts on its new terms, as the close before does.
    """
    today = account.exchange.now.astimezone(NEW_YORK).date()
    found: dict[str, Decimal] = {}
    for execution in reversed(account.ledger.executions):
        if execution.at.astimezone(NEW_YORK).date() < today:
            break
        found[execution.symbol] = found.get(execution.symbol, ZERO) + execution.signed_quantity
    for entry in reversed(account.ledger.entries):
        if entry.at.astimezone(NEW_YORK).date() < today:
            break
        if entry.symbol is not None and entry.position_change and entry.kind not in OF_SPLITS:
            found[entry.symbol] = found.get(entry.symbol, ZERO) + entry.position_change
    return found


def _lastday(account: Account, symbol: str) -> Decimal:
    """The close before today in dollars; the last price of what has not closed before."""
    close = account.exchange.market.previous_close(symbol, account.exchange.now)
    return account.last(symbol) if close is None else close * UNIT_USD


def position_json(account: Account, symbol: str, holding: Holding) -> Json:
    """One position, marked at the last trade. A short one has quantities and values below zero."""
    return _position(account, symbol, holding, changes_today(account).get(symbol, ZERO))


def positions_json(account: Account) -> list[Json]:
    changed = changes_today(account)
    held = sorted(account.book.holdings.items())
    return [_position(account, symbol, holding, changed.get(symbol, ZERO)) for symbol, holding in held]


def _position(account: Account, symbol: str, holding: Holding, changed: Decimal) -> Json:
    price, lastday = account.last(symbol), _lastday(account, symbol)
    value, cost = price * holding.quantity * multiplier(symbol), holding.cost_usd
    basis_today = _basis_today(symbol, holding, changed, lastday)
    moved = (price - lastday) / lastday if lastday else ZERO
    return {
        "asset_id": asset_id(symbol),
        "symbol": symbol,
        "exchange": "" if is_option(symbol) else EXCHANGE_OF_ASSETS,
        "asset_class": (AssetClass.OPTION if is_option(symbol) else AssetClass.EQUITY).value,
        "asset_marginable": True,  # of options too, in the example of the options trading overview
        "qty": number(holding.quantity),
        "qty_available": number(_free(account, symbol)),
        "side": "long" if holding.is_long else "short",
        "avg_entry_price": rounded(holding.average_price(symbol)),
        "market_value": number(value),
        "cost_basis": rounded(cost),
        "unrealized_pl": rounded(value - cost),
        "unrealized_plpc": rounded(_part(value - cost, cost)),
        "unrealized_intraday_pl": rounded(value - basis_today),
        "unrealized_intraday_plpc": rounded(_part(value - basis_today, basis_today)),
        "current_price": number(price),
        "lastday_price": number(lastday),
        "change_today": rounded(moved),
    }


def _free(account: Account, symbol: str) -> Decimal:
    """What neither open orders nor sold calls keep."""
    free = available(account.book, symbol)
    return max(ZERO, free - locked_shares(account.book, symbol)) if free > 0 and not is_option(symbol) else free


def _basis_today(symbol: str, holding: Holding, changed: Decimal, lastday: Decimal) -> Decimal:
    """What today's gain is measured from: the last close for what was held then, the entry price for what came today."""
    before = holding.quantity - changed
    sign = 1 if holding.is_long else -1
    overnight = sign * max(ZERO, min(abs(holding.quantity), before * sign))
    added = holding.quantity - overnight
    return overnight * lastday * multiplier(symbol) + added * holding.average_price(symbol) * multiplier(symbol)


def _part(gain: Decimal, basis: Decimal) -> Decimal:
    return gain / abs(basis) if basis else ZERO
