"""The options of authenticators."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from hornet.core.options import option, show_section

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?")
_OWN_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "cookie",
        "host",
        "transfer-encoding",
    }
)
"""Headers of a request to the backend that say who asks, or how the request is sent."""


@dataclass(frozen=True, slots=True)
class AuthenticationSettings:
    user_header: str = option(
        "",
        doc="Header in which the proxies of `trusted_proxies` name the user of a connection, for example "
        "`X-User`. Hornet ignores the header of any other peer.",
        unit="header",
    )
    attribute_headers: tuple[str, ...] = option(
        (),
        doc="Headers of those proxies that become attributes of the session, for example `X-Device`.",
        unit="headers",
    )
    authenticators: tuple[str, ...] = option(
        (),
        doc="Installed plug-ins to ask as well, by their names in the entry point group "
        "`hornet.authenticators`.",
        unit="names",
    )

    def __post_init__(self) -> None:
        for name in (*filter(None, (self.user_header,)), *self.attribute_headers):
            if not _HEADER.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a header")


@dataclass(frozen=True, slots=True)
class BackendSettings:
    """The backend's own API, which says to which user an access token belongs."""

    backend_uri: str = option(
        "",
        doc="Where the backend's API is, for example `https://www.example.com/api`. Without it, event "
        "`user:authenticate` is unknown.",
        unit="URI",
    )
    backend_path: str = option(
        "/users/me", doc="Path that Hornet requests there with the client's access token.", unit="path"
    )
    backend_headers: tuple[str, ...] = option(
        (),
        doc="Header lines that each of these requests carries as well, for example `X-Api-Token: abc`. In a "
        "file a value may contain commas.",
        unit="header lines",
        secret=True,
    )
    backend_user_field: str = option("id", doc="Field of the answer that is the user's id.")
    backend_info: tuple[str, ...] = option(
        (),
        doc="Fields of the answer that become the user's info, which other clients may see; `*` takes all.",
    )
    backend_timeout_s: float = option(5.0, doc="Time an attempt may take, from its start.", unit="s")
    backend_connections: int = option(
        100, doc="Connections to the backend at once; further attempts wait.", unit="connections"
    )
    backend_connections_per_address: int = option(
        20,
        doc="How many of these one client address may use at once; its further attempts wait. This machine "
        "is not counted.",
        unit="connections",
    )
    backend_max_answer_bytes: int = option(
        65_536, doc="Longest answer that Hornet reads; a longer answer is a failure.", unit="bytes"
    )

    def __post_init__(self) -> None:
        for line in self.backend_headers:
            _check_header_line(line)
        if not self.backend_uri:
            return
        parts = urlsplit(self.backend_uri)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("backend_uri is no URI such as https://www.example.com/api")
        if "@" in parts.netloc:
            raise ValueError("backend_uri holds a login, but the access token takes its place")

    def __repr__(self) -> str:
        return show_section(self)

    def header_lines(self) -> dict[str, str]:
        """Return ``backend_headers`` by their names."""
        lines = (line.partition(":") for line in self.backend_headers)
        return {name.strip(): value.strip() for name, _, value in lines}


def _check_header_line(line: str) -> None:
    """Check one of ``backend_headers``. The line is a secret, so only its name may be shown.

    Raises:
        ValueError: no name and value, or a name that Hornet sets itself.
    """
    name, colon, value = line.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not _HEADER.fullmatch(name) or not _VALUE.fullmatch(value):
        raise ValueError("backend_headers has a line that is no header such as X-Api-Token: abc")
    if name.lower() in _OWN_HEADERS:
        raise ValueError(f"backend_headers has {name!r}, which Hornet sets itself")
