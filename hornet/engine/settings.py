"""The engine's options."""

from __future__ import annotations

from dataclasses import dataclass

from hornet.core.addresses import HOPS
from hornet.core.options import option
from hornet.core.origins import SAME_HOST, normalised

TRANSPORTS = ("polling", "websocket")


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """The options of the Socket.IO endpoint; their defaults are the Node server's unless said otherwise."""

    path: str = option("/socket.io/", doc="Path of the Socket.IO endpoint.", unit="path")
    ping_interval_s: float = option(25.0, doc="Time between two heartbeats of a session.", unit="s")
    ping_timeout_s: float = option(20.0, doc="Time a client has to answer a heartbeat.", unit="s")
    connect_timeout_s: float = option(45.0, doc="Time a client has to connect to a namespace.", unit="s")
    upgrade_timeout_s: float = option(10.0, doc="Time an upgrade to WebSocket may take.", unit="s")
    max_payload_bytes: int = option(
        1_000_000,
        doc="Largest message or POST body that a client may send. The Node server has the same limit.",
        unit="bytes",
        reloads=True,
    )
    send_buffer_bytes: int = option(
        1_048_576,
        doc="Unsent data that Hornet holds for one session, beside one message of any length. If more waits, "
        "the client reads too slowly, and Hornet disconnects it.",
        unit="bytes",
        reloads=True,
    )
    compression: bool = option(False, doc="Offer permessage-deflate to WebSocket clients that ask for it.")
    compiled: bool = option(
        True,
        doc="Write to sockets with the compiled loop, where the installation has it. `Runs on` in the lines "
        "that the server prints at its start tells.",
    )
    transports: tuple[str, ...] = option(TRANSPORTS, doc="Transports that clients may use.")
    recover_by_default: bool = option(
        False,
        doc="Let clients of Engine.IO 4 recover their session after a lost connection even if they don't ask "
        "for it with `recover`. Each event to such a client has one more argument, which clients older than "
        "socket.io-client 4.6, and those in other languages, pass on to the page.",
        reloads=True,
    )
    max_attachments: int = option(
        10,
        doc="Binary attachments that one event of a client may have (the Node server's limit).",
        unit="attachments",
        reloads=True,
    )
    max_packet_rate: float = option(
        500.0,
        doc="Packets per second that one session may send: events, attachments, acknowledgements and pongs "
        "together; twice as many may come at once. The default is ten times that of events, because an event "
        "may have attachments.",
        unit="packets/s",
        reloads=True,
    )
    max_byte_rate: float = option(
        1_000_000.0,
        doc="Bytes per second that Hornet reads from one session; twice as many may come at once. From a "
        "client that sends faster it reads more slowly, and loses nothing.",
        unit="bytes/s",
        reloads=True,
    )
    max_unauthenticated_payload_bytes: int = option(
        65_536,
        doc="Largest message or POST body of a session that has shown no valid credential yet.",
        unit="bytes",
        reloads=True,
    )
    max_unauthenticated_packet_rate: float = option(
        1000.0,
        doc="Packets per second that all sessions of one address may send that have shown no valid "
        "credential yet; twice as many may come at once. A client sends two or three. On this machine each "
        "session has this rate for itself.",
        unit="packets/s",
        reloads=True,
    )
    max_unauthenticated_byte_rate: float = option(
        1_000_000.0,
        doc="Bytes per second that all sessions of one address may send that have shown no valid credential "
        "yet; twice as many may come at once. On this machine each session has this rate for itself.",
        unit="bytes/s",
        reloads=True,
    )
    max_unauthenticated_held_bytes: int = option(
        8_388_608,
        doc="What all connections and sessions without a valid credential may leave unfinished, together: "
        "parts of requests, frames, bodies and events, and packets that wait for a credential to be checked. "
        "One address may leave a quarter of that.",
        unit="bytes",
        reloads=True,
    )
    max_containers: int = option(
        10_000,
        doc="Lists and objects that one message of a client may have. An empty one takes 1 to 3 bytes of a "
        "message, but 80 bytes of memory.",
        unit="lists and objects",
        reloads=True,
    )
    max_json_depth: int = option(
        64,
        doc="How deep lists and objects may be nested in what a client sends.",
        unit="levels",
        reloads=True,
    )
    handshake_timeout_s: float = option(
        10.0,
        doc="Time a connection has to send the head of a request: the first one from its opening on, each "
        "later one from its first byte on.",
        unit="s",
        reloads=True,
    )
    max_connections: int = option(
        0,
        doc="Connections of all clients together. Hornet compares this number with the files that the "
        "process has open, among them its connections to Redis and to backends. 0 stands for the system's "
        "limit (`ulimit -Hn`) less 200 files, which Hornet keeps for itself. A higher number has no effect.",
        unit="connections",
        reloads=True,
    )
    max_connections_per_address: int = option(
        2000,
        doc="Connections of one client address that carry no WebSocket session: polls, other requests, and "
        "connections without a request. The default is twice that of sessions, because a client that polls "
        "may have a poll and a POST under way. Trusted proxies and this machine are not counted.",
        unit="connections",
        reloads=True,
    )
    max_sessions_per_address: int = option(
        1000,
        doc="Sessions that one client address may have. All clients of an office or a mobile network may "
        "share an address. An IPv6 /64 network counts as one address. This machine is not counted.",
        unit="sessions",
        reloads=True,
    )
    max_connect_rate: float = option(
        100.0,
        doc="New sessions per second of one client address; twice as many may come at once.",
        unit="sessions/s",
        reloads=True,
    )
    max_request_rate: float = option(
        2000.0,
        doc="HTTP requests per second of one client address, other than for a WebSocket; twice as many may "
        "come at once. The default is twice the sessions of an address, because each may poll and post.",
        unit="requests/s",
        reloads=True,
    )
    allowed_origins: tuple[str, ...] = option(
        (SAME_HOST,),
        doc="Origins whose pages may connect. `same-host` allows pages of the host name by which the client "
        "reaches Hornet, on any port; `https://www.example.com` allows that origin, and `file://`, `null`, "
        "`capacitor://localhost` or `chrome-extension://...` pages of apps; `*` allows all.",
        unit="origins",
        reloads=True,
    )
    trusted_proxies: tuple[str, ...] = option(
        (),
        doc="Addresses or CIDR blocks of the proxies whose headers Hornet believes; `unix` stands for every "
        "connection through the Unix socket.",
        unit="networks",
    )
    forwarded_header: str = option(
        "X-Forwarded-For",
        doc="The header in which those proxies name the client's address: `X-Forwarded-For` or `Forwarded`. "
        "Hornet ignores the other one, because a proxy that does not set it passes on the client's own.",
        unit="X-Forwarded-For or Forwarded",
    )

    def __post_init__(self) -> None:
        unknown = [name for name in self.transports if name not in TRANSPORTS]
        if unknown or not self.transports:
            named = f"has {unknown[0]!r}" if unknown else "is empty"
            raise ValueError(f"transports {named}, but takes {' and '.join(TRANSPORTS)}")
        if self.forwarded_header not in HOPS:
            raise ValueError(f"forwarded_header {self.forwarded_header!r} is not {' or '.join(HOPS)}")
        # As browsers write them, so that a connection needs one look-up.
        object.__setattr__(self, "allowed_origins", tuple(map(normalised, self.allowed_origins)))
