"""Values that the parts of a node keep for themselves, bound to the names that Prometheus reads."""

from __future__ import annotations

from functools import partial

from hornet.app.build import build_info
from hornet.app.flows import Flows
from hornet.app.services import Services
from hornet.broker.embedded import LocalRedis
from hornet.broker.events import EventPublisher
from hornet.broker.history import HistoryStore
from hornet.broker.output_limit import OutputLimitWatch
from hornet.broker.subscriber import Subscriber
from hornet.broker.subscription_probe import SubscriptionProbe
from hornet.broker.survey import Survey
from hornet.engine import Engine
from hornet.flows.channels.rooms import CHANNEL_ROOMS
from hornet.flows.sessions.sessions import Sessions
from hornet.metrics import Metrics
from hornet.web.api import ApiCounts


def bind_metrics(services: Services, flows: Flows, api_counts: ApiCounts) -> None:
    """Bind all metrics of a node but those that its flows count directly."""
    metrics = services.metrics
    metrics.watch_info("hornet_build", "Versions and speed of the node", partial(build_info, services.engine))
    bind_sessions(metrics, services.sessions)
    bind_engine(metrics, services.engine)
    bind_redis(metrics, services.subscriber, services.events)
    bind_redis_health(metrics, services.subscriber, services.probe, services.output_limit)
    bind_recovery(metrics, flows, services.history)
    bind_api(metrics, api_counts, services.survey)
    bind_embedded(metrics, services.local_redis)


def bind_sessions(metrics: Metrics, sessions: Sessions) -> None:
    gauge = metrics.watch
    gauge("hornet_sessions", "Sessions connected now", lambda: len(sessions))
    gauge("hornet_users", "Users with a session on this node", lambda: sessions.user_count)


def bind_engine(metrics: Metrics, engine: Engine) -> None:
    gauge, totals, counts = metrics.watch, metrics.watch_totals, engine.counts

    def count_channels() -> int:
        return engine.count_rooms(CHANNEL_ROOMS)

    gauge("hornet_channels", "Channels with a session on this node", count_channels)
    gauge("hornet_send_buffer_bytes", "What waits to be read by clients", engine.unsent_bytes)
    totals("hornet_connections", "Connections opened", "transport", lambda: counts.opened)
    totals("hornet_disconnections", "Connections ended", "reason", lambda: counts.closed)
    totals("hornet_connections_refused", "Connections refused or cut", "reason", lambda: counts.refused)
    totals("hornet_bad_requests", "Requests refused, by Engine.IO code", "code", lambda: counts.refusals)
    totals("hornet_malformed_packets", "Broken input from clients", "fault", lambda: counts.malformed)
    totals(
        "hornet_foreign_recoveries",
        "Pids and offsets of clients that no node made",
        "field",
        lambda: counts.foreign_recoveries,
    )
    totals("hornet_upgrades", "Upgrades to WebSocket", "", lambda: {"": counts.upgrades})
    totals(
        "hornet_unknown_answers",
        "Acknowledgements nobody asked for",
        "",
        lambda: {"": counts.unknown_answers},
    )
    totals("hornet_paced_reads", "Clients that sent too many bytes", "", lambda: {"": counts.paced})
    totals("hornet_slow_readers", "Clients that read too slowly", "", lambda: {"": counts.slow_readers})
    totals("hornet_hook_errors", "Hooks and handlers that failed", "", lambda: {"": counts.hook_errors})
    totals("hornet_sent_bytes", "Bytes written to clients", "", lambda: {"": counts.bytes_out})
    totals("hornet_received_bytes", "Bytes received from clients", "", lambda: {"": counts.bytes_in})


def bind_redis_health(
    metrics: Metrics, subscriber: Subscriber, probe: SubscriptionProbe, output_limit: OutputLimitWatch
) -> None:
    totals = metrics.watch_totals
    metrics.watch(
        "hornet_redis_up", "1 while what is published arrives here", lambda: subscriber.is_receiving
    )
    totals("hornet_redis_losses", "Subscription connections lost", "reason", lambda: subscriber.losses)
    totals("hornet_redis_outages", "Times that Redis did not answer", "", lambda: {"": probe.outages})
    totals(
        "hornet_redis_output_cuts",
        "Subscription connections that Redis closed because too much waited on them",
        "",
        lambda: {"": output_limit.cuts},
    )


def bind_redis(metrics: Metrics, subscriber: Subscriber, events: EventPublisher) -> None:
    gauge, totals = metrics.watch, metrics.watch_totals
    gauge("hornet_subscriptions", "Redis channels this node listens on now", lambda: subscriber.topics)
    gauge("hornet_pattern_subscriptions", "Redis globs this node listens on now", lambda: subscriber.patterns)
    totals(
        "hornet_redis_reconnections",
        "Subscription connections lost",
        "",
        lambda: {"": subscriber.reconnections},
    )
    totals("hornet_events_dropped", "Events for backends given up", "", lambda: {"": events.dropped})
    totals(
        "hornet_subscriptions_refused",
        "Subscriptions that the ACL of Redis refused",
        "",
        lambda: {"": subscriber.refusals},
    )


def bind_recovery(metrics: Metrics, flows: Flows, history: HistoryStore) -> None:
    inflow, repairs, gaps, totals = flows.inflow, flows.repairs, flows.gaps, metrics.watch_totals
    metrics.watch(
        "hornet_history_ring_bytes", "What the node keeps of the messages it heard", lambda: inflow.ring.bytes
    )
    totals(
        "hornet_history_repairs",
        "Reads of messages that the node had missed",
        "outcome",
        lambda: repairs.outcomes,
    )
    totals(
        "hornet_history_unrecorded",
        "Messages published that Redis did not record",
        "",
        lambda: {"": history.unrecorded},
    )
    totals("hornet_history_doubles", "Messages heard twice", "", lambda: {"": inflow.doubles})
    totals(
        "hornet_handovers",
        "Requests to other nodes for what clients missed there",
        "outcome",
        lambda: flows.handover.outcomes,
    )
    totals("hornet_gaps", "Topics on which messages may be missing, by reason", "reason", lambda: gaps.counts)


def bind_embedded(metrics: Metrics, local_redis: LocalRedis) -> None:
    metrics.watch_totals(
        "hornet_embedded_restarts",
        "Times the embedded Valkey was started again",
        "",
        lambda: {"": local_redis.restarts},
    )


def bind_api(metrics: Metrics, counts: ApiCounts, survey: Survey) -> None:
    totals = metrics.watch_totals
    totals("hornet_api_requests", "Requests to the HTTP API", "operation", lambda: counts.requests)
    totals("hornet_api_refusals", "Requests to the HTTP API not carried out", "code", lambda: counts.refusals)
    totals("hornet_api_callers", "Requests let in, by the key's name", "key", lambda: counts.keys)
    totals("hornet_asking_dropped", "Malformed messages between nodes", "", lambda: {"": survey.dropped})
