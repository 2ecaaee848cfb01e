"""Every error of Hornet's own, ordered by who is to blame.

``HornetError`` is the root. Its branches say what happens next:

- ``PeerError``: a client or a connector sent something wrong. It goes back to them with its stable
  ``code``, is counted, and is nobody else's business.
- ``DependencyError``: something Hornet leans on (Redis) failed. It is retried or reported as unavailable.
- ``SetupError``: the person who starts Hornet must act. The command line prints it as one sentence.

Whatever else is raised is a bug of ours.
"""

from __future__ import annotations


class HornetError(Exception):
    """Root of Hornet's errors."""


class PeerError(HornetError):
    """The other side broke a rule; ``code`` is stable and may be matched on, ``detail`` is for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class InvalidPublish(PeerError):
    """What a connector published can't be delivered; it is dropped and counted under ``code``."""


class RefusedCredentials(PeerError):
    """A client's attempt to get in was refused; ``code`` and ``detail`` are told to that client."""


class DependencyError(HornetError):
    """A service Hornet depends on did not do its part; trying again may help."""


class RedisUnavailable(DependencyError):
    """Redis could not be reached, or did not answer in time."""


class RedisFull(RedisUnavailable):
    """It has no memory left for that; what needs none goes on: deleting, and publishing."""


class RefusedByRedis(RedisUnavailable):
    """The ACL of Redis does not permit it; trying again helps once somebody has changed that."""


class SetupError(HornetError):
    """Hornet can't start as configured; the message is one sentence that says why and what to change."""
