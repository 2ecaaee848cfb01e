"""The longest message that one publish may have: too long for Redis and for nodes to carry without harm."""

from __future__ import annotations

from hornet.core import codes
from hornet.core.errors import InvalidPublish

DEFAULT_MAX_MESSAGE_BYTES = 4_194_304
"""Redis closes a subscription connection at once where 32 MiB wait on it, and after a minute of 8 MiB
(``client-output-buffer-limit pubsub 32mb 8mb 60``, its default). So a node may be seven such messages behind.
On its way to clients a message grows: JSON in JSON doubles each quotation mark, and version 3 of Engine.IO
escapes characters, so that a letter of two bytes becomes seven."""


class MessageLimit:
    """Refuses messages longer than ``max_bytes``, as JSON text in UTF-8 without the client's framing."""

    __slots__ = ("max_bytes",)

    def __init__(self, max_bytes: int = DEFAULT_MAX_MESSAGE_BYTES) -> None:
        self.max_bytes = max_bytes

    def configure(self, max_bytes: int) -> None:
        """Follow another limit from now on."""
        self.max_bytes = max_bytes

    def check(self, payload: bytes) -> None:
        """Raise unless a message that was published may be delivered.

        Raises:
            InvalidPublish: ``TOO_LARGE``.
        """
        if len(payload) > self.max_bytes:
            raise self._too_large(len(payload))

    def check_text(self, text: str) -> None:
        """Raise unless a message may be published.

        Raises:
            InvalidPublish: ``TOO_LARGE``.
        """
        if 4 * len(text) > self.max_bytes:  # a character has 4 bytes at most
            size = len(text.encode("utf-8", "surrogatepass"))
            if size > self.max_bytes:
                raise self._too_large(size)

    def _too_large(self, size: int) -> InvalidPublish:
        return InvalidPublish(
            codes.TOO_LARGE, f"the message has {size} bytes, more than {self.max_bytes}; send it in parts"
        )
