"""Which symbols of a source a run trades."""

from __future__ import annotations

import pandas as pd
import pytest

from desk.data.source import Source
from desk.domain.errors import ConfigurationError

HERE = Source("here", "here", {name: pd.DataFrame() for name in ("NVDA", "AAPL", "AMZN")}, {})


def test_a_folder_is_traded_whole_when_nobody_chose():
    assert HERE.traded(("AAPL", "IBM"), is_chosen=False) == ("AAPL", "AMZN", "NVDA")


def test_what_a_person_chose_is_traded_as_far_as_it_is_there():
    assert HERE.traded(("IBM", "NVDA", "AAPL"), is_chosen=True) == ("NVDA", "AAPL")


def test_a_choice_that_is_nowhere_is_refused_with_what_is_there():
    with pytest.raises(ConfigurationError, match="none of these; it has AAPL, AMZN, NVDA"):
        HERE.traded(("IBM",), is_chosen=True)
