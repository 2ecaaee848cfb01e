"""Values made from bytes, so that any source of bytes can feed any parser."""

from __future__ import annotations

import json
from collections.abc import Sequence

_LISTED = """
type token tokens channel channels only except user users userId hash id info publish access_token accessToken
auth delivery event message disconnect_tokens notify disconnect subscribe unsubscribe pattern payload subset
kind * name data signature presence exclude_self _placeholder num nsp rooms flags hornet private-a session_id
ttl messages __proto__
"""
WORDS = tuple(_LISTED.split())
"""What parsers look for."""

MAX_DEPTH = 6


class Draw:
    """Takes bytes from the front for each value; when there are no more, all further values are simple."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def pick(self, among: Sequence[str]) -> str:
        return among[self.byte() % len(among)]

    def blob(self) -> bytes:
        """As many bytes as the next one says."""
        size = self.byte()
        self._at += size
        return self._data[self._at - size : self._at]

    def rest(self) -> bytes:
        """All that is left."""
        self._at, start = len(self._data), self._at
        return self._data[start:]

    def text(self) -> str:
        """Any text, with half characters in it where the bytes are no UTF-8."""
        return self.blob().decode("utf-8", "surrogateescape")

    def word(self) -> str:
        return self.pick(WORDS) if self.byte() % 4 else self.text()

    def value(self, depth: int = 0) -> object:
        """Any JSON value."""
        match self.byte() % (12 if depth < MAX_DEPTH else 8):
            case 0:
                return None
            case 1:
                return bool(self.byte() % 2)
            case 2:
                return self.byte() - 128
            case 3:
                return int.from_bytes(self.blob(), "big", signed=True)
            case 4:
                return float(self.byte()) * 1e300 * (self.byte() + 1)
            case 5 | 6:
                return self.word()
            case 7:
                return self.text()
            case 8 | 9:
                return [self.value(depth + 1) for _ in range(self.byte() % 6)]
            case _:
                return {self.word(): self.value(depth + 1) for _ in range(self.byte() % 6)}

    def json(self) -> bytes:
        """The text of a JSON value; or what is left, which may be anything."""
        return json.dumps(self.value()).encode() if self.byte() % 2 else self.rest()

    def shown(self) -> object:
        """What a client may show: a value, or the JSON text of one."""
        return self.value() if self.byte() % 2 else self.json().decode("utf-8", "surrogateescape")
