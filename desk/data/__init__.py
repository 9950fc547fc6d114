"""Market history from wherever it comes, checked, and Lumibot feeds that show none of it too early.

Importing it sets Lumibot's safe switches before Lumibot itself can load (docs/adr/0003-lumibot-at-the-edge.md).
"""

from desk import lumibot_switches as _lumibot_switches

_lumibot_switches.apply()
