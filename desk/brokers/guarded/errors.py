"""What a broker's refusal or silence means: was it carried out, may it be sent again, and what to tell a person.

Alpaca calls the HTTP status and the code its contract and says that texts may change
(https://docs.alpaca.markets/docs/options-trading-overview). But 42210000 and 40310000 each stand for many things, so where those
two leave it open the extra fields of the body decide, and the text after them. Bodies may be HTML or broken JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from alpaca.common.exceptions import APIError
from requests import ConnectTimeout, RequestException
from urllib3.exceptions import NewConnectionError

LONGEST_MESSAGE = 500


class ErrorClass(StrEnum):
    RATE_LIMITED = "rate_limited"
    BROKEN = "broken"
    NOT_REACHED = "not_reached"
    NO_ANSWER = "no_answer"
    UNAUTHORIZED = "unauthorized"
    NOT_FOUND = "not_found"
    SHARES_HELD = "shares_held"
    BUYING_POWER = "buying_power"
    WASH = "wash"
    PRICE_MOVED = "price_moved"
    NEEDS_CANCEL = "needs_cancel"
    NOT_CHANGED = "not_changed"
    RETRY_LATER = "retry_later"
    UNSETTLED = "unsettled"
    ALREADY_ENDED = "already_ended"
    DUPLICATE_ID = "duplicate_id"
    WRONG_SIDE_OF_POSITION = "wrong_side_of_position"
    TOO_LATE = "too_late"
    REFUSED = "refused"


class Execution(StrEnum):
    """Whether the broker did what the request asked for."""

    NOT_EXECUTED = "certainly not executed"
    MAYBE = "maybe executed"
    EXECUTED = "executed, by this request or by an earlier one"


class Retry(StrEnum):
    """What may follow."""

    SAME_LATER = "send the same again after a wait"
    LOOK_UP = "look at the order before anything else"
    DECIDE_AGAIN = "decide again from fresh prices, positions and orders"
    CANCEL_FIRST = "cancel, then send a new order"
    NEVER = "nothing: it would be refused again"


@dataclass(frozen=True, slots=True)
class Meaning:
    execution: Execution
    retry: Retry
    sentence: str


_NOT, _MAYBE, _DONE = Execution.NOT_EXECUTED, Execution.MAYBE, Execution.EXECUTED
MEANING: Mapping[ErrorClass, Meaning] = {
    ErrorClass.RATE_LIMITED: Meaning(_NOT, Retry.SAME_LATER, "The broker takes no more requests this minute."),
    # A 503 is mostly an answer of a door that let nothing in, but nothing proves it; its cost is one look-up.
    ErrorClass.BROKEN: Meaning(_MAYBE, Retry.LOOK_UP, "Something at the broker is broken; it may have taken the request."),
    ErrorClass.NOT_REACHED: Meaning(_NOT, Retry.SAME_LATER, "The broker could not be reached; nothing was sent."),
    ErrorClass.NO_ANSWER: Meaning(_MAYBE, Retry.LOOK_UP, "The request went out and no answer came; it may have arrived."),
    ErrorClass.UNAUTHORIZED: Meaning(_NOT, Retry.NEVER, "The broker does not accept the API keys; check them and the account."),
    ErrorClass.NOT_FOUND: Meaning(_NOT, Retry.NEVER, "The broker does not know this order, position or symbol."),
    ErrorClass.SHARES_HELD: Meaning(_NOT, Retry.DECIDE_AGAIN, "Other open orders hold the shares; end them and wait."),
    ErrorClass.BUYING_POWER: Meaning(_NOT, Retry.DECIDE_AGAIN, "The account has too little buying power for this order."),
    ErrorClass.WASH: Meaning(_NOT, Retry.DECIDE_AGAIN, "An open order on the other side could trade with this one."),
    ErrorClass.PRICE_MOVED: Meaning(_NOT, Retry.DECIDE_AGAIN, "The price moved past the order's exits before it arrived."),
    ErrorClass.NEEDS_CANCEL: Meaning(_NOT, Retry.CANCEL_FIRST, "A group's quantity cannot be changed; cancel and send it anew."),
    ErrorClass.NOT_CHANGED: Meaning(_DONE, Retry.LOOK_UP, "The order already has these values."),
    ErrorClass.RETRY_LATER: Meaning(_NOT, Retry.DECIDE_AGAIN, "The order is between two states and cannot be changed now."),
    # Alpaca answers so for an order that is not at the venue yet, and has been seen to carry the change out all the same.
    ErrorClass.UNSETTLED: Meaning(_MAYBE, Retry.LOOK_UP, "The order is not at the venue yet; the change may still take effect."),
    ErrorClass.ALREADY_ENDED: Meaning(_MAYBE, Retry.LOOK_UP, "The order has ended, or another one has taken its place."),
    ErrorClass.DUPLICATE_ID: Meaning(_DONE, Retry.LOOK_UP, "An order with this id is at the broker already."),
    ErrorClass.WRONG_SIDE_OF_POSITION: Meaning(_NOT, Retry.DECIDE_AGAIN, "The position is not what this order was made for."),
    ErrorClass.TOO_LATE: Meaning(_NOT, Retry.NEVER, "The contract or the session is at its end; no such order is taken."),
    ErrorClass.REFUSED: Meaning(_NOT, Retry.NEVER, "The broker refuses this request as it is."),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """A refusal or a silence. `status` and `code` are None where there was no answer; `extra` are the body's other fields."""

    error_class: ErrorClass
    status: int | None = None
    code: int | None = None
    message: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def execution(self) -> Execution:
        return MEANING[self.error_class].execution

    @property
    def retry(self) -> Retry:
        # The desk's own limit, as no answer said so: it has been waited for already, by the one thread that sends orders.
        is_own_limit = self.error_class is ErrorClass.RATE_LIMITED and self.status is None
        return Retry.DECIDE_AGAIN if is_own_limit else MEANING[self.error_class].retry

    @property
    def is_certain(self) -> bool:
        """Whether the broker certainly did not carry it out."""
        return self.execution is Execution.NOT_EXECUTED

    @property
    def text(self) -> str:
        """One sentence for a person, and what the broker said."""
        said = "no answer" if self.status is None else f"HTTP {self.status}"
        named = f"{said}, code {self.code}" if self.code is not None else said
        return f"{MEANING[self.error_class].sentence} ({named}: {self.message or 'no text'})"


@dataclass(frozen=True, slots=True)
class Row:
    """A refusal by the fields that its body has, or by its text."""

    error_class: ErrorClass
    pattern: str
    fields: tuple[str, ...] = ()

    def fits(self, extra: Iterable[str], message: str) -> bool:
        return not set(self.fields).isdisjoint(extra) or re.search(self.pattern, message, re.IGNORECASE) is not None


# Statuses and codes that say enough by themselves.
BY_STATUS: Mapping[int, ErrorClass] = {
    401: ErrorClass.UNAUTHORIZED,
    404: ErrorClass.NOT_FOUND,
    408: ErrorClass.BROKEN,
    429: ErrorClass.RATE_LIMITED,
}
BY_CODE: Mapping[int, ErrorClass] = {
    40110000: ErrorClass.UNAUTHORIZED,
    40410000: ErrorClass.NOT_FOUND,
    42910000: ErrorClass.RATE_LIMITED,
}
# 403 and 422 stand for everything else. The first row that fits counts: fields of the body are surer than words, and come first.
REFUSALS: tuple[Row, ...] = (
    Row(ErrorClass.SHARES_HELD, r"insufficient qty|held_for_orders", ("held_for_orders", "available")),
    Row(ErrorClass.WASH, r"\bwash\b|while a (?:long buy|short sell) order is open", ("existing_order_id",)),
    Row(ErrorClass.BUYING_POWER, r"buying power", ("cost_basis",)),
    Row(ErrorClass.PRICE_MOVED, r"base_price", ("base_price",)),
    Row(ErrorClass.NEEDS_CANCEL, r"\badvanced orders\b"),
    Row(ErrorClass.NOT_CHANGED, r"\bnot changed\b"),
    Row(ErrorClass.UNSETTLED, r"isn't sent to exchange yet"),
    Row(ErrorClass.RETRY_LATER, r"in (?:accepted|pending_\w+) status|order pending (?:cancel|replace)|chain not fully replaced"),
    Row(ErrorClass.ALREADY_ENDED, r"already in \W?\w+\W? state|already replaced|in (?:filled|canceled|expired) status"),
    Row(ErrorClass.DUPLICATE_ID, r"client_order_id must be unique"),
    Row(ErrorClass.WRONG_SIDE_OF_POSITION, r"must be (?:entry|exit) orders|position intent mismatch"),
    Row(ErrorClass.TOO_LATE, r"contract.* (?:is |has )?expire[sd]\b|only allowed during market hours"),
    # Of keys that are known and not allowed here the data API says no more than this, without a code.
    Row(ErrorClass.UNAUTHORIZED, r"^(?:forbidden|unauthorized|request is not authorized)\.?$"),
)
_OPEN_TO_REFINEMENT = (403, 422)


def classify(status: int | None, code: int | None = None, body: str | bytes | Mapping[str, Any] = "") -> Failure:
    """What an answer that is not the wanted one means.

    `status` None is no answer at all, which may have arrived; `code` None is taken from the body. Every status is classified:
    one below 400 belongs to an answer that could not be read.
    """
    known = _parsed(body)
    code = code if code is not None else _whole(known.get("code"))
    message = str(known.get("message") or ("" if isinstance(body, Mapping) else _text(body)))[:LONGEST_MESSAGE]
    extra = {name: value for name, value in known.items() if name not in ("code", "message")}
    return Failure(_class_of(status, code, message, extra), status, code, message, extra)


def _class_of(status: int | None, code: int | None, message: str, extra: Mapping[str, Any]) -> ErrorClass:
    if status is None:
        return ErrorClass.NO_ANSWER
    if status < 400 or status >= 500:
        return ErrorClass.BROKEN
    plain = BY_STATUS.get(status) or BY_CODE.get(code or 0)
    if plain is not None:
        return plain
    if status in _OPEN_TO_REFINEMENT:
        return next((row.error_class for row in REFUSALS if row.fits(extra, message)), ErrorClass.REFUSED)
    return ErrorClass.REFUSED


def failure_of(error: APIError | RequestException) -> Failure:
    """What an exception of alpaca-py or of requests means.

    A connection that was never made certainly carried nothing. Any other silence may have been carried out.
    """
    if isinstance(error, APIError):
        return classify(error.status_code, None, str(error))
    return Failure(_class_of_silence(error), message=f"{type(error).__name__}: {error}"[:LONGEST_MESSAGE])


def _class_of_silence(error: RequestException) -> ErrorClass:
    if isinstance(error, OverBudget):
        return ErrorClass.RATE_LIMITED
    reached = not (isinstance(error, NeverSent | ConnectTimeout) or _never_connected(error))
    return ErrorClass.NO_ANSWER if reached else ErrorClass.NOT_REACHED


class NeverSent(RequestException):
    """The request was held back on this side: the broker certainly has not seen it."""


class OverBudget(NeverSent):
    """It was held back because the rate budget had no token for it in time."""


def _never_connected(error: BaseException) -> bool:
    # requests wraps urllib3's MaxRetryError, whose `reason` says where it failed; a proxy's error wraps one more.
    cause: object = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    return isinstance(getattr(reason, "original_error", reason), NewConnectionError)


def _parsed(body: str | bytes | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(body, Mapping):
        return body
    try:
        known = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return known if isinstance(known, dict) else {}


def _text(body: str | bytes) -> str:
    return body.decode(errors="replace") if isinstance(body, bytes) else body


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
