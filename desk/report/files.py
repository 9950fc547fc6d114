"""Writing a file whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from desk.domain.errors import ConfigurationError


def write_whole(path: Path, content: str | bytes) -> Path:
    """Write `content` (text as UTF-8) beside `path`, then put it in its place at once: a reader never sees half a file.

    Makes missing folders. Raises ConfigurationError when the folder or the file cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True) if part.parent.is_dir() else None
        raise ConfigurationError(
            f"cannot write {path}: {error.strerror or error}; name a folder that you may write to"
        ) from error
    return path
