"""What every flow of a node stands on: Redis, the engine, who is here, what is told and what is counted."""

from __future__ import annotations

from dataclasses import dataclass

from hornet.app.metric_bindings import watch_engine, watch_redis, watch_sessions
from hornet.broker.client import Client, RedisUrl, call, connect, connect_subscriber, parse_url
from hornet.broker.embedded import local_url
from hornet.broker.events import EventPublisher
from hornet.broker.keys import MANAGER_TOPIC
from hornet.broker.nodes import Nodes
from hornet.broker.subscriber import Subscriber
from hornet.broker.survey import Survey
from hornet.broker.tokens import TokenStore
from hornet.broker.topic_router import TopicRouter
from hornet.config import Config
from hornet.engine import Engine
from hornet.flows.channels.rooms import room_of
from hornet.flows.sessions.sessions import Sessions
from hornet.flows.sessions.signals import Signals
from hornet.metrics import Metrics


@dataclass(frozen=True)
class Services:
    """The parts that know of no flow. The flows join them at ``topics``."""

    config: Config
    url: RedisUrl
    client: Client
    topics: TopicRouter
    listener: Subscriber
    nodes: Nodes
    asking: Survey
    tokens: TokenStore
    events: EventPublisher
    engine: Engine
    sessions: Sessions
    signals: Signals
    metrics: Metrics


def build_services(config: Config) -> Services:
    """Make the parts; none of them connects to anything yet.

    Raises:
        SetupError: the URL of Redis is malformed.
    """
    url = parse_url(config.redis.redis) if config.redis.redis else local_url(config.redis.embedded_port)
    timeout_s = config.redis.redis_timeout_s
    client = connect(url, timeout_s)
    events = EventPublisher(client)
    topics = TopicRouter()
    listener = Subscriber(
        lambda attempt: connect_subscriber(url, timeout_s, attempt),
        topics.receive,
        topics.receive_match,
        heartbeat_s=config.redis.redis_heartbeat_s,
    )
    nodes = Nodes(client, heartbeat_s=config.redis.node_heartbeat_s)
    asking = Survey(client, listener, nodes, timeout_s=config.api.ask_timeout_s)
    for topic in asking.topics:
        topics.on(topic, asking.receive)

    async def tell_others(text: str) -> None:
        await call(client.publish, MANAGER_TOPIC, text)

    engine = Engine(config.engine, publish=tell_others, alias=room_of)
    topics.on(MANAGER_TOPIC, lambda _, payload: engine.hear(payload))
    sessions, signals, metrics = Sessions(), Signals(), Metrics()
    watch_sessions(metrics, sessions)
    watch_engine(metrics, engine)
    watch_redis(metrics, listener, events)
    return Services(
        config,
        url,
        client,
        topics,
        listener,
        nodes,
        asking,
        TokenStore(client),
        events,
        engine,
        sessions,
        signals,
        metrics,
    )
