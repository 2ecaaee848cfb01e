"""The tables that lead to flows: from events of clients, topics of Redis, and signals of the node."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from hornet.app.flows import Flows
from hornet.app.services import Services
from hornet.broker.keys import (
    CONTROL_TOPIC,
    EMITTERS_GLOB,
    MANAGER_TOPIC,
    OWN_PREFIX,
    PRESENCE_PREFIX,
    USER_PREFIX,
)
from hornet.core.backend_commands import may_be_notify
from hornet.flows.sessions.router import EventRoute, by_field
from hornet.flows.sessions.signals import SessionEvents


def event_routes(flows: Flows, client_events: Iterable[str]) -> list[EventRoute]:
    """Return the table EVENTS: which flow handles which event of a client.

    ``client_events`` are the operator's own.

    Sessions that are not READY may send some events: to show a credential, to subscribe with a signature or a
    token that authenticates them, or to call a command that takes guests. These flows check for themselves.
    """
    admission = flows.admission
    subscribe = by_field(pattern=flows.patterns.subscribe, channel=flows.channels.subscribe)
    unsubscribe = by_field(pattern=flows.patterns.unsubscribe, channel=flows.channels.unsubscribe)
    # fmt: off
    return [
        #          event                 handler                           needs authentication
        EventRoute("message",            admission.on_message,             False),
        *(
            EventRoute(event,            partial(admission.on_event, event), False)
            for event in admission.events
        ),
        EventRoute("user:logout",        admission.on_logout,              False),
        EventRoute("hornet:session",     admission.on_session,             False),
        EventRoute("hornet:subscribe",   subscribe,                        False, takes_several=True),
        EventRoute("hornet:unsubscribe", unsubscribe,                      False),
        EventRoute("hornet:presence",    flows.presence.on_presence,       True),
        EventRoute("hornet:history",     flows.history.on_history,         True),
        EventRoute("hornet:publish",     flows.client_publishing.publish,  True),
        EventRoute("hornet:command",     flows.commands.call,              False),
        *(
            EventRoute(event,            partial(flows.client_events.on_event, event), True)
            for event in dict.fromkeys(client_events)
        ),
    ]
    # fmt: on


def route_topics(services: Services, flows: Flows) -> None:
    """Fill the table TOPICS: which flow receives the messages of which topic of Redis.

    An exact topic counts first, then the longest prefix that fits.
    """
    topics, survey = services.topics, services.survey
    for topic in survey.topics:
        topics.on(topic, survey.receive)
    topics.on(services.probe.topic, services.probe.receive)
    topics.on(MANAGER_TOPIC, flows.emitters.receive_request)
    topics.on(services.node_messages.topic, services.node_messages.receive)
    topics.on(CONTROL_TOPIC, flows.delivery.receive)
    inflow = flows.inflow
    topics.on_prefix(OWN_PREFIX, inflow.through(OWN_PREFIX, flows.delivery.receive))
    topics.on_prefix(
        USER_PREFIX, inflow.through(USER_PREFIX, flows.user_commands.receive, is_message=may_be_notify)
    )
    topics.on_prefix(PRESENCE_PREFIX, flows.presence.receive)
    topics.on_prefix(
        "", inflow.through("", flows.patterns.receive)
    )  # a pattern that names all its values is a topic of its own
    topics.on_glob(EMITTERS_GLOB, flows.emitters.receive)
    topics.on_other_globs(inflow.through_match(flows.patterns.receive_match))


def connect_signals(services: Services, flows: Flows) -> None:
    """Connect the flows to the signals of this node, of its sessions, and of other nodes.

    Receivers are called in the order of these lines.
    """
    signals, nodes, subscriber = services.signals, services.nodes, services.subscriber
    presence, patterns, reconciler, tokens = flows.presence, flows.patterns, flows.reconciler, flows.tokens

    signals.session_closed.connect(tokens.on_session_closed)
    signals.session_returned.connect(tokens.on_session_returned)
    signals.logged_out.connect(tokens.on_logged_out)
    session_events = SessionEvents(services.events, nodes.id)
    if services.config.sessions.authentication_events:
        signals.user_authenticated.connect(session_events.on_user_authenticated)
    if services.config.sessions.session_events:
        signals.session_opened.connect(session_events.on_session_opened)
        signals.session_returned.connect(session_events.on_session_opened)
        signals.session_closed.connect(session_events.on_session_closed)
    signals.session_lost.connect(flows.lingering.on_session_lost)
    signals.session_restored.connect(flows.lingering.on_session_restored)
    signals.left.connect(presence.leave)
    signals.logged_out.connect(patterns.leave_all)
    signals.session_closed.connect(lambda session, _: patterns.leave_all(session))

    services.node_messages.on("take", flows.recovery.on_taken)
    subscriber.on_connection(flows.repairs.on_connection)
    subscriber.on_holding(flows.repairs.on_holding)

    async def resume_reconciler() -> None:
        reconciler.resume()

    subscriber.on_connection(
        lambda is_connected: (signals.redis_connected if is_connected else signals.redis_lost).send()
    )
    nodes.on_node_dead(reconciler.remove_dead_node)
    nodes.on_node_dead(presence.remove_dead_node)
    nodes.on_lost(resume_reconciler)
    nodes.on_lost(presence.restore)
    subscriber.on_restored(services.history.renew)
    subscriber.on_restored(reconciler.resume)
    subscriber.on_restored(presence.read_again)
