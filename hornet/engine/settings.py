"""The options of the Socket.IO engine."""

from __future__ import annotations

from dataclasses import dataclass

from hornet.core.options import option


@dataclass(frozen=True, slots=True)
class EngineSettings:
    path: str = option("/socket.io/", doc="URL path of the Socket.IO endpoint.", unit="path")
    ping_interval_s: float = option(25.0, doc="How often an idle connection is probed.", unit="s")
    ping_timeout_s: float = option(
        20.0, doc="How long an unanswered probe may stay before the connection is closed.", unit="s"
    )
    max_payload_bytes: int = option(
        1_000_000, doc="Largest packet or request body a client may send.", unit="bytes"
    )
    compression: bool = option(
        False, doc="Compress answers to polling requests. Costs CPU; most messages are too small to gain."
    )
    allowed_origins: tuple[str, ...] = option(
        ("*",),
        doc="Origins whose pages may connect, or * for all. A token, no cookie, lets a client in.",
        unit="origins",
    )
    trusted_proxies: tuple[str, ...] = option(
        (), doc="Addresses or networks of proxies whose X-Forwarded-For is believed.", unit="networks"
    )
