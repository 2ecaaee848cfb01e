"""The options of how sessions are let in and let go, and of what they may subscribe to."""

from __future__ import annotations

from dataclasses import dataclass

from hornet.core.options import option


@dataclass(frozen=True, slots=True)
class SessionSettings:
    auth_timeout_s: float = option(
        10.0, doc="How long a client may stay connected without a valid credential.", unit="s"
    )
    drain_window_s: float = option(
        5.0,
        doc="After SIGTERM, clients are let go spread over this time, lest all reconnect at once.",
        unit="s",
    )


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    public_patterns: bool = option(
        False, doc="Any authenticated session may subscribe to patterns; else a token must name each."
    )
    max_members: int = option(
        1000,
        doc="Members that one channel may have at a time; each is told of all others.",
        unit="members",
    )
    max_patterns: int = option(
        100, doc="Patterns that one session may be subscribed to at a time.", unit="patterns"
    )
