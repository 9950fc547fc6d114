"""Hands one opportunity to the desk: `AutoExecutionEngine().execute_opportunity({...})`, from any program.

What comes of it is journaled in a run's folder like everything else. While a call lasts, the desk that it opens enters the spread
and looks after every spread of that run; when it returns, orders that rest stay at the broker, and nobody looks. From then on a
running desk manages them:

- at Alpaca, `live_trader.py --strategy bull_put_spread` (the same folder, `runs/bull_put_spread-alpaca-NUMBER`): it applies the
  exit rules to every spread there until each is gone. It also opens spreads that its strategy finds; a desk that shall only
  manage is told so with `desk mode RUN reducing --reason "..."`.
- on the built-in exchange, `live_trader.py --resume runs/options-exchange`: its time stands still until then, or until the next
  call.

While such a desk runs, the account is its own: a call is then refused with the code `refused`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from desk.brokers.alpaca_options import asked_rightly
from desk.brokers.endpoint import Endpoint
from desk.core.ports import Clock
from desk.core.spread_entry import Planned
from desk.domain.errors import BrokerUnreachable, ConfigurationError, DeskError, Halted, ReconciliationBreak, Refused, UsageError
from desk.domain.options import CONTRACT_SHARES
from desk.domain.spreads import SpreadPhase
from desk.report.spread_words import laid_out, plan_lines, plan_title
from desk.report.wording import dollars
from desk.runtime.alpaca_run import account_number, check_account
from desk.runtime.clock import SystemClock
from desk.runtime.look import answered
from desk.runtime.opportunity import paper_told, read_opportunity, risk_told, start_told, symbol_of
from desk.runtime.run_folder import RunFolder, RunIdentity, behaviour_digest, create, journal_name, reopen
from desk.runtime.sent_orders import order_words, orders_of
from desk.runtime.spread_desk import SpreadDesk, at_alpaca, on_exchange
from desk.runtime.spread_orders import Outcome, Wanted, open_now, policy_for
from desk.settings.load import Settings, load_settings
from options.refusals import SpreadRefusal

STRATEGY = "bull_put_spread"
EXCHANGE_FOLDER = "options-exchange"
# A calm stretch of the bundled market in which all of its stocks have options; chosen for that and not for a result.
FIRST_DAY = date(2012, 1, 3)
SENT = "What was sent before is in the journal"


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """What was done. True in a condition.

    `orders` are those that were sent, the first one first, as the execution log has them (`order_id`, `at`, `limit_price`,
    `status`; of a ladder all but the last were called back), `alpaca_order_ids` the broker's ids. `position_id` is the
    spread's key, which `desk options close` takes. `status` is its phase, or "unfinished" while an order still rests.
    `credit_usd` is what the fills brought and `max_risk_usd` the most that they can lose by it, while unfinished that of the
    plan; `expected_credit_usd` is of the plan. All contracts together.
    """

    symbol: str
    position_id: str
    status: str
    contracts: int
    expected_credit_usd: float
    max_risk_usd: float
    credit_usd: float
    alpaca_order_ids: tuple[str, ...]
    orders: tuple[Mapping[str, Any], ...]
    legs: tuple[Mapping[str, Any], ...]
    run: str

    def __bool__(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class ExecutionRefusal:
    """Why nothing is open now. False in a condition. `code` is one of `options.refusals.RefusalCode`, or one of these:

    "opportunity" (what was handed over cannot be read), "not_filled" (orders went out and nobody took them), "refused" (another
    process trades the account), "halted", "unreachable", "configuration", "reconciliation", "usage".
    """

    symbol: str
    code: str
    text: str
    alpaca_order_ids: tuple[str, ...] = field(default=())

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return f"{self.symbol}: refused, {self.code}: {self.text}"


CODES: Mapping[type[DeskError], str] = {
    Refused: "refused",
    Halted: "halted",
    BrokerUnreachable: "unreachable",
    ConfigurationError: "configuration",
    ReconciliationBreak: "reconciliation",
    UsageError: "usage",
}


class AutoExecutionEngine:
    """Opens bull put spreads for whoever finds opportunities.

    With Alpaca keys in the environment (or `.env`) it trades there, in the paper account; without keys on a built-in exchange
    over the bundled market, or over `data`, from `start` on, and says so. `endpoint` and `clock` are for a server that speaks
    Alpaca's API elsewhere: one of `desk exchange`, say.

    Real money needs three keys at once: `paper_trading=False`, `account` (its number) and ALPACA_IS_PAPER=false in the
    environment. `max_risk_per_trade` is the most that a spread may lose, in dollars; everything else is by the settings
    (`config`, docs/settings.md). `runs` is where run folders are. `start` is a date, or text as 2012-01-03. Raises BadArgument,
    a ValueError, for values that cannot be meant, UsageError or ConfigurationError for arguments that do not go together.
    """

    def __init__(
        self,
        paper_trading: bool = True,
        max_risk_per_trade: float = 500,
        *,
        account: str | None = None,
        runs: Path | str = Path("runs"),
        config: Path | str | None = None,
        data: Path | str | None = None,
        start: date | str | None = None,
        endpoint: Endpoint | None = None,
        clock: Clock | None = None,
        settings: Settings | None = None,
        show: Callable[[str], object] = print,
    ) -> None:
        self._max_risk_usd = risk_told(max_risk_per_trade)
        self._settings = settings or load_settings(config=None if config is None else Path(config))
        self._runs, self._config = Path(runs), None if config is None else str(Path(config).resolve())
        self._data, self._start = None if data is None else str(Path(data).resolve()), start_told(start)
        self._account = account
        self._clock: Clock = clock or SystemClock()
        self._show = show
        self._endpoint = endpoint or _endpoint(self._settings)
        _check_keys(paper_told(paper_trading), account, self._endpoint)
        self._folder: RunFolder | None = None

    def execute_opportunity(self, opportunity: Mapping[str, Any]) -> ExecutionResult | ExecutionRefusal:
        """Decide about one opportunity, and open its spread if every gate lets it pass; prints plan and outcome.

        Keys: `symbol`, `score` or `final_score` (0 to 10), `confidence` (0 to 1), `price` (dollars, may be missing), `asset_type`
        OPTIONS and `strategy` BULL_PUT_SPREAD (text or enums, in any case, may be missing), `reason`. Other keys are ignored.
        Returns when the entry has filled, or was given up.
        """
        try:
            wanted = read_opportunity(opportunity, self._max_risk_usd)
        except ValueError as error:
            return self._told(ExecutionRefusal(symbol_of(opportunity), "opportunity", str(error)))
        try:
            return self._told(self._execute(wanted))
        except DeskError as error:
            code = next((code for kind, code in CODES.items() if isinstance(error, kind)), "error")
            return self._told(ExecutionRefusal(wanted.underlying, code, str(error)))

    def _execute(self, wanted: Wanted) -> ExecutionResult | ExecutionRefusal:
        planned: list[Planned] = []
        with self._desk() as at, asked_rightly():
            policy = policy_for(at.team.opener.policy, wanted)

            def say(found: Planned) -> None:
                planned.append(found)
                self._show(plan_title(found))
                for line in laid_out(list(plan_lines(found, policy.limits.max_risk_usd))):
                    self._show(line)

            outcome = open_now(at, wanted, say)
        if isinstance(outcome, SpreadRefusal):
            return ExecutionRefusal(outcome.symbol, outcome.code.value, outcome.text)
        return self._result(planned[0], outcome)

    def _result(self, planned: Planned, outcome: Outcome) -> ExecutionResult | ExecutionRefusal:
        spread, plan = outcome.spread, planned.plan
        sent = tuple(entry for entry in self._orders(spread.key) if entry["order_id"])
        ids = tuple(str(entry["order_id"]) for entry in sent)
        if not spread.sold and outcome.is_at_rest:
            return ExecutionRefusal(plan.underlying, "not_filled", spread.why, ids)
        return ExecutionResult(
            symbol=plan.underlying,
            position_id=spread.key,
            status="unfinished" if is_unfinished(outcome) else spread.phase.value,
            contracts=min(spread.short, spread.long),
            expected_credit_usd=float(plan.credit * 100 * plan.contracts),
            max_risk_usd=float(risk_usd(planned, outcome)),
            credit_usd=float(spread.credit_usd),
            alpaca_order_ids=ids,
            orders=sent,
            legs=tuple(leg for entry in sent[-1:] for leg in entry["legs"]),
            run=str(self._folder.path if self._folder else ""),
        )

    def _orders(self, key: str) -> list[dict[str, Any]]:
        """What the journal has of the spread's orders, in the words of the execution log."""
        assert self._folder is not None  # the desk was open a moment ago
        return orders_of(self._folder, self._settings, key)

    def _told(self, outcome: ExecutionResult | ExecutionRefusal) -> ExecutionResult | ExecutionRefusal:
        if isinstance(outcome, ExecutionRefusal):
            self._show(str(outcome))
            return outcome
        self._show(
            f"{outcome.symbol}: {outcome.status}, {outcome.contracts} of it, credit {dollars(outcome.credit_usd)} "
            f"(expected {dollars(outcome.expected_credit_usd)}), max risk {dollars(outcome.max_risk_usd)}"
        )
        lines = [("position", outcome.position_id)]
        lines += [("orders" if i == 0 else "", order_words(entry)) for i, entry in enumerate(outcome.orders)]
        lines += [("leg" if i == 0 else "", _leg(leg)) for i, leg in enumerate(outcome.legs)]
        for line in laid_out([*lines, ("journal", outcome.run)]):
            self._show(line)
        return outcome

    # ---- where ---------------------------------------------------------------------------------------------------------------

    @contextmanager
    def _desk(self) -> Iterator[SpreadDesk]:
        if self._endpoint is None:
            self._folder = self._exchange_folder()
            with answered(SENT), on_exchange(self._folder, self._settings, self._say, to_next_session=True) as at:
                yield at
            return
        self._folder = self._alpaca_folder(self._endpoint)
        with at_alpaca(self._folder, self._settings, self._endpoint, self._clock, self._say) as at:
            yield at

    def _say(self, text: str) -> None:
        self._show(text)

    def _exchange_folder(self) -> RunFolder:
        path = self._runs / EXCHANGE_FOLDER
        source = self._data or "bundled"
        if path.is_dir():
            folder, identity = reopen(path, STRATEGY, "exchange", "run folder")
            if identity.source != source or (self._start is not None and identity.start != self._start.isoformat()):
                raise UsageError(
                    f"{path}: this run plays {identity.source} from {identity.start}; give the engine another folder with "
                    "runs=..., or the same data and start"
                )
        else:
            first = self._start or (FIRST_DAY if self._data is None else None)
            told = None if first is None else first.isoformat()
            identity = RunIdentity(
                STRATEGY, "exchange", source, told, None, 1, self._config, behaviour=behaviour_digest(self._settings.behaviour)
            )
            folder = create(self._runs, EXCHANGE_FOLDER, identity)
        day = "its first day" if identity.start is None else identity.start
        self._show(
            f"No Alpaca keys are set: on the built-in exchange, {source} market from {day} on. No money, and fills of a model."
        )
        return folder

    def _alpaca_folder(self, endpoint: Endpoint) -> RunFolder:
        number = account_number(endpoint)
        check_account(self._account, number)
        path = self._runs / f"{STRATEGY}-alpaca-{number}"
        if path.is_dir():
            return reopen(path, STRATEGY, "alpaca", "run folder")[0] if RunFolder(path).lock.exists() else RunFolder(path)
        url = self._settings.journal_url
        identity = RunIdentity(
            strategy=STRATEGY,
            broker="alpaca",
            source="alpaca",
            start=None,
            sessions=None,
            seed=None,
            config=self._config,
            account=number,
            journal=None if url is None else journal_name(url),
            behaviour=behaviour_digest(self._settings.behaviour),
        )
        return create(self._runs, path.name, identity)


def risk_usd(planned: Planned, outcome: Outcome) -> Decimal:
    """The most that what was entered loses, by the credit that really came in; what the plan may lose while an order rests."""
    spread = outcome.spread
    if is_unfinished(outcome):
        return planned.spread.max_loss_usd * planned.plan.contracts
    return planned.spread.width * CONTRACT_SHARES * spread.sold - spread.credit_usd


def is_unfinished(outcome: Outcome) -> bool:
    return not outcome.is_at_rest and outcome.spread.phase is not SpreadPhase.OPEN


def _endpoint(settings: Settings) -> Endpoint | None:
    keys = settings.credentials
    if keys is None:
        return None
    return Endpoint(keys.api_key.get_secret_value(), keys.api_secret.get_secret_value(), is_paper=keys.is_paper)


def _check_keys(paper_trading: bool, account: str | None, endpoint: Endpoint | None) -> None:
    """Real money needs three keys at once, so that no single slip can trade it."""
    if endpoint is None:
        if not paper_trading or account is not None:
            raise ConfigurationError(
                "paper_trading=False and account=... are for a real account, and no Alpaca keys are set: put ALPACA_API_KEY and "
                "ALPACA_API_SECRET into .env (see .env.example), or leave both arguments out"
            )
        return
    keys = {"ALPACA_IS_PAPER=false": not endpoint.is_paper, "paper_trading=False": not paper_trading, "account=ID": account}
    if all(keys.values()) or not any(keys.values()):
        return
    missing = ", ".join(name for name, there in keys.items() if not there)
    given = ", ".join(name for name, there in keys.items() if there)
    raise UsageError(f"live trading needs {', '.join(keys)} together; there is {given}, but not {missing}. Nothing was started")


def _leg(leg: Mapping[str, Any]) -> str:
    at = "-" if leg["average_price"] is None else f"{leg['average_price']:.2f}"
    return f"{leg['symbol']} {leg['intent']}: {leg['status']}, {leg['filled']} at {at}"
