"""The life of a node: in which order its parts start, and in which they stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from hornet.app.authentication import Entry
from hornet.app.node import Node
from hornet.app.routing import Hearing
from hornet.app.services import Services
from hornet.broker.client import check_reachable
from hornet.broker.embedded import find_or_start
from hornet.broker.keys import CONTROL_TOPIC, MANAGER_TOPIC, own_topics
from hornet.broker.nodes import Nodes
from hornet.broker.rights import check_rights
from hornet.core.errors import RedisUnavailable, RefusedByRedis, SetupError
from hornet.flows.process.lag import measure_lag
from hornet.flows.process.supervision import supervise

log = logging.getLogger(__name__)

EVENT_FLUSH_S = 2.0
LEAVE_S = 2.0


async def live(node: Node, ground: Services, entry: Entry, hearing: Hearing) -> AsyncIterator[None]:
    """Start all parts, yield once while the node serves, and stop them.

    Raises:
        SetupError: there is no Redis that can be used.
    """
    await _open_redis(node)
    redis, api = ground.config.redis, ground.config.api
    own = own_topics(ground.nodes.id)
    await check_rights(ground.url, redis.redis_timeout_s, topics=own, emitters=api.emitters)
    tasks = _start_background(node, ground, entry)
    try:
        await _start(ground, entry, hearing)
        yield
        await _stop(ground, entry, hearing)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for way in entry.ways:
            await way.aclose()
        await ground.client.aclose()
        if node.embedded is not None:
            await node.embedded.stop()


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


def _start_background(node: Node, ground: Services, entry: Entry) -> list[asyncio.Task[None]]:
    """What goes on as long as the node lives; it is begun again when it fails."""
    metrics = ground.metrics
    jobs: dict[str, Callable[[], Awaitable[None]]] = {
        "listener": ground.listener.run,
        "events": ground.events.run,
        "nodes": ground.nodes.run,
        "lag": lambda: measure_lag(metrics),
        "census": entry.census.run,
    }
    if node.embedded is not None:
        jobs["embedded"] = node.embedded.keep
    return [
        asyncio.create_task(supervise(name, run, metrics), name=f"hornet-{name}")
        for name, run in jobs.items()
    ]


async def _start(ground: Services, entry: Entry, hearing: Hearing) -> None:
    """The engine comes last: by then the node hears all that concerns it, and the others know of it."""
    try:
        await ground.listener.hold(CONTROL_TOPIC)
        await ground.listener.hold(MANAGER_TOPIC)
        await ground.asking.start()
        if ground.config.api.emitters:
            await hearing.emitters.start()
    except RedisUnavailable as error:
        raise SetupError(f"Redis at {ground.url} went away while Hornet started: {error}.") from None
    await _join(ground.nodes)
    await ground.engine.start(entry.hooks)


async def _stop(ground: Services, entry: Entry, hearing: Hearing) -> None:
    """The engine goes first: the ends of its sessions are then written and told by those behind it."""
    await ground.engine.stop()
    await hearing.commands.close(LEAVE_S)
    await hearing.presence.stop()
    await entry.users.close(LEAVE_S)
    await ground.asking.stop()
    await ground.events.flush(EVENT_FLUSH_S)
    await _leave(ground.nodes)


async def _join(nodes: Nodes) -> None:
    try:
        await nodes.join()
    except RefusedByRedis as refused:
        raise SetupError(f"Redis does not let Hornet's user do what a node has to: {refused}.") from None
    except RedisUnavailable as error:
        log.warning("Other nodes don't know of this one yet: %s", error)


async def _leave(nodes: Nodes) -> None:
    try:
        async with asyncio.timeout(LEAVE_S):
            await nodes.leave()
    except (RedisUnavailable, TimeoutError):
        log.warning("Other nodes will find out by themselves that this one is gone")
