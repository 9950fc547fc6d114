"""The desk at work: the corridor from market to order, the Lumibot base class, clocks, replay, and the composition root.

Importing it sets Lumibot's safe switches before Lumibot itself can load (docs/adr/0003-lumibot-at-the-edge.md).
"""

from desk import lumibot_switches as _lumibot_switches

_lumibot_switches.apply()
