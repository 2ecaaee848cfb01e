"""What a Redis did and used in some time: commands, and CPU time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from redis import Redis


@dataclass(slots=True)
class RedisUsage:
    """Commands by name, those that scripts and functions ran included, and CPU seconds."""

    calls: dict[str, int] = field(default_factory=dict)
    cpu_s: float = 0.0

    @property
    def commands(self) -> int:
        return sum(self.calls.values())


@contextmanager
def redis_usage(port: int) -> Iterator[RedisUsage]:
    """Measure the Redis on ``port`` during the block; the figures are there at its end."""
    usage = RedisUsage()
    with Redis(port=port) as redis:
        calls, cpu_s = _calls(redis), _cpu_s(redis)
        yield usage
        usage.cpu_s = _cpu_s(redis) - cpu_s
        after = _calls(redis)
    usage.calls = {name: count - calls.get(name, 0) for name, count in after.items() if name != "info"}


def _cpu_s(redis: Redis) -> float:
    usage = redis.info("cpu")
    return float(usage["used_cpu_user"]) + float(usage["used_cpu_sys"])


def _calls(redis: Redis) -> dict[str, int]:
    statistics: Mapping[str, Mapping[str, int]] = redis.info("commandstats")
    return {name.removeprefix("cmdstat_"): figures["calls"] for name, figures in statistics.items()}
