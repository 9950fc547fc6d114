"""Adapters between the desk and its brokers: they translate and decide nothing.

Importing it sets Lumibot's safe switches before Lumibot itself can load (docs/adr/0003-lumibot-at-the-edge.md).
"""

from desk import lumibot_switches as _lumibot_switches

_lumibot_switches.apply()
