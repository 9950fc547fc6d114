"""The confidence gate: what the meta-model of the day says about a symbol, trained walk-forward as the sessions go by.

A model that is past its health bounds is not asked; the gate then has no answer, as before there is a model, and says why.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date

import numpy as np

from desk.domain.market import DailyBars, FloatArray, Market
from desk.model.features import RSI
from desk.model.health import Health, HealthBounds, health
from desk.model.history import Precomputed, retraining_session, sessions_since
from desk.model.parameters import MetaParameters
from desk.model.recent import RecentRows
from desk.model.rows import LiveRows
from desk.model.store import ModelStore, model_id
from desk.model.training import MetaModel, bars_hash, fit, train


class ConfidenceGate:
    """Confidence in [0, 1] that a purchase of a symbol now ends in profit after costs; one gate for one run and its data.

    The model for session S knows only what was over before the last retraining session at or before S. Retraining sessions
    are every `retrain_every_sessions`-th session of the longest series, counted from its start, so a run gets the same models
    wherever it begins, provided that its bars begin at the same session. `universe` names the symbols that train the model
    and make up the market state (all that a market shows when None): leave hedges such as inverse funds out of it.
    """

    def __init__(
        self,
        parameters: MetaParameters,
        store: ModelStore | None = None,
        universe: Collection[str] | None = None,
        bounds: HealthBounds | None = None,
    ) -> None:
        self.parameters = parameters
        self.bounds = bounds or HealthBounds()
        self._store = store
        self._universe = None if universe is None else frozenset(universe)
        self._models: dict[date, MetaModel | None] = {}
        self._rows = LiveRows(parameters.rsi_length)
        self._recent = RecentRows(parameters)
        self._past: Precomputed | None = None
        self._silences: dict[str, str] = {}
        self._health: tuple[date, date, Health] | None = None
        self._seen: tuple[Market, dict[str, DailyBars], date | None] | None = None

    def precompute(self, bars: Mapping[str, DailyBars]) -> None:
        """Compute features and labels of a backtest's whole history once; answers stay what they are without it.

        What a session may know is still cut at that session: rows are looked up by date, events by the end of their horizon.
        """
        self._past = Precomputed(self._chosen(bars), self.parameters)
        self._models.clear()
        self._seen = self._health = None

    def prepare(self, bars: Mapping[str, DailyBars], session: date) -> None:
        """Train or load the model of `session` and take in its completed bars ahead of the first question, best before the open.

        `bars` are those completed before `session`, of every symbol that counts: the model is kept until the next retraining
        session, so one that is left out here (without a quote so early, say) is left out of it as well.
        """
        chosen = self._chosen(bars)
        counted = self._past.bars if self._past else chosen
        model = self._model_of(self._boundary(counted, session), counted)
        self._rows.follow(chosen)
        if model is not None:
            self._judged(model, chosen, session)

    def confidence(self, symbol: str, market: Market) -> float | None:
        """The gate's answer for `symbol`, with its quote's last price (if any) as today's provisional close.

        None when there is no answer: too little history, no model yet, a symbol whose last bar is not of the last completed
        session, an RSI outside the range that the model was trained on, or a model that is refused for its health. `silence`
        says which. Raises ValueError when the market's bars differ from precomputed ones, ConfigurationError when a stored
        model is damaged.
        """
        answer = self._answer(symbol, market)
        self._silences[symbol] = answer if isinstance(answer, str) else ""
        return None if isinstance(answer, str) else answer

    def silence(self, symbol: str) -> str:
        """Why the latest answer for `symbol` was None, in words; empty when there was an answer or nobody asked."""
        return self._silences.get(symbol, "")

    def _answer(self, symbol: str, market: Market) -> float | str:
        """The confidence, or why there is none."""
        bars, _ = self._view(market)
        row = self._row(symbol, market, bars) if symbol in bars else None
        if row is None:
            return "no bar of the last session"
        if not np.isfinite(row).all():
            return "too little history"
        if row[RSI] >= self.parameters.event_rsi:
            return f"RSI is not below {self.parameters.event_rsi:g}, where the model learned"
        model = self.model_for(market)
        if model is None:
            return "too few finished trades for a model yet"
        found = self.health_of(model, market)
        if not found.is_fit:
            return f"the model of {model.trained_before} is refused: {'; '.join(found.reasons)}"
        confidence = model.confidence(row)
        return "too little history" if confidence is None else confidence

    def health_of(self, model: MetaModel, market: Market) -> Health:
        """The health of `model` in the market's session, on what was completed before it; kept for that session."""
        return self._judged(model, self._view(market)[0], market.session)

    def _judged(self, model: MetaModel, bars: Mapping[str, DailyBars], session: date) -> Health:
        if self._health is None or self._health[:2] != (model.trained_before, session):
            counted = self._past.bars if self._past else bars
            rows = self._past.recent_rows(session) if self._past else self._recent.rows(bars, self._rows.latest(bars))
            found = health(model, sessions_since(counted, model.trained_before, session), rows, self.bounds)
            self._health = model.trained_before, session, found
        return self._health[2]

    def model_for(self, market: Market) -> MetaModel | None:
        """The model that speaks in the market's session, trained or loaded when first asked for; None before there is one."""
        bars, boundary = self._view(market)
        return self._model_of(boundary, self._past.bars if self._past else bars)

    def _model_of(self, boundary: date | None, bars: Mapping[str, DailyBars]) -> MetaModel | None:
        if boundary is None:
            return None
        if boundary not in self._models:
            self._models[boundary] = self._stored_or_trained(bars, boundary)
        return self._models[boundary]

    def _view(self, market: Market) -> tuple[dict[str, DailyBars], date | None]:
        """The market's bars that count and its retraining session; kept for the other symbols of the same snapshot."""
        if self._seen is None or self._seen[0] is not market:
            bars = self._chosen(market.bars)
            self._seen = market, bars, self._boundary(self._past.bars if self._past else bars, market.session)
        return self._seen[1], self._seen[2]

    def _boundary(self, bars: Mapping[str, DailyBars], session: date) -> date | None:
        return retraining_session(bars, session, self.parameters.retrain_every_sessions)

    def _stored_or_trained(self, bars: Mapping[str, DailyBars], boundary: date) -> MetaModel | None:
        if self._store is not None:
            identity = model_id(self.parameters, boundary, bars_hash(bars, boundary))
            if identity in self._store:
                return self._store.load(identity)
        if self._past:
            model = fit(self._past.events, bars, boundary, self.parameters)
        else:
            model = train(bars, boundary, self.parameters)
        if model is not None and self._store is not None:
            self._store.save(model)
        return model

    def _row(self, symbol: str, market: Market, bars: Mapping[str, DailyBars]) -> FloatArray | None:
        if self._past and symbol not in market.quotes:
            return self._past.row(symbol, market, bars[symbol])
        return self._rows.row(symbol, market, bars)

    def _chosen(self, bars: Mapping[str, DailyBars]) -> dict[str, DailyBars]:
        return {
            symbol: bars[symbol]
            for symbol in sorted(bars)
            if len(bars[symbol]) and (self._universe is None or symbol in self._universe)
        }
