"""What the journal keeps beside steps, events and denials: the run itself, its iterations, and the broker's answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from desk.domain.breaks import Break
from desk.domain.decisions import Denied, FixedExit, Mode
from desk.domain.orders import OrderEvent, OrderSpec
from desk.domain.spreads import SpreadOpened, SpreadSettled, SpreadTurned
from desk.domain.steps import Cancel, Replace, SpreadOrder, Submit


@dataclass(frozen=True, slots=True)
class RunStarted:
    """First row of a run, and again at every resume. `options` are the command line's, without secrets.

    `foreign` are shares by symbol that the account held before the desk's first order.
    """

    strategy: str
    broker: str
    source: str
    seed: int | None
    resumed: bool
    foreign: Mapping[str, int] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IterationDone:
    """One iteration finished: the broker's account in dollars and the desk's count of positions."""

    number: int
    session: date
    equity_usd: float
    cash_usd: float
    positions: int


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The broker took an order, a price change or a cancel; `broker_ids` by role, as far as its answer names them."""

    key: str
    broker_ids: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BrokerRefusal:
    """The broker refused an order; `explained` when the desk knows the rule and why it could not foresee it.

    `unsent` when the message is known never to have reached the broker: it may go out again under its own key.
    """

    key: str
    http_status: int | None
    code: int | None
    message: str
    explained: bool = False
    unsent: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """Something a broker said, raw, as it came: `source` is "stream" or "rest", `body` its JSON."""

    source: str
    body: str


@dataclass(frozen=True, slots=True)
class SentAgain:
    """A journaled step that had never reached the broker goes out again under its own key; a new order as `submit` has it now."""

    key: str
    submit: Submit | None = None


@dataclass(frozen=True, slots=True)
class ForeignOrder:
    """An order that a plain Lumibot strategy sent past the corridor: journaled before it goes, never managed.

    `spec` is the order as it goes out, so that a restart can follow it; None for one that does not, for `problem`, and for
    changes of an order that is there already.
    """

    key: str
    symbol: str
    text: str
    spec: OrderSpec | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ForeignSeen:
    """Somebody else's trade in the account was recognised: `shares` of `symbol` are not the desk's from here on.

    `counted` says how many shares of each foreign order, by the broker's id, they include; a sale counts negative.
    """

    symbol: str
    shares: int
    counted: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SharesAdopted:
    """Shares of the account became the desk's, as if it had bought them at `price` dollars under the bracket `spec`.

    `left` are the shares of the symbol that stay somebody else's, `rule` moves the exits from now on.
    """

    spec: OrderSpec
    price: Decimal
    reason: str
    left: int = 0
    rule: FixedExit | None = None

    @property
    def key(self) -> str:
        return self.spec.key


@dataclass(frozen=True, slots=True)
class SharesWanted:
    """What each strategy of a portfolio wants of a symbol from now on, in shares: fills are given to them by it.

    At `price` dollars a share those that leave give to those that enter, without an order; None where none of it is known.
    """

    symbol: str
    wanted: Mapping[str, int]
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ResidueStop:
    """A day's order that sells part of a share, which no exit of the book can be for: a stop at `stop_price` dollars, or at the
    market where that is None. Journaled before it is sent; a symbol has at most one in a `session` (New York).
    """

    key: str
    symbol: str
    quantity: Decimal
    session: date
    stop_price: Decimal | None


@dataclass(frozen=True, slots=True)
class SharesSplit:
    """A stock split as the broker booked it: `old_shares` of `symbol` in the whole account became `new_shares`, both whole.

    `new_rate` shares for every `old_rate`, from the start of the day `on` (New York) on. `activity_ids` are the broker's: no
    split counts twice. `fraction` is the part of a share that was there beside `old_shares`; whole shares may come of it.
    """

    symbol: str
    old_shares: int
    new_shares: int
    new_rate: Decimal
    old_rate: Decimal
    on: date
    activity_ids: tuple[str, ...] = ()
    fraction: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class BreakFound:
    found: Break
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class ModeChanged:
    mode: Mode
    reason: str


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """The broker's updates stopped coming, or come again and its truth is known. While they do not, nothing is opened."""

    is_up: bool
    reason: str


@dataclass(frozen=True, slots=True)
class StopPassed:
    """The market has been below the stop of trade `key` for a while and the stop sold nothing; prices in dollars."""

    key: str
    symbol: str
    shares: int
    stop_price: Decimal | None
    price: float


@dataclass(frozen=True, slots=True)
class IterationSkipped:
    """An iteration was due and nothing was decided: the broker did not answer, say, or the machine slept. Exits stay in force."""

    reason: str


@dataclass(frozen=True, slots=True)
class RunStopped:
    """Last row of a run that ended in order; a crash has none."""

    reason: str
    iterations: int


RowValue = (
    Submit
    | SpreadOrder
    | Replace
    | Cancel
    | OrderEvent
    | Denied
    | RunStarted
    | IterationDone
    | Acknowledged
    | BrokerRefusal
    | SentAgain
    | Heard
    | ForeignOrder
    | ForeignSeen
    | SharesAdopted
    | ResidueStop
    | SharesWanted
    | SharesSplit
    | SpreadOpened
    | SpreadTurned
    | SpreadSettled
    | BreakFound
    | ModeChanged
    | LinkChanged
    | StopPassed
    | IterationSkipped
    | RunStopped
)


@dataclass(frozen=True, slots=True)
class Row:
    """One journal row: a value at a moment (aware, UTC)."""

    at: datetime
    value: RowValue

    @property
    def step_key(self) -> str | None:
        """Unique key of a message to the broker, None for everything else."""
        if isinstance(self.value, Submit | SpreadOrder | Replace | Cancel | ForeignOrder | SharesAdopted | ResidueStop):
            return self.value.key
        return None
