"""What a way of proving something looks like, and what it is given to look at.

No client is asked for anything. What it shows is offered to the authenticators in their order, and the
first that takes it checks it. See docs/howto/authentication.md for how to write one.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Protocol

from hornet.core import answers, codes
from hornet.core.credentials import read_fields
from hornet.core.errors import RefusedCredentials
from hornet.core.grants import Grant
from hornet.core.messages import Message
from hornet.engine import Handshake
from hornet.flows.sessions.sessions import Session

MESSAGE = "message"
"""The event that carries whatever a client shows, unless a way of proving has an event of its own."""


class Source(Enum):
    """Where a client shows something. One connection has each of the first two once, in this order."""

    REQUEST = auto()
    """The request that opened the session: its headers and cookies, and the address it came from."""
    AUTH = auto()
    """The Socket.IO ``auth`` payload, or the fields of the query string that stand in for it."""
    EVENT = auto()
    """An event that the client emitted."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a client shows.

    ``value`` is ``auth``, or the first argument of the event ``event``: any JSON value, None where there is
    none. ``fields`` is that value where it is an object or the JSON text of one, and empty else.
    """

    where: Source
    handshake: Handshake
    value: object = None
    event: str = ""
    fields: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", read_fields(self.value))


@dataclass(frozen=True, slots=True)
class Event:
    """An answer that is an event of its own rather than a message of channel ``hornet``."""

    name: str
    argument: object


Answer = Message | Event


class Authenticator(Protocol):
    """One way of proving who a client is, or what it may hear.

    Derive from it and write ``offer`` and ``check``. The rest answers in the words of the classic contract:
    ``connected`` and ``error`` messages of channel ``hornet``.
    """

    events: tuple[str, ...] = ()
    """Events by which clients show what this takes. ``message`` need not be named: all may take it."""

    is_limited: bool = True
    """Whether a failed attempt is one of the few (``max_attempts``) that a session has."""

    @abstractmethod
    def offer(self, shown: Evidence) -> Any | None:
        """The claim in ``shown``, in whatever form ``check`` wants; None to decline. Must not block.

        Raises:
            RefusedCredentials: it is for this authenticator, but malformed.
        """
        ...

    @abstractmethod
    async def check(self, claim: Any) -> Grant:
        """What the claim that ``offer`` returned is good for.

        The session handles no other event meanwhile, so what this waits for needs a timeout.

        Raises:
            RefusedCredentials: for nothing. The code is stable and in capitals; it and the detail are told
                to the client.
            RedisUnavailable: not known; the client is told ``UNAVAILABLE``.
        """
        ...

    def accepted(self, session: Session, claim: Any) -> Answer | None:
        """The session has what was granted: what it is told, if anything."""
        return answers.CONNECTED

    def refused(self, refused: RefusedCredentials) -> Answer | None:
        """What a session is told whose claim was refused."""
        return answers.refusal(refused)

    def exhausted(self) -> Answer | None:
        """What a session is told that is closed, as this was its last attempt."""
        return answers.error(codes.TOO_MANY_ATTEMPTS)

    async def aclose(self) -> None:
        """The node stops: release what is held."""
        return
