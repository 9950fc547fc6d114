"""The only reader of environment and YAML: behaviour from `config/*.yaml`, secrets from the environment or `.env`."""

from desk.settings.behaviour import Behaviour, InverseEtfs, Universe
from desk.settings.credentials import Credentials
from desk.settings.load import SettingRow, Settings, load_settings

__all__ = ["Behaviour", "Credentials", "InverseEtfs", "SettingRow", "Settings", "Universe", "load_settings"]
