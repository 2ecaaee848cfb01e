"""The lifespan of a node: the order in which its parts start, and in which they stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from hornet.app.flows import Flows
from hornet.app.services import Services
from hornet.broker.acl import check_rights
from hornet.broker.client import check_reachable
from hornet.broker.keys import CONTROL_TOPIC, MANAGER_TOPIC, own_topics
from hornet.broker.nodes import Nodes
from hornet.core.errors import RedisUnavailable, RefusedByRedis, SetupError
from hornet.flows.plugins.setup import Plugin, set_up
from hornet.flows.process.background import measure_lag, supervise
from hornet.flows.sessions.hooks import SessionHooks

log = logging.getLogger(__name__)

EVENT_FLUSH_S = 2.0
"""How long a node that stops tries to send the events that wait for backends."""

LEAVE_S = 2.0
"""How long a node that stops waits for each of: commands that run, users that leave, its leave itself."""


async def lifespan(
    services: Services, flows: Flows, hooks: SessionHooks, plugins: Sequence[Plugin]
) -> AsyncIterator[None]:
    """Start all parts, yield once while the node serves, and stop them.

    Raises:
        SetupError: there is no Redis that can be used, or a plug-in can't be set up.
    """
    await _find_redis(services)
    config = services.config
    await check_rights(
        services.redis_url,
        config.redis.redis_timeout_s,
        topics=own_topics(services.nodes.id),
        emitters=config.api.emitters,
    )
    tasks: list[asyncio.Task[None]] = []
    try:
        await set_up(plugins, flows.interface)
        tasks += _start_background(services, flows)
        await _start(services, flows, hooks)
        yield
        await _stop(services, flows)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await flows.admission.aclose()
        await services.client.aclose()
        await services.local_redis.stop()


async def _find_redis(services: Services) -> None:
    """Check that the Redis that was named or handed in answers; else find a local one or start a Valkey."""
    settings = services.config.redis
    if settings.redis or services.local_redis.embedded is not None:
        await check_reachable(services.redis_url, settings.redis_timeout_s)
    else:
        await services.local_redis.find_or_start()


def _start_background(services: Services, flows: Flows) -> list[asyncio.Task[None]]:
    """Start the background tasks, which run as long as the node. A task that fails is started again.

    The names are labels of the metric ``hornet_task_restarts_total``, so they don't change.
    """
    metrics = services.metrics
    tasks: dict[str, Callable[[], Awaitable[None]]] = {
        "listener": services.subscriber.run,
        "output-limit": services.output_limit.run,
        "events": services.events.run,
        "nodes": services.nodes.run,
        "history": services.history.run,
        "repairs": flows.repairs.run,
        "marks": flows.repairs.run_marks,
        "session-records": flows.records.run,
        "lag": lambda: measure_lag(metrics),
        "census": flows.reconciler.run,
    }
    if services.local_redis.started is not None:
        tasks["embedded"] = services.local_redis.started.keep
    return [
        asyncio.create_task(supervise(name, run, metrics), name=f"hornet-{name}")
        for name, run in tasks.items()
    ]


async def _start(services: Services, flows: Flows, hooks: SessionHooks) -> None:
    """Subscribe to the node's own topics, join the cluster, and then let the engine accept sessions."""
    try:
        await services.subscriber.subscribe(CONTROL_TOPIC)
        await services.subscriber.subscribe(MANAGER_TOPIC)
        await services.subscriber.subscribe(services.node_messages.topic)
        await services.survey.start()
        if services.config.api.emitters:
            await flows.emitters.start()
        await services.listeners.start()
    except RefusedByRedis as refused:
        raise SetupError(f"Redis does not let Hornet's user subscribe: {refused}.") from None
    except RedisUnavailable as error:
        raise SetupError(f"Redis at {services.redis_url} went away while Hornet started: {error}.") from None
    await services.history.load()
    await _join(services.nodes)
    await _receive(services)
    await flows.repairs.start()
    await services.engine.start(hooks)


async def _stop(services: Services, flows: Flows) -> None:
    """Stop the engine, which ends all sessions; then wait until the flows have told Redis about that."""
    await services.engine.stop()
    await flows.catching_up.close()
    await flows.commands.close(LEAVE_S)
    await flows.presence.stop()
    await flows.users.close(LEAVE_S)
    flows.recovery.close()
    await flows.records.close(LEAVE_S)
    await flows.deletions.close(LEAVE_S)
    await flows.handover.close()
    await services.survey.stop()
    await services.events.flush(EVENT_FLUSH_S)
    await _leave(services.nodes)


async def _receive(services: Services) -> None:
    """Wait until what is published reaches the node, so that it is ready as soon as it accepts sessions."""
    try:
        async with asyncio.timeout(services.config.redis.redis_timeout_s):
            await services.probe.wait_receiving()
    except TimeoutError:
        log.warning("Nothing that is published in Redis reaches this node yet: it is not ready")


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
