"""Failures of Redis: in a few words for the log, as the error that flows expect, and when to try again."""

from __future__ import annotations

import random

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

from hornet.core.errors import RedisFull, RedisTakesNoWrites, RedisUnavailable, RefusedByRedis

MAX_BACKOFF_S = 5.0
"""Longest wait between attempts; Redis is usually on the same network, so a long wait only adds downtime."""

FAILURES: tuple[type[Exception], ...] = (
    *{
        kind
        for kind in vars(redis.exceptions).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    },
    OSError,
)
"""All that a redis-py call may raise. ``RedisError`` is not enough: ``RedisClusterException`` is not one."""

_MEANINGS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    ((AuthenticationError, AuthorizationError), "it refuses the login"),
    (BusyLoadingError, "it still loads its data"),
    ((ClusterDownError, MasterDownError), "a part of it is down"),
    (TryAgainError, "it moves keys between its nodes"),
    (ClusterError, "its cluster can't be used"),
)
"""The meaning of an error answer for the operator; the first that fits."""

_PREFIXES: dict[str, tuple[type[RedisUnavailable], str]] = {
    "MISCONF": (RedisTakesNoWrites, "it can't save to its disk, and takes no writes"),
    "NOREPLICAS": (RedisTakesNoWrites, "it has too few replicas, and takes no writes"),
    "BUSY": (RedisUnavailable, "a script keeps it busy"),
    "ACL failure in script": (RefusedByRedis, "it does not permit what a script needs"),
}
"""The same for answers for which redis-py has no class, by how they begin."""


def explain(error: BaseException) -> str:
    """Return a few words about a failure, fit for one log line."""
    text = str(error).rstrip(".") or type(error).__name__
    return text.splitlines()[0]


def unavailable(error: Exception) -> RedisUnavailable:
    """Return Hornet's error for one of ``FAILURES``; its class says what can be done about it."""
    reason = error.__cause__ if isinstance(error, RedisClusterException) and error.__cause__ else error
    text = explain(reason)
    if isinstance(reason, OutOfMemoryError):
        return RedisFull(f"it is full ({text})")
    if isinstance(reason, NoPermissionError):
        return RefusedByRedis(f"it does not permit that ({text})")
    if isinstance(reason, ReadOnlyError):
        return RedisTakesNoWrites(f"it is a replica, and takes no writes ({text})")
    for kinds, meaning in _MEANINGS:
        if isinstance(reason, kinds):
            return RedisUnavailable(f"{meaning} ({text})")
    if isinstance(reason, ResponseError):
        for prefix, (kind, meaning) in _PREFIXES.items():
            if text.startswith(prefix):
                return kind(f"{meaning} ({text})")
    return RedisUnavailable(explain(error))


def backoff_s(attempt: int, first_s: float) -> float:
    """Return how long to wait after failed attempt number ``attempt``, counted from 0.

    The wait doubles with each attempt, from ``first_s`` up to ``MAX_BACKOFF_S``, and is shortened at random
    by up to a half. So nodes that lost Redis at the same moment do not all come back at the same moment.
    """
    return min(MAX_BACKOFF_S, first_s * 2.0 ** min(attempt, 10)) * random.uniform(0.5, 1.0)
