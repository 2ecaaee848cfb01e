"""What a node answers over HTTP, beside Socket.IO."""

from __future__ import annotations

from aiohttp import web

from hornet._version import __version__
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


def build_api(services: Services, node: Node, counts: ApiCounts) -> Api:
    """Build the HTTP API with the flows behind it."""
    return Api(
        services.config.api,
        ApiServices(
            publishing=Publishing(Publisher(services.client)),
            ticketing=Ticketing(services.tokens),
            cluster=Cluster(
                services.engine, services.survey, services.sessions, services.subscriber, __version__
            ),
            directory=node.directory,
            credentials=UserCredentials(UserSessionStore(services.client)),
            reloading=node.reloading,
        ),
        counts,
    )


def add_routes(app: web.Application, services: Services, api: Api) -> None:
    """Have ``app`` answer all paths of the node but Socket.IO's."""
    config = services.config
    app[STATE] = WebState(
        version=__version__,
        redis_url=_shown_url(config.redis, services.redis_url),
        why_not_ready=lambda: _why_not_ready(services),
        render_metrics=services.metrics.render,
    )
    demo = Demo(services.client, services.tokens) if config.server.demo else None
    app.add_routes([*home_routes(demo), *script_routes(), *probe_routes()])
    if config.api.api:
        app.add_routes(api.routes())


def _why_not_ready(services: Services) -> str:
    """Return what keeps messages from travelling now; empty when nothing does."""
    if not services.engine.is_accepting:
        return "stopping"
    if not (services.subscriber.is_connected and services.nodes.is_answered):
        return "redis unavailable"
    needed = {*own_topics(services.nodes.id), EMITTERS_GLOB}
    return "redis refuses subscriptions" if needed.intersection(services.subscriber.refused) else ""


def _shown_url(settings: RedisSettings, url: RedisUrl) -> str:
    """Return the URL as the try-it page shows it; empty for the Redis that ``hornet`` finds by itself."""
    is_default = not settings.redis and settings.embedded_port == DEFAULT_PORT
    return "" if is_default else str(url)
