"""A node as the command line, plug-ins and tests see it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import InitVar, dataclass, field

from aiohttp import web

from hornet.broker.client import RedisUrl
from hornet.broker.embedded import EmbeddedValkey, LocalRedis
from hornet.broker.nodes import Nodes
from hornet.broker.subscriber import Subscriber
from hornet.config import Config, take_reloadable
from hornet.engine import Engine
from hornet.flows.channels.patterns import Patterns
from hornet.flows.plugins.interface import NodeInterface
from hornet.flows.presence.service import Presence
from hornet.flows.process.reloading import Outcome, Reloading
from hornet.flows.recovery.gaps import GapNotices
from hornet.flows.recovery.handover import Handover
from hornet.flows.recovery.inflow import Inflow
from hornet.flows.recovery.repairs import Repairs
from hornet.flows.sessions.sessions import Sessions
from hornet.flows.sessions.signals import Signal, Signals
from hornet.flows.users.queries import UserQueries
from hornet.flows.users.service import Users
from hornet.metrics import Metrics

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Node:
    """One running Hornet, and the parts that others may use."""

    config: Config
    redis_url: RedisUrl
    engine: Engine
    sessions: Sessions
    subscriber: Subscriber
    metrics: Metrics
    signals: Signals
    nodes: Nodes
    users: Users
    user_queries: UserQueries
    interface: NodeInterface
    patterns: Patterns
    presence: Presence
    inflow: Inflow
    repairs: Repairs
    handover: Handover
    gaps: GapNotices
    local_redis: LocalRedis
    reloaded: Signal[[Config]] = field(default_factory=lambda: Signal("reloaded"))
    """Sent with the configuration that holds from now on, after it was read again."""

    load: InitVar[Callable[[], Config] | None] = None
    """Reads the configuration again."""
    reloading: Reloading[Config] = field(init=False)
    """Reads the configuration again, and has the node follow it."""

    def __post_init__(self, load: Callable[[], Config] | None) -> None:
        self.reloading = Reloading(self.reload, load)

    @property
    def embedded(self) -> EmbeddedValkey | None:
        """The embedded Valkey in use: handed in, or started because no Redis was named and none answered."""
        return self.local_redis.embedded

    def reload(self, wanted: Config) -> Outcome:
        """Follow ``wanted`` in all options that may change while the node runs; log what changed."""
        self.config, changed, need_restart = take_reloadable(self.config, wanted)
        self.reloaded.send(self.config)
        log.info("Configuration read again, changed: %s", ", ".join(changed) or "nothing")
        if need_restart:
            log.warning("Only a restart can change: %s", ", ".join(need_restart))
        return Outcome(tuple(changed), tuple(need_restart))


NODE: web.AppKey[Node] = web.AppKey("hornet-node", Node)
