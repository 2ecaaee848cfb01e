"""The composition root: the only place that knows every part and puts them together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from hornet._version import __version__
from hornet.broker.asking import Asking
from hornet.broker.client import (
    Client,
    RedisUrl,
    check_reachable,
    connect,
    connect_subscriber,
    manager_url,
    parse_url,
)
from hornet.broker.embedded import EmbeddedValkey, find_or_start, local_url
from hornet.broker.events import EventPublisher
from hornet.broker.keys import CONTROL_TOPIC, EMITTERS_GLOB, OWN_PREFIX, PRESENCE_PREFIX, user_of
from hornet.broker.listener import Listener
from hornet.broker.nodes import Nodes
from hornet.broker.presence import PresenceStore
from hornet.broker.publisher import Publisher
from hornet.broker.settings import DEFAULT_PORT, RedisSettings
from hornet.broker.tokens import TokenStore
from hornet.broker.user_lists import UserLists
from hornet.broker.user_sessions import UserSessionStore
from hornet.broker.users import UserStore
from hornet.config import Config, take_reloadable
from hornet.core.addresses import parse_networks
from hornet.core.errors import RedisUnavailable
from hornet.engine import Engine
from hornet.flows.admission import Admission
from hornet.flows.authenticators import Authenticator
from hornet.flows.authenticators.backend import BackendAuthenticator
from hornet.flows.authenticators.headers import HeaderAuthenticator
from hornet.flows.authenticators.plugins import load_authenticators
from hornet.flows.authenticators.tokens import TokenAuthenticator
from hornet.flows.authenticators.user_sessions import UserSessionAuthenticator
from hornet.flows.census import Census
from hornet.flows.channels import Channels
from hornet.flows.client_publishing import ClientPublishing
from hornet.flows.cluster import Cluster
from hornet.flows.command_plugins import Declared, collect_commands
from hornet.flows.commands import Commands
from hornet.flows.control import Control
from hornet.flows.demo import Demo
from hornet.flows.directory import Directory
from hornet.flows.emitters import Emitters
from hornet.flows.fanout import Fanout
from hornet.flows.hooks import SessionHooks
from hornet.flows.lag import measure_lag
from hornet.flows.limits import LimitedHooks
from hornet.flows.notices import Notices
from hornet.flows.patterns import Patterns
from hornet.flows.presence import Presence
from hornet.flows.publishing import Publishing
from hornet.flows.reloading import Outcome, Reloading
from hornet.flows.rooms import room_of
from hornet.flows.router import Router
from hornet.flows.session_events import SessionEvents
from hornet.flows.sessions import Sessions
from hornet.flows.signals import Signal, Signals
from hornet.flows.subscribing import Subscribing
from hornet.flows.subscriptions import Subscriptions
from hornet.flows.supervision import supervise
from hornet.flows.ticketing import Ticketing
from hornet.flows.user_channels import UserChannels
from hornet.flows.user_credentials import UserCredentials
from hornet.flows.users import Users
from hornet.metrics import Metrics
from hornet.watching import watch_api, watch_engine, watch_redis, watch_sessions
from hornet.web.api.counts import ApiCounts
from hornet.web.api.routes import Api, Backstage
from hornet.web.home import home_routes
from hornet.web.probes import probe_routes
from hornet.web.state import STATE, WebState
from hornet.web.static_files import script_routes

log = logging.getLogger(__name__)

EVENT_FLUSH_S = 2.0
LEAVE_S = 2.0


@dataclass
class Node:
    """One Hornet: its parts, for the command line, for plug-ins and for tests."""

    config: Config
    redis_url: RedisUrl
    engine: Engine
    sessions: Sessions
    listener: Listener
    metrics: Metrics
    signals: Signals
    nodes: Nodes
    users: Users
    directory: Directory
    patterns: Patterns
    presence: Presence
    reloading: Reloading[Config]
    embedded: EmbeddedValkey | None = None
    reloaded: Signal[[Config]] = field(default_factory=lambda: Signal("reloaded"))
    """Sent with the configuration that holds from now on. Who has an option that reloads, receives it."""

    def reload(self, wanted: Config) -> Outcome:
        """Follow ``wanted`` in all that may change while the node runs; the log says what changed."""
        self.config, changed, need_restart = take_reloadable(self.config, wanted)
        self.reloaded.send(self.config)
        log.info("Configuration read again, changed: %s", ", ".join(changed) or "nothing")
        if need_restart:
            log.warning("Only a restart can change: %s", ", ".join(need_restart))
        return Outcome(tuple(changed), tuple(need_restart))


NODE: web.AppKey[Node] = web.AppKey("hornet-node", Node)


def create_app(
    config: Config | None = None,
    *,
    authenticators: Iterable[Authenticator] = (),
    commands: Mapping[str, Declared] | None = None,
) -> web.Application:
    """The whole server as an application to run, mount or extend. Starting it connects to Redis.

    ``authenticators`` are asked before Hornet's own, in their order, and closed when the application is
    cleaned up. ``commands`` are what clients may call, by name, beside those of installed packages.

    Raises:
        SetupError: here for a malformed setting or command, at start-up for a Redis that can't be used.
    """
    config = config or Config()
    url = parse_url(config.redis.redis) if config.redis.redis else local_url(config.redis.embedded_port)
    timeout_s = config.redis.redis_timeout_s
    client = connect(url, timeout_s)
    metrics, sessions, signals = Metrics(), Sessions(), Signals()
    tokens, events = TokenStore(client), EventPublisher(client)
    nodes = Nodes(client, heartbeat_s=config.redis.node_heartbeat_s)

    def receive(topic: str, payload: bytes) -> None:
        if topic.startswith(PRESENCE_PREFIX):
            presence.receive(topic, payload)
        elif topic in asking.topics:
            asking.receive(topic, payload)
        elif (user := user_of(topic)) is not None:
            notices.receive(user, payload)
        elif topic.startswith(OWN_PREFIX):
            fanout.receive(topic, payload)
        else:
            patterns.receive(topic, payload)

    def receive_match(glob: str, topic: str, payload: bytes) -> None:
        if glob == EMITTERS_GLOB:
            emitters.receive(payload)
        else:
            patterns.receive_match(glob, topic, payload)

    listener = Listener(
        lambda attempt: connect_subscriber(url, timeout_s, attempt),
        receive,
        receive_match,
        heartbeat_s=config.redis.redis_heartbeat_s,
    )
    asking = Asking(client, listener, nodes, timeout_s=config.api.ask_timeout_s)
    subscriptions = Subscriptions(listener, signals, config.limits)
    store = UserStore(
        client, nodes.id, grace_s=config.users.user_grace_s, max_sessions=config.users.user_sessions
    )
    user_channels = UserChannels(store, sessions, subscriptions)
    users = Users(sessions, store, user_channels, listener, signals)
    census = Census(users, sessions, store, user_channels, signals)
    headers = HeaderAuthenticator(config.authentication, parse_networks(config.engine.trusted_proxies))
    ways = [*authenticators, *_authenticators(config, client), headers]
    admission = Admission(
        config.sessions,
        ways,
        TokenAuthenticator(tokens, sessions, events, signals),
        headers.attributes_of,
        sessions,
        subscriptions,
        users,
        signals,
        metrics,
    )
    fanout = Fanout(sessions, Control(admission, tokens), metrics)
    notices = Notices(sessions, user_channels, admission, metrics)
    if config.users.session_events:
        SessionEvents(events, signals, nodes.id)
    router = Router(metrics)
    admission.listen(router)
    patterns = Patterns(config.channels, listener, admission, fanout, signals, metrics)
    presence = Presence(config.channels, PresenceStore(client, nodes.id), listener, signals, metrics)
    nodes.on_dead(presence.bury)
    nodes.on_lost(presence.restore)
    channels = Channels(config.channels, admission, subscriptions, presence)
    Subscribing(router, pattern=patterns, channel=channels)
    router.on("hornet:presence", presence.on_presence)
    client_publishing = ClientPublishing(config.channels, client, router, signals, metrics)
    declared = collect_commands(commands or {}, config.commands.commands)
    command_flow = Commands(config.commands, declared, router, signals, metrics)
    hooks = LimitedHooks(
        SessionHooks(sessions, admission, router, subscriptions, users, signals, metrics),
        config.limits,
        metrics,
    )
    engine = Engine(config.engine, hooks, redis_url=manager_url(url), alias=room_of)
    cluster = Cluster(asking, sessions, listener, __version__)
    emitters = Emitters(sessions, listener, metrics)
    admission.engine = fanout.engine = subscriptions.engine = patterns.engine = hooks.engine = engine
    cluster.engine = emitters.engine = users.engine = notices.engine = engine
    presence.engine = engine
    directory = Directory(UserLists(client))
    reloading: Reloading[Config] = Reloading(lambda wanted: node.reload(wanted))
    backstage = Backstage(
        Publishing(Publisher(client)),
        Ticketing(tokens),
        cluster,
        directory,
        UserCredentials(UserSessionStore(client)),
        reloading,
    )
    api_counts = ApiCounts()
    api = Api(config.api, backstage, api_counts)
    node = Node(
        config,
        url,
        engine,
        sessions,
        listener,
        metrics,
        signals,
        nodes,
        users,
        directory,
        patterns,
        presence,
        reloading,
    )
    demo = Demo(client, tokens) if config.server.demo else None

    def follow(config: Config) -> None:
        engine.configure(config.engine)
        hooks.settings = subscriptions.limits = config.limits
        api.configure(config.api)
        channels.configure(config.channels)
        patterns.settings = presence.settings = client_publishing.settings = config.channels
        command_flow.settings = config.commands
        admission.max_attempts = config.sessions.max_attempts
        store.max_sessions = config.users.user_sessions

    node.reloaded.connect(follow)
    watch_sessions(metrics, sessions)
    watch_engine(metrics, engine)
    watch_redis(metrics, listener, events)
    watch_api(metrics, api_counts, asking)
    _look_after(census, nodes, listener)

    app = web.Application()
    app[NODE] = node
    app[STATE] = WebState(
        __version__, _shown_url(config.redis, url), lambda: _why_not_ready(node), metrics.render
    )
    engine.attach(app)
    app.add_routes([*home_routes(demo), *script_routes(), *probe_routes()])
    if config.api.api:
        app.add_routes(api.routes())

    async def run_node(_: web.Application) -> AsyncIterator[None]:
        await _open_redis(node)
        tasks = [
            asyncio.create_task(supervise("listener", listener.run, metrics), name="hornet-listener"),
            asyncio.create_task(supervise("events", events.run, metrics), name="hornet-events"),
            asyncio.create_task(supervise("nodes", nodes.run, metrics), name="hornet-nodes"),
            asyncio.create_task(supervise("lag", lambda: measure_lag(metrics), metrics), name="hornet-lag"),
            asyncio.create_task(supervise("census", census.run, metrics), name="hornet-census"),
        ]
        try:
            await listener.hold(CONTROL_TOPIC)
            await asking.start()
            if config.api.emitters:
                await emitters.start()
            await _join(nodes)
            await engine.start()
            yield
            await engine.stop()
            await command_flow.close(LEAVE_S)
            await presence.stop()
            await users.close(LEAVE_S)
            await asking.stop()
            await events.flush(EVENT_FLUSH_S)
            await _leave(nodes)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for way in ways:
                await way.aclose()
            await client.aclose()
            if node.embedded is not None:
                await node.embedded.stop()

    app.cleanup_ctx.append(run_node)
    return app


def _authenticators(config: Config, client: Client) -> list[Authenticator]:
    """Those that the configuration asks for, and those that cost nothing while nobody uses them."""
    found = load_authenticators(config.authentication.authenticators)
    if config.backend.backend_uri:
        found.append(BackendAuthenticator(config.backend))
    return [*found, UserSessionAuthenticator(UserSessionStore(client))]


def _why_not_ready(node: Node) -> str:
    if not node.engine.is_accepting:
        return "stopping"
    return "" if node.listener.is_connected else "redis unavailable"


def _look_after(census: Census, nodes: Nodes, listener: Listener) -> None:
    """Have the census know of nodes that died, and of what this node could not hear."""

    async def resume() -> None:
        census.resume()

    nodes.on_dead(census.bury)
    nodes.on_lost(resume)
    listener.on_restored(census.resume)


async def _join(nodes: Nodes) -> None:
    try:
        await nodes.join()
    except RedisUnavailable as error:
        log.warning("Other nodes don't know of this one yet: %s", error)


async def _leave(nodes: Nodes) -> None:
    try:
        async with asyncio.timeout(LEAVE_S):
            await nodes.leave()
    except (RedisUnavailable, TimeoutError):
        log.warning("Other nodes will find out by themselves that this one is gone")


async def _open_redis(node: Node) -> None:
    """Make sure Redis is there before anyone is let in: the named one, the local one, or the embedded one."""
    settings = node.config.redis
    if settings.redis:
        await check_reachable(node.redis_url, settings.redis_timeout_s)
        return
    _, node.embedded = await find_or_start(settings.embedded_port)
    if node.embedded is not None:
        log.info(
            "No Redis answered on 127.0.0.1:%d: started the embedded Valkey there", settings.embedded_port
        )


def _shown_url(settings: RedisSettings, url: RedisUrl) -> str:
    """The URL as the try-it page shows it; empty for the Redis that ``hornet`` finds by itself."""
    default = not settings.redis and settings.embedded_port == DEFAULT_PORT
    return "" if default else str(url)
