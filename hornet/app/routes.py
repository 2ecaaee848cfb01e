"""The HTTP routes of a node, beside Socket.IO."""

from __future__ import annotations

from aiohttp import web

from hornet._version import __version__
from hornet.app.flows import Flows
from hornet.app.services import Services
from hornet.broker.client import RedisUrl
from hornet.broker.keys import EMITTERS_GLOB, own_topics
from hornet.broker.settings import DEFAULT_PORT, RedisSettings
from hornet.config import Config
from hornet.core.addresses import parse_networks
from hornet.flows.backend.demo import Demo
from hornet.flows.process.reloading import Reloading
from hornet.web.api import Api, ApiServices
from hornet.web.demo_page import DemoPage, title_routes
from hornet.web.hosts import HostGuard
from hornet.web.probes import probe_routes
from hornet.web.static_files import script_routes


def build_api(services: Services, flows: Flows, reloading: Reloading[Config]) -> Api:
    """Build the HTTP API with the flows behind it, and let this node answer the questions of the others."""
    for question, answerer in flows.cluster.answerers().items():
        services.survey.on(question, answerer)
    return Api(
        settings=services.config.api,
        services=ApiServices(
            backend=flows.backend,
            cluster=flows.cluster,
            history=flows.history,
            users=flows.user_queries,
            reloading=reloading,
        ),
        trusted_proxies=parse_networks(services.config.engine.trusted_proxies),
    )


def add_routes(app: web.Application, services: Services, api: Api) -> None:
    """Add all routes of the node to ``app`` but Socket.IO's."""
    config = services.config
    hosts = HostGuard(
        allowed_hosts=config.server.allowed_hosts,
        trusted_proxies=parse_networks(config.engine.trusted_proxies),
        count=services.engine.count_unknown_host,
    )
    if config.server.demo:
        demo = Demo(history=services.history, tokens=services.tokens)
        redis_url = _shown_url(config.redis, services.redis_url)
        page = DemoPage(
            demo=demo,
            version=__version__,
            redis_url=redis_url,
            path=config.engine.path,
            hosts=hosts,
            address_of=services.engine.address_of,
        )
        app.add_routes(page.routes())
    else:
        app.add_routes(title_routes(__version__, hosts))
    app.add_routes(script_routes())
    app.add_routes(
        probe_routes(
            why_not_ready=lambda: _why_not_ready(services),
            render_metrics=services.metrics.render,
            hosts=hosts,
        )
    )
    if config.api.api:
        app.add_routes(api.routes())


def _why_not_ready(services: Services) -> str:
    """Return the reason why messages can't be delivered now; empty when they can."""
    if not services.engine.is_accepting:
        return "stopping"
    subscriber = services.subscriber
    needed = {*own_topics(services.nodes.id), EMITTERS_GLOB}
    if subscriber.is_connected and needed.intersection(subscriber.refused):
        return "redis refuses subscriptions"
    return "" if subscriber.is_receiving and services.nodes.is_answered else "redis unavailable"


def _shown_url(settings: RedisSettings, url: RedisUrl) -> str:
    """Return the URL as the try-it page shows it; empty for the Redis that ``hornet`` finds by itself."""
    is_default = not settings.redis and settings.embedded_port == DEFAULT_PORT
    return "" if is_default else str(url)
