"""What an authenticator is, and the evidence that it looks at.

Hornet asks no client for anything. Whatever a client shows is offered to the authenticators in turn, and the
first that finds a claim in it checks the claim. docs/howto/authentication.md says how to write one.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, NamedTuple, Protocol

from hornet.core import answers, codes
from hornet.core.credentials import read_fields
from hornet.core.errors import RefusedCredentials
from hornet.core.grants import Grant
from hornet.core.messages import Message
from hornet.engine import Handshake
from hornet.flows.sessions.sessions import Session

MESSAGE = "message"
"""The event that carries evidence of any kind. An authenticator may name further events of its own."""


class Source(Enum):
    """Where a client shows evidence. Each connection has the first two once, in this order."""

    REQUEST = auto()
    """The request that opened the session: its headers and cookies, and the address it came from."""
    AUTH = auto()
    """The Socket.IO ``auth`` payload, or the fields of the query string that stand in for it."""
    EVENT = auto()
    """An event that the client emitted."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a client shows to prove who it is, or what it may do."""

    where: Source
    handshake: Handshake
    value: object = None
    """``auth``, or the first argument of the event: any JSON value, None where there is none."""
    event: str = ""
    """The name of the event; empty for the other sources."""
    fields: Mapping[str, Any] = field(init=False)
    """``value`` where it is an object or the JSON text of an object; empty otherwise."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", read_fields(self.value))


@dataclass(frozen=True, slots=True)
class Event:
    """An answer that is an event of its own, instead of a message of channel ``hornet``."""

    name: str
    argument: object


Answer = Message | Event


class Authenticator(Protocol):
    """One way of proving who a client is, or what it may do.

    Derive from this class and write ``offer`` and ``check``. The other methods answer as the Node server did:
    by ``connected`` and ``error`` messages of channel ``hornet``.
    """

    events: tuple[str, ...] = ()
    """Events that carry evidence for this authenticator, beside ``message``."""

    is_limited: bool = True
    """Whether a failed attempt counts as one of the ``max_attempts`` of a session."""

    @abstractmethod
    def offer(self, evidence: Evidence) -> Any | None:
        """Return the claim in the evidence, in whatever form ``check`` wants, or None to decline.

        Must not block.

        Raises:
            RefusedCredentials: the evidence is meant for this authenticator, but malformed.
        """
        ...

    @abstractmethod
    async def check(self, claim: Any) -> Grant:
        """Return what the claim that ``offer`` returned is good for.

        The session handles no other event meanwhile, so whatever this waits for needs a timeout.

        Raises:
            RefusedCredentials: the claim is good for nothing. The client is told the code, which is stable
                and in capitals, and the detail.
            RedisUnavailable: the claim can't be checked now; the client is told ``UNAVAILABLE``.
        """
        ...

    def accepted(self, session: Session, claim: Any) -> Answer | None:
        """Return what to tell a session that has what was granted; None for nothing."""
        return answers.CONNECTED

    def refused(self, refused: RefusedCredentials) -> Answer | None:
        """Return what to tell a session whose claim was refused; None for nothing."""
        return answers.refusal(refused)

    def exhausted(self) -> Answer | None:
        """Return what to tell a session that is closed after its last attempt; None for nothing."""
        return answers.error(codes.TOO_MANY_ATTEMPTS)

    async def aclose(self) -> None:
        """Release what this authenticator holds: the node stops."""
        return


class Claim(NamedTuple):
    """What an authenticator found in the evidence, still to be checked by the same authenticator."""

    authenticator: Authenticator
    value: Any
