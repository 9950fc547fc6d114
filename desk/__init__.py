"""The desk: protection, journal and reconciliation under Lumibot strategies.

Importing this package sets Lumibot's safe switches before Lumibot itself can load (docs/adr/0003-lumibot-at-the-edge.md).
"""

from desk import lumibot_switches as _lumibot_switches

_lumibot_switches.apply()
