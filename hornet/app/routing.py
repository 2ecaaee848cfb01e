"""What clients hear once they are in, and what they may do: which flow has which topic, and which event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hornet.app.authentication import Entry
from hornet.app.services import Services
from hornet.broker.keys import EMITTERS_GLOB, OWN_PREFIX, PRESENCE_PREFIX, USER_PREFIX
from hornet.broker.presence import PresenceStore
from hornet.config import Config
from hornet.flows.backend.token_revocation import TokenRevocation
from hornet.flows.channels.channels import Channels
from hornet.flows.channels.client_publishing import ClientPublishing
from hornet.flows.channels.delivery import ChannelDelivery
from hornet.flows.channels.emitters import Emitters
from hornet.flows.channels.patterns import Patterns
from hornet.flows.channels.subscribing import Subscribing
from hornet.flows.commands.commands import Commands
from hornet.flows.commands.plugins import Declared, collect_commands
from hornet.flows.presence.service import Presence
from hornet.flows.users.commands import UserCommandHandler


@dataclass(frozen=True)
class Hearing:
    """The flows that others have to do with, beyond the topics and events that lead to them."""

    channels: Channels
    patterns: Patterns
    presence: Presence
    client_publishing: ClientPublishing
    emitters: Emitters
    commands: Commands

    def follow(self, config: Config) -> None:
        """Follow ``config`` from now on."""
        self.channels.configure(config.channels)
        self.patterns.configure(config.channels)
        self.presence.configure(config.channels)
        self.client_publishing.configure(config.channels)
        self.commands.configure(config.commands)


def begin_hearing(ground: Services, entry: Entry, own_commands: Mapping[str, Declared]) -> Hearing:
    """Have every topic and every event answered.

    Raises:
        SetupError: a command can't be used.
    """
    config, engine, metrics, signals = ground.config, ground.engine, ground.metrics, ground.signals
    admission, router = entry.admission, entry.router

    delivery = ChannelDelivery(
        engine=engine,
        sessions=ground.sessions,
        revocation=TokenRevocation(admission, ground.tokens),
        metrics=metrics,
    )
    user_commands = UserCommandHandler(
        engine=engine,
        sessions=ground.sessions,
        channels=entry.user_channels,
        admission=admission,
        metrics=metrics,
    )
    patterns = Patterns(
        settings=config.channels,
        engine=engine,
        listener=ground.listener,
        admission=admission,
        delivery=delivery,
        metrics=metrics,
    )
    presence = Presence(
        settings=config.channels,
        engine=engine,
        store=PresenceStore(ground.client, ground.nodes.id),
        listener=ground.listener,
        metrics=metrics,
    )
    emitters = Emitters(engine=engine, sessions=ground.sessions, listener=ground.listener, metrics=metrics)
    channels = Channels(
        settings=config.channels,
        admission=admission,
        subscriptions=entry.subscriptions,
        presence=presence,
    )
    client_publishing = ClientPublishing(settings=config.channels, client=ground.client, metrics=metrics)
    declared = collect_commands(own_commands, config.commands.commands)
    commands = Commands(settings=config.commands, commands=declared, metrics=metrics)

    topics = ground.topics
    topics.on_prefix(OWN_PREFIX, delivery.receive)
    topics.on_prefix(USER_PREFIX, user_commands.receive)
    topics.on_prefix(PRESENCE_PREFIX, presence.receive)
    topics.on_prefix("", patterns.receive)
    topics.on_glob(EMITTERS_GLOB, emitters.receive)
    topics.on_other_globs(patterns.receive_match)

    ground.nodes.on_dead(presence.bury)
    ground.nodes.on_lost(presence.restore)
    ground.listener.on_restored(presence.read_again)

    signals.left.connect(presence.leave)
    signals.logged_out.connect(patterns.leave_all)
    signals.session_closed.connect(lambda session, _: patterns.leave_all(session))

    Subscribing(router, pattern=patterns, channel=channels)
    router.on("hornet:presence", presence.on_presence)
    router.on("hornet:publish", client_publishing.publish)
    router.on("hornet:command", commands.call, needs_authentication=False)
    return Hearing(channels, patterns, presence, client_publishing, emitters, commands)
