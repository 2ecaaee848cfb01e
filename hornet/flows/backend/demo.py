"""The try-it page's two requests: a token for the channel ``demo``, and a publish on that channel.

Every visitor may make them, so both are limited for all visitors together. Otherwise this page could fill
Redis with tokens, and browsers with messages.
"""

from __future__ import annotations

import time
from collections import deque

from hornet.broker.history import HistoryStore, Publication
from hornet.broker.keys import channel_topic
from hornet.broker.tokens import TokenStore
from hornet.core import codes
from hornet.core.channels import is_utf8_text
from hornet.core.errors import PeerError
from hornet.core.grants import Grant
from hornet.core.jsontext import dump_json
from hornet.core.limits import counted_as
from hornet.core.tokens import DEFAULT_TOKEN_TTL_S, create_token

DEMO_CHANNEL = "demo"
DEMO_TYPE = "hello"
MAX_TEXT_CHARS = 280
"""Room for a sentence or two; the page's text field has the same limit."""

PUBLISHES_PER_S = 5
TOKENS_PER_S = 20
"""At most 2,400 unused tokens exist at a time. Pages refused after a restart try again by themselves."""

TOKENS_PER_ADDRESS = 10
"""So that one visitor leaves tokens for the others."""


class BadText(PeerError):
    """The visitor's text can't be published; ``detail`` says why."""


class TooFast(PeerError):
    """All visitors together asked for more than the page's share; a second later there is room again."""


class Demo:
    """Carries out the requests of visitors. Nothing here reaches any other channel."""

    def __init__(self, *, history: HistoryStore, tokens: TokenStore) -> None:
        self._history = history
        self._tokens = tokens
        self._token_limit = SlidingWindow(TOKENS_PER_S, TOKENS_PER_ADDRESS)
        self._publish_limit = SlidingWindow(PUBLISHES_PER_S, PUBLISHES_PER_S)

    async def create_token(self, address: str) -> str:
        """Return a fresh token for the demo channel.

        Raises:
            TooFast: more than ``TOKENS_PER_S``, or than ``TOKENS_PER_ADDRESS`` for this address.
            RedisUnavailable: not known whether the token exists.
        """
        self._token_limit.check_next(time.monotonic(), counted_as(address) or address)
        token = create_token()
        await self._tokens.create(token, Grant(channels=(DEMO_CHANNEL,)), DEFAULT_TOKEN_TTL_S)
        return token

    async def publish(self, text: str) -> None:
        """Publish ``text`` as a message of type ``hello``.

        Raises:
            BadText: empty, longer than ``MAX_TEXT_CHARS``, or not what UTF-8 can carry.
            TooFast: more than ``PUBLISHES_PER_S``; a refused text does not count.
            RedisUnavailable: not known whether it was published.
        """
        _check_text(text)
        self._publish_limit.check_next(time.monotonic())
        body = dump_json({"type": DEMO_TYPE, "text": text})
        await self._history.publish([Publication(channel_topic(DEMO_CHANNEL), body)])


class SlidingWindow:
    """Lets at most ``per_s`` requests through in any second, ``per_address`` of one address.

    Refused requests don't count.
    """

    def __init__(self, per_s: int, per_address: int) -> None:
        self._accepted: deque[tuple[float, str]] = deque(maxlen=per_s)
        self._per_address = per_address

    def check_next(self, now: float, address: str = "") -> None:
        """Count one more request.

        Raises:
            TooFast: the second before ``now`` is full.
        """
        recent = [other for moment, other in self._accepted if now - moment < 1]
        if len(recent) == self._accepted.maxlen or recent.count(address) >= self._per_address:
            raise TooFast(codes.TOO_FAST, f"more than {len(recent)} in a second")
        self._accepted.append((now, address))


def _check_text(text: str) -> None:
    if not text.strip():
        raise BadText(codes.BAD_TEXT, "the text is empty")
    if len(text) > MAX_TEXT_CHARS:
        raise BadText(codes.BAD_TEXT, f"the text is longer than {MAX_TEXT_CHARS} characters")
    if not is_utf8_text(text):
        raise BadText(codes.BAD_TEXT, "the text holds half a character")
