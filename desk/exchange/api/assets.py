"""GET /v2/assets and one asset (https://docs.alpaca.markets/reference/get-v2-assets-1)."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.data.source import Instrument
from desk.exchange.api.answers import answer
from desk.exchange.api.wire import EXCHANGE_OF_ASSETS, Json
from desk.exchange.machine.book import asset_id
from desk.exchange.rules.margin import SHORT_RATE, maintenance_rate
from desk.exchange.rules.rejections import Rejection, invalid, not_found
from desk.exchange.venue import Exchange

FILTERS: Mapping[str, frozenset[str]] = {
    "status": frozenset({"active", "inactive"}),
    "asset_class": frozenset({"us_equity", "us_option", "crypto", "crypto_perp"}),
    "exchange": frozenset(
        ["AMEX", "ARCA", "ASCX", "BATS", "NYSE", "NASDAQ", "NYSEARCA", "FTXU", "CBSE", "GNSS", "ERSX", "OTC", "CRYPTO"]
    ),
}
ATTRIBUTES = frozenset(
    [
        "ptp_no_exception",
        "ptp_with_exception",
        "ipo",
        "has_options",
        "options_late_close",
        "fractional_eh_enabled",
        "overnight_tradable",
        "overnight_halted",
    ]
)


class AssetRoutes:
    """What can be traded, or could be: the symbols of the source."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def routes(self) -> list[Route]:
        return [
            Route("/v2/assets", self.assets, methods=["GET"]),
            Route("/v2/assets/{symbol:path}", self.asset, methods=["GET"]),
        ]

    async def assets(self, request: Request) -> Response:
        wanted = parse_filters(request.query_params)
        if isinstance(wanted, Rejection):
            return answer(wanted)
        if (
            wanted.get("asset_class", "us_equity") != "us_equity"
            or wanted.get("exchange", EXCHANGE_OF_ASSETS) != EXCHANGE_OF_ASSETS
        ):
            return answer([])
        found = (asset_json_of(self.exchange, symbol) for symbol in self.exchange.market.source.symbols)
        return answer([asset for asset in found if _fits(asset, wanted)])

    async def asset(self, request: Request) -> Response:
        given = request.path_params["symbol"]
        symbols = self.exchange.market.source.daily
        symbol = given if given in symbols else next((each for each in symbols if asset_id(each) == given.lower()), None)
        if symbol is None:
            return answer(not_found(f"asset not found for {given[:64]}"))
        return answer(asset_json_of(self.exchange, symbol))


def parse_filters(params: Mapping[str, str]) -> dict[str, str] | Rejection:
    """The filters that were given; `attributes` stays a list in commas."""
    given = {name: params[name] for name in (*FILTERS, "attributes") if params.get(name)}
    for name, allowed in FILTERS.items():
        if name in given and given[name] not in allowed:
            return invalid(f"invalid {name}: {given[name][:40]}; send one of {', '.join(sorted(allowed))}")
    unknown = sorted(set(given.get("attributes", "").split(",")) - ATTRIBUTES - {""})
    return invalid(f"invalid attributes: {unknown[0][:40]}") if unknown else given


def _fits(asset: Json, wanted: Mapping[str, str]) -> bool:
    """Any of the given attributes is enough."""
    attributes = set(wanted.get("attributes", "").split(",")) - {""}
    has = asset["attributes"]
    assert isinstance(has, list)
    return wanted.get("status", asset["status"]) == asset["status"] and (not attributes or bool(attributes & set(has)))


def asset_json_of(exchange: Exchange, symbol: str) -> Json:
    """An asset as it stands now. Stocks can be bought on margin and sold short unless all accounts are cash accounts."""
    instrument = exchange.market.source.instruments.get(symbol) or Instrument(symbol, symbol)
    has_margin = any(account.config.multiplier > 1 for account in exchange.accounts.values())
    attributes = ["has_options"] if exchange.board.has_options(symbol) else []
    asset, config = asset_json(instrument, exchange.is_tradable(symbol), has_margin, attributes), exchange.config
    if symbol in config.not_fractionable:
        asset["fractionable"] = False
    if symbol in config.not_shortable | config.hard_to_borrow:
        asset.update(easy_to_borrow=False, borrow_status="hard_to_borrow")
        asset["shortable"] = asset["shortable"] and symbol not in config.not_shortable
    return asset


def asset_json(instrument: Instrument, is_tradable: bool, has_margin: bool, attributes: list[str]) -> Json:
    """Requirements are percentages: 30 of longs and shorts, 50 and 75 of funds that pay twice or three times an index."""
    rate = maintenance_rate(instrument.leverage)
    long, short = (round(part * 100) if has_margin else 100 for part in (rate, max(SHORT_RATE, rate)))
    return {
        "id": asset_id(instrument.symbol),
        "class": "us_equity",
        "exchange": EXCHANGE_OF_ASSETS,
        "symbol": instrument.symbol,
        "name": instrument.name or instrument.symbol,
        "status": "active" if is_tradable else "inactive",
        "tradable": is_tradable,
        "marginable": has_margin,
        "shortable": has_margin and is_tradable,
        "easy_to_borrow": has_margin and is_tradable,
        "borrow_status": "easy_to_borrow" if has_margin and is_tradable else "hard_to_borrow",
        "fractionable": is_tradable,
        "maintenance_margin_requirement": long,
        "margin_requirement_long": str(long),
        "margin_requirement_short": str(short),
        "attributes": attributes,
    }
