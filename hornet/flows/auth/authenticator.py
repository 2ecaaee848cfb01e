"""Authenticators, and the evidence that they check.

Hornet asks no client for anything. Evidence from a client is offered to the authenticators in turn, and the
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
from hornet.core.messages import Outgoing
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
    """The data with which a client proves its user or its rights."""

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


Answer = Outgoing | Event


class Authenticator(Protocol):
    """One way of proving the user or the rights of a client.

    Derive from this class and write ``offer`` and ``check``. The other methods answer as the Node server did:
    by ``connected`` and ``error`` messages of channel ``hornet``.
    """

    events: tuple[str, ...] = ()
    """Events that carry evidence for this authenticator, beside ``message``."""

    is_limited: bool = True
    """Whether a failed attempt counts as one of the ``max_attempts`` of a session."""

    @abstractmethod
    def offer(self, evidence: Evidence) -> Any | None:
        """Return the claim in the evidence, in the form that ``check`` takes, or None to decline.

        Must not block.

        Raises:
            RefusedCredentials: the evidence is meant for this authenticator, but malformed.
        """
        ...

    @abstractmethod
    async def check(self, claim: Any) -> Grant:
        """Return the grant for a claim that ``offer`` returned.

        The session handles no other event meanwhile, so each wait in this method needs a timeout.

        Raises:
            RefusedCredentials: the claim is good for nothing. The client is told the code, which is stable
                and in capitals, and the detail.
            RedisUnavailable: the claim can't be checked now; the client is told ``UNAVAILABLE``.
        """
        ...

    def accepted(self, session: Session, claim: Any) -> Answer | None:
        """Return the answer to a session that has got the grant; None for no answer."""
        return answers.CONNECTED

    def refused(self, refused: RefusedCredentials) -> Answer | None:
        """Return the answer to a session whose claim was refused; None for no answer."""
        return answers.refusal(refused)

    def exhausted(self) -> Answer | None:
        """Return the answer to a session that is closed after its last attempt; None for no answer."""
        return answers.error(codes.TOO_MANY_ATTEMPTS)

    async def aclose(self) -> None:
        """Release the resources of this authenticator: the node stops."""
        return


class Claim(NamedTuple):
    """A claim that an authenticator found in the evidence. The same authenticator has to check it."""

    authenticator: Authenticator
    value: Any
