"""The desk at work: the corridor from market to order, the Lumibot base class, clocks, replay, and the composition root."""
