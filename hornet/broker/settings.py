"""The options of Hornet's connection to Redis."""

from __future__ import annotations

from dataclasses import dataclass

from hornet.core.options import option, show_section

DEFAULT_PORT = 6379


@dataclass(frozen=True, slots=True)
class RedisSettings:
    redis: str = option(
        "",
        doc="Redis or Valkey to use: redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://. "
        "Without one, Hornet uses the Redis on 127.0.0.1 if it answers, else starts an embedded Valkey. "
        "An explicit URL never falls back.",
        unit="URL",
        secret=True,
    )
    embedded_port: int = option(
        DEFAULT_PORT,
        doc="Port on 127.0.0.1 where a Redis is looked for, or the embedded Valkey is started.",
        unit="port",
    )
    redis_timeout_s: float = option(
        5.0, doc="How long a connection to Redis or a command may take before it counts as failed.", unit="s"
    )
    redis_heartbeat_s: float = option(
        10.0,
        doc="A silent subscription connection is probed after this time, and replaced after as long again.",
        unit="s",
    )
    node_heartbeat_s: float = option(
        2.0,
        doc="How often a node tells the others, through Redis, that it lives. One that was silent for three "
        "heartbeats is dead: the others take its users and members out.",
        unit="s",
    )

    def __repr__(self) -> str:
        return show_section(self)
