from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.model.events import Events
from desk.model.features import FEATURES
from desk.model.validation import calibrated_forward, out_of_fold


def made(seed, m, held):
    """Events of one symbol on random sessions, each over `held` sessions after its signal."""
    generator = np.random.default_rng(seed)
    session = np.sort(generator.choice(4 * m, m, replace=False)).astype(np.int64)
    features = generator.normal(size=(m, len(FEATURES)))
    profitable, none = generator.random(m) < 0.5, np.zeros(m, dtype=np.int64)
    ends = session + held
    return Events(features, profitable, np.zeros(m), none, session, ends, session, ends, session + 1, ends)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(80, 200), st.integers(1, 12), st.integers(0, 15), st.integers(1, 4))
def test_an_event_within_purge_or_embargo_of_a_fold_teaches_it_nothing(seed, m, held, embargo, number):
    events = made(seed, m, held)
    scored = out_of_fold(events, np.ones(m), 0, embargo)
    fold = next((fold for fold in scored.folds if fold.number == number), None)
    if fold is None:
        return
    # Everything that is not over `embargo` sessions before the fold: the gap, the fold, and all that follows it.
    silent = events.horizon_session + embargo >= fold.first_session
    changed = replace(events, profitable=events.profitable ^ silent, features=events.features.copy())
    changed.features[silent & (events.session < fold.first_session)] *= -7.0
    other = out_of_fold(changed, np.ones(m), 0, embargo)
    now, then = scored.fold == number, other.fold == number
    np.testing.assert_array_equal(scored.logits[now], other.logits[then])
    if number > 1:
        # Predictions of earlier folds teach the calibration; those of the gap may not.
        np.testing.assert_array_equal(scored.known_before(fold), other.known_before(fold))
        before, after = (calibrated_forward(one, 0)[one.fold == number] for one in (scored, replace(other, logits=scored.logits)))
        np.testing.assert_array_equal(before, after)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(10, 120), st.integers(0, 15))
def test_every_predicted_event_is_in_the_fold_of_its_session(seed, m, embargo):
    scored = out_of_fold(made(seed, m, 5), np.ones(m), 0, embargo)
    first = {fold.number: fold.first_session for fold in scored.folds}
    assert len(np.unique(scored.events.session)) == len(scored.logits)
    assert all(session >= first[number] for session, number in zip(scored.events.session, scored.fold, strict=True))
