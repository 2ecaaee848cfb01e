"""The globs of PSUBSCRIBE, as Hornet writes them: ``*`` is any text, ``\\`` before a character escapes it."""

from __future__ import annotations

import re
from functools import lru_cache

_PART = re.compile(r"\\(.)|(\*)|([^\\*]+)", re.DOTALL)


def matches_glob(glob: str, topic: str) -> bool:
    """Return whether Redis sends what is published on ``topic`` to subscribers of ``glob``."""
    return _compile(glob).fullmatch(topic) is not None


@lru_cache(maxsize=1024)
def _compile(glob: str) -> re.Pattern[str]:
    parts = (".*" if star else re.escape(escaped or text) for escaped, star, text in _PART.findall(glob))
    return re.compile("".join(parts), re.DOTALL)
