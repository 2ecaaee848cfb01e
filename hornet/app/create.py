"""A node, put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aiohttp import web

from hornet.app.authentication import open_entry
from hornet.app.lifespan import live
from hornet.app.metric_bindings import watch_embedded
from hornet.app.node import NODE, Node
from hornet.app.routes import add_routes
from hornet.app.routing import begin_hearing
from hornet.app.services import build_services
from hornet.broker.user_lists import UserLists
from hornet.config import Config
from hornet.flows.auth import Authenticator
from hornet.flows.commands.plugins import Declared
from hornet.flows.users.queries import UserQueries


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
    ground = build_services(config or Config())
    entry = open_entry(ground, authenticators)
    hearing = begin_hearing(ground, entry, commands or {})
    node = Node(
        ground.config,
        ground.url,
        ground.engine,
        ground.sessions,
        ground.listener,
        ground.metrics,
        ground.signals,
        ground.nodes,
        entry.users,
        UserQueries(UserLists(ground.client)),
        hearing.patterns,
        hearing.presence,
    )

    def follow(config: Config) -> None:
        ground.engine.configure(config.engine)
        entry.follow(config)
        hearing.follow(config)

    node.reloaded.connect(follow)
    watch_embedded(ground.metrics, lambda: node.embedded)

    app = web.Application()
    app[NODE] = node
    ground.engine.attach(app)
    add_routes(app, ground, node)
    app.cleanup_ctx.append(lambda _: live(node, ground, entry, hearing))
    return app
