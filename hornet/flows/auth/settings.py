"""The options of authenticators."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from hornet.core.options import option

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


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
    backend_user_field: str = option("id", doc="Field of the answer that is the user's id.")
    backend_info: tuple[str, ...] = option(
        (),
        doc="Fields of the answer that become the user's info, which other clients may see; `*` takes all.",
    )
    backend_timeout_s: float = option(5.0, doc="Time an attempt may take, from its start.", unit="s")
    backend_connections: int = option(100, doc="Connections to the backend at once; further attempts wait.")
    backend_max_answer_bytes: int = option(
        65_536, doc="Longest answer that Hornet reads; a longer answer is a failure.", unit="bytes"
    )

    def __post_init__(self) -> None:
        if not self.backend_uri:
            return
        parts = urlsplit(self.backend_uri)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("backend_uri is no URI such as https://www.example.com/api")
        if "@" in parts.netloc:
            raise ValueError("backend_uri holds a login, but the access token takes its place")
