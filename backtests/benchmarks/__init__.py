"""What `backtests/bench.py` measures: the same rules three times, and the live path under load."""
