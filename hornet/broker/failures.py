"""What can go wrong with a command to Redis: in a few words for the log, and as the error flows expect."""

from __future__ import annotations

import redis.exceptions
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    ClusterError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    ResponseError,
    TryAgainError,
)

from hornet.core.errors import RedisFull, RedisUnavailable, RefusedByRedis

FAILURES: tuple[type[Exception], ...] = (
    *{one for one in vars(redis.exceptions).values() if isinstance(one, type) and issubclass(one, Exception)},
    OSError,
)
"""What may come out of a redis-py call. ``RedisError`` is not enough: ``RedisClusterException`` is none."""

_MEANINGS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    ((AuthenticationError, AuthorizationError), "it refuses the login"),
    (BusyLoadingError, "it still loads its data"),
    (ReadOnlyError, "it is a replica, and takes no writes"),
    ((ClusterDownError, MasterDownError), "a part of it is down"),
    (TryAgainError, "it moves keys between its nodes"),
    (ClusterError, "its cluster can't be used"),
)
"""What an answer of Redis means to the operator; the first that fits."""

_PREFIXES = {
    "MISCONF": "it can't save to its disk, and takes no writes",
    "NOREPLICAS": "it has too few replicas, and takes no writes",
    "BUSY": "a script keeps it busy",
    "ACL failure in script": "it does not permit what a script needs",
}
"""The same for answers that redis-py has no class for."""


def explain(error: BaseException) -> str:
    """A few words about a failure, fit for one log line."""
    text = str(error).rstrip(".") or type(error).__name__
    return text.splitlines()[0]


def unavailable(error: Exception) -> RedisUnavailable:
    """The error of ours for one of ``FAILURES``: of another class where what to do is another."""
    reason = error.__cause__ if isinstance(error, RedisClusterException) and error.__cause__ else error
    said = explain(reason)
    if isinstance(reason, OutOfMemoryError):
        return RedisFull(f"it is full ({said})")
    if isinstance(reason, NoPermissionError):
        return RefusedByRedis(f"it does not permit that ({said})")
    for kinds, meaning in _MEANINGS:
        if isinstance(reason, kinds):
            return RedisUnavailable(f"{meaning} ({said})")
    if isinstance(reason, ResponseError):
        for prefix, meaning in _PREFIXES.items():
            if said.startswith(prefix):
                kind = RefusedByRedis if prefix.startswith("ACL") else RedisUnavailable
                return kind(f"{meaning} ({said})")
    return RedisUnavailable(explain(error))
