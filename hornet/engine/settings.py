"""The engine's options."""

from __future__ import annotations

from dataclasses import dataclass

from hornet.core.options import option


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How the Socket.IO endpoint behaves; the defaults are those of the Node server unless said otherwise."""

    path: str = option("/socket.io/", doc="Path of the Socket.IO endpoint.", unit="path")
    ping_interval_s: float = option(25.0, doc="Time between two heartbeats of a session.", unit="s")
    ping_timeout_s: float = option(20.0, doc="Time a client has to answer a heartbeat.", unit="s")
    connect_timeout_s: float = option(45.0, doc="Time a client has to connect to a namespace.", unit="s")
    upgrade_timeout_s: float = option(10.0, doc="Time an upgrade to WebSocket may take.", unit="s")
    max_payload_bytes: int = option(
        1_000_000, doc="Largest message or POST body taken from a client.", unit="bytes"
    )
    send_buffer_bytes: int = option(
        1_048_576,
        doc="Unsent data held for one session; a client that reads slower is disconnected.",
        unit="bytes",
    )
    compression: bool = option(False, doc="Offer permessage-deflate to WebSocket clients that ask for it.")
    transports: tuple[str, ...] = option(("polling", "websocket"), doc="Transports that clients may use.")
    allowed_origins: tuple[str, ...] = option(
        ("*",), doc="Origins whose pages may connect; `*` allows all of them.", unit="origins"
    )
    trusted_proxies: tuple[str, ...] = option(
        (), doc="Addresses or CIDR blocks of proxies whose X-Forwarded-For is believed.", unit="networks"
    )
    compiled: bool = option(
        True, doc="Write to sockets with the compiled loop, where the installation has it; see topics/engine."
    )
