"""Connections to Redis in each of its shapes: one server, a socket, Sentinel, Cluster.

redis-py does the work. This module reads the URL, sets the timeouts on purpose, and turns redis-py's many
exceptions into :class:`~hornet.core.errors.RedisUnavailable` where the flows expect one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit, urlunsplit

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError

from hornet.core.errors import RedisUnavailable, SetupError

Client = Redis | RedisCluster

SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "redis+cluster")
SENTINEL_PORT = 26379
DEFAULT_SERVICE = "mymaster"


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """A checked URL. ``str()`` shows it without its password."""

    text: str

    def __str__(self) -> str:
        parts = urlsplit(self.text)
        if parts.password is None and "password=" not in parts.query:
            return self.text
        user, _, rest = parts.netloc.rpartition("@")
        name = user.partition(":")[0]
        return urlunsplit((parts.scheme, f"{name}:***@{rest}", parts.path, "", ""))

    @property
    def parts(self) -> SplitResult:
        return urlsplit(self.text)

    @property
    def hosts(self) -> list[tuple[str, int]]:
        """The hosts of the network part; Sentinel and Cluster URLs may list several, joined by commas."""
        default = SENTINEL_PORT if self.parts.scheme == "redis+sentinel" else 6379
        found = []
        for item in self.parts.netloc.rpartition("@")[2].split(","):
            host = urlsplit(f"//{item}")
            found.append((host.hostname or "127.0.0.1", host.port or default))
        return found


def parse_url(text: str) -> RedisUrl:
    """Check an explicit Redis URL.

    Raises:
        SetupError: the scheme is not one Hornet knows, or the URL is malformed.
    """
    try:
        url = RedisUrl(text)
        scheme = url.parts.scheme
        known = scheme in SCHEMES and (scheme == "unix" or bool(url.hosts))
        for query in parse_qs(url.parts.query):
            known = known and query in {
                "db",
                "protocol",
                "username",
                "password",
                "ssl_cert_reqs",
                "ssl_ca_certs",
            }
    except ValueError:
        known = False
    if not known:
        raise SetupError(
            f"That is no Redis URL Hornet knows; it starts with {', '.join(s + '://' for s in SCHEMES)}."
        )
    return url


def connect(url: RedisUrl, timeout_s: float) -> Client:
    """A client for commands; it connects on first use and never retries by itself.

    A command that may have been carried out is not sent twice: a retried PUBLISH would be delivered twice.
    """
    options = _options(timeout_s)
    if url.parts.scheme == "redis+cluster":
        nodes = [ClusterNode(host, port) for host, port in url.hosts]
        return RedisCluster(startup_nodes=nodes, **_login(url), **_cluster_options(timeout_s))
    return _connect_server(url, options)


def connect_subscriber(url: RedisUrl, timeout_s: float, attempt: int = 0) -> Redis:
    """A client to subscribe with. In a Cluster every node hears each PUBLISH: ``attempt`` picks one."""
    options = _options(timeout_s)
    if url.parts.scheme == "redis+cluster":
        host, port = url.hosts[attempt % len(url.hosts)]
        return Redis(host=host, port=port, **_login(url), **options)
    return _connect_server(url, options)


def manager_url(url: RedisUrl) -> str:
    """The URL for python-socketio's manager, which speaks to one node of a Cluster as to any server."""
    if url.parts.scheme != "redis+cluster":
        return url.text
    host, port = url.hosts[0]
    login = url.parts.netloc.rpartition("@")[0]
    return f"redis://{login}{'@' if login else ''}{host}:{port}/0"


async def check_reachable(url: RedisUrl, timeout_s: float) -> None:
    """Raises:
    SetupError: nothing answers at the URL, or it refuses the login; one sentence, without the password.
    """
    client = connect(url, timeout_s)
    try:
        await call(client.ping)
    except RedisUnavailable as error:
        raise SetupError(f"Redis at {url} can't be used: {error}.") from None
    finally:
        await client.aclose()


async def call(command: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
    """Await one redis-py call.

    Raises:
        RedisUnavailable: whatever kept the command from its answer, in a few words.
    """
    try:
        return await command(*args, **options)
    except AuthenticationError as error:
        raise RedisUnavailable(f"it refuses the login ({error})") from error
    except (RedisError, OSError, TimeoutError) as error:
        raise RedisUnavailable(explain(error)) from error


async def publish_all(client: Client, publishes: Sequence[tuple[str, str]]) -> None:
    """PUBLISH each (topic, body) in order; one round trip where Redis is not a Cluster.

    Raises:
        RedisUnavailable: some may have been published.
    """
    if isinstance(client, RedisCluster):  # its pipeline has no PUBLISH
        for topic, body in publishes:
            await call(client.publish, topic, body)
        return
    pipeline = client.pipeline(transaction=False)
    for topic, body in publishes:
        pipeline.publish(topic, body)
    await call(pipeline.execute)


def explain(error: BaseException) -> str:
    """A few words about a failed connection, fit for one log line."""
    text = str(error).rstrip(".") or type(error).__name__
    return text.splitlines()[0]


def _connect_server(url: RedisUrl, options: dict[str, Any]) -> Redis:
    if url.parts.scheme == "redis+sentinel":
        database, _, service = url.parts.path.strip("/").partition("/")
        sentinel = Sentinel(url.hosts, sentinel_kwargs=dict(options), **options)
        login = _login(url)
        if database:
            login["db"] = int(database)
        client: Redis = sentinel.master_for(service or DEFAULT_SERVICE, **login)
        return client
    return Redis.from_url(url.text, **options)


def _login(url: RedisUrl) -> dict[str, Any]:
    login: dict[str, Any] = {}
    if url.parts.username:
        login["username"] = unquote(url.parts.username)
    if url.parts.password:
        login["password"] = unquote(url.parts.password)
    return login


def _options(timeout_s: float) -> dict[str, Any]:
    return {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,  # subscriptions answer as plain arrays, on every server version
    }


def _cluster_options(timeout_s: float) -> dict[str, Any]:
    options = _options(timeout_s)
    options["retry"] = Retry(NoBackoff(), 1)  # a moved slot is asked for again once; nothing was carried out
    return options
