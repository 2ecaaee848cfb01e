"""The URL of a Redis: which forms are allowed, and how it is shown without its password."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from hornet.core.errors import SetupError

PORT = 6379
SENTINEL_PORT = 26379
DEFAULT_SERVICE = "mymaster"
"""The name in the example configuration that comes with Redis Sentinel, and so in most others."""

_LOGIN = {"db", "username", "password"}
_TLS = {"ssl_ca_certs", "ssl_cert_reqs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname"}

SCHEMES: dict[str, set[str]] = {
    "redis": _LOGIN,
    "rediss": _LOGIN | _TLS,
    "unix": _LOGIN,
    "redis+sentinel": set(),
    "redis+cluster": set(),
}
"""Each scheme with the query keys it takes. redis-py has more; some would change the form of answers."""

_SEVERAL_HOSTS = ("redis+sentinel", "redis+cluster")


@dataclass(frozen=True, repr=False)
class RedisUrl:
    """A checked URL. ``str()`` and ``repr()`` show it without its password; ``text`` has it."""

    text: str

    def __str__(self) -> str:
        login, at, where = self._parts.netloc.rpartition("@")
        user, colon, _ = login.partition(":")
        # A lone user name is most often a password whose colon was forgotten.
        masked = (f"{user}:***" if colon else "***") if at else ""
        query = "&".join(
            f"{name}={'***' if name == 'password' else values[0]}"
            for name, values in parse_qs(self._parts.query).items()
        )
        return f"{self.scheme}://{masked}{at}{where}{self._parts.path}{'?' if query else ''}{query}"

    def __repr__(self) -> str:
        return f"RedisUrl({str(self)!r})"

    @cached_property
    def _parts(self) -> SplitResult:
        return urlsplit(self.text)

    @property
    def scheme(self) -> str:
        return self._parts.scheme

    @property
    def hosts(self) -> list[tuple[str, int]]:
        """The hosts of the network part; Sentinel and Cluster URLs may list several, joined by commas."""
        default = SENTINEL_PORT if self.scheme == "redis+sentinel" else PORT
        hosts = []
        for item in self._parts.netloc.rpartition("@")[2].split(","):
            host = urlsplit(f"//{item}")
            hosts.append((host.hostname or "127.0.0.1", default if host.port is None else host.port))
        return hosts

    @property
    def login(self) -> dict[str, Any]:
        """``username`` and ``password`` as far as they are given, for redis-py."""
        given = {"username": self._parts.username, "password": self._parts.password}
        return {name: unquote(value) for name, value in given.items() if value}

    @property
    def database(self) -> int:
        """The database in a Sentinel URL; redis-py reads that of other URLs itself."""
        return int(self._parts.path.strip("/").partition("/")[0] or 0)

    @property
    def service(self) -> str:
        """Sentinel's name for the master, which follows the database in the path."""
        return unquote(self._parts.path.strip("/").partition("/")[2]) or DEFAULT_SERVICE


def parse_url(text: str) -> RedisUrl:
    """Check an explicit Redis URL.

    Raises:
        SetupError: the scheme is not one Hornet knows, or the URL is malformed. The sentence names the part
            that is wrong, but quotes nothing that could be part of a password.
    """
    try:
        url = RedisUrl(text)
        if url.scheme not in SCHEMES:
            raise SetupError(f"A Redis URL starts with {', '.join(f'{scheme}://' for scheme in SCHEMES)}.")
        ports = [port for _, port in url.hosts] if url.scheme != "unix" else []
    except ValueError:
        ports = [0]
    if not all(0 < port <= 65535 for port in ports):
        raise SetupError(
            "The Redis URL has a port that is no number from 1 to 65535; in a password, the characters "
            "/ ? # @ : % are written as %2F %3F %23 %40 %3A %25."
        )
    if len(ports) > 1 and url.scheme not in _SEVERAL_HOSTS:
        raise SetupError(f"A {url.scheme}:// URL names one host; {_both(_SEVERAL_HOSTS)} take several.")
    _check_path(url)
    _check_query(url)
    return url


def _check_path(url: RedisUrl) -> None:
    path = url._parts.path
    if url._parts.fragment:
        raise SetupError("The Redis URL has a '#'; in a password it is written as %23.")
    if url.scheme == "unix":
        if path in ("", "/"):
            raise SetupError("A unix:// URL names a socket's path: unix:///run/redis.sock.")
        return
    database, _, service = path.strip("/").partition("/")
    if not (database.isdecimal() and database.isascii()) and database:
        raise SetupError(f"In a {url.scheme}:// URL the host is followed by /DATABASE, a number.")
    if service and url.scheme != "redis+sentinel":
        raise SetupError(f"In a {url.scheme}:// URL nothing follows the database's number.")
    if url.scheme == "redis+cluster" and int(database or 0):
        raise SetupError("A Redis Cluster has no database but 0.")
    if url.scheme == "redis+sentinel" and set(url.login.get("password", "")) & set("/?#[]"):
        raise SetupError("In a redis+sentinel:// URL the password may hold none of / ? # [ ].")


def _check_query(url: RedisUrl) -> None:
    given = parse_qs(url._parts.query, keep_blank_values=True)
    known = SCHEMES[url.scheme]
    for name in given:
        if name not in known:
            takes = f"takes {', '.join(sorted(known))}" if known else "takes none"
            raise SetupError(f"The Redis URL has an unknown option {name!r}; {url.scheme}:// {takes}.")
    database = given.get("db", ["0"])[0]
    if not (database.isdecimal() and database.isascii()):
        raise SetupError("The option db of the Redis URL is not a number.")


def _both(names: tuple[str, ...]) -> str:
    return " and ".join(f"{name}://" for name in names)
