"""Hornet's own errors, in branches by the side that is at fault.

``HornetError`` is the root. Its branches say what happens next:

- ``PeerError``: a client or a connector sent something wrong. The error goes back to them with its stable
  ``code``, and is counted.
- ``DependencyError``: a service that Hornet needs (Redis) failed. The call is retried, or reported as
  unavailable.
- ``SetupError``: the person who starts Hornet must act. The command line prints it as one sentence.

Any other exception is a bug in Hornet.
"""

from __future__ import annotations


class HornetError(Exception):
    """The root of Hornet's errors."""


class PeerError(HornetError):
    """The other side broke a rule; ``code`` is stable and may be matched on, ``detail`` is for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class InvalidPublish(PeerError):
    """A message of a connector can't be delivered; it is dropped and counted under ``code``."""


class RefusedCredentials(PeerError):
    """A client's attempt to authenticate was refused; the client gets ``code`` and ``detail``.

    ``channels`` are those of the channels asked for that are the reason; empty where no channel is.
    """

    def __init__(self, code: str, detail: str, *, channels: tuple[str, ...] = ()) -> None:
        super().__init__(code, detail)
        self.channels = channels


class DependencyError(HornetError):
    """A service that Hornet depends on failed; trying again may help."""


class RedisUnavailable(DependencyError):
    """Redis could not be reached, or did not answer in time."""


class RedisTakesNoWrites(RedisUnavailable):
    """Redis answers, and refuses every write; nothing was done. Publishing still works."""


class RedisFull(RedisTakesNoWrites):
    """Redis has no memory left for a write. Commands that need none still work: deleting, and publishing."""


class RefusedByRedis(RedisUnavailable):
    """The ACL of Redis does not permit a command; trying again helps only after the ACL was changed."""


class SetupError(HornetError):
    """Hornet can't start as configured; the message is one sentence that says why and what to change."""
