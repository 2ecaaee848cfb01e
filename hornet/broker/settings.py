"""The options of Hornet's connection to Redis."""

from __future__ import annotations

from dataclasses import dataclass

from hornet.broker.url import parse_url
from hornet.core.errors import SetupError
from hornet.core.history_depths import Depth, DepthRule, parse_depth_rule
from hornet.core.options import option, show_section

DEFAULT_PORT = 6379


@dataclass(frozen=True, slots=True)
class RedisSettings:
    redis: str = option(
        "",
        doc="Redis or Valkey to use: redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://. "
        "Without a URL, Hornet uses the Redis on 127.0.0.1 if one answers, and else starts an embedded "
        "Valkey. With a URL, Hornet uses no other Redis.",
        unit="URL",
        secret=True,
    )
    embedded_port: int = option(
        DEFAULT_PORT,
        doc="Port on 127.0.0.1 where Hornet looks for a Redis, or else starts the embedded Valkey.",
        unit="port",
    )
    redis_timeout_s: float = option(
        5.0, doc="How long a connection to Redis or a command may take before it counts as failed.", unit="s"
    )
    redis_probe_s: float = option(
        1.5,
        doc="How long a probe of the subscription connection may take: a short message that the node "
        "publishes to itself with each heartbeat (node_heartbeat), or alone where no heartbeat came through "
        "for this time. If a probe and the one after it are late although Redis took them, Hornet replaces "
        "the connection.",
        unit="s",
    )
    redis_heartbeat_s: float = option(
        10.0,
        doc="Time after which Hornet sends a PING on a silent subscription connection. If no answer comes "
        "within the same time, Hornet replaces the connection. A Redis that answers nothing is not left "
        "earlier, because what waits on the connection would be missed.",
        unit="s",
    )
    node_heartbeat_s: float = option(
        2.0,
        doc="Time between two heartbeats of a node, which tell the other nodes through Redis that it lives. "
        "A node that misses three heartbeats is dead, and the others remove its users and members.",
        unit="s",
    )

    def __post_init__(self) -> None:
        try:
            if self.redis:
                parse_url(self.redis)
        except SetupError as error:
            raise ValueError(str(error).removesuffix(".")) from None

    def __repr__(self) -> str:
        return show_section(self)


@dataclass(frozen=True, slots=True)
class HistorySettings:
    history_count: int = option(
        100,
        doc="Messages of each channel that Redis keeps for clients that come back. With 0, none are kept, "
        "except on the channels of history_channels.",
        unit="messages",
        reloads=True,
    )
    history_age_s: float = option(120.0, doc="How long a message is kept at most.", unit="s", reloads=True)
    history_bytes: int = option(
        1_048_576,
        doc="About how much the kept messages of one channel may take.",
        unit="bytes",
        reloads=True,
    )
    history_channels: tuple[str, ...] = option(
        (),
        doc="Other numbers for some channels, as `GLOB=MESSAGES[:SECONDS[:BYTES]]`, for example "
        "`chat:*=1000:3600`. The first rule that matches counts, and 0 messages turn the history off. For a "
        "user's notices the glob stands for `hornet:user:<user>`, for a pattern for its text.",
        unit="rules",
        reloads=True,
    )

    def __post_init__(self) -> None:
        self.rules()

    @property
    def depth(self) -> Depth:
        """The depth of a channel for which there is no rule."""
        return Depth(self.history_count, self.history_age_s, self.history_bytes)

    @property
    def records(self) -> bool:
        """Whether anything is kept at all."""
        return any(rule.depth.count for rule in self.rules())

    def rules(self) -> tuple[DepthRule, ...]:
        """Return all rules in their order; the last one is for every channel."""
        try:
            rules = [parse_depth_rule(text, self.depth) for text in self.history_channels]
        except ValueError as error:
            raise ValueError(f"history_channels: {error}") from None
        return (*rules, DepthRule("*", self.depth))
