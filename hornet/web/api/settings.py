"""The options of the HTTP API."""

from __future__ import annotations

from dataclasses import dataclass

from hornet.core.options import option, show_section
from hornet.web.api.auth import CLOSED, KEYLESS, LOCAL, LOOPBACK, parse_keys


@dataclass(frozen=True, slots=True)
class ApiSettings:
    api: bool = option(True, doc="Serve the HTTP API under /api, and the compatible routes beside it.")
    api_keys: tuple[str, ...] = option(
        (),
        doc="Keys of backends, each as name:rights:secret; rights are publish, manage, read and admin, "
        "joined by +. "
        "Without keys, the API answers only those that `keyless_api` lets in.",
        unit="keys",
        secret=True,
        reloads=True,
    )
    keyless_api: str = option(
        LOOPBACK,
        doc="Who may use the API while no key is configured. "
        + "; ".join(f"`{mode}`: {people}" for mode, people in KEYLESS.items())
        + ". A forwarder of ports, such as `ssh -L` or a container's, connects from this machine too: "
        "configure a key, or choose `closed`.",
        unit="mode",
    )
    api_rate: int = option(
        1000,
        doc="Requests per second that each key may make on one node; twice as many may come at once. 0 "
        "means no limit.",
        unit="requests/s",
        reloads=True,
    )
    api_max_body_bytes: int = option(
        1_000_000, doc="Largest body of a request to the API.", unit="bytes", reloads=True
    )
    idempotency_window_s: float = option(
        3600.0, doc="How long the answer to a request with an `Idempotency-Key` is kept.", unit="s"
    )
    ask_timeout_s: float = option(
        2.0,
        doc="How long a question to all nodes waits for answers. The result names the nodes that gave none.",
        unit="s",
    )
    pushy_secret: str = option(
        "",
        doc="Secret of pushy's signed triggers; turns their route on.",
        unit="secret",
        secret=True,
        reloads=True,
    )
    emitters: bool = option(
        True, doc="Deliver what the emitters of Socket.IO's Redis adapters publish (MessagePack or JSON)."
    )

    def __post_init__(self) -> None:
        try:
            parse_keys(self.api_keys)
        except ValueError as error:
            raise ValueError(f"api_keys: {error}") from None
        if self.keyless_api not in KEYLESS:
            raise ValueError(f"keyless_api {self.keyless_api!r} is none of {', '.join(KEYLESS)}")

    def is_open(self, *, on_unix_socket: bool) -> bool:
        """Return whether programs may use the API without a key."""
        if not self.api or self.api_keys or self.keyless_api == CLOSED:
            return False
        return self.keyless_api == LOCAL or not on_unix_socket

    def __repr__(self) -> str:
        return show_section(self)
