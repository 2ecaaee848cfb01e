"""The options of Hornet's HTTP side."""

from __future__ import annotations

from dataclasses import dataclass

from hornet.core.options import option

DEFAULT_PORT = 8187

ALL_ADDRESSES = "*"


@dataclass(frozen=True, slots=True)
class ServerSettings:
    host: str = option(
        ALL_ADDRESSES,
        doc="Address or name to listen on. `*` stands for all addresses of this machine, IPv4 and IPv6; "
        "`0.0.0.0` for those of IPv4 alone. A name such as `localhost` stands for all its addresses.",
        unit="address",
    )
    port: int = option(DEFAULT_PORT, doc="Port to listen on; 0 takes a free one.", unit="port")
    unix_socket: str = option(
        "",
        doc="Unix socket to listen on instead of address and port, for a proxy on this machine. "
        "Its owner and its group may connect.",
        unit="file",
    )
    allowed_hosts: tuple[str, ...] = option(
        (),
        doc="Host names under which the page at / and the metrics are shown, beside addresses and the names "
        "of this machine. Without any, they are shown under every name, but to programs on this machine only "
        "under a name of this machine, because a foreign page may have its own name lead here.",
        unit="hosts",
    )
    tls_cert: str = option("", doc="PEM file with the certificate chain; turns TLS on.", unit="file")
    tls_key: str = option("", doc="PEM file with the certificate's private key.", unit="file")
    send_timeout_s: float = option(
        60.0,
        doc="Time that data may wait for a client that takes none of it; then Hornet cuts the connection. "
        "The default is longer than ping interval and ping timeout together. Has an effect on Linux only.",
        unit="s",
    )
    keepalive_timeout_s: float = option(
        620.0,
        doc="Time that an HTTP connection may be idle between two requests. It must be longer than a proxy "
        "keeps its idle connections, so that the proxy is the one that closes them: otherwise the proxy may "
        "send a request into a connection that Hornet just closed, and answer 502. The default is above the "
        "600 s of Google Cloud's balancers, and so above nginx (60 s), AWS (60 s), Traefik (90 s), Caddy "
        "(120 s) and Azure (240 s). Envoy keeps them for an hour unless configured otherwise.",
        unit="s",
    )
    demo: bool = option(
        True,
        doc="Serve the try-it page at /. It lets every visitor into the channel 'demo': not for production.",
    )

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError("port is not between 0 and 65535")
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("tls_cert and tls_key go together: one of them is missing")
