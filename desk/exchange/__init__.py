"""An offline exchange that speaks Alpaca's API: it replays real daily bars on a virtual clock, on this machine only."""
