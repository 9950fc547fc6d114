"""What fixes a meta-model: the trade it judges and how it is trained."""

from __future__ import annotations

from dataclasses import dataclass

from desk.domain.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class MetaParameters:
    """The trade (stop, target, time barrier, costs), the signal that opens it, and the training schedule.

    Training takes days with RSI below `event_rsi` (oversold_rsi plus the margin) with the RSI as a feature: oversold days alone
    are about one in forty, too few to learn from. The margin of 10 was chosen on 2000 to 2007 of the bundled history alone.
    Raises ConfigurationError for a value out of range.
    """

    oversold_rsi: float = 30.0
    rsi_length: int = 14
    stop_loss_fraction: float = 0.05
    take_profit_fraction: float = 0.15
    time_barrier_sessions: int = 10
    cost_bps: float = 10.0  # both ways together
    threshold: float = 0.6
    retrain_every_sessions: int = 63
    min_events: int = 60
    embargo_sessions: int = 5  # kept free between what trains and what is predicted, beyond the purge
    event_margin_rsi: float = 10.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigurationError(f"{name} {value} is out of range: give a value from {low} to {high}")

    @property
    def event_rsi(self) -> float:
        return self.oversold_rsi + self.event_margin_rsi


_RANGES: dict[str, tuple[float, float]] = {
    "oversold_rsi": (1, 99),
    "rsi_length": (2, 100),
    "stop_loss_fraction": (0.001, 0.99),
    "take_profit_fraction": (0.001, 10),
    "time_barrier_sessions": (1, 250),
    "cost_bps": (0, 1_000),
    "threshold": (0, 1),
    "retrain_every_sessions": (1, 2_520),
    "min_events": (30, 1_000_000),
    "embargo_sessions": (0, 250),
    "event_margin_rsi": (0, 99),
    "seed": (0, 2**32 - 1),
}
