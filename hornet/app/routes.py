"""What a node answers over HTTP, beside Socket.IO."""

from __future__ import annotations

from aiohttp import web

from hornet._version import __version__
from hornet.app.metric_bindings import watch_api
from hornet.app.node import Node
from hornet.app.services import Services
from hornet.broker.client import RedisUrl
from hornet.broker.keys import EMITTERS_GLOB, own_topics
from hornet.broker.publisher import Publisher
from hornet.broker.settings import DEFAULT_PORT, RedisSettings
from hornet.broker.user_sessions import UserSessionStore
from hornet.flows.backend.cluster_queries import Cluster
from hornet.flows.backend.publishing import Publishing
from hornet.flows.backend.ticketing import Ticketing
from hornet.flows.backend.user_credentials import UserCredentials
from hornet.flows.demo import Demo
from hornet.web.api.counts import ApiCounts
from hornet.web.api.routes import Api, ApiServices
from hornet.web.demo_page import home_routes
from hornet.web.probes import probe_routes
from hornet.web.state import STATE, WebState
from hornet.web.static_files import script_routes


def add_routes(app: web.Application, ground: Services, node: Node) -> None:
    """Have ``app`` answer for ``node``."""
    config = ground.config
    counts = ApiCounts()
    watch_api(ground.metrics, counts, ground.asking)
    backstage = ApiServices(
        Publishing(Publisher(ground.client)),
        Ticketing(ground.tokens),
        Cluster(ground.engine, ground.asking, ground.sessions, ground.listener, __version__),
        node.directory,
        UserCredentials(UserSessionStore(ground.client)),
        node.reloading,
    )
    api = Api(config.api, backstage, counts)
    node.reloaded.connect(lambda config: api.configure(config.api))
    demo = Demo(ground.client, ground.tokens) if config.server.demo else None
    app[STATE] = WebState(
        __version__,
        _shown_url(config.redis, ground.url),
        lambda: _why_not_ready(ground),
        ground.metrics.render,
    )
    app.add_routes([*home_routes(demo), *script_routes(), *probe_routes()])
    if config.api.api:
        app.add_routes(api.routes())


def _why_not_ready(ground: Services) -> str:
    if not ground.engine.is_accepting:
        return "stopping"
    if not (ground.listener.is_connected and ground.nodes.is_answered):
        return "redis unavailable"
    own = {*own_topics(ground.nodes.id), EMITTERS_GLOB}
    return "redis refuses subscriptions" if own.intersection(ground.listener.refused) else ""


def _shown_url(settings: RedisSettings, url: RedisUrl) -> str:
    """The URL as the try-it page shows it; empty for the Redis that ``hornet`` finds by itself."""
    default = not settings.redis and settings.embedded_port == DEFAULT_PORT
    return "" if default else str(url)
