"""The parts of a node that know of no flow: Redis, the engine, the sessions, signals and metrics."""

from __future__ import annotations

from dataclasses import dataclass

from hornet.broker.client import Client, RedisUrl, call, connect, connect_subscriber, parse_url
from hornet.broker.embedded import EmbeddedValkey, LocalRedis, local_url
from hornet.broker.events import EventPublisher
from hornet.broker.history import HistoryStore
from hornet.broker.keys import MANAGER_TOPIC, probe_topic
from hornet.broker.node_messages import NodeMessages
from hornet.broker.nodes import Nodes
from hornet.broker.output_limit import OutputLimitWatch
from hornet.broker.subscriber import Subscriber
from hornet.broker.subscription_probe import SubscriptionProbe, probe_publisher
from hornet.broker.survey import Survey
from hornet.broker.tokens import TokenStore
from hornet.broker.topic_listeners import TopicListeners
from hornet.broker.topic_router import TopicRouter
from hornet.config import Config
from hornet.core.message_limit import MessageLimit
from hornet.engine import Engine
from hornet.flows.channels.rooms import room_of
from hornet.flows.sessions.session_log import SessionLog
from hornet.flows.sessions.sessions import Sessions
from hornet.flows.sessions.signals import Signals
from hornet.metrics import Metrics


@dataclass(frozen=True, kw_only=True)
class Services:
    """The parts that all flows use, one instance of each for a node."""

    config: Config
    """The configuration at the start; :attr:`Node.config` follows it when it is read again."""
    redis_url: RedisUrl
    local_redis: LocalRedis
    """Has the embedded Valkey, where one is used."""
    client: Client
    """For commands to Redis."""
    subscriber: Subscriber
    """Holds the connection on which Redis sends published messages."""
    probe: SubscriptionProbe
    """Finds out whether the subscriber receives what is published."""
    output_limit: OutputLimitWatch
    """Tells when Redis has closed the subscriber's connection because too much waited on it."""
    topics: TopicRouter
    """Gets each message from the subscriber. :func:`hornet.app.routing.route_topics` fills its table."""
    listeners: TopicListeners
    """The topics that plug-ins listen to."""
    nodes: Nodes
    """The nodes of the cluster: this one's heartbeat, and which others are dead."""
    node_messages: NodeMessages
    """Sends messages to single nodes, and receives those for this node."""
    survey: Survey
    """Asks all nodes a question, and answers those of others."""
    tokens: TokenStore
    """The one-time tokens in Redis."""
    history: HistoryStore
    """Records what is published, and reads what clients have missed."""
    events: EventPublisher
    """Tells backends which sessions, tokens and users connect and disconnect."""
    engine: Engine
    """Socket.IO: connections, rooms, and the messages to them."""
    sessions: Sessions
    session_log: SessionLog
    signals: Signals
    message_limit: MessageLimit
    """The longest message of backends, for all flows that publish or receive one."""
    metrics: Metrics


def build_services(config: Config, *, metrics: Metrics, embedded: EmbeddedValkey | None = None) -> Services:
    """Build the services; none of them connects to anything yet.

    Raises:
        SetupError: the URL of Redis is malformed.
    """
    redis = config.redis
    if embedded is not None:
        redis_url = embedded.url
    else:
        redis_url = parse_url(redis.redis) if redis.redis else local_url(redis.embedded_port)
    client = connect(redis_url, redis.redis_timeout_s)
    nodes = Nodes(client, heartbeat_s=redis.node_heartbeat_s)

    async def publish_to_managers(text: str) -> None:
        await call(client.publish, MANAGER_TOPIC, text)

    topics = TopicRouter()
    probe = SubscriptionProbe(
        topic=probe_topic(nodes.id), publish=probe_publisher(client), interval_s=redis.redis_probe_s
    )
    nodes.carry(probe)
    subscriber = Subscriber(
        connect=lambda attempt: connect_subscriber(redis_url, redis.redis_timeout_s, attempt),
        receive=topics.receive,
        receive_match=topics.receive_match,
        probe=probe,
        heartbeat_s=redis.redis_heartbeat_s,
    )
    return Services(
        config=config,
        redis_url=redis_url,
        local_redis=LocalRedis(redis.embedded_port, embedded),
        client=client,
        subscriber=subscriber,
        probe=probe,
        output_limit=OutputLimitWatch(client, subscriber),
        topics=topics,
        listeners=TopicListeners(subscriber=subscriber, topics=topics),
        nodes=nodes,
        node_messages=NodeMessages(client, nodes.id),
        survey=Survey(client=client, subscriber=subscriber, nodes=nodes, timeout_s=config.api.ask_timeout_s),
        tokens=TokenStore(client),
        history=HistoryStore(client, config.history),
        events=EventPublisher(client),
        engine=Engine(
            config.engine,
            publish=publish_to_managers,
            alias=room_of,
            recovers=config.recovery.recovery_window_s > 0,
        ),
        sessions=Sessions(),
        session_log=SessionLog(),
        signals=Signals(),
        message_limit=MessageLimit(config.channels.max_message_bytes),
        metrics=metrics,
    )
