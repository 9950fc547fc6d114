"""`desk positions`: what the desk holds, how far it is from its exits, and whether these are really at the broker.

The book comes from the journal, which the desk may be writing meanwhile; prices and exits come from where the run trades, and
nothing is changed there. Without an answer, or with `--journal`, the journal's word stands alone, and the table says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

import requests
import typer
from alpaca.common.exceptions import APIError
from rich.live import Live

from desk.brokers.alpaca_clients import trading_client
from desk.brokers.alpaca_facts import STATUS
from desk.brokers.endpoint import Endpoint
from desk.brokers.resync import OVERLAP
from desk.cli.journal import JournalOption, RunOption, place
from desk.cli.positions_table import JOURNAL, Shown, as_object, dashboard, printed
from desk.cli.sockets import exchange_url
from desk.cli.tables import console, print_json
from desk.cli.trade_alpaca import endpoint_of
from desk.core.positions import BrokersWord, ExitSeen, GroupSeen, not_the_desks
from desk.core.positions import positions as positions_of
from desk.core.reconcile import BrokerView
from desk.core.residue import NEW_YORK, exempt, whole
from desk.domain.errors import BrokerUnreachable
from desk.domain.journal import RunStarted
from desk.domain.orders import GroupRole, OrderStatus
from desk.domain.trades import Book, Trade
from desk.journal.reader import JournalReader
from desk.runtime.alpaca_run import SILENCE, account_number
from desk.runtime.build import market_hours
from desk.runtime.clock import SystemClock, wait_seconds
from desk.runtime.ledger import Ledger
from desk.settings.load import load_settings

REFRESH_SECONDS = 2.0
# A look costs two requests. Alpaca takes 200 a minute from an account and the desk allows itself 180 of them: whoever watches
# the desk must not take from it what it needs for orders.
ALPACA_REFRESH_SECONDS = 10.0
# A look can fall between an order and its row, so what differs is looked at again before it is told.
LOOK_AGAIN_SECONDS = 1.0
PAGE = 500

Raw = Mapping[str, Any]
Member = tuple[str, GroupRole]


def positions(
    symbol: Annotated[str | None, typer.Argument(help="This symbol alone.")] = None,
    run: RunOption = None,
    journal: JournalOption = None,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every 2 s (at Alpaca 10), until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with --watch one a look.")] = False,
) -> None:
    """Show the desk's positions, their exits and what protects them. Exit code 7: shares without exits; 4: no journal."""
    with JournalReader(place(run, journal)) as reader:
        book = JournalBook(reader)
        tells = JournalAlone("prices are not asked for with --journal") if journal is not None else source_for(book)
        viewer = Viewer(book, tells, None if symbol is None else symbol.upper())
        shown = (_watch if watch else _once)(viewer, as_json)
    raise typer.Exit(shown.exit_code)


def _once(viewer: Viewer, as_json: bool) -> Shown:
    shown = viewer.look()
    if any(position.differences for position in shown.positions):
        wait_seconds(LOOK_AGAIN_SECONDS)
        shown = viewer.look()
    _print(shown, as_json)
    return shown


def _watch(viewer: Viewer, as_json: bool) -> Shown:
    """Until Ctrl-C; a terminal shows one table in its place, anything else one after the other."""
    out, shown = console(), viewer.look()
    with suppress(KeyboardInterrupt):
        if as_json or not out.is_terminal:
            while True:
                _print(shown, as_json)
                wait_seconds(viewer.refresh_seconds)
                shown = viewer.look()
        with Live(printed(shown), console=out, auto_refresh=False) as live:
            while True:
                wait_seconds(viewer.refresh_seconds)
                shown = viewer.look()
                live.update(printed(shown), refresh=True)
    return shown


def _print(shown: Shown, as_json: bool) -> None:
    if as_json:
        print_json(as_object(shown))
    else:
        console().print(printed(shown))


# ---- the journal's word ----------------------------------------------------------------------------------------------------


class JournalBook:
    """The book as a journal has it, read on as rows come. `broker` is where its run trades, empty before it began."""

    def __init__(self, reader: JournalReader) -> None:
        self.reader = reader
        self.ledger = Ledger(reader.nonce)
        self.broker = ""
        self.read_at: datetime | None = None
        self._after = 0
        self.catch_up()

    def catch_up(self) -> Book:
        """The book after the last row. Raises ReconciliationBreak for a row that cannot be read."""
        for stored in self.reader.rows(self._after):
            row = stored.row()
            self.ledger.replay(row)
            if isinstance(row.value, RunStarted):
                self.broker = row.value.broker
            self._after, self.read_at = stored.seq, row.at
        return self.ledger.book

    def now(self) -> datetime:
        """The run's own time: a replay on the exchange has that of its last row."""
        wall = SystemClock().now()
        return self.read_at or wall if self.broker == "exchange" else wall

    @property
    def today(self) -> date:
        return self.now().astimezone(NEW_YORK).date()

    def foreign(self) -> dict[str, int]:
        """Shares that the journal knows not to be the desk's: all that is missing beside an empty book in an empty account."""
        return {each.symbol: each.book_shares for each in self.ledger.differences.between(Book(), BrokerView({}))}


# ---- where the run trades --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """What a source says. `word` None: it was not asked or is silent, and `notes` say why.

    `residues` are today's orders for parts of shares by key, None for one that is not there; those not asked for are missing.
    """

    told_by: str
    prices: Mapping[str, float] = field(default_factory=dict)
    word: BrokersWord | None = None
    notes: tuple[str, ...] = ()
    link: str | None = None
    residues: Mapping[str, OrderStatus | None] = field(default_factory=dict)


Source = Callable[[JournalBook], Answer]


@dataclass(frozen=True)
class JournalAlone:
    """Nobody to ask."""

    why: str
    link: str | None = None

    def __call__(self, book: JournalBook) -> Answer:
        return Answer(JOURNAL, notes=(f"Price unknown: {self.why}.",), link=self.link)


def source_for(book: JournalBook) -> Source:
    """Who tells prices and exits of the run that `book` belongs to. Raises ConfigurationError for keys that cannot be right."""
    if book.broker == "exchange":
        return at_exchange
    if book.broker != "alpaca":
        return JournalAlone("no run has begun")
    lease = book.reader.lease()
    account = "" if lease is None else lease.account
    settings = load_settings()
    if settings.credentials is None:
        # Numbers of paper accounts begin with PA.
        return JournalAlone("no Alpaca keys are set", dashboard(account.startswith("PA")) if account else None)
    return AtAlpaca(endpoint_of(settings), account)


def at_exchange(book: JournalBook) -> Answer:
    """The page of the exchange that a living run brought along; it needs no keys."""
    url = exchange_url(book.reader.lease(), SystemClock().now())
    if url is None:
        return JournalAlone("the run does not go on, and its exchange ended with it")(book)
    try:
        with requests.Session() as session:
            session.trust_env = False  # a proxy has no business between us and loopback
            page = session.get(f"{url}/page.json", timeout=5.0).json()
    except (requests.RequestException, ValueError) as error:
        return JournalAlone(f"the exchange at {url} does not answer ({type(error).__name__})")(book)
    return replace(_of_page(page), link=url)


def _of_page(page: Raw) -> Answer:
    """Rows of the page: symbol, shares, entry, price, stop, target, profit, and what is bare."""
    rows: Sequence[Sequence[str]] = page["positions"]
    word = BrokersWord(
        shares={row[0]: Decimal(row[1]) for row in rows},
        bare={row[0]: int(Decimal(row[7].split()[0])) for row in rows if row[7].endswith("bare")},
    )
    return Answer("the exchange", {row[0]: float(row[3]) for row in rows}, word)


class AtAlpaca:
    """Asks the account for its positions and for the orders of what the desk holds."""

    def __init__(self, endpoint: Endpoint, account: str) -> None:
        """`account` is the number of the journal's, empty when it names none."""
        self._endpoint = endpoint
        self._account = account
        self._api: Any = trading_client(endpoint)
        self._found = ""

    def __call__(self, book: JournalBook) -> Answer:
        alone = JournalAlone("", dashboard(self._endpoint.is_paper))
        try:
            self._found = self._found or account_number(self._endpoint)
            if self._account not in ("", self._found):
                why = f"the keys belong to account {self._found}, and this journal is account {self._account}'s"
                return replace(alone, why=why)(book)
            prices, word = _account_view(self._api, book)
            residues = _residue_orders(self._api, book)
        except SILENCE as error:
            return replace(alone, why=_silence(error))(book)
        return Answer("the broker", prices, word, link=alone.link, residues=residues)


def _silence(error: BaseException) -> str:
    if isinstance(error, BrokerUnreachable):
        return str(error)
    told = f"HTTP {error.status_code}" if isinstance(error, APIError) else type(error).__name__
    return f"Alpaca did not tell positions and orders ({told})"


def _account_view(api: Any, book: JournalBook) -> tuple[dict[str, float], BrokersWord]:
    listed: Sequence[Raw] = api.get("/positions")
    prices = {str(raw["symbol"]): float(raw["current_price"]) for raw in listed if raw.get("current_price") is not None}
    shares = {str(raw["symbol"]): Decimal(str(raw["qty"])) for raw in listed}
    trades = [trade for trade in book.ledger.book.open.values() if trade.shares]
    return prices, BrokersWord(shares, _groups(api, trades, book.ledger.sent.member_of) if trades else {})


def _residue_orders(api: Any, book: JournalBook) -> dict[str, OrderStatus | None]:
    stops, today = book.ledger.residues, book.today
    wanted = [stop.key for stop in stops.last() if stop.session == today and stops.why_refused(stop) is None]
    return {key: next((_status(order) for order in _by_key(api, key)), None) for key in wanted}


def _groups(api: Any, trades: Sequence[Trade], member_of: Callable[[str], Member | None]) -> dict[str, GroupSeen | None]:
    """Order groups that hold the trades' exits, by key, as far as the broker has them.

    A listing of open orders would leave out stops that sleep, and brackets whose entry is filled: all are asked for, and one by
    one those that a full page may hide.
    """
    begin = min(trade.decided_at for trade in trades) - OVERLAP
    filters = {
        "status": "all",
        "nested": "true",
        "limit": PAGE,
        "direction": "desc",
        "after": begin.isoformat(),
        "symbols": ",".join(sorted({trade.symbol for trade in trades})),
    }
    listed: list[Raw] = api.get("/orders", filters)
    wanted = {trade.exits_key: trade for trade in trades}
    found = _members(listed, wanted, member_of)
    if len(listed) >= PAGE:
        hidden = wanted.keys() - {key for key, _ in found}
        found |= _members([order for key in sorted(hidden) for order in _by_key(api, key)], wanted, member_of)
    there = {key for key, _ in found}
    return {key: _group(trade, found) if key in there else None for key, trade in wanted.items()}


def _by_key(api: Any, key: str) -> list[Raw]:
    try:
        order = api.get("/orders:by_client_order_id", {"client_order_id": key})
        return [api.get(f"/orders/{order['id']}", {"nested": "true"})]
    except APIError as error:
        if error.status_code != 404:
            raise
        return []


def _members(listed: Sequence[Raw], wanted: Mapping[str, Trade], member_of: Callable[[str], Member | None]) -> dict[Member, Raw]:
    """The broker's order for each member of the wanted groups: of one whose price was changed the one that is in force."""
    found: dict[Member, Raw] = {}
    for order, key in _with_keys(listed):
        known = member_of(str(order["id"])) or member_of(str(order.get("replaces")))
        member = known or (key, _role(order))
        before = found.get(member)
        if member[0] in wanted and (before is None or _is_later(order, before)):
            found[member] = order
    return found


def _with_keys(listed: Sequence[Raw]) -> Iterator[tuple[Raw, str]]:
    """Orders and their legs, each with the client order id of the group."""
    for order in listed:
        for each in (order, *(order.get("legs") or ())):
            yield each, str(order.get("client_order_id") or "")


def _role(order: Raw) -> GroupRole:
    """Only a stop has a stop price, and only an entry buys; a plain sale is its own entry."""
    if order.get("stop_price") is not None:
        return GroupRole.STOP_LOSS
    is_exit = order.get("side") == "sell" and order.get("order_class") not in ("", "simple", None)
    return GroupRole.TAKE_PROFIT if is_exit else GroupRole.ENTRY


def _is_later(order: Raw, other: Raw) -> bool:
    if (order["status"] == "replaced") != (other["status"] == "replaced"):
        return bool(other["status"] == "replaced")
    return str(order.get("created_at")) > str(other.get("created_at"))


def _group(trade: Trade, found: Mapping[Member, Raw]) -> GroupSeen:
    first, target, stop = (
        found.get((trade.exits_key, role)) for role in (GroupRole.ENTRY, GroupRole.TAKE_PROFIT, GroupRole.STOP_LOSS)
    )
    if trade.covers and first is not None:  # a plain sale stands where the stop would
        return GroupSeen(stop=_exit(first, None))
    return GroupSeen(
        entry=None if first is None else _status(first),
        target=None if target is None else _exit(target, "limit_price"),
        stop=None if stop is None else _exit(stop, "stop_price"),
    )


def _exit(order: Raw, priced_by: str | None) -> ExitSeen:
    price = None if priced_by is None else order.get(priced_by)
    left = Decimal(str(order.get("qty") or 0)) - Decimal(str(order.get("filled_qty") or 0))
    return ExitSeen(_status(order), None if price is None else Decimal(str(price)), int(left))


def _status(order: Raw) -> OrderStatus:
    return STATUS.get(str(order["status"]), OrderStatus.UNKNOWN)


# ---- both together ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Viewer:
    """Looks at a run as often as it is asked to; `symbol` None for all."""

    book: JournalBook
    source: Source
    symbol: str | None = None

    @property
    def refresh_seconds(self) -> float:
        return ALPACA_REFRESH_SECONDS if isinstance(self.source, AtAlpaca) else REFRESH_SECONDS

    def look(self) -> Shown:
        """Raises what reading the journal raises; a broker that is silent is a note."""
        book, now = self.book.catch_up(), self.book.now()
        answer = self.source(self.book)
        stops, hours = self.book.ledger.residues, market_hours(now)
        parts = stops.looked_after(book.shares(), None if answer.word is None else answer.word.shares, self.book.today)
        # A part of a share that is told as exempt is told once.
        word = answer.word and replace(
            answer.word, shares={**answer.word.shares, **{symbol: Decimal(whole(there)) for symbol, there in parts.items()}}
        )
        return Shown(
            journal=str(self.book.reader),
            as_of=now,
            told_by=answer.told_by,
            positions=tuple(
                each for each in positions_of(book, answer.prices, now, answer.word) if self.symbol in (None, each.symbol)
            ),
            not_ours={
                symbol: shares
                for symbol, shares in not_the_desks(book, self.book.foreign(), word).items()
                if self.symbol in (None, symbol)
            },
            exempt=tuple(
                each
                for each in exempt(parts, stops, (self.book.today, hours and hours[1]), answer.residues)
                if self.symbol in (None, each.symbol)
            ),
            prices=answer.prices,
            notes=answer.notes,
            link=answer.link,
        )
