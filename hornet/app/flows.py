"""The flows of a node: each gets the services and the other flows that it needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from hornet._version import __version__
from hornet.app.authentication import build_admission
from hornet.app.services import Services
from hornet.broker.client import ClusterClient
from hornet.broker.presence import PresenceStore
from hornet.broker.publisher import Publisher
from hornet.broker.session_records import SessionRecordStore
from hornet.broker.user_sessions import UserSessionStore
from hornet.broker.users import UserLists, UserStore
from hornet.config import Config
from hornet.core.message_ring import MessageRing
from hornet.flows.auth.admission import Admission
from hornet.flows.auth.authenticator import Authenticator
from hornet.flows.auth.tokens import TokenAuthenticator
from hornet.flows.backend.cluster_queries import ClusterQueries
from hornet.flows.backend.service import BackendService
from hornet.flows.backend.token_revocation import TokenRevocation
from hornet.flows.channels.channels import Channels
from hornet.flows.channels.client_publishing import ClientPublishing
from hornet.flows.channels.delivery import ChannelDelivery
from hornet.flows.channels.emitters import Emitters
from hornet.flows.channels.history import ChannelHistory
from hornet.flows.channels.patterns import Patterns
from hornet.flows.channels.rewinding import Rewinding
from hornet.flows.channels.subscriptions import Subscriptions
from hornet.flows.commands.actions import CallerActions
from hornet.flows.commands.commands import CommandRunner
from hornet.flows.commands.plugins import Declared, collect_commands
from hornet.flows.plugins.interface import NodeInterface
from hornet.flows.presence.lingering import Lingering
from hornet.flows.presence.service import Presence
from hornet.flows.recovery.catching_up import CatchingUp
from hornet.flows.recovery.gaps import GapNotices
from hornet.flows.recovery.handover import Handover
from hornet.flows.recovery.inflow import Inflow
from hornet.flows.recovery.missed import MissedMessages
from hornet.flows.recovery.plain_notes import PlainNotes
from hornet.flows.recovery.record_deletions import RecordDeletions
from hornet.flows.recovery.records import SessionRecords
from hornet.flows.recovery.recovery import Recovery
from hornet.flows.recovery.repairs import Repairs
from hornet.flows.recovery.replay import Replay
from hornet.flows.sessions.client_events import ClientEvents
from hornet.flows.users.channels import UserChannels
from hornet.flows.users.commands import UserCommandHandler
from hornet.flows.users.queries import UserQueries
from hornet.flows.users.reconciler import Reconciler
from hornet.flows.users.service import Users


@dataclass(frozen=True, kw_only=True)
class Flows:
    """The flows of a node. :mod:`hornet.app.routing` has the events and topics that lead to each flow."""

    subscriptions: Subscriptions
    """Puts sessions into channels, and takes them out."""
    user_store: UserStore
    """The data about users in Redis."""
    users: Users
    """Gives sessions their user, and takes it back."""
    reconciler: Reconciler
    """Keeps Redis and the nodes agreed about users."""
    tokens: TokenAuthenticator
    """Checks one-time tokens, and tells backends which tokens connect and disconnect."""
    admission: Admission
    """Lets sessions in."""
    delivery: ChannelDelivery
    """Delivers the messages of backends to the sessions of a channel."""
    inflow: Inflow
    """Hands published messages to the flows: in order, each once, with nothing left out."""
    repairs: Repairs
    """Reads from the history what this node missed."""
    handover: Handover
    """Gets from other nodes what their clients missed that come here, and gives it to others."""
    catching_up: CatchingUp
    """Waits until this node has delivered what was published."""
    gaps: GapNotices
    """Tells clients where messages may be missing."""
    records: SessionRecords
    """Keeps the records in Redis of sessions that may come back."""
    deletions: RecordDeletions
    """Deletes the records of sessions that must not come back."""
    recovery: Recovery
    """Brings sessions back."""
    user_commands: UserCommandHandler
    """Carries out the commands of backends about users."""
    patterns: Patterns
    """Subscriptions to patterns, and the delivery to them."""
    presence: Presence
    """Keeps the members of channels, and tells sessions about them."""
    lingering: Lingering
    """Keeps the members whose sessions lost their connection, and may come back."""
    emitters: Emitters
    """Delivers the messages of Socket.IO emitters to sessions."""
    rewinding: Rewinding
    """Gives sessions the past of a channel before all else."""
    channels: Channels
    """Subscribes sessions to channels by name."""
    history: ChannelHistory
    """Reads what was published on channels."""
    client_publishing: ClientPublishing
    """Publishes for clients."""
    client_events: ClientEvents
    """Passes on the events that the operator named."""
    commands: CommandRunner
    """Runs the commands of plug-ins for clients."""
    backend: BackendService
    """Carries out the requests of backends that come over HTTP."""
    cluster: ClusterQueries
    """Asks all nodes about channels, members and sessions."""
    user_queries: UserQueries
    """Finds users on all nodes, notifies and subscribes them."""
    interface: NodeInterface
    """The node as plug-ins see it."""

    def configure(self, config: Config) -> None:
        """Follow ``config`` from now on. Only options that are marked as reloadable may differ."""
        self.subscriptions.configure(config.limits)
        self.user_store.configure(max_sessions=config.users.user_sessions)
        self.records.configure(max_of_user=config.recovery.session_records)
        self.recovery.configure(config.recovery)
        self.admission.configure(config.sessions)
        self.patterns.configure(config.channels)
        self.presence.configure(config.channels)
        self.channels.configure(config.channels)
        self.history.configure(config.channels, config.recovery)
        self.rewinding.configure(config.recovery)
        self.client_publishing.configure(config.channels)
        self.client_events.configure(config.channels)
        self.commands.configure(config.commands)


def build_flows(
    services: Services, own_authenticators: Iterable[Authenticator], own_commands: Mapping[str, Declared]
) -> Flows:
    """Build all flows. Nothing reaches them yet.

    Raises:
        SetupError: an authenticator or a command can't be used.
    """
    config, engine, sessions = services.config, services.engine, services.sessions
    signals, metrics = services.signals, services.metrics

    # Sessions: their users, their credentials, their channels
    subscriptions = Subscriptions(
        engine=engine, subscriber=services.subscriber, signals=signals, limits=config.limits
    )
    user_store = UserStore(
        client=services.client,
        node=services.nodes.id,
        grace_s=config.users.user_grace_s,
        max_sessions=config.users.user_sessions,
        forgets_channels=config.users.forget_user_channels,
    )
    user_channels = UserChannels(store=user_store, sessions=sessions, subscriptions=subscriptions)
    users = Users(
        engine=engine,
        sessions=sessions,
        store=user_store,
        channels=user_channels,
        subscriber=services.subscriber,
        signals=signals,
    )
    reconciler = Reconciler(
        users=users,
        sessions=sessions,
        store=user_store,
        nodes=services.nodes,
        channels=user_channels,
        signals=signals,
    )
    plain = PlainNotes(services.history.note_plain)
    inflow = Inflow(
        node=services.nodes.id,
        ring=MessageRing(max_bytes=config.recovery.ring_bytes, max_age_s=config.recovery.recovery_window_s),
        set_offset=engine.set_offset,
        note_plain=plain.add,
    )
    record_store = SessionRecordStore(
        services.client,
        services.nodes.id,
        window_s=config.recovery.recovery_window_s,
        max_of_user=config.recovery.session_records,
    )
    deletions = RecordDeletions(record_store)
    records = SessionRecords(
        store=record_store,
        deletions=deletions,
        offset=lambda: str(inflow.offset),
        patterns_of=lambda session: patterns.texts_of(session),
        signals=signals,
    )
    inflow.on_other_epoch(records.renew)
    tokens = TokenAuthenticator(tokens=services.tokens, sessions=sessions, events=services.events)
    admission = build_admission(
        services,
        own_authenticators=own_authenticators,
        tokens=tokens,
        subscriptions=subscriptions,
        users=users,
        records=records,
    )

    # Messages and commands from Redis
    delivery = ChannelDelivery(
        engine=engine,
        sessions=sessions,
        revocation=TokenRevocation(admission=admission, tokens=services.tokens, deletions=deletions),
        limit=services.message_limit,
        metrics=metrics,
    )
    user_commands = UserCommandHandler(
        engine=engine,
        sessions=sessions,
        channels=user_channels,
        admission=admission,
        deletions=deletions,
        limit=services.message_limit,
        metrics=metrics,
    )
    patterns = Patterns(
        settings=config.channels,
        engine=engine,
        subscriber=services.subscriber,
        admission=admission,
        delivery=delivery,
        limit=services.message_limit,
        metrics=metrics,
    )
    gaps = GapNotices(
        engine=engine, sessions=sessions, patterns=patterns, recovers=lambda session: session in records
    )
    repairs = Repairs(
        inflow=inflow,
        history=services.history,
        messages=services.node_messages,
        plain=plain,
        notices=gaps,
        has_offsets=lambda: len(records) > 0,
    )
    handover = Handover(
        node=services.nodes.id,
        inflow=inflow,
        messages=services.node_messages,
        is_offered=not isinstance(services.client, ClusterClient),
    )
    catching_up = CatchingUp(repairs.marks.catch_up)
    missed = MissedMessages(
        node=services.nodes.id,
        inflow=inflow,
        history=services.history,
        catch_up=catching_up.wait,
        handover=handover,
    )
    recovery = Recovery(
        settings=config.recovery,
        engine=engine,
        sessions=sessions,
        records=records,
        deletions=deletions,
        admission=admission,
        subscriber=services.subscriber,
        subscriptions=subscriptions,
        users=users,
        user_store=user_store,
        patterns=patterns,
        inflow=inflow,
        missed=missed,
        replay=Replay(engine=engine, limit=services.message_limit, metrics=metrics),
        signals=signals,
        metrics=metrics,
        session_log=services.session_log,
    )
    presence_store = PresenceStore(services.client, services.nodes.id)
    presence = Presence(
        settings=config.channels,
        engine=engine,
        store=presence_store,
        subscriber=services.subscriber,
        metrics=metrics,
    )
    lingering = Lingering(
        presence=presence,
        store=presence_store,
        node=services.nodes.id,
        grace_s=min(config.users.user_grace_s, config.recovery.recovery_window_s),
    )
    emitters = Emitters(
        engine=engine,
        sessions=sessions,
        subscriber=services.subscriber,
        limit=services.message_limit,
        metrics=metrics,
    )

    # Requests of clients
    history = ChannelHistory(store=services.history, settings=config.channels, recovery=config.recovery)
    rewinding = Rewinding(
        engine=engine,
        store=services.history,
        inflow=inflow,
        catching_up=catching_up,
        save=records.save,
        settings=config.recovery,
    )
    channels = Channels(
        settings=config.channels,
        admission=admission,
        subscriptions=subscriptions,
        presence=presence,
        engine=engine,
        history=history,
        rewinding=rewinding,
    )
    client_publishing = ClientPublishing(settings=config.channels, history=services.history, metrics=metrics)
    client_events = ClientEvents(
        settings=config.channels,
        is_published=config.sessions.publish_client_events,
        client=services.client,
        node=services.nodes.id,
        signals=signals,
        metrics=metrics,
    )

    # Requests of backends and plug-ins
    backend = BackendService(
        publisher=Publisher(services.client, services.history),
        tokens=services.tokens,
        user_sessions=UserSessionStore(services.client),
        limit=services.message_limit,
    )
    cluster = ClusterQueries(
        engine=engine,
        survey=services.survey,
        sessions=sessions,
        subscriber=services.subscriber,
        version=__version__,
    )
    user_queries = UserQueries(UserLists(services.client), services.history, deletions)
    interface = NodeInterface(
        node_id=services.nodes.id,
        signals=signals,
        engine=engine,
        backend=backend,
        cluster=cluster,
        users=user_queries,
        listeners=services.listeners,
    )
    commands = CommandRunner(
        settings=config.commands,
        commands=collect_commands(own_commands, config.commands.commands),
        actions_of=partial(
            CallerActions,
            node=interface,
            admission=admission,
            subscriptions=subscriptions,
            presence=presence,
        ),
        metrics=metrics,
    )
    return Flows(
        subscriptions=subscriptions,
        user_store=user_store,
        users=users,
        reconciler=reconciler,
        tokens=tokens,
        admission=admission,
        delivery=delivery,
        inflow=inflow,
        repairs=repairs,
        handover=handover,
        gaps=gaps,
        records=records,
        deletions=deletions,
        recovery=recovery,
        user_commands=user_commands,
        patterns=patterns,
        presence=presence,
        lingering=lingering,
        emitters=emitters,
        catching_up=catching_up,
        rewinding=rewinding,
        channels=channels,
        history=history,
        client_publishing=client_publishing,
        client_events=client_events,
        commands=commands,
        backend=backend,
        cluster=cluster,
        user_queries=user_queries,
        interface=interface,
    )
