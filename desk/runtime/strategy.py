"""The Lumibot strategy that users subclass: two verbs to write, and every order takes the desk's corridor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import Any, ClassVar, Self

from lumibot.strategies import Strategy

from desk.domain.decisions import Signal, Target
from desk.domain.errors import Refused
from desk.domain.market import DailyBars, Market
from desk.domain.trades import Book
from desk.runtime.corridor import Answer, Corridor
from hedging.plan import HedgePlan
from hedging.rules import HedgeRules
from options.gates import Opportunity


@dataclass(frozen=True)
class NoParameters:
    """A strategy without settings of its own."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a strategy is given beside its parameters.

    `model_folder` is where trained models are kept (None: in memory only); `history` is the whole history of a backtest, to
    compute with once and to look up by date, and None live. `hedge` are the rules of the hedge, None where
    there is none to be had.
    """

    model_folder: Path | None = None
    history: Mapping[str, DailyBars] | None = None
    hedge: HedgeRules | None = None


class DeskStrategy(Strategy):
    """Subclass it, name your parameters in `Parameters`, and write `signals` and `targets`.

    Lumibot's hooks (`before_market_opens`, `on_filled_order` and the rest) work as in Lumibot. Its ways to the broker do
    not: `submit_order`, `sell_all`, `close_position`, `cancel_order` and `modify_order` raise Refused, since an order that the
    journal does not know is an order that no restart can find and no stop protects.
    """

    Parameters: ClassVar[type] = NoParameters
    corridor_for: ClassVar[Callable[[DeskStrategy], Corridor] | None] = None
    settings: ClassVar[Any] = None
    surroundings: ClassVar[Surroundings] = Surroundings()
    sleeptime_setting: ClassVar[str] = "1H"
    # Length of the bars wanted in `Market.intraday`: 3600 or 60, None for a strategy that looks at days. A backtest then runs on
    # such bars and looks whenever one has ended; set `self.sleeptime` in `prepare` to look less often.
    bar_seconds: ClassVar[int | None] = None
    # Further lengths that are shown in `Market.longer`: for one that asks others, each of which looks at its own.
    longer_bar_seconds: ClassVar[tuple[int, ...]] = ()
    # Whether it trades option spreads alone: what knows of shares only then says so instead of finding nothing.
    trades_options: ClassVar[bool] = False
    # Name of the block of settings that is this strategy's own; its values win over others of the same names.
    settings_block: ClassVar[str | None] = None

    @classmethod
    def bound(cls, corridor_for: Callable[[DeskStrategy], Corridor], settings: Any, surroundings: Surroundings) -> type[Self]:
        """This strategy tied to one account's corridor and one set of parameters; Lumibot then makes the instance."""
        tied = {"corridor_for": staticmethod(corridor_for), "settings": settings, "surroundings": surroundings}
        return type(cls.__name__, (cls,), {"__doc__": cls.__doc__, "__module__": cls.__module__, **tied})

    @classmethod
    def parameters_from(cls, behaviour: Mapping[str, Any]) -> Any:
        """`Parameters` filled from the settings of the same names, those of the strategy's own block first; those without a
        setting keep their defaults."""
        names = getattr(cls.Parameters, "__dataclass_fields__", {})
        given = {**behaviour, **dict(behaviour.get(cls.settings_block or "", ()))}
        return cls.Parameters(**{name: given[name] for name in names if name in given})

    # ---- to write ------------------------------------------------------------------------------------------------------

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        """What the strategy thinks of each symbol. Use nothing but the arguments and the parameters."""
        raise NotImplementedError(f"{type(self).__name__} has to say what it sees: write signals(market, book)")

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        """The positions wanted; a symbol that is not mentioned stays as it is."""
        raise NotImplementedError(f"{type(self).__name__} has to say what it wants: write targets(signals, market, book)")

    def opportunities(self, market: Market, book: Book) -> Sequence[Opportunity]:
        """Underlyings worth an option spread now, the best first; none for a strategy that trades shares alone."""
        return ()

    def hedge(self, market: Market, book: Book, equity_usd: float) -> HedgePlan | None:
        """Targets for inverse funds that stand against what is held; None for a strategy that does not hedge."""
        return None

    def answer(self, market: Market, shown: Market, book: Book, equity_usd: float) -> Answer:
        """What the desk asks for at each look; one that asks other strategies writes this instead of the verbs above."""
        signals = tuple(self.signals(shown, book))
        targets, found = tuple(self.targets(signals, shown, book)), tuple(self.opportunities(shown, book))
        return Answer(signals, self.hedge(market, book, equity_usd), targets, found)

    # ---- Lumibot's hooks -----------------------------------------------------------------------------------------------

    def initialize(self, *_: Any, **__: Any) -> None:
        corridor_for = type(self).corridor_for
        if corridor_for is None:
            raise RuntimeError(f"{type(self).__name__} is not tied to an account: start it with live_trader.py or a backtest")
        self.sleeptime = self.backtest_sleeptime() if self.is_backtesting else self.sleeptime_setting
        self.corridor = corridor_for(self)
        self.prepare()

    @classmethod
    def backtest_sleeptime(cls) -> str:
        """How often a backtest asks: whenever a bar has ended, once a day without bars."""
        return "1D" if cls.bar_seconds is None else f"{gcd(cls.bar_seconds, *cls.longer_bar_seconds) // 60}M"

    def prepare(self) -> None:
        """Called once when the corridor stands; build models and caches here."""

    def on_trading_iteration(self) -> None:
        self.corridor.iterate(self)

    # ---- Lumibot's ways to the broker ----------------------------------------------------------------------------------

    def _closed(self, way: str) -> Refused:
        return Refused(
            f"{type(self).__name__}.{way} is closed: an order outside the desk's corridor has no journal row and no exit. "
            "Say what you want in targets(); a target of Shares(0) leaves a position."
        )

    def submit_order(self, *_: Any, **__: Any) -> Any:
        raise self._closed("submit_order")

    def submit_orders(self, *_: Any, **__: Any) -> Any:
        raise self._closed("submit_orders")

    def sell_all(self, *_: Any, **__: Any) -> Any:
        raise self._closed("sell_all")

    def close_position(self, *_: Any, **__: Any) -> Any:
        raise self._closed("close_position")

    def close_positions(self, *_: Any, **__: Any) -> Any:
        raise self._closed("close_positions")

    def cancel_order(self, *_: Any, **__: Any) -> Any:
        raise self._closed("cancel_order")

    def cancel_orders(self, *_: Any, **__: Any) -> Any:
        raise self._closed("cancel_orders")

    def cancel_open_orders(self, *_: Any, **__: Any) -> Any:
        raise self._closed("cancel_open_orders")

    def modify_order(self, *_: Any, **__: Any) -> Any:
        raise self._closed("modify_order")
