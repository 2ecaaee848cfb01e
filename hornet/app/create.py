"""The construction of a node, from top to bottom."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from aiohttp import web

from hornet.app.flows import build_flows
from hornet.app.lifespan import lifespan
from hornet.app.metric_bindings import bind_metrics
from hornet.app.node import NODE, Node
from hornet.app.routes import add_routes, build_api
from hornet.app.routing import connect_signals, event_routes, route_topics
from hornet.app.services import build_services
from hornet.broker.embedded import EmbeddedValkey
from hornet.config import Config
from hornet.core.errors import SetupError
from hornet.flows.auth.authenticator import Authenticator
from hornet.flows.commands.plugins import Declared
from hornet.flows.plugins.setup import SetUp, collect_plugins
from hornet.flows.sessions.hooks import SessionHooks
from hornet.flows.sessions.router import Router
from hornet.metrics import Metrics


def create_app(
    config: Config | None = None,
    *,
    authenticators: Iterable[Authenticator] = (),
    commands: Mapping[str, Declared] | None = None,
    plugins: Iterable[SetUp] = (),
    load: Callable[[], Config] | None = None,
    metrics: Metrics | None = None,
    embedded: EmbeddedValkey | None = None,
) -> web.Application:
    """Return the whole server as an application to run, mount or extend. Starting it connects to Redis.

    ``authenticators`` are asked before Hornet's own, in their order, and closed when the application is
    cleaned up. ``commands`` are commands that clients may call, by name, beside those of installed packages.
    ``plugins`` are called with the node's interface when it starts, before a client may connect.
    ``load`` reads the configuration again, when the API is asked to.

    The node counts in ``metrics`` and uses the Valkey ``embedded`` if it is given them, and does not stop
    that Valkey. Otherwise it makes its own metrics, and starts an embedded Valkey where it needs one.

    Raises:
        SetupError: here for a malformed setting or command, at start-up for a Redis that can't be used.
        TypeError: ``config`` is no ``Config``, for example because an ASGI server called this function.
    """
    if not isinstance(config, Config | None):
        raise TypeError(
            "create_app takes a hornet.config.Config and returns an aiohttp application, which no ASGI "
            "server can run: run hornet-server beside your application"
        )
    services = build_services(config or Config(), metrics=metrics or Metrics(), embedded=embedded)
    set_ups = collect_plugins(plugins, services.config.commands.plugins)
    flows = build_flows(services, authenticators, commands or {})
    route_topics(services, flows)
    connect_signals(services, flows)
    routes = event_routes(flows, services.config.sessions.client_events)
    try:
        router = Router(routes, services.metrics, services.session_log)
    except ValueError as error:
        raise SetupError(f"The events of clients can't be told apart: {error}.") from None
    hooks = SessionHooks(
        engine=services.engine,
        sessions=services.sessions,
        admission=flows.admission,
        router=router,
        subscriptions=flows.subscriptions,
        users=flows.users,
        signals=services.signals,
        metrics=services.metrics,
        session_log=services.session_log,
        limits=services.config.limits,
        records=flows.records,
        recovery=flows.recovery,
    )
    node = Node(
        config=services.config,
        redis_url=services.redis_url,
        engine=services.engine,
        sessions=services.sessions,
        subscriber=services.subscriber,
        metrics=services.metrics,
        signals=services.signals,
        nodes=services.nodes,
        users=flows.users,
        user_queries=flows.user_queries,
        interface=flows.interface,
        patterns=flows.patterns,
        presence=flows.presence,
        inflow=flows.inflow,
        repairs=flows.repairs,
        handover=flows.handover,
        gaps=flows.gaps,
        local_redis=services.local_redis,
        load=load,
    )
    api = build_api(services, flows, node.reloading)
    bind_metrics(services, flows, api.counts)

    def reconfigure(config: Config) -> None:
        """Hand everything that can be reloaded its new settings."""
        services.engine.configure(config.engine)
        hooks.configure(config.limits)
        services.message_limit.configure(config.channels.max_message_bytes)
        flows.configure(config)
        services.history.configure(config.history)
        api.configure(config.api)

    node.reloaded.connect(reconfigure)

    app = web.Application()
    app[NODE] = node
    services.engine.attach(app)
    add_routes(app, services, api)
    app.cleanup_ctx.append(lambda _: lifespan(services, flows, hooks, set_ups))
    return app
