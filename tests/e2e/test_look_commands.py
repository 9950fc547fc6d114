"""`desk protect`, `desk hedge` and `desk rebalance`: a real exchange in Alpaca's place, and one that a run left behind."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest
from live_desk import Buyer, ExchangeClock, exchange, live_run, process, to_eleven
from typer.testing import CliRunner, Result

from desk.brokers.alpaca_clients import trading_client
from desk.brokers.endpoint import Endpoint
from desk.cli import look_options
from desk.cli.main import app
from desk.domain.decisions import FixedExit, Signal, Target, Weight
from desk.domain.errors import BrokerUnreachable, ConfigurationError, Naked, Refused, UsageError
from desk.domain.market import Market
from desk.domain.trades import Book
from desk.exchange.process import ExchangeProcess
from desk.journal.reader import JournalReader
from desk.runtime.alpaca_run import account_number
from desk.runtime.clock import stopwatch, wait_seconds
from desk.runtime.exchange_run import ExchangeRun
from desk.runtime.result import RunResult
from desk.runtime.run_folder import RunFolder, RunIdentity, create
from desk.settings.load import load_settings
from strategies.combined import Combined

pytestmark = pytest.mark.slow
__all__ = ["exchange"]
STRETCHED = "overbought_rsi: 20\noversold_rsi: 5\nsentiment_symbols:\n  alpaca: [AAPL, MSFT, IBM, GOOG]\n"


class Holding(Buyer):
    """Asks for a share of the portfolio in some symbols, for a number of sessions."""

    wanted: ClassVar[Mapping[str, float]] = {}
    sessions: ClassVar[int | None] = None

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        rule = FixedExit(0.3, 0.3, time_barrier_sessions=self.sessions)
        return [Target(symbol, Weight(weight), rule, "wanted") for symbol, weight in self.wanted.items()]


class Scene:
    """A run at "Alpaca" that traded AAPL and IBM once and stopped, and the account that it trades."""

    def __init__(self, exchange: ExchangeProcess, folder: RunFolder) -> None:
        self.exchange = exchange
        self.folder = folder
        self.keys = (exchange.api_key, exchange.api_secret)
        self.endpoint = Endpoint(*self.keys, True, exchange.url, exchange.url, exchange.stream_url, 10**9)
        self.api: Any = trading_client(self.endpoint)

    def run(self, strategy: type = Buyer, behaviour: str = "", ends_in: type | None = None) -> RunResult:
        run = live_run(self.exchange.url, self.keys, self.folder.path, "Buyer", once=True)
        self.behave(f"confidence_gate: report\nsleeptime: 1S\nuniverse:\n  alpaca: [AAPL, IBM, MSFT]\n{behaviour}")
        settings = load_settings(config=self.folder.path / "quick.yaml", dotenv=None)
        run.request = replace(run.request, settings=settings)
        run.strategy_class = strategy
        result = run.run()
        assert isinstance(result.error, ends_in or type(None))
        return result

    def behave(self, text: str) -> None:
        (self.folder.path / "quick.yaml").write_text(text)

    def at(self, minute: int, day: int = 7) -> None:
        to_eleven(self.exchange, day, minute)

    def by_hand(self, symbol: str, side: str, shares: str, minute: int, **more: str) -> str:
        """Somebody trades in the account with another program, before that minute of the hour. Returns the order's id."""
        order = {"symbol": symbol, "side": side, "qty": shares, "type": "market", "time_in_force": "day", **more}
        sent = self.api.post("/orders", order)
        self.at(minute)
        return str(sent["id"])

    def end_exits(self, symbol: str) -> None:
        """Somebody cancels every open order of a symbol."""
        for order in self.api.get("/orders", {"status": "open", "nested": "false"}):
            if order["symbol"] == symbol:
                self.api.delete(f"/orders/{order['id']}")

    def resting(self) -> dict[str, tuple[float, float]]:
        """Shares and stop price of the groups with a stop that rest at the broker, by symbol."""
        listed = self.api.get("/orders", {"status": "all", "nested": "true", "limit": 500})
        legs = [leg for order in listed for leg in order.get("legs") or () if leg["type"] == "stop" and leg["status"] == "held"]
        return {leg["symbol"]: (float(leg["qty"]), float(leg["stop_price"])) for leg in legs}

    def orders(self) -> set[str]:
        return {str(order["id"]) for order in self.api.get("/orders", {"status": "all", "limit": 500})}

    def rows(self) -> list[tuple[int, str]]:
        with JournalReader(self.folder.journal) as reader:
            return [(stored.seq, stored.kind) for stored in reader.rows()]

    def desk(self, *words: str) -> Result:
        return CliRunner().invoke(app, [*words, "--run", str(self.folder.path)])

    def told(self, *words: str) -> dict[str, Any]:
        """What the command prints with --json."""
        answer = self.desk(*words, "--json")
        assert answer.exception is None or isinstance(answer.exception, SystemExit), answer.exception
        said: dict[str, Any] = json.loads(answer.stdout)
        assert said.get("exit_code", 0) == answer.exit_code
        return said


@pytest.fixture
def scene(exchange: ExchangeProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    path = tmp_path / "runs" / "combined-alpaca"
    made = Scene(exchange, RunFolder(path))
    # The commands find the exchange where Alpaca would be, and its time.
    monkeypatch.setattr(look_options, "alpaca", lambda settings: (made.endpoint, ExchangeClock(exchange.admin)))
    config, account = str(path / "quick.yaml"), account_number(made.endpoint)
    create(path.parent, path.name, RunIdentity("combined", "alpaca", "alpaca", None, None, None, config, account))
    assert set(made.run(type("Two", (Holding,), {"wanted": {"AAPL": 0.1, "IBM": 0.1}})).book.shares()) == {"AAPL", "IBM"}
    return made


def bare(said: dict[str, Any]) -> dict[tuple[str, float], tuple[bool, bool]]:
    return {(each["symbol"], each["shares"]): (each["is_naked"], each["is_doable"]) for each in said["bare"]}


# ---- protect ---------------------------------------------------------------------------------------------------------------


def test_bare_shares_are_listed_without_a_word_to_the_broker_and_protected_when_a_person_says_yes(scene: Scene) -> None:
    scene.by_hand("MSFT", "buy", "50", 1)
    scene.by_hand("GOOG", "buy", "7", 2)
    target = scene.by_hand("GOOG", "sell", "5", 3, type="limit", limit_price="900", time_in_force="gtc")
    scene.end_exits("AAPL")
    scene.at(5)
    before, rows, shares = scene.orders(), scene.rows(), scene.resting()
    assert "AAPL" not in shares

    listed = scene.told("protect")
    assert (listed["exit_code"], listed["sent"], scene.orders(), scene.rows()) == (7, False, before, rows)
    held = next(each["shares"] for each in listed["bare"] if each["symbol"] == "AAPL")
    can, cannot = (True, True), (True, False)
    assert bare(listed) == {("AAPL", held): can, ("GOOG", 2): can, ("GOOG", 5): cannot, ("MSFT", 50): can}
    assert [each["symbol"] for each in listed["protected"]] == ["IBM"]
    words = scene.desk("protect").stdout
    assert f"held by order {target[:8]} (sell 5 limit 900)" in words and "cancel it first" in words
    assert f"desk protect --run {scene.folder.path} --yes" in words and "less than now" in words
    assert max(len(line.rstrip()) for line in words.splitlines() if "--run" not in line and "alpaca at" not in line) <= 100

    one = scene.told("protect", "msft", "--yes")
    assert (one["exit_code"], one["sent"], one["bare"]) == (0, True, [])
    assert scene.resting()["MSFT"][0] == 50 and "GOOG" not in scene.resting()

    all_of_it = scene.told("protect", "--yes")
    assert all_of_it["exit_code"] == 7, "five GOOG are held by somebody's order without a stop"
    assert bare(all_of_it) == {("GOOG", 5): cannot}
    stops = {each["symbol"]: (each["shares"], each["stop_price"]) for each in all_of_it["protected"]}
    assert scene.resting() | {"IBM": stops["IBM"]} == stops
    assert set(stops) == {"AAPL", "GOOG", "IBM", "MSFT"} and stops["AAPL"][0] == held and stops["GOOG"][0] == 2

    scene.api.delete(f"/orders/{target}")
    scene.at(6)
    last = scene.desk("protect", "GOOG", "--yes")
    assert last.exit_code == 0 and "Nothing: every share has its exits." in last.stdout and "Done" in last.stdout
    sent = scene.orders()
    assert scene.desk("protect", "--yes").exit_code == 0
    assert scene.orders() == sent, "nothing was bare, so nothing was sent"
    again = scene.run()
    assert again.book.shares_of("GOOG") == 7 and all(trade.is_protected for trade in again.book.open.values())


def test_what_the_desk_cannot_protect_is_named_and_is_not_called_naked_when_nobody_could(scene: Scene) -> None:
    scene.by_hand("MSFT", "buy", "10.5", 1)
    scene.by_hand("GOOG", "sell", "3", 2)
    scene.by_hand("SH", "buy", "4", 3)
    scene.by_hand("SH", "sell", "4", 4, type="stop", stop_price="40", time_in_force="gtc")
    said = scene.told("protect")
    no = (False, False)
    assert bare(said) == {("GOOG", -3): no, ("MSFT", 10): (True, True), ("MSFT", 0.5): no, ("SH", 4): no}
    plans = {(each["symbol"], each["shares"]): each["plan"] for each in said["bare"]}
    assert "a stop of somebody else's" in plans["SH", 4] and "less than a share" in plans["MSFT", 0.5]
    assert scene.told("protect", "MSFT", "--yes")["exit_code"] == 0
    with pytest.raises(UsageError, match="there is --live, but not ALPACA_IS_PAPER=false, --account ID"):
        raise scene.desk("protect", "--yes", "--live").exception or AssertionError
    with pytest.raises(UsageError, match="the account holds no TSLA; it holds AAPL, GOOG, IBM, MSFT, SH"):
        raise scene.desk("protect", "TSLA").exception or AssertionError


def test_while_a_desk_lives_the_account_can_be_looked_at_and_not_be_traded(scene: Scene) -> None:
    scene.by_hand("MSFT", "buy", "50", 1)
    with process(scene.exchange, scene.folder) as child:
        deadline = stopwatch() + 60
        while not scene.told("hedge")["is_traded_by"]:
            assert child.poll() is None and stopwatch() < deadline
            wait_seconds(0.5)
        refused = scene.desk("protect", "--yes").exception
        assert isinstance(refused, Refused) and refused.exit_code == 5
        assert f"process {child.pid}" in str(refused) and "covers its own shares by itself" in str(refused)
        told = scene.desk("protect").stdout
        assert f"Process {child.pid} on" in told and "--yes" not in told
        assert scene.desk("rebalance").exit_code == 0


def test_keys_of_another_account_and_a_broker_that_is_silent_are_said(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = scene.folder.identity()
    rewrite(scene.folder, account="PA9")
    assert "trades account PA9" in str(scene.desk("hedge").exception)
    rewrite(scene.folder, account=identity.account)
    scene.exchange.admin.fault("server_error", status=503)
    assert isinstance(scene.desk("rebalance").exception, BrokerUnreachable)
    monkeypatch.undo()
    assert isinstance(scene.desk("hedge").exception, ConfigurationError), "no keys are set"


def test_a_run_that_ended_in_the_middle_of_a_trim_is_found_bare_and_the_trim_goes_on(scene: Scene) -> None:
    scene.at(1)
    scene.exchange.admin.fault("stuck_pending_cancel", when={"symbol": "AAPL"})
    trimmed = scene.run(behaviour="max_position_fraction: 0.05\ntrim_band_fraction: 0.01\n", ends_in=Naked)
    held = trimmed.book.shares_of("AAPL")
    scene.exchange.admin.clear_faults()
    scene.at(2)
    listed = scene.told("protect", "AAPL")
    (found,) = listed["bare"]
    assert (listed["exit_code"], found["shares"], found["is_naked"]) == (7, held, True)
    assert "bare shares are sold at the market" in found["plan"] and "the old ones have ended" in found["why"]
    done = scene.told("protect", "--yes")
    scene.at(3)
    assert (done["exit_code"], done["bare"]) == (0, [])
    stop = scene.resting()["AAPL"]
    assert 0 < stop[0] < held and f"{stop[0]:,.0f} bare shares get a stop at {stop[1]:.2f}" in found["plan"]


# ---- rebalance and hedge -------------------------------------------------------------------------------------------------------


def test_every_position_is_weighed_and_every_change_is_told_with_its_orders_and_its_taxes(scene: Scene) -> None:
    scene.at(10)
    scene.run(type("More", (Holding,), {"wanted": {"IBM": 0.14}}))
    scene.at(20)
    scene.run(type("Short", (Holding,), {"wanted": {"MSFT": 0.04}, "sessions": 1}))
    scene.by_hand("GOOG", "buy", "3", 21)
    scene.behave("confidence_gate: report\n")
    at_rest = scene.told("rebalance")
    assert {each["symbol"]: each["deed"] for each in at_rest["positions"]} == dict.fromkeys(("AAPL", "IBM", "MSFT"), "nothing")
    assert (at_rest["not_the_desks"], at_rest["cash_after_usd"]) == ({"GOOG": 3}, at_rest["cash_usd"])

    scene.at(30, day=8)
    scene.behave(f"max_position_fraction: 0.05\ntrim_band_fraction: 0.01\n{STRETCHED}")
    before, rows = scene.orders(), scene.rows()
    said = scene.told("rebalance")
    assert (scene.orders(), scene.rows(), said["sent"]) == (before, rows, False)
    places = {each["symbol"]: each for each in said["positions"]}
    assert [places[symbol]["intents"][0]["kind"] for symbol in ("AAPL", "IBM", "MSFT")] == ["reduce", "reduce", "close"]
    for symbol in ("AAPL", "IBM", "MSFT"):
        place = places[symbol]
        assert place["weight"] == pytest.approx(place["shares"] * place["price"] / said["equity_usd"])
        assert sum(way["sold"] for way in place["ways"]) == place["intents"][0]["shares"]
        assert "no tax advice" in place["lots"]["sentences"][-1]
    whole, cut = places["IBM"]["ways"]
    assert (whole["bare"], cut["bare"] + whole["sold"]) == (0, places["IBM"]["shares"])
    assert "leaves whole: its target moves to" in whole["words"] and f"{cut['bare']} shares stand bare" in cut["words"]
    hedge = places["SQQQ" if "SQQQ" in places else "SH"]
    assert hedge["deed"] == f"open {hedge['target_shares']}" and hedge["drift_fraction"] < 0
    moved = said["sales_usd"] + said["purchases_usd"]
    assert said["turnover_fraction"] == pytest.approx(moved / said["equity_usd"], rel=1e-4)
    assert said["cash_after_usd"] == pytest.approx(said["cash_usd"] + said["sales_usd"] - said["purchases_usd"], abs=0.01)
    words = scene.desk("rebalance").stdout
    assert "The strategy's own new signals are not part of this" in words and "no tax advice" in words
    assert "Not the desk's, so left as they are: 3 GOOG." in words

    CliRunner().invoke(app, ["mode", str(scene.folder.path), "halted", "--reason", "a test"])
    halted = {each["symbol"]: each for each in scene.told("rebalance")["positions"]}
    assert halted[hedge["symbol"]]["refusals"][0]["reason"] == "HALTED" and halted["AAPL"]["deed"].startswith("reduce")
    assert "But the desk would not: the desk is halted" in " ".join(scene.desk("hedge").stdout.split())


def test_a_hedge_is_told_before_while_and_after_it_is_held(scene: Scene) -> None:
    scene.behave("sentiment_symbols:\n  alpaca: [AAPL, MSFT, FB]\n")
    said = scene.told("hedge")
    assert (said["mood"], said["acts"], said["is_hedging"]) == ("unknown", [], True)
    assert {each["symbol"]: each["left_out"] for each in said["names"]}["FB"] == "no completed daily bar"
    scene.at(10)
    scene.run(Combined, f"{STRETCHED}stop_loss_fraction: 0.2\ntake_profit_fraction: 0.5\n")
    (bought,) = [each for each in scene.told("hedge")["held"]]
    held = scene.told("hedge")
    assert [act["kind"] for act in held["acts"]] == ["keep"] and held["held_since"] == "2008-10-07"
    assert held["fund"]["symbol"] == bought["symbol"] and "(from 2008-10-10 on)" in held["ends"][0]
    assert "2008-10-21" in held["ends"][1] and "rest at the broker: stop" in held["ends"][2]
    words = scene.desk("hedge").stdout
    assert f"Held: {bought['shares']} {bought['symbol']}" in words and "Would keep its" in words
    to_eleven(scene.exchange, 10)
    scene.behave("sentiment_symbols:\n  alpaca: [AAPL, MSFT, IBM, GOOG]\nhedging: false\n")
    left = scene.told("hedge")
    assert "hedging is off" in left["why_not"] and left["held"][0]["sessions"] == 3
    assert [act["kind"] for act in left["acts"]] == ["leave"] and "the reason has ended" in left["acts"][0]["reason"]
    words = scene.desk("hedge").stdout
    assert "does not hedge: hedging is off" in words and "Would sell all" in words
    (sale,) = scene.told("rebalance")["positions"][-1]["intents"]
    assert sale["kind"] == "close" and sale["why"].endswith("hedging is switched off: leaving SH")


def test_what_filled_while_nobody_listened_is_told_and_counts_and_stays_out_of_the_journal(scene: Scene) -> None:
    scene.at(10)
    held = scene.run(Combined, STRETCHED).book.shares()
    (fund,) = held.keys() - {"AAPL", "IBM"}
    to_eleven(scene.exchange, 10)  # its target was reached
    rows = scene.rows()
    said = scene.told("hedge")
    assert (said["ended_since"], said["held"]) == ([{"symbol": fund, "shares": held[fund]}], [])
    assert f"Since the journal's last row: {held[fund]} {fund} were sold at" in scene.desk("rebalance").stdout
    assert scene.rows() == rows


def test_a_closed_market_is_looked_at_with_the_last_trades_of_its_close(scene: Scene) -> None:
    while not scene.exchange.admin.advance(datetime(2008, 10, 7, 23, tzinfo=UTC)).reached:
        pass
    said = scene.told("rebalance")
    assert said["prices_of_close"] == "2008-10-07T20:00:00+00:00"
    assert all(each["price"] and each["deed"] == "nothing" for each in said["positions"])
    words = " ".join(scene.desk("hedge").stdout.split())
    assert "the last trades before the close of 2008-10-07" in words and "on 2008-10-08 at the earliest" in words


# ---- a run on the built-in exchange ----------------------------------------------------------------------------------------


class FirstDay(Buyer):
    """Holds a tenth of the portfolio in IBM."""

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        return [Target("IBM", Weight(0.1), FixedExit(0.3, 0.3), "a test")]


def test_a_run_on_the_exchange_is_looked_at_as_it_ended_and_nothing_of_it_changes(
    exchange_run: Callable[..., ExchangeRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = exchange_run(FirstDay, sessions=1)
    config = tmp_path / "found.yaml"
    config.write_text("exchange_holdings: {MSFT: 50}\nmax_inverse_fraction: 0.1\n")
    rewrite(run.folder, config=str(config))
    run.request = replace(run.request, settings=load_settings(config=config, environ={}, dotenv=None))
    assert run.run().error is None
    config.write_text("exchange_holdings: {MSFT: 900}\n")  # what an account began with is its own, whatever the file says now
    before = {path.name: digest(path) for path in run.folder.path.iterdir() if path.is_file()}
    monkeypatch.chdir(tmp_path)

    def desk(*words: str) -> Result:
        return CliRunner().invoke(app, list(words))

    listed = desk("protect", "--json")
    assert listed.exit_code == 7
    assert bare(json.loads(listed.stdout)) == {("MSFT", 50): (True, True)}
    assert [each["symbol"] for each in json.loads(listed.stdout)["protected"]] == ["IBM"]
    weighed = json.loads(desk("rebalance", "--json").stdout)
    assert [(each["symbol"], each["deed"]) for each in weighed["positions"]] == [("IBM", "nothing")]
    assert weighed["not_the_desks"] == {"MSFT": 50} and weighed["prices_of_close"] == "2008-09-02T20:00:00+00:00"
    assert "its strategy cannot be asked" in json.loads(desk("hedge", "--json").stdout)["why_not"]
    left = {path.name: digest(path) for path in run.folder.path.iterdir() if path.is_file() and path.name in before}
    assert left == before

    refused = desk("protect", "--yes").exception
    assert isinstance(refused, UsageError) and refused.exit_code == 2 and "--resume" in str(refused)
    with run.folder.locked():
        busy = desk("hedge").exception
    assert isinstance(busy, Refused) and "a process plays this run" in str(busy)


def rewrite(folder: RunFolder, **changes: str | None) -> None:
    folder.identity_file.write_text(json.dumps({**json.loads(folder.identity_file.read_text()), **changes}))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_without_any_run_there_is_nothing_to_look_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command in ("protect", "hedge", "rebalance"):
        error = CliRunner().invoke(app, [command]).exception
        assert isinstance(error, UsageError) and "there is no run under runs/" in str(error)
        error = CliRunner().invoke(app, [command, "--run", "nowhere"]).exception
        assert isinstance(error, UsageError) and str(error).startswith(f"desk {command} --run nowhere: there is no run")
